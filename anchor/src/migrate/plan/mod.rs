//! [`Plan`]: a change of the table, with what happens to its rows.

mod backward;
mod forward;
mod kept_column;

use super::conversion::Condition;
use super::deployment::Deployment;
use super::diff::Diff;
use crate::schema::{ForeignKey, TableColumn};

/// Which migrations may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Allowed {
    /// Those that lose values or drop leaving columns.
    pub(crate) drops: bool,
    /// Those during which no process of the application may run.
    pub(crate) downtime: bool,
}

/// A change of the table, with what happens to its rows.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) diff: Diff,
    pub(crate) deployment: Deployment,
    pub(crate) is_way_back: bool,
    /// Whether every session ends.
    pub(crate) ends_all: bool,
    /// The columns, by their new names, that cannot hold all of their old values.
    pub(crate) misfits: Vec<Misfit>,
    /// What must be true of the rows. Otherwise nothing changes.
    pub(crate) assertions: Vec<Assertion>,
}

/// What must be true of the values in a kept column, which is given by its old name. Otherwise
/// nothing changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Assertion {
    /// No two of them are equal.
    Distinct(String),
    /// Each of them is `NULL` or in the referenced table.
    Referenced(String, ForeignKey),
    /// None of them has more than this many characters or bytes.
    NotLonger(String, usize),
}

/// Old values that a column cannot hold.
#[derive(Debug, Clone)]
pub(crate) struct Misfit {
    pub(crate) column: TableColumn,
    /// A value does not fit if at least one of these is true.
    pub(crate) conditions: Vec<Condition>,
    pub(crate) remedy: Remedy,
}

/// What happens to a row with such a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// It gets the column's default.
    Default,
    /// The session ends.
    End,
}

impl Plan {
    /// Returns a plan that changes no values.
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

    /// Adds what the new indexes and references require of the remaining rows.
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

    /// Returns the values of a kept column, by its new name, that do not fit.
    pub(crate) fn misfit(&self, column: &TableColumn) -> Option<&Misfit> {
        self.misfits.iter().find(|misfit| misfit.column.name == column.name)
    }
}

impl Misfit {
    /// Returns whether no value is kept, because the two types have nothing in common.
    pub(crate) fn is_reset(&self) -> bool {
        self.conditions.contains(&Condition::Every)
    }
}
