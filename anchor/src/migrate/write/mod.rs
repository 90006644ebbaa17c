//! Writes a change of the table as SQL, in the way that a careful person would. Each dialect has a
//! module; the other modules hold what the dialects share.

mod assertions;
mod comments;
mod cut_offs;
mod mysql;
mod postgres;
mod renames;
mod rows;
mod script;
mod sqlite;

use std::collections::HashSet;

use super::plan::Plan;
use crate::schema::{Dialect, Table};
use comments::comment_on_change;
use rows::ENDS_ALL;
pub(crate) use script::Script;

/// Returns the table's first migration. On PostgreSQL it waits for locks on the tables that it
/// references.
pub(crate) fn create(table: &Table) -> String {
    bounds(table.dialect, referenced(table)) + &table.create_text()
}

/// Returns how many other tables the table references.
pub(crate) fn referenced(table: &Table) -> usize {
    let targets = table.columns.iter().filter_map(|column| column.references.as_ref());
    let tables: HashSet<_> = targets.map(|target| target.table.as_str()).collect();
    tables.into_iter().filter(|name| *name != table.name).count()
}

/// Returns the statements that limit how long a file waits for the locks of this many tables. The
/// text is empty except on PostgreSQL.
pub(crate) fn bounds(dialect: Dialect, tables: usize) -> String {
    match dialect {
        Dialect::Postgres => postgres::bounds(tables).text() + "\n",
        Dialect::MySql | Dialect::Sqlite => String::new(),
    }
}

/// Returns the down migration of [`create`].
pub(crate) fn drop_table(table: &Table) -> String {
    let mut script = Script::default();
    script.comment(ENDS_ALL);
    script.run(format!("DROP TABLE {}", table.dialect.table(&table.name)));
    if let Some(companion) = &table.cut_offs {
        script.run(format!("DROP TABLE {}", table.dialect.table(&companion.name)));
    }
    let companions = usize::from(table.cut_offs.is_some());
    bounds(table.dialect, 1 + companions + referenced(table)) + &script.text()
}

/// Returns a change of the table.
pub(crate) fn change(plan: &Plan) -> Script {
    let script = match plan.diff.new.dialect {
        Dialect::Postgres => postgres::change(plan),
        Dialect::MySql => mysql::change(plan),
        Dialect::Sqlite => sqlite::change(plan),
    };
    if !script.does_nothing() {
        return script;
    }
    let mut script = Script::default();
    comment_on_change(&mut script, plan);
    let why = match script.has_comment() {
        true => "Nothing else to do.",
        false => "Nothing to do: this database stores both in the same way.",
    };
    script.do_nothing(why)
}

/// Returns the new indexes and their down migration, if they have a file of their own.
pub(crate) fn indexes(plan: &Plan) -> Option<(Script, Script)> {
    match plan.diff.new.dialect {
        Dialect::Postgres => postgres::indexes(plan),
        Dialect::MySql | Dialect::Sqlite => None,
    }
}

/// Separates the change from the drops of replaced indexes, if these have a file of their own.
pub(crate) fn replaced_indexes(plan: Plan) -> (Plan, Option<Plan>) {
    if plan.diff.new.dialect != Dialect::Postgres || plan.ends_all {
        return (plan, None);
    }
    let (diff, drops) = plan.diff.with_replaced_indexes_kept();
    let drops = drops.map(|diff| Plan {
        diff,
        deployment: plan.deployment,
        is_way_back: false,
        ends_all: false,
        misfits: Vec::new(),
        assertions: Vec::new(),
    });
    (Plan { diff, ..plan }, drops)
}

/// Returns what remains to be done after the change is committed, in a file of its own.
pub(crate) fn validate(plan: &Plan) -> Option<Script> {
    match plan.diff.new.dialect {
        Dialect::Postgres => postgres::validate(plan),
        Dialect::MySql | Dialect::Sqlite => None,
    }
}

/// Returns the down migration of [`validate`], which does nothing: the down migration of the change
/// drops the constraints.
pub(crate) fn validate_back() -> Script {
    Script::default()
        .do_nothing("Nothing to do: reverting the previous file drops the constraints.")
}

/// Returns a change that affects only the header.
pub(crate) fn forget() -> Script {
    Script::default().do_nothing(
        "Nothing to do in the database: the struct no longer has the `renamed_from`, so this \
         header drops it too, and the same rename can be requested again.",
    )
}
