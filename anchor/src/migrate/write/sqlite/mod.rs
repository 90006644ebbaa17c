//! SQLite. If `ALTER TABLE` cannot make the change, the table is rebuilt and its rows are copied,
//! as SQLite's documentation describes.

mod rebuild;
mod unknown;

use super::assertions::{assert_none, assertions};
use super::comments::comment_on_change;
use super::cut_offs;
use super::renames::{column_renames, in_namespace, in_order, rename_clause};
use super::rows::{change_values, end_sessions, is_retyped, name_before};
use super::script::Script;
use crate::migrate::plan::{Misfit, Plan};
use crate::schema::{Dialect, Table, TableColumn, default_clause, is_literal};
use rebuild::{rebuild, rename_table};

const DIALECT: Dialect = Dialect::Sqlite;

pub(super) fn change(plan: &Plan) -> Script {
    let mut script = Script::default();
    comment_on_change(&mut script, plan);
    script.before_comments(|script| lock(script, &plan.diff.old));
    end_sessions(&mut script, plan);
    if needs_rebuild(plan) {
        rebuild(&mut script, plan);
    } else {
        alter(&mut script, plan);
    }
    cut_offs::after(&mut script, plan);
    script
}

/// Takes the write lock of the database with a statement that writes nothing.
///
/// sqlx begins a transaction without a lock. If its first statement only read, and another
/// connection then wrote, SQLite would refuse its first write without waiting
/// (`SQLITE_BUSY_SNAPSHOT`).
fn lock(script: &mut Script, table: &Table) {
    let id = table.columns.iter().find(|column| column.primary_key);
    if let Some(id) = id.map(|id| DIALECT.identifier(&id.name)) {
        script.comment(
            "Writes nothing, but takes the write lock: a transaction that has already read cannot \
             wait for it.",
        );
        let table = DIALECT.table(&table.name);
        script.prepare(format!("UPDATE {table} SET {id} = {id} WHERE FALSE"));
    }
}

/// Returns whether `ALTER TABLE` cannot make the change.
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
        // A column with a foreign key cannot be dropped.
        || diff.dropped.iter().any(|column| column.references.is_some())
}

/// Returns whether `ADD COLUMN` accepts the column if there are rows.
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
    assert_none(script, DIALECT, &assertions(plan));
    change_values(script, plan, &before, |column| name_before(plan, column));
    for index in &diff.dropped_indexes {
        script.run(drop_index(&diff.old, &index.name));
    }
    // SQLite cannot rename an index.
    let renamed: Vec<_> =
        diff.kept_indexes.iter().filter(|(old, new)| old.name != new.name).collect();
    for (old, _) in &renamed {
        script.run(drop_index(&diff.old, &old.name));
    }
    rename_table(script, &diff.old, diff.new.bare_name());
    let table = DIALECT.table(&diff.new.name);
    for column in &diff.dropped {
        let name = DIALECT.identifier(&column.name);
        script.run(format!("ALTER TABLE {table} DROP COLUMN {name}"));
    }
    for rename in in_order(column_renames(plan)) {
        let clause = rename_clause(DIALECT, "COLUMN", &rename);
        script.run(format!("ALTER TABLE {table} {clause}"));
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
