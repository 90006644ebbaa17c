//! The named constraints of a column: its `CHECK` and its foreign key.

use crate::migrate::diff::Diff;
use crate::migrate::write::renames::Rename;
use crate::schema::{Table, TableColumn};

/// A constraint of a column.
pub(super) struct Constraint {
    pub(super) name: String,
    pub(super) definition: String,
}

/// What happens to the constraints of a kept column.
#[derive(Default)]
pub(super) struct KeptConstraints {
    pub(super) dropped: Vec<String>,
    pub(super) added: Vec<Constraint>,
    pub(super) renamed: Vec<Rename>,
}

/// Returns a column's `CHECK` and its foreign key.
pub(super) fn constraints(table: &Table, column: &TableColumn) -> [Option<Constraint>; 2] {
    let constraint =
        |name, definition: Option<_>| Some(Constraint { name, definition: definition? });
    [
        constraint(table.check_name(&column.name), table.check(column)),
        constraint(table.foreign_key_name(&column.name), table.foreign_key(column)),
    ]
}

/// Returns what happens to the `CHECK` and the foreign key of a kept column.
pub(super) fn of_kept(diff: &Diff, old: &TableColumn, new: &TableColumn) -> KeptConstraints {
    let changes = [old.checked_values() != new.checked_values(), old.references != new.references];
    let pairs = constraints(&diff.old, old).into_iter().zip(constraints(&diff.new, new));
    let mut kept = KeptConstraints::default();
    for (pair, changes) in pairs.zip(changes) {
        match pair {
            (Some(before), Some(after)) if !changes => {
                kept.renamed.push((before.name, after.name));
            }
            (before, after) => {
                kept.dropped.extend(before.map(|constraint| constraint.name));
                kept.added.extend(after);
            }
        }
    }
    kept
}
