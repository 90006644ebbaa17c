//! [`Plan`]: a change of the table, with what becomes of its rows.

mod backward;
mod forward;
mod kept_column;

use super::conversion::Condition;
use super::deployment::Deployment;
use super::diff::Diff;
use crate::schema::{ForeignKey, TableColumn};

/// What may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Allowed {
    /// Values may be lost, and leaving columns dropped.
    pub(crate) drops: bool,
    /// No process of the application runs meanwhile.
    pub(crate) downtime: bool,
}

/// A change of the table, with what becomes of its rows.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) diff: Diff,
    pub(crate) deployment: Deployment,
    pub(crate) is_way_back: bool,
    /// Every session ends.
    pub(crate) ends_all: bool,
    /// The columns, by their new names, whose old values do not all fit.
    pub(crate) misfits: Vec<Misfit>,
    /// What must hold of the rows, or nothing is changed.
    pub(crate) assertions: Vec<Assertion>,
}

/// What must hold of the rows, or nothing is changed; each of a kept column by its old name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Assertion {
    /// No two have the same.
    Distinct(String),
    /// Each is in the referenced table, or `NULL`.
    Referenced(String, ForeignKey),
    /// None has more characters.
    NotLonger(String, usize),
}

/// Old values that a column cannot keep.
#[derive(Debug, Clone)]
pub(crate) struct Misfit {
    pub(crate) column: TableColumn,
    /// The values of which at least one holds.
    pub(crate) conditions: Vec<Condition>,
    pub(crate) remedy: Remedy,
}

/// What becomes of a row with such a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// It gets the column's default.
    Default,
    /// The session ends.
    End,
}

impl Plan {
    /// A change that every row goes through as it is.
    fn of(diff: Diff, deployment: Deployment) -> Self {
        Self {
            diff,
            deployment,
            is_way_back: false,
            ends_all: false,
            misfits: Vec::new(),
            assertions: Vec::new(),
        }
    }

    /// Adds what the table's new indexes and references ask of the rows that are left.
    fn with_assertions(mut self) -> Self {
        if self.ends_all {
            self.misfits.clear();
            self.assertions.clear();
            return self;
        }
        let Diff { kept, added_indexes, .. } = &self.diff;
        let mut assertions = Vec::new();
        for index in added_indexes.iter().filter(|index| index.unique) {
            let kept = kept.iter().find(|(_, new)| new.name == index.column);
            let ends = |misfit: &Misfit| misfit.conditions.contains(&Condition::Shared);
            if let Some((old, _)) = kept.filter(|(_, new)| !self.misfit(new).is_some_and(ends)) {
                assertions.push(Assertion::Distinct(old.name.clone()));
            }
        }
        for (old, new) in kept.iter().filter(|(old, new)| old.references != new.references) {
            let target = new.references.as_ref();
            let target = target.filter(|_| !self.misfit(new).is_some_and(Misfit::is_reset));
            assertions.extend(
                target.map(|target| Assertion::Referenced(old.name.clone(), target.clone())),
            );
        }
        self.assertions.append(&mut assertions);
        self
    }

    /// What the old values of a kept column, by its new name, that do not fit become.
    pub(crate) fn misfit(&self, column: &TableColumn) -> Option<&Misfit> {
        self.misfits.iter().find(|misfit| misfit.column.name == column.name)
    }
}

impl Misfit {
    /// Whether the column starts anew, because its types have nothing in common.
    pub(crate) fn is_reset(&self) -> bool {
        self.conditions.contains(&Condition::Every)
    }
}
