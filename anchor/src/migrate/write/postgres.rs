//! PostgreSQL: statements in the one transaction that sqlx opens; an index on a live table in a file of its own, without a lock.

use super::{
    ENDS_ALL, Script, column_renames, default_of, in_order, index_renames, is_retyped,
    say_what_to_know, tend_misfits,
};
use crate::migrate::diff::{Diff, Plan};
use crate::schema::{Dialect, Table, TableColumn, TableIndex, default_clause};

const DIALECT: Dialect = Dialect::Postgres;

pub(super) fn change(plan: &Plan) -> Script {
    let mut script = Script::default();
    let diff = &plan.diff;
    say_what_to_know(&mut script, plan);
    if plan.ends_all {
        script.say(ENDS_ALL);
        script.run(format!("DELETE FROM {}", DIALECT.table(&diff.old.name)));
    }
    rename_table(&mut script, diff);
    let table = DIALECT.table(&diff.new.name);

    let mut drops = Vec::new();
    for (old, new) in &diff.kept {
        if constraint_changes(old.checked_values(), new.checked_values()) {
            drops.push(drop_constraint(&diff.old.check_name(&old.name)));
        }
        if constraint_changes(old.references.as_ref(), new.references.as_ref()) {
            drops.push(drop_constraint(&diff.old.foreign_key_name(&old.name)));
        }
    }
    script.alter(&table, &drops);
    for index in &diff.dropped_indexes {
        script.run(format!("DROP INDEX {}", index_in(&diff.new, &index.name)));
    }

    for (from, to) in column_renames(plan) {
        let (from, to) = (DIALECT.identifier(&from), DIALECT.identifier(&to));
        script.run(format!("ALTER TABLE {table} RENAME COLUMN {from} TO {to}"));
    }
    for (from, to) in constraint_renames(diff) {
        let (from, to) = (DIALECT.identifier(&from), DIALECT.identifier(&to));
        script.run(format!("ALTER TABLE {table} RENAME CONSTRAINT {from} TO {to}"));
    }
    for (from, to) in index_renames(plan) {
        let (from, to) = (index_in(&diff.new, &from), DIALECT.identifier(&to));
        script.run(format!("ALTER INDEX {from} RENAME TO {to}"));
    }
    tend_misfits(&mut script, plan, &table, |misfit| misfit.column.name.clone());

    let mut clauses = Vec::new();
    for column in &diff.dropped {
        clauses.push(format!("DROP COLUMN {}", DIALECT.identifier(&column.name)));
    }
    for (old, new) in &diff.kept {
        alter_column(&mut clauses, plan, old, new);
    }
    for column in &diff.added {
        clauses.push(format!("ADD COLUMN {}", diff.new.column_definition(column)));
    }
    for (old, new) in &diff.kept {
        if old.checked_values() != new.checked_values() {
            clauses.extend(diff.new.check(new).map(|check| format!("ADD {check}")));
        }
        if old.references != new.references {
            clauses.extend(diff.new.foreign_key(new).map(|key| format!("ADD {key}")));
        }
    }
    if !plan.ends_all && diff.kept.iter().any(|(old, new)| is_retyped(old, new)) {
        script
            .say("Writes every row anew for the column's new type; the table is locked meanwhile.");
    }
    script.alter(&table, &clauses);
    for index in &diff.added_indexes {
        script.run(diff.new.create_index(index, ""));
    }
    script
}

/// The file's only statement, for PostgreSQL builds an index in this way only outside of a transaction.
pub(crate) fn create_index_concurrently(table: &Table, index: &TableIndex) -> Script {
    let mut script = Script { no_transaction: true, ..Script::default() };
    script.say(
        "Built while the table is read and written. PostgreSQL does that only outside of a transaction, as the file's only statement.",
    );
    let name = index_in(table, &index.name);
    let shared = match index.unique {
        true => format!("fails if two rows have the same `{}`, and ", index.column),
        false => String::new(),
    };
    script.say(format!(
        "It {shared}can fail where several processes run migrations at once: run them from one. An INVALID index is then left behind: DROP INDEX {name}, and run it again."
    ));
    script.run(table.create_index(index, "CONCURRENTLY "));
    script
}

pub(crate) fn drop_index_concurrently(table: &Table, index: &TableIndex) -> Script {
    let mut script = Script { no_transaction: true, ..Script::default() };
    script.run(format!("DROP INDEX CONCURRENTLY {}", index_in(table, &index.name)));
    script
}

fn rename_table(script: &mut Script, diff: &Diff) {
    if diff.old.name == diff.new.name {
        return;
    }
    let mut old = diff.old.name.clone();
    if diff.old.namespace() != diff.new.namespace() {
        // A table that names no schema is in the first of the search path, `public` unless the user says otherwise.
        let namespace = DIALECT.identifier(diff.new.namespace().unwrap_or("public"));
        script.run(format!("ALTER TABLE {} SET SCHEMA {namespace}", DIALECT.table(&old)));
        old = match diff.new.namespace() {
            Some(namespace) => format!("{namespace}.{}", diff.old.bare_name()),
            None => diff.old.bare_name().to_owned(),
        };
    }
    if diff.old.bare_name() != diff.new.bare_name() {
        let to = DIALECT.identifier(diff.new.bare_name());
        script.run(format!("ALTER TABLE {} RENAME TO {to}", DIALECT.table(&old)));
    }
}

/// Whether a constraint that was there goes, for good or for another.
fn constraint_changes<C: PartialEq>(old: Option<C>, new: Option<C>) -> bool {
    old.is_some() && old != new
}

fn drop_constraint(name: &str) -> String {
    format!("DROP CONSTRAINT {}", DIALECT.identifier(name))
}

/// An index lives in its table's schema.
fn index_in(table: &Table, index: &str) -> String {
    match table.namespace() {
        Some(namespace) => {
            format!("{}.{}", DIALECT.identifier(namespace), DIALECT.identifier(index))
        }
        None => DIALECT.identifier(index).into_owned(),
    }
}

/// PostgreSQL renames no constraint with its table or column.
fn constraint_renames(diff: &Diff) -> Vec<(String, String)> {
    let mut renames = Vec::new();
    if diff.old.bare_name() != diff.new.bare_name() {
        renames.push((diff.old.primary_key_name(), diff.new.primary_key_name()));
    }
    for (old, new) in &diff.kept {
        if old.checked_values().is_some() && old.checked_values() == new.checked_values() {
            renames.push((diff.old.check_name(&old.name), diff.new.check_name(&new.name)));
        }
        if old.references.is_some() && old.references == new.references {
            let before = diff.old.foreign_key_name(&old.name);
            renames.push((before, diff.new.foreign_key_name(&new.name)));
        }
    }
    renames.retain(|(from, to)| from != to);
    in_order(renames)
}

fn alter_column(clauses: &mut Vec<String>, plan: &Plan, old: &TableColumn, new: &TableColumn) {
    let name = DIALECT.identifier(&new.name);
    let retyped = is_retyped(old, new);
    let default_changes = old.default != new.default || (retyped && old.default.is_some());
    if default_changes && old.default.is_some() && (retyped || new.default.is_none()) {
        clauses.push(format!("ALTER COLUMN {name} DROP DEFAULT"));
    }
    if !old.nullable && new.nullable {
        clauses.push(format!("ALTER COLUMN {name} DROP NOT NULL"));
    }
    if retyped {
        let ty = &new.sql_type;
        let value = match plan.misfit(new) {
            Some(misfit) if misfit.is_reset() => Some(default_of(new)),
            _ => plan.ends_all.then(|| "NULL".to_owned()),
        };
        let using = value.map_or_else(String::new, |value| format!(" USING {value}::{ty}"));
        clauses.push(format!("ALTER COLUMN {name} TYPE {ty}{using}"));
    }
    if default_changes {
        clauses.extend(
            default_clause(DIALECT, new).map(|clause| format!("ALTER COLUMN {name} SET {clause}")),
        );
    }
    if old.nullable && !new.nullable {
        clauses.push(format!("ALTER COLUMN {name} SET NOT NULL"));
    }
}
