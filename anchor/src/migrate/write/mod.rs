//! A change of the table as SQL, the way a careful person would write it. One module a dialect;
//! what they share is in the modules beside them.

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

use super::diff::Plan;
use crate::schema::{Dialect, Table};
use comments::{ENDS_ALL, say_what_to_know};
pub(crate) use script::Script;

/// The table's own first migration. On PostgreSQL it waits for the tables that it references.
pub(crate) fn create(table: &Table) -> String {
    bounds(table.dialect, referenced(table)) + &table.create_text()
}

/// How many other tables the table references.
pub(crate) fn referenced(table: &Table) -> usize {
    let targets = table.columns.iter().filter_map(|column| column.references.as_ref());
    let tables: HashSet<_> = targets.map(|target| target.table.as_str()).collect();
    tables.into_iter().filter(|name| *name != table.name).count()
}

/// What a file begins with that is not a change of a table, and waits for the locks of so many
/// tables nonetheless.
pub(crate) fn bounds(dialect: Dialect, tables: usize) -> String {
    match dialect {
        Dialect::Postgres => postgres::bounds(tables).text() + "\n",
        Dialect::MySql | Dialect::Sqlite => String::new(),
    }
}

/// The way back from [`create`].
pub(crate) fn drop_table(table: &Table) -> String {
    let mut script = Script::default();
    script.say(ENDS_ALL);
    script.run(format!("DROP TABLE {}", table.dialect.table(&table.name)));
    if let Some(companion) = &table.cut_offs {
        script.run(format!("DROP TABLE {}", table.dialect.table(&companion.name)));
    }
    let companions = usize::from(table.cut_offs.is_some());
    bounds(table.dialect, 1 + companions + referenced(table)) + &script.text()
}

/// A change of the table.
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
    say_what_to_know(&mut script, plan);
    let why = match script.has_said() {
        true => "Nothing else to do.",
        false => "Nothing to do: this database stores both alike.",
    };
    script.do_nothing(why)
}

/// The new indexes, with the way back, where they are not built in the change itself.
pub(crate) fn indexes(plan: &Plan) -> Option<(Script, Script)> {
    match plan.diff.new.dialect {
        Dialect::Postgres => postgres::indexes(plan),
        Dialect::MySql | Dialect::Sqlite => None,
    }
}

/// The change without the drops of indexes that others replace, and these drops, where they have a
/// file of their own.
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

/// What is left to do when other statements of the change are committed; in a file of its own.
pub(crate) fn validate(plan: &Plan) -> Option<Script> {
    match plan.diff.new.dialect {
        Dialect::Postgres => postgres::validate(plan),
        Dialect::MySql | Dialect::Sqlite => None,
    }
}

/// The way back from [`validate`]: what has been validated goes with the change itself.
pub(crate) fn validate_back() -> Script {
    Script::default().do_nothing("Nothing to take back here: the file before this one does it.")
}

/// What changes in a header alone.
pub(crate) fn forget() -> Script {
    Script::default().do_nothing(
        "Nothing to do in the database: the struct no longer says what was renamed, and neither \
         does this header, so that the same rename can be asked for again.",
    )
}
