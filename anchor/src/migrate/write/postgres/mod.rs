//! PostgreSQL: statements in the one transaction that sqlx opens. The lock comes first, and is not
//! waited for long: what waits for a lock stops all who come after it.

mod alter;
mod constraints;
mod index;
mod later;
mod lock;

use super::comments::say_what_to_know;
use super::cut_offs;
use super::renames::{
    Rename, column_renames, in_namespace, in_order, index_renames, rename_clause,
};
use super::rows::{change_values, end_sessions, is_retyped};
use super::script::Script;
use crate::migrate::diff::{Diff, Misfit, Plan, Remedy};
use crate::schema::{Dialect, TableColumn};
use constraints::constraints_of_kept;
pub(super) use index::indexes;
pub(super) use later::validate;
pub(super) use lock::bounds;

const DIALECT: Dialect = Dialect::Postgres;

pub(super) fn change(plan: &Plan) -> Script {
    let mut script = Script::default();
    let diff = &plan.diff;
    later::assert_first(&mut script, plan);
    lock::lock(&mut script, plan);
    say_what_to_know(&mut script, plan);
    end_sessions(&mut script, plan);
    rename_table(&mut script, diff);
    let table = DIALECT.table(&diff.new.name);
    for index in &diff.dropped_indexes {
        script.say("Dropping an index reads no row.");
        script.run(format!("DROP INDEX {}", in_namespace(&diff.new, &index.name)));
    }
    let renames = in_order(column_renames(plan));
    // What takes the name of a dropped column comes after it.
    let (taken, left): (Vec<_>, Vec<_>) =
        diff.dropped.iter().partition(|column| renames.iter().any(|(_, to)| *to == column.name));
    make_way(&mut script, diff, &taken);
    rename(&mut script, plan, &renames);
    // Where the type changes, the cast gives the default.
    let kept_types = plan.misfits.iter().filter(|misfit| !is_cast(plan, misfit));
    let tended = Plan { misfits: kept_types.cloned().collect(), ..plan.clone() };
    change_values(&mut script, &tended, &table, |column| column.name.clone());

    let clauses = alter::clauses(plan, &left);
    alter::say_what_it_does(&mut script, plan, &clauses);
    script.alter(&table, &clauses);
    for added in &diff.added_indexes {
        index::create(&mut script, plan, added);
    }
    cut_offs::after(&mut script, plan);
    script
}

/// Drops what holds a kept column as it is, and the columns whose names others take.
fn make_way(script: &mut Script, diff: &Diff, columns: &[&TableColumn]) {
    let kept = diff.kept.iter().flat_map(|(old, new)| constraints_of_kept(diff, old, new));
    let mut drops: Vec<_> = kept
        .filter(|constraint| constraint.changes)
        .filter_map(|constraint| constraint.before)
        .map(|name| drop_constraint(&name))
        .collect();
    if !drops.is_empty() {
        script.say("The struct does not ask for this constraint any more, or for another, below.");
    }
    drops.extend(columns.iter().map(|column| drop_column(column)));
    script.alter(&DIALECT.table(&diff.new.name), &drops);
}

/// Renames columns; then constraints, which PostgreSQL does not rename with their table or column;
/// then indexes.
fn rename(script: &mut Script, plan: &Plan, columns: &[Rename]) {
    let diff = &plan.diff;
    let table = DIALECT.table(&diff.new.name);
    let mut constraints = Vec::new();
    if diff.old.bare_name() != diff.new.bare_name() {
        constraints.push((diff.old.primary_key_name(), diff.new.primary_key_name()));
    }
    let kept = diff.kept.iter().flat_map(|(old, new)| constraints_of_kept(diff, old, new));
    let stay = kept.filter(|constraint| !constraint.changes);
    constraints.extend(stay.filter_map(|stays| Some((stays.before?, stays.after?.name))));
    constraints.retain(|(from, to)| from != to);
    for (what, renames) in [("COLUMN", columns), ("CONSTRAINT", &in_order(constraints))] {
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

/// Whether the column's new type takes its values by a cast.
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
        // A table that names no schema is in the first of the search path, `public` unless the user
        // says otherwise.
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

/// A statement that fails with the message if the condition holds.
fn raise_if(condition: &str, message: &str) -> String {
    let message = DIALECT.literal(&message.replace('%', "%%"));
    format!(
        "DO $anchor$ BEGIN\n    IF {condition} THEN\n        RAISE EXCEPTION {message};\n    \
         END IF;\nEND $anchor$"
    )
}
