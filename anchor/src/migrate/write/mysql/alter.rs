//! The single `ALTER TABLE` of a change.

use super::DIALECT;
use super::copy::{copy_name, is_copied};
use super::moved::is_moved;
use super::obstacle::Obstacle;
use crate::column::ColumnType;
use crate::migrate::plan::{Misfit, Plan};
use crate::migrate::write::renames::{column_renames, index_renames, rename_clause};
use crate::migrate::write::rows::is_retyped;
use crate::schema::{Kind, TableColumn, default_clause};

/// The constraints of a change, by the statement that drops or adds them.
#[derive(Default)]
pub(super) struct Constraints {
    /// Dropped before the table is altered: a constraint prevents a change of its column, and its
    /// name is in use until the statement ends.
    pub(super) drops: Vec<Obstacle>,
    /// Clauses of the `ALTER TABLE`.
    pub(super) adds: Vec<String>,
    /// Added at the end: the checks of columns whose variants take each other's names.
    pub(super) checks_of_moved: Vec<String>,
}

/// Returns the constraints that are dropped or added.
pub(super) fn constraints(plan: &Plan) -> Constraints {
    let diff = &plan.diff;
    let Constraints { mut drops, mut adds, mut checks_of_moved } = Constraints::default();
    let foreign_key = |column: &TableColumn| {
        let name = diff.old.foreign_key_name(&column.name);
        column.references.as_ref().map(|_| Obstacle::constraint("FOREIGN KEY", name))
    };
    let check = |column: &TableColumn| {
        let name = diff.old.check_name(&column.name);
        column.checked_values().map(|_| Obstacle::constraint("CONSTRAINT", name))
    };
    for column in &diff.dropped {
        drops.extend(foreign_key(column));
        drops.extend(check(column));
    }
    for (old, new) in &diff.kept {
        let in_the_way = is_in_the_way(plan, old, new);
        if gets_key(plan, old, new) {
            drops.extend(foreign_key(old));
            adds.extend(new_key(plan, new));
        }
        if in_the_way || old.checked_values() != new.checked_values() {
            match in_the_way {
                true => drops.extend(check(old)),
                false => adds.extend(check(old).map(|check| check.drop)),
            }
            let moved = diff.variants.iter().any(|of| of.column == new.name && is_moved(of));
            let checks = if moved { &mut checks_of_moved } else { &mut adds };
            checks.extend(diff.new.check(new).map(|check| format!("ADD {check}")));
        }
    }
    for column in &diff.added {
        adds.extend(diff.new.check(column).map(|check| format!("ADD {check}")));
        adds.extend(new_key(plan, column));
    }
    Constraints { drops, adds, checks_of_moved }
}

/// Returns the clauses for columns and indexes.
pub(super) fn clauses(plan: &Plan) -> Vec<String> {
    let diff = &plan.diff;
    let drop = |what, name: &str| format!("DROP {what} {}", DIALECT.identifier(name));
    let add = |index| format!("ADD {}", diff.new.mysql_index(index));
    let mut clauses: Vec<_> =
        diff.dropped_indexes.iter().map(|index| drop("INDEX", &index.name)).collect();
    clauses.extend(diff.dropped.iter().map(|column| drop("COLUMN", &column.name)));
    let (redefined, as_they_are): (Vec<_>, Vec<_>) =
        diff.kept.iter().partition(|(old, new)| is_redefined(plan, old, new));
    let mut renamed = column_renames(plan);
    renamed.retain(|(from, _)| as_they_are.iter().any(|(old, _)| old.name == *from));
    clauses.extend(renamed.iter().map(|rename| rename_clause(DIALECT, "COLUMN", rename)));
    let mut rebuilt_indexes = Vec::new();
    for (old, new) in redefined {
        let definition = diff.new.column_definition(new);
        if is_reset(plan, new) || is_copied(plan, new) {
            clauses.push(drop("COLUMN", &old.name));
            clauses.push(match is_copied(plan, new) {
                true => format!("CHANGE COLUMN {} {definition}", copy_name(plan, new)),
                false => format!("ADD COLUMN {definition}"),
            });
            for (old, new) in diff.kept_indexes.iter().filter(|(_, index)| index.column == new.name)
            {
                clauses.extend([drop("INDEX", &old.name), add(new)]);
                rebuilt_indexes.push(&old.name);
            }
        } else if old.name == new.name {
            clauses.push(format!("MODIFY COLUMN {definition}"));
        } else {
            clauses.push(format!("CHANGE COLUMN {} {definition}", DIALECT.identifier(&old.name)));
        }
    }
    let added = diff.added.iter().map(|column| diff.new.column_definition(column));
    clauses.extend(added.map(|definition| format!("ADD COLUMN {definition}")));
    let mut renamed = index_renames(plan);
    renamed.retain(|(from, _)| !rebuilt_indexes.contains(&from));
    clauses.extend(renamed.iter().map(|rename| rename_clause(DIALECT, "INDEX", rename)));
    clauses.extend(diff.added_indexes.iter().map(add));
    clauses
}

/// Returns the name that a table has at this point: a table is renamed last.
pub(super) fn present_name<'p>(plan: &'p Plan, table: &'p str) -> &'p str {
    if table == plan.diff.new.name { &plan.diff.old.name } else { table }
}

/// Returns the clause that adds a column's foreign key. If the key references the table itself,
/// MySQL renames the target with the table.
fn new_key(plan: &Plan, column: &TableColumn) -> Option<String> {
    let mut column = column.clone();
    let target = column.references.as_mut()?;
    target.table = present_name(plan, &target.table).to_owned();
    plan.diff.new.foreign_key(&column).map(|key| format!("ADD {key}"))
}

/// Returns whether a kept column's foreign key is created or recreated.
pub(super) fn gets_key(plan: &Plan, old: &TableColumn, new: &TableColumn) -> bool {
    is_in_the_way(plan, old, new) || old.references != new.references
}

/// Returns whether the column's constraints would prevent the change.
fn is_in_the_way(plan: &Plan, old: &TableColumn, new: &TableColumn) -> bool {
    plan.diff.old.name != plan.diff.new.name
        || old.name != new.name
        || is_redefined(plan, old, new)
        || plan.misfit(new).is_some()
        || !plan.diff.variants_of(&new.name).is_empty()
}

/// Returns whether the column's definition has to be repeated.
fn is_redefined(plan: &Plan, old: &TableColumn, new: &TableColumn) -> bool {
    is_retyped(old, new)
        || old.nullable != new.nullable
        || default_clause(DIALECT, old) != default_clause(DIALECT, new)
        || is_reset(plan, new)
        // MariaDB adds a check to each JSON column. The check contains the name from the column's
        // definition.
        || (old.name != new.name && new.kind == Kind::Plain(ColumnType::Json))
}

fn is_reset(plan: &Plan, new: &TableColumn) -> bool {
    plan.misfit(new).is_some_and(Misfit::is_reset)
}
