//! The constraints that a column has by name: its `CHECK` and its foreign key.

use crate::migrate::diff::Diff;
use crate::schema::{Table, TableColumn};

/// A constraint of a column.
pub(super) struct Constraint {
    pub(super) name: String,
    pub(super) definition: String,
}

/// A constraint of a kept column, before and after the change.
pub(super) struct KeptConstraint {
    pub(super) before: Option<String>,
    pub(super) after: Option<Constraint>,
    /// Whether another one takes its place, or none.
    pub(super) changes: bool,
}

/// A column's `CHECK` and its foreign key.
pub(super) fn constraints(table: &Table, column: &TableColumn) -> [Option<Constraint>; 2] {
    let constraint =
        |name, definition: Option<_>| Some(Constraint { name, definition: definition? });
    [
        constraint(table.check_name(&column.name), table.check(column)),
        constraint(table.foreign_key_name(&column.name), table.foreign_key(column)),
    ]
}

/// A kept column's `CHECK` and its foreign key.
pub(super) fn constraints_of_kept(
    diff: &Diff,
    old: &TableColumn,
    new: &TableColumn,
) -> [KeptConstraint; 2] {
    let [old_check, old_key] = constraints(&diff.old, old);
    let [check, key] = constraints(&diff.new, new);
    let kept = |before: Option<Constraint>, after, changes| KeptConstraint {
        before: before.map(|constraint| constraint.name),
        after,
        changes,
    };
    [
        kept(old_check, check, old.checked_values() != new.checked_values()),
        kept(old_key, key, old.references != new.references),
    ]
}
