//! PostgreSQL. All statements run in the transaction that sqlx opens. The lock comes first, with a
//! short timeout: a statement that waits for a lock blocks all that come after it.

mod alter;
mod constraints;
mod index;
mod later;
mod lock;

use super::comments::comment_on_change;
use super::cut_offs;
use super::renames::{
    Rename, column_renames, in_namespace, in_order, index_renames, rename_clause,
};
use super::rows::{change_values, end_sessions, is_retyped};
use super::script::Script;
use crate::migrate::diff::Diff;
use crate::migrate::plan::{Misfit, Plan, Remedy};
use crate::schema::{Dialect, TableColumn};
pub(super) use index::indexes;
pub(super) use later::validate;
pub(super) use lock::bounds;

const DIALECT: Dialect = Dialect::Postgres;

pub(super) fn change(plan: &Plan) -> Script {
    let mut script = Script::default();
    let diff = &plan.diff;
    later::assert_first(&mut script, plan);
    lock::lock(&mut script, plan);
    comment_on_change(&mut script, plan);
    end_sessions(&mut script, plan);
    rename_table(&mut script, diff);
    let table = DIALECT.table(&diff.new.name);
    for index in &diff.dropped_indexes {
        script.comment("Dropping an index reads no row.");
        script.run(format!("DROP INDEX {}", in_namespace(&diff.new, &index.name)));
    }
    let renames = in_order(column_renames(plan));
    // A column whose name another one takes is dropped first.
    let (taken, left): (Vec<_>, Vec<_>) =
        diff.dropped.iter().partition(|column| renames.iter().any(|(_, to)| *to == column.name));
    drop_obstacles(&mut script, diff, &taken);
    rename(&mut script, plan, &renames);
    // If the type changes, the cast sets the default.
    let kept_types = plan.misfits.iter().filter(|misfit| !is_cast(plan, misfit));
    let uncast = Plan { misfits: kept_types.cloned().collect(), ..plan.clone() };
    change_values(&mut script, &uncast, &table, |column| column.name.clone());

    let clauses = alter::clauses(plan, &left);
    alter::comment_on_clauses(&mut script, plan, &clauses);
    script.alter(&table, &clauses);
    for added in &diff.added_indexes {
        index::create(&mut script, plan, added);
    }
    cut_offs::after(&mut script, plan);
    script
}

/// Drops the constraints that would prevent a change, and the columns whose names others take.
fn drop_obstacles(script: &mut Script, diff: &Diff, columns: &[&TableColumn]) {
    let kept = diff.kept.iter().flat_map(|(old, new)| constraints::of_kept(diff, old, new).dropped);
    let mut drops: Vec<_> = kept.map(|name| drop_constraint(&name)).collect();
    if !drops.is_empty() {
        script.comment(
            "The struct no longer has this constraint, or has another one, which is added below.",
        );
    }
    drops.extend(columns.iter().map(|column| drop_column(column)));
    script.alter(&DIALECT.table(&diff.new.name), &drops);
}

/// Renames columns, then constraints, which PostgreSQL does not rename with their table or column,
/// then indexes.
fn rename(script: &mut Script, plan: &Plan, columns: &[Rename]) {
    let diff = &plan.diff;
    let table = DIALECT.table(&diff.new.name);
    let mut renames = Vec::new();
    if diff.old.bare_name() != diff.new.bare_name() {
        renames.push((diff.old.primary_key_name(), diff.new.primary_key_name()));
    }
    for (old, new) in &diff.kept {
        renames.extend(constraints::of_kept(diff, old, new).renamed);
    }
    renames.retain(|(from, to)| from != to);
    for (what, renames) in [("COLUMN", columns), ("CONSTRAINT", &in_order(renames))] {
        for rename in renames {
            let clause = rename_clause(DIALECT, what, rename);
            script.run(format!("ALTER TABLE {table} {clause}"));
        }
    }
    for (from, to) in in_order(index_renames(plan)) {
        let (from, to) = (in_namespace(&diff.new, &from), DIALECT.identifier(&to));
        script.run(format!("ALTER INDEX {from} RENAME TO {to}"));
    }
}

/// Returns whether the cast to the column's new type sets the default.
fn is_cast(plan: &Plan, misfit: &Misfit) -> bool {
    misfit.remedy == Remedy::Default
        && plan
            .diff
            .kept
            .iter()
            .any(|(old, new)| new.name == misfit.column.name && is_retyped(old, new))
}

fn rename_table(script: &mut Script, diff: &Diff) {
    if diff.old.name == diff.new.name {
        return;
    }
    let mut old = diff.old.name.clone();
    if diff.old.namespace() != diff.new.namespace() {
        // A table without a schema is in the first one of the search path, which is `public` by
        // default.
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

fn drop_constraint(name: &str) -> String {
    format!("DROP CONSTRAINT {}", DIALECT.identifier(name))
}

fn drop_column(column: &TableColumn) -> String {
    format!("DROP COLUMN {}", DIALECT.identifier(&column.name))
}

/// Returns a statement that fails with the message if the condition is true.
fn raise_if(condition: &str, message: &str) -> String {
    let message = DIALECT.literal(&message.replace('%', "%%"));
    format!(
        "DO $anchor$ BEGIN\n    IF {condition} THEN\n        RAISE EXCEPTION {message};\n    \
         END IF;\nEND $anchor$"
    )
}
