//! When a migration is applied: which release can run on the table before it, and which after it.

use super::conversion::{Cast, Conversion, Family, is_same_type};
use super::diff::Diff;
use super::refusal::Refusal;
use super::shape::{Shape, has_value};
use crate::schema::TableColumn;

/// How a change is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deployment {
    /// One file, before the new release: both releases run on the table after it. The release
    /// before goes on, unless it writes what does not fit any more.
    Before,
    /// Two files: what the new release needs before it, and the drop when the old one is gone,
    /// which still writes and reads the column. A kept ended row has expired, too, so that a
    /// release which knows nothing of its status does not take it for a live one.
    BeforeAndAfter,
    /// One file, while neither release runs.
    Downtime,
}

impl Deployment {
    /// How a change is deployed that breaks a release in these ways.
    pub(crate) fn of(diff: &Diff, breaks: &[Break]) -> Self {
        match breaks {
            [] if diff.removed().next().is_some() => Deployment::BeforeAndAfter,
            [] => Deployment::Before,
            _ => Deployment::Downtime,
        }
    }
}

/// A change that the release before and the new one cannot both live with.
#[derive(Debug)]
pub(crate) struct Break {
    change: String,
    /// What to write so that both can.
    instead: Option<String>,
}

impl Break {
    fn new(change: String, instead: impl Into<String>) -> Self {
        Self { change, instead: Some(instead.into()) }
    }

    pub(crate) fn refusal(self, drops: bool) -> Refusal {
        let Self { change, instead } = self;
        Refusal::Downtime { change, instead, drops }
    }

    /// All that a change breaks.
    pub(crate) fn all(diff: &Diff) -> Vec<Self> {
        let mut breaks = Vec::new();
        breaks.extend(diff.added.iter().filter_map(Self::of_new));
        breaks.extend(diff.dropped.iter().map(|TableColumn { name, .. }| {
            // Each release asks for what the other does not know, here and below.
            Self::new(
                format!("another column gets the name of `{name}`, which is dropped"),
                "give the new one another: #[session(column = \"..\")]",
            )
        }));
        for (old, new) in &diff.kept {
            breaks.extend(match (old.leaving, new.leaving) {
                (None, Some(_)) => None,
                (Some(_), None) => Self::of_new(new),
                _ => Self::of_type(diff, old, new),
            });
            breaks.extend((old.name != new.name).then(|| Self::of_name(&old.name, &new.name)));
        }
        for renamed in &diff.variants {
            let column = &renamed.column;
            breaks.extend(renamed.names.iter().map(|(from, to)| {
                Self::new(
                    format!("in `{column}`, the variant `{from}` gets the name `{to}`"),
                    format!(
                        "it is stored under its old name: #[column(rename = {from:?})] on the \
                         variant, in place of `renamed_from`"
                    ),
                )
            }));
        }
        let (from, to) = (&diff.old.name, &diff.new.name);
        breaks.extend((from != to).then(|| {
            Self::new(
                format!("the table `{from}` gets the name `{to}`"),
                format!(
                    "the table keeps its name: #[session(table = {from:?})] on the struct, in \
                     place of `renamed_from`"
                ),
            )
        }));
        breaks.extend(Self::of_cut_offs(diff));
        breaks
    }

    /// A column that every row has to have a value in: logins of the release before fail.
    fn of_new(column: &TableColumn) -> Option<Self> {
        let is_required = !column.nullable && !has_value(column);
        is_required.then(|| {
            Self::new(
                format!("`{}` is new, and a row without it is refused", column.name),
                "make the field an `Option`, or give it #[session(default = \"..\")]",
            )
        })
    }

    fn of_name(from: &str, to: &str) -> Self {
        Self::new(
            format!("the column `{from}` gets the name `{to}`"),
            format!(
                "the field alone has another name: #[session(column = {from:?})] on it, in place \
                 of `renamed_from`"
            ),
        )
    }

    /// A type of another family.
    fn of_type(diff: &Diff, old: &TableColumn, new: &TableColumn) -> Option<Self> {
        let Conversion { cast, .. } = Conversion::of(old, new, diff.variants_of(&new.name));
        // Of a type that anchor does not know, nobody knows how it is read as another.
        let is_unknown = cast == Cast::Inexact
            && (old.custom || new.custom)
            && !is_same_type(&old.sql_type, &new.sql_type);
        let is_other = Family::of(&old.kind) != Family::of(&new.kind) || cast == Cast::Never;
        (is_other || is_unknown).then(|| {
            Self::new(
                format!("`{}` is {} and shall be {}", new.name, Shape(old), Shape(new)),
                "add a field of the new type under another name, and remove this one in a later \
                 release",
            )
        })
    }

    /// What one release cuts off, the other lets in.
    fn of_cut_offs(diff: &Diff) -> Option<Self> {
        let companion = &diff.old.cut_offs.as_ref()?.name;
        if diff.new.cut_offs.is_none() {
            let change = format!("`cut_off` is gone, and with it `{companion}`");
            return Some(Self::new(change, "keep `cut_off`"));
        }
        let change = format!("the cut-offs in `{companion}` are of another subject");
        (!diff.keeps_subject()).then_some(Self { change, instead: None })
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
