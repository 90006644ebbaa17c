//! When a migration is applied, and which releases can use the table before and after it.

use super::conversion::{Cast, Conversion, Family, is_same_type};
use super::diff::Diff;
use super::refusal::Refusal;
use super::shape::{Shape, has_value};
use crate::schema::TableColumn;

/// How a change is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deployment {
    /// One file, before the new release. Both releases can use the table afterwards, except that
    /// the previous release can no longer write values that do not fit.
    Before,
    /// Two files. The first contains what the new release needs. The second drops columns, and is
    /// applied when no process of the previous release is left, because that release still reads
    /// and writes them. Removing `keep_ended` in this way is safe: the row of an ended session has
    /// also expired, so a release without that option does not treat the session as live.
    BeforeAndAfter,
    /// One file, which is applied while neither release runs.
    Downtime,
}

impl Deployment {
    /// Returns how a change is deployed, given everything in it that needs downtime.
    pub(crate) fn of(diff: &Diff, breaking: &[BreakingChange]) -> Self {
        match breaking {
            [] if diff.removed().next().is_some() => Deployment::BeforeAndAfter,
            [] => Deployment::Before,
            _ => Deployment::Downtime,
        }
    }
}

/// A part of a change after which the previous release and the new one cannot both run.
#[derive(Debug)]
pub(crate) struct BreakingChange {
    change: String,
    /// What to write instead, so that both can run.
    instead: Option<String>,
}

impl BreakingChange {
    fn new(change: String, instead: impl Into<String>) -> Self {
        Self { change, instead: Some(instead.into()) }
    }

    /// Returns the refusal to write the change, unless downtime is allowed.
    pub(crate) fn refusal(self, drops: bool) -> Refusal {
        let Self { change, instead } = self;
        Refusal::Downtime { change, instead, drops }
    }

    /// Returns every part of the change that needs downtime. Wherever a name changes, each release
    /// uses a name that the other does not know.
    pub(crate) fn all(diff: &Diff) -> Vec<Self> {
        let mut breaking = Vec::new();
        breaking.extend(diff.added.iter().filter_map(Self::of_new));
        breaking.extend(diff.dropped.iter().map(|TableColumn { name, .. }| {
            Self::new(
                format!("another column takes the name of `{name}`, which is dropped"),
                "give the new column another name: #[session(column = \"..\")]",
            )
        }));
        for (old, new) in &diff.kept {
            breaking.extend(match (old.leaving, new.leaving) {
                (None, Some(_)) => None,
                (Some(_), None) => Self::of_new(new),
                _ => Self::of_type(diff, old, new),
            });
            breaking.extend((old.name != new.name).then(|| Self::of_name(&old.name, &new.name)));
        }
        for renamed in &diff.variants {
            let column = &renamed.column;
            breaking.extend(renamed.names.iter().map(|(from, to)| {
                Self::new(
                    format!("in `{column}`, the variant `{from}` is renamed to `{to}`"),
                    format!(
                        "store it under its old name: #[column(rename = {from:?})] on the \
                         variant, instead of `renamed_from`"
                    ),
                )
            }));
        }
        let (from, to) = (&diff.old.name, &diff.new.name);
        breaking.extend((from != to).then(|| {
            Self::new(
                format!("the table `{from}` is renamed to `{to}`"),
                format!(
                    "keep the table's name: #[session(table = {from:?})] on the struct, instead \
                     of `renamed_from`"
                ),
            )
        }));
        breaking.extend(Self::of_cut_offs(diff));
        breaking
    }

    /// The column is new. If it requires a value, the logins of the previous release fail.
    fn of_new(column: &TableColumn) -> Option<Self> {
        let is_required = !column.nullable && !has_value(column);
        is_required.then(|| {
            Self::new(
                format!("`{}` is new, and every row must have a value for it", column.name),
                "make the field an `Option`, or give it #[session(default = \"..\")]",
            )
        })
    }

    /// The column has a new name.
    fn of_name(from: &str, to: &str) -> Self {
        Self::new(
            format!("the column `{from}` is renamed to `{to}`"),
            format!(
                "rename only the field: #[session(column = {from:?})] on it, instead of \
                 `renamed_from`"
            ),
        )
    }

    /// The column has a type that the other release cannot read.
    fn of_type(diff: &Diff, old: &TableColumn, new: &TableColumn) -> Option<Self> {
        let Conversion { cast, .. } = Conversion::of(old, new, diff.variants_of(&new.name));
        // If anchor does not know a type, it cannot know whether the type can be read as another
        // one.
        let is_unknown = cast == Cast::Inexact
            && (old.custom || new.custom)
            && !is_same_type(&old.sql_type, &new.sql_type);
        let is_other = Family::of(&old.kind) != Family::of(&new.kind) || cast == Cast::Never;
        (is_other || is_unknown).then(|| {
            Self::new(
                format!("`{}` changes from {} to {}", new.name, Shape(old), Shape(new)),
                "add a field of the new type under another name, and remove this one in a later \
                 release",
            )
        })
    }

    /// The cut-offs change. One release would accept logins that the other has cut off.
    fn of_cut_offs(diff: &Diff) -> Option<Self> {
        let companion = &diff.old.cut_offs.as_ref()?.name;
        if diff.new.cut_offs.is_none() {
            let change = format!("`cut_off` was removed, which drops `{companion}`");
            return Some(Self::new(change, "keep `cut_off`"));
        }
        let change = format!("the cut-offs in `{companion}` are for another subject");
        (!diff.keeps_subject()).then_some(Self { change, instead: None })
    }
}

/// When a file is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// When the table is created.
    First,
    /// Before the deployment. Both releases can use the table afterwards.
    Before,
    /// After the deployment. The file drops what the previous release uses.
    After,
    /// While no process of the application runs.
    Downtime,
    /// Together with the previous file.
    WithPrevious,
}

impl Moment {
    /// Returns the first comment of the file, which is also part of the report.
    pub(crate) fn comment(self) -> Option<&'static str> {
        Some(match self {
            Moment::First => return None,
            Moment::Before => {
                "BEFORE THE DEPLOYMENT: apply this before the new release starts, or when it \
                 starts. The previous release continues to work."
            }
            Moment::After => {
                "AFTER THE DEPLOYMENT: apply this when no process of the previous release is \
                 left, because that release uses what is dropped here. `sqlx::migrate!` applies \
                 every file in the folder: keep this one out of it until then."
            }
            Moment::Downtime => {
                "DOWNTIME: apply this while no process of the application runs, and start the new \
                 release afterwards. An application of one process that applies its migrations \
                 when it starts does this anyway."
            }
            Moment::WithPrevious => "Apply this together with the previous file.",
        })
    }

    /// Returns the first comment of the file that reverts this one.
    pub(crate) fn down_comment(self) -> Option<&'static str> {
        Some(match self {
            Moment::First => return None,
            Moment::Before => "REVERT: apply this when no process of the new release is left.",
            Moment::After => "REVERT: apply this before the previous release starts again.",
            Moment::Downtime => {
                "REVERT WITH DOWNTIME: apply this while no process of the application runs."
            }
            Moment::WithPrevious => "REVERT: apply this before the revert of the previous file.",
        })
    }

    /// Returns the end of the file's name, for a change that is deployed in two parts.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Moment::Before => "_before_deploy",
            Moment::After => "_after_deploy",
            Moment::First | Moment::Downtime | Moment::WithPrevious => "",
        }
    }
}
