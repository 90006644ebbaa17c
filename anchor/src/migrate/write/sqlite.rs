//! SQLite: `ALTER TABLE` where it can, else the table is built anew and its rows are copied, as SQLite's documentation describes.

use super::{
    ENDS_ALL, Misfit, Script, column_renames, default_of, filled, is_retyped, name_before,
    predicate, say_what_to_know, tend_misfits,
};
use crate::migrate::diff::{Plan, Remedy};
use crate::schema::{Dialect, Table, TableColumn, default_clause, is_literal};

const DIALECT: Dialect = Dialect::Sqlite;

pub(super) fn change(plan: &Plan) -> Script {
    let mut script = Script::default();
    say_what_to_know(&mut script, plan);
    if plan.ends_all {
        script.say(ENDS_ALL);
        script.run(format!("DELETE FROM {}", DIALECT.table(&plan.diff.old.name)));
    }
    if needs_rebuild(plan) {
        rebuild(&mut script, plan);
    } else {
        alter(&mut script, plan);
    }
    script
}

/// Whether the change is more than `ALTER TABLE` can do.
fn needs_rebuild(plan: &Plan) -> bool {
    let diff = &plan.diff;
    diff.old.namespace() != diff.new.namespace()
        || diff.kept.iter().any(|(old, new)| {
            is_retyped(old, new)
                || old.nullable != new.nullable
                || default_clause(DIALECT, old) != default_clause(DIALECT, new)
                || old.checked_values() != new.checked_values()
                || old.references != new.references
                || plan.misfit(new).is_some_and(Misfit::is_reset)
        })
        || diff.added.iter().any(|column| !can_be_added(column))
        // A column of a foreign key cannot be dropped.
        || diff.dropped.iter().any(|column| column.references.is_some())
}

/// Whether `ADD COLUMN` takes the column while there are rows.
fn can_be_added(column: &TableColumn) -> bool {
    match &column.default {
        None => column.nullable,
        Some(default) => {
            column.references.is_none()
                && is_literal(default)
                && !default.eq_ignore_ascii_case("current_timestamp")
                && (column.nullable || !default.eq_ignore_ascii_case("null"))
        }
    }
}

fn alter(script: &mut Script, plan: &Plan) {
    let diff = &plan.diff;
    let before = DIALECT.table(&diff.old.name);
    tend_misfits(script, plan, &before, |misfit| name_before(plan, misfit));
    for index in &diff.dropped_indexes {
        script.run(drop_index(&diff.old, &index.name));
    }
    // SQLite renames no index.
    let renamed: Vec<_> =
        diff.kept_indexes.iter().filter(|(old, new)| old.name != new.name).collect();
    for (old, _) in &renamed {
        script.run(drop_index(&diff.old, &old.name));
    }
    if diff.old.name != diff.new.name {
        let to = DIALECT.identifier(diff.new.bare_name());
        script.run(format!("ALTER TABLE {before} RENAME TO {to}"));
    }
    let table = DIALECT.table(&diff.new.name);
    for column in &diff.dropped {
        let name = DIALECT.identifier(&column.name);
        script.run(format!("ALTER TABLE {table} DROP COLUMN {name}"));
    }
    for (from, to) in column_renames(plan) {
        let (from, to) = (DIALECT.identifier(&from), DIALECT.identifier(&to));
        script.run(format!("ALTER TABLE {table} RENAME COLUMN {from} TO {to}"));
    }
    for column in &diff.added {
        let definition = diff.new.column_definition(column);
        script.run(format!("ALTER TABLE {table} ADD COLUMN {definition}"));
    }
    for index in renamed.iter().map(|(_, new)| new).chain(&diff.added_indexes) {
        script.run(diff.new.create_index(index, ""));
    }
}

fn drop_index(table: &Table, index: &str) -> String {
    format!("DROP INDEX {}", in_namespace(table, index))
}

/// A name in the table's schema.
fn in_namespace(table: &Table, name: &str) -> String {
    let name = DIALECT.identifier(name);
    match table.namespace() {
        Some(namespace) => format!("{}.{name}", DIALECT.identifier(namespace)),
        None => name.into_owned(),
    }
}

fn rebuild(script: &mut Script, plan: &Plan) {
    let diff = &plan.diff;
    let old = DIALECT.table(&diff.old.name);
    if !plan.ends_all {
        // Ended as usual, so that what references them follows; what gets a default gets it while it is copied.
        let ending = plan.misfits.iter().filter(|misfit| misfit.remedy == Remedy::End);
        let ending = Plan { misfits: ending.cloned().collect(), ..plan.clone() };
        tend_misfits(script, &ending, &old, |misfit| name_before(plan, misfit));
        // Dropping a table deletes its rows first, and what references them would follow. In a transaction the pragma does nothing.
        script.no_transaction = true;
        script.say(
            "Builds the table anew, for ALTER TABLE cannot do this on SQLite. Triggers and views of your own on it: create them again below.",
        );
        script.run("PRAGMA foreign_keys = OFF");
        script.run("BEGIN IMMEDIATE");
    }
    let to = diff.new.bare_name();
    let mut source = old;
    if diff.old.bare_name() != to {
        // First of all, so that what references the table follows its name.
        script.run(format!("ALTER TABLE {source} RENAME TO {}", DIALECT.identifier(to)));
        source = in_namespace(&diff.old, to);
    }
    let temporary = in_namespace(&diff.new, &format!("anchor_new_{to}"));
    script.run(diff.new.create_alone("", &temporary));
    if !plan.ends_all {
        let (into, values): (Vec<_>, Vec<_>) =
            diff.kept.iter().map(|(old, new)| copy(plan, old, new)).unzip();
        let (into, values) = (filled("    ", &into, ", "), filled("    ", &values, ", "));
        script
            .run(format!("INSERT INTO {temporary} (\n{into}\n)\nSELECT\n{values}\nFROM {source}"));
    }
    script.run(format!("DROP TABLE {source}"));
    script.run("PRAGMA legacy_alter_table = ON");
    let name = DIALECT.identifier(to);
    script.run(format!("ALTER TABLE {temporary} RENAME TO {name}"));
    script.run("PRAGMA legacy_alter_table = OFF");
    for index in &diff.new.indexes {
        script.run(diff.new.create_index(index, ""));
    }
    if script.no_transaction {
        script.run("COMMIT");
        script.run("PRAGMA foreign_keys = ON");
    }
}

/// A kept column's name, and the expression that its value comes from.
fn copy(plan: &Plan, old: &TableColumn, new: &TableColumn) -> (String, String) {
    let name = DIALECT.identifier(&new.name).into_owned();
    let before = DIALECT.identifier(&old.name).into_owned();
    let value = match plan.misfit(new) {
        Some(misfit) if misfit.is_reset() => default_of(new),
        Some(misfit) if misfit.remedy == Remedy::Default => {
            let predicate = predicate(DIALECT, &plan.diff.old.name, &old.name, misfit);
            format!("CASE WHEN {predicate} THEN {} ELSE {before} END", default_of(new))
        }
        _ => before,
    };
    (name, value)
}
