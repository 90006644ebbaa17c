//! MySQL and MariaDB: every `ALTER TABLE` commits, so that there is one of it, with all clauses; before it a second one only where constraints
//! are in its way.

use super::{
    ENDS_ALL, Script, column_renames, index_renames, is_retyped, name_before, say_what_to_know,
    tend_misfits,
};
use crate::column::ColumnType;
use crate::migrate::diff::Plan;
use crate::schema::{Dialect, Kind, TableColumn, default_clause};

const DIALECT: Dialect = Dialect::MySql;

pub(super) fn change(plan: &Plan) -> Script {
    let mut script = Script::default();
    let diff = &plan.diff;
    let table = DIALECT.table(&diff.new.name);
    say_what_to_know(&mut script, plan);
    let moved = diff.old.name != diff.new.name;
    if moved {
        // For itself: MariaDB 10.11 leaves the old name behind when an ALTER TABLE does this beside other things.
        script.run(format!("RENAME TABLE {} TO {table}", DIALECT.table(&diff.old.name)));
    }
    if plan.ends_all {
        script.say(ENDS_ALL);
        script.run(format!("DELETE FROM {table}"));
    }

    // A constraint holds its column as it is, and its name is not free before the statement's end.
    let mut drops = Vec::new();
    let mut adds = Vec::new();
    for column in &diff.dropped {
        drops.extend(column.references.as_ref().map(|_| drop_foreign_key(plan, column)));
        drops.extend(column.checked_values().map(|_| drop_check(plan, column)));
    }
    for (old, new) in &diff.kept {
        let touched = moved || old.name != new.name || is_redefined(plan, old, new);
        if touched || old.references != new.references {
            drops.extend(old.references.as_ref().map(|_| drop_foreign_key(plan, old)));
            adds.extend(diff.new.foreign_key(new).map(|key| format!("ADD {key}")));
        }
        if touched || old.checked_values() != new.checked_values() {
            let in_the_way = touched || plan.misfit(new).is_some();
            let drops = if in_the_way { &mut drops } else { &mut adds };
            drops.extend(old.checked_values().map(|_| drop_check(plan, old)));
            adds.extend(diff.new.check(new).map(|check| format!("ADD {check}")));
        }
    }
    script.alter(&table, &drops);
    tend_misfits(&mut script, plan, &table, |misfit| name_before(plan, misfit));

    let mut clauses = Vec::new();
    for index in &diff.dropped_indexes {
        clauses.push(format!("DROP INDEX {}", DIALECT.identifier(&index.name)));
    }
    for column in &diff.dropped {
        clauses.push(format!("DROP COLUMN {}", DIALECT.identifier(&column.name)));
    }
    let redefined = |name: &str| {
        diff.kept.iter().any(|(old, new)| old.name == name && is_redefined(plan, old, new))
    };
    for (from, to) in column_renames(plan) {
        if !redefined(&from) {
            let (from, to) = (DIALECT.identifier(&from), DIALECT.identifier(&to));
            clauses.push(format!("RENAME COLUMN {from} TO {to}"));
        }
    }
    let mut rebuilt_indexes = Vec::new();
    for (old, new) in diff.kept.iter().filter(|(old, new)| is_redefined(plan, old, new)) {
        let definition = diff.new.column_definition(new);
        let before = DIALECT.identifier(&old.name);
        if is_reset(plan, new) {
            clauses.push(format!("DROP COLUMN {before}"));
            clauses.push(format!("ADD COLUMN {definition}"));
            for (old, new) in diff.kept_indexes.iter().filter(|(_, index)| index.column == new.name)
            {
                clauses.push(format!("DROP INDEX {}", DIALECT.identifier(&old.name)));
                clauses.push(format!("ADD {}", diff.new.mysql_index(new)));
                rebuilt_indexes.push(old.name.clone());
            }
        } else if old.name == new.name {
            clauses.push(format!("MODIFY COLUMN {definition}"));
        } else {
            clauses.push(format!("CHANGE COLUMN {before} {definition}"));
        }
    }
    for column in &diff.added {
        clauses.push(format!("ADD COLUMN {}", diff.new.column_definition(column)));
    }
    for (from, to) in index_renames(plan) {
        if !rebuilt_indexes.contains(&from) {
            let (from, to) = (DIALECT.identifier(&from), DIALECT.identifier(&to));
            clauses.push(format!("RENAME INDEX {from} TO {to}"));
        }
    }
    clauses.extend(
        diff.added_indexes.iter().map(|index| format!("ADD {}", diff.new.mysql_index(index))),
    );
    for column in &diff.added {
        adds.extend(diff.new.check(column).map(|check| format!("ADD {check}")));
        adds.extend(diff.new.foreign_key(column).map(|key| format!("ADD {key}")));
    }
    clauses.append(&mut adds);
    script.alter(&table, &clauses);
    script
}

fn drop_foreign_key(plan: &Plan, column: &TableColumn) -> String {
    let name = plan.diff.old.foreign_key_name(&column.name);
    format!("DROP FOREIGN KEY {}", DIALECT.identifier(&name))
}

fn drop_check(plan: &Plan, column: &TableColumn) -> String {
    let name = plan.diff.old.check_name(&column.name);
    format!("DROP CONSTRAINT {}", DIALECT.identifier(&name))
}

/// Whether the column's definition has to be said anew.
fn is_redefined(plan: &Plan, old: &TableColumn, new: &TableColumn) -> bool {
    is_retyped(old, new)
        || old.nullable != new.nullable
        || default_clause(DIALECT, old) != default_clause(DIALECT, new)
        || is_reset(plan, new)
        // MariaDB keeps a check of a JSON column under the name that the column is defined with.
        || (old.name != new.name && new.kind == Kind::Plain(ColumnType::Json))
}

fn is_reset(plan: &Plan, new: &TableColumn) -> bool {
    plan.misfit(new).is_some_and(super::Misfit::is_reset)
}
