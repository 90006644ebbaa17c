//! When a migration is applied: which release can run on the table before it, and which after it.
//!
//! A migration's [`Change`]s are read off its [`Diff`]; [`Change::deployment`] is the one place
//! that decides which of them two releases can live with.

use super::conversion::{Cast, Condition, Conversion, Family, is_same_type};
use super::diff::Diff;
use super::refusal::Refusal;
use super::shape::{Shape, has_value};
use crate::schema::{Kind, Owner, TableColumn};

/// One kind of change, with the names that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// A column that may be `NULL` or has a default.
    AddColumn,
    /// A column that every row has to have a value in.
    AddRequiredColumn {
        column: String,
    },
    /// A leaving column that the struct has again.
    ReturnColumn,
    /// A field less.
    RemoveColumn,
    /// `track`, `fingerprint`, `keep_ended` or `cut_off`.
    ExtraOn,
    /// One of the first three.
    ExtraOff,
    /// `cut_off`.
    CutOffOff {
        companion: String,
    },
    /// A type that holds every old value, of the same family.
    Widen,
    /// A type that does not, of the same family.
    Narrow,
    /// `T` to `Option<T>`.
    AllowNull,
    /// `Option<T>` to `T`.
    RefuseNull,
    /// A type of another family.
    Retype {
        column: String,
        from: String,
        to: String,
    },
    AddVariant,
    RemoveVariant,
    RenameVariant {
        column: String,
        from: String,
        to: String,
    },
    RenameColumn {
        from: String,
        to: String,
    },
    /// The name of a column that goes is another column's.
    TakeName {
        column: String,
    },
    RenameTable {
        from: String,
        to: String,
    },
    /// Of a struct with `cut_off`.
    MoveSubject {
        companion: String,
    },
    Default,
    Reference,
    Index,
    UniqueIndex,
}

/// How a change is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deployment {
    /// One file, before the new release: both releases run on the table after it.
    Before,
    /// Two files: what the new release needs before it, and the drop when the old one is gone.
    BeforeAndAfter,
    /// One file, while neither release runs.
    Downtime,
}

impl Change {
    /// What old and new release can both live with.
    pub(crate) fn deployment(&self) -> Deployment {
        match self {
            // The release before leaves the column out, or writes as it always did.
            Change::AddColumn
            | Change::ReturnColumn
            | Change::ExtraOn
            | Change::Widen
            | Change::AllowNull
            | Change::AddVariant
            | Change::Default => Deployment::Before,
            // It goes on unless it writes what does not fit any more.
            Change::Narrow
            | Change::RefuseNull
            | Change::RemoveVariant
            | Change::Reference
            | Change::Index
            | Change::UniqueIndex => Deployment::Before,
            // It still writes and reads the column. A kept ended row has expired, too, so that a
            // release which knows nothing of its status does not take it for a live one.
            Change::RemoveColumn | Change::ExtraOff => Deployment::BeforeAndAfter,
            // Its logins fail.
            Change::AddRequiredColumn { .. } => Deployment::Downtime,
            // Each release asks for what the other does not know.
            Change::RenameColumn { .. }
            | Change::TakeName { .. }
            | Change::RenameTable { .. }
            | Change::RenameVariant { .. }
            | Change::Retype { .. } => Deployment::Downtime,
            // What one release cuts off, the other lets in.
            Change::MoveSubject { .. } | Change::CutOffOff { .. } => Deployment::Downtime,
        }
    }

    /// What changes, where it needs downtime, and what to write so that it does not.
    fn needs_downtime(&self) -> Option<(String, Option<String>)> {
        if self.deployment() != Deployment::Downtime {
            return None;
        }
        let (what, instead) = match self {
            Change::AddRequiredColumn { column } => (
                format!("`{column}` is new, and a row without it is refused"),
                Some("make the field an `Option`, or give it #[session(default = \"..\")]".into()),
            ),
            Change::RenameColumn { from, to } => (
                format!("the column `{from}` gets the name `{to}`"),
                Some(format!(
                    "the field alone has another name: #[session(column = {from:?})] on it, in \
                     place of `renamed_from`"
                )),
            ),
            Change::TakeName { column } => (
                format!("another column gets the name of `{column}`, which is dropped"),
                Some("give the new one another: #[session(column = \"..\")]".into()),
            ),
            Change::RenameTable { from, to } => (
                format!("the table `{from}` gets the name `{to}`"),
                Some(format!(
                    "the table keeps its name: #[session(table = {from:?})] on the struct, in \
                     place of `renamed_from`"
                )),
            ),
            Change::RenameVariant { column, from, to } => (
                format!("in `{column}`, the variant `{from}` gets the name `{to}`"),
                Some(format!(
                    "it is stored under its old name: #[column(rename = {from:?})] on the \
                     variant, in place of `renamed_from`"
                )),
            ),
            Change::Retype { column, from, to } => (
                format!("`{column}` is {from} and shall be {to}"),
                Some(
                    "add a field of the new type under another name, and remove this one in a \
                     later release"
                        .into(),
                ),
            ),
            Change::MoveSubject { companion } => {
                (format!("the cut-offs in `{companion}` are of another subject"), None)
            }
            Change::CutOffOff { companion } => (
                format!("`cut_off` is gone, and with it `{companion}`"),
                Some("keep `cut_off`".into()),
            ),
            _ => return None,
        };
        Some((what, instead))
    }
}

/// What changes.
pub(crate) fn changes(diff: &Diff) -> Vec<Change> {
    let mut changes = Vec::new();
    for column in &diff.added {
        changes.push(match () {
            () if is_required(column) => Change::AddRequiredColumn { column: column.name.clone() },
            () if diff.new.is_system(&column.name) => Change::ExtraOn,
            () => Change::AddColumn,
        });
    }
    for column in &diff.dropped {
        changes.push(Change::TakeName { column: column.name.clone() });
    }
    for (old, new) in diff.kept.iter().filter(|(old, new)| old != new) {
        match (old.leaving, new.leaving) {
            (None, Some(Owner::Payload)) => changes.push(Change::RemoveColumn),
            (None, Some(Owner::Anchor)) => changes.push(Change::ExtraOff),
            (Some(_), None) if is_required(new) => {
                changes.push(Change::AddRequiredColumn { column: new.name.clone() });
            }
            (Some(Owner::Anchor), None) => changes.push(Change::ExtraOn),
            (Some(Owner::Payload), None) => changes.push(Change::ReturnColumn),
            _ => of_kept(&mut changes, diff, old, new),
        }
        if old.name != new.name {
            let (from, to) = (old.name.clone(), new.name.clone());
            changes.push(Change::RenameColumn { from, to });
        }
    }
    for renamed in &diff.variants {
        changes.extend(renamed.names.iter().map(|(from, to)| Change::RenameVariant {
            column: renamed.column.clone(),
            from: from.clone(),
            to: to.clone(),
        }));
    }
    for index in diff.added_indexes.iter().chain(&diff.dropped_indexes) {
        changes.push(if index.unique { Change::UniqueIndex } else { Change::Index });
    }
    let (from, to) = (diff.old.name.clone(), diff.new.name.clone());
    if from != to {
        changes.push(Change::RenameTable { from, to });
    }
    changes.extend(of_cut_offs(diff));
    changes
}

/// How all that changes is deployed.
pub(crate) fn deployment(changes: &[Change]) -> Deployment {
    changes.iter().map(Change::deployment).max().unwrap_or(Deployment::Before)
}

/// A refusal of each change that needs downtime.
pub(crate) fn refusals(changes: &[Change], drops: bool) -> Vec<Refusal> {
    let needed = changes.iter().filter_map(Change::needs_downtime);
    needed.map(|(change, instead)| Refusal::Downtime { change, instead, drops }).collect()
}

/// Whether a row that leaves the column out is refused.
fn is_required(column: &TableColumn) -> bool {
    !column.nullable && !has_value(column)
}

fn of_kept(changes: &mut Vec<Change>, diff: &Diff, old: &TableColumn, new: &TableColumn) {
    match (old.nullable, new.nullable) {
        (false, true) => changes.push(Change::AllowNull),
        (true, false) => changes.push(Change::RefuseNull),
        _ => {}
    }
    if old.default != new.default {
        changes.push(Change::Default);
    }
    if old.references != new.references {
        changes.push(Change::Reference);
    }
    if let (Kind::Enum(before), Kind::Enum(after)) = (&old.kind, &new.kind) {
        let renamed = diff.variants_of(&new.name);
        let is_new =
            |name: &String| !before.contains(name) && !renamed.iter().any(|(_, to)| to == name);
        let is_gone =
            |name: &String| !after.contains(name) && !renamed.iter().any(|(from, _)| from == name);
        changes.extend(after.iter().any(is_new).then_some(Change::AddVariant));
        changes.extend(before.iter().any(is_gone).then_some(Change::RemoveVariant));
    }
    let same_type = is_same_type(&old.sql_type, &new.sql_type);
    if !same_type || old.kind != new.kind || old.range != new.range {
        changes.extend(of_type(diff, old, new, same_type));
    }
}

fn of_type(diff: &Diff, old: &TableColumn, new: &TableColumn, same_type: bool) -> Option<Change> {
    let Conversion { conditions, cast } = Conversion::of(old, new, diff.variants_of(&new.name));
    let is_enum = |column: &TableColumn| matches!(column.kind, Kind::Enum(_));
    if is_enum(old) && is_enum(new) && same_type {
        return None;
    }
    // Of a type that anchor does not know, nobody knows how it is read as another.
    let is_unknown = !same_type && cast == Cast::Inexact && (old.custom || new.custom);
    if Family::of(&old.kind) != Family::of(&new.kind) || cast == Cast::Never || is_unknown {
        return Some(Change::Retype {
            column: new.name.clone(),
            from: Shape(old).to_string(),
            to: Shape(new).to_string(),
        });
    }
    let fits = conditions.iter().all(|condition| *condition == Condition::Null);
    Some(if fits && cast == Cast::Exact { Change::Widen } else { Change::Narrow })
}

fn of_cut_offs(diff: &Diff) -> Option<Change> {
    match (&diff.old.cut_offs, &diff.new.cut_offs) {
        (None, None) => None,
        (None, Some(_)) => Some(Change::ExtraOn),
        (Some(old), None) => Some(Change::CutOffOff { companion: old.name.clone() }),
        (Some(old), Some(_)) => {
            let companion = old.name.clone();
            (!diff.keeps_subject()).then_some(Change::MoveSubject { companion })
        }
    }
}

/// When one of the files that a change is written as is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The table is new.
    First,
    /// Both releases run on the table after it.
    Before,
    /// It drops what the release before still uses.
    After,
    /// No process of the application runs.
    Downtime,
    /// With the file before it.
    Along,
}

impl Moment {
    /// What the file says first; the report says it, too.
    pub(crate) fn words(self) -> Option<&'static str> {
        Some(match self {
            Moment::First => return None,
            Moment::Before => {
                "BEFORE THE DEPLOYMENT: apply this before the new release starts, or when it \
                 starts. The release before goes on meanwhile."
            }
            Moment::After => {
                "AFTER THE DEPLOYMENT: apply this when no process of the release before is left, \
                 for it still uses what is dropped here. `sqlx::migrate!` runs every file of the \
                 folder at start: keep this one out of it until then."
            }
            Moment::Downtime => {
                "DOWNTIME: apply this while no process of the application runs, and start the new \
                 release afterwards. An application of one process, which applies it at start, \
                 does so anyway."
            }
            Moment::Along => "Apply this with the file before it.",
        })
    }

    /// The same of the way back.
    pub(crate) fn words_back(self) -> Option<&'static str> {
        Some(match self {
            Moment::First => return None,
            Moment::Before => {
                "The way back: apply this when no process of the new release is left."
            }
            Moment::After => "The way back: apply this before the release before starts again.",
            Moment::Downtime => {
                "The way back, in DOWNTIME: apply this while no process of the application runs."
            }
            Moment::Along => "The way back: apply this before that of the file before it.",
        })
    }

    /// How a file's name ends that belongs to one of two.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Moment::Before => "_before_deploy",
            Moment::After => "_after_deploy",
            Moment::First | Moment::Downtime | Moment::Along => "",
        }
    }
}
