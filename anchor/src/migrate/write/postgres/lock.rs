//! The locks that a file takes, and how long it waits for them.

use super::DIALECT;
use crate::migrate::diff::Diff;
use crate::migrate::plan::Plan;
use crate::migrate::write::cut_offs;
use crate::migrate::write::rows::{are_written, is_retyped};
use crate::migrate::write::script::Script;
use crate::schema::TableColumn;

pub(super) const A_MINUTE: &str = "Each statement runs for at most a minute.";

/// Limits how long a file waits for the lock of each table, given how many tables it locks in all.
/// A file that has one lock and waits for another may be in a deadlock with an application.
/// PostgreSQL ends one of the two after a second, so the file gives up earlier.
pub(super) fn set_timeouts(script: &mut Script, then: &str, longest: &str, tables: usize) {
    let (wait, why) = match tables {
        0 | 1 => (
            "5s".to_owned(),
            "Waits at most five seconds for its locks, so that nobody waits longer behind it."
                .to_owned(),
        ),
        tables => {
            let wait = 900 / tables;
            let why = format!(
                "Waits at most {wait} milliseconds for each of {tables} tables, in total less than \
                 one second. After a second, PostgreSQL looks for a deadlock, and may end a \
                 request of the application."
            );
            (format!("{wait}ms"), why)
        }
    };
    script.comment(format!(
        "{why} {then} If it gives up (\"canceling statement due to lock timeout\"), nothing has \
         changed: run it again.",
    ));
    script.prepare(format!("SET LOCAL lock_timeout = '{wait}'"));
    script.prepare(format!("SET LOCAL statement_timeout = '{longest}'"));
}

/// Returns the limits for a file that locks this many tables.
pub(in crate::migrate::write) fn bounds(tables: usize) -> Script {
    let mut script = Script::default();
    set_timeouts(&mut script, A_MINUTE, "60s", tables);
    script
}

/// Takes the locks that the change needs, before the first statement that depends on them.
pub(super) fn lock(script: &mut Script, plan: &Plan) {
    let diff = &plan.diff;
    let mut exclusive = vec![diff.old.name.as_str()];
    if cut_offs::is_replaced(plan) {
        exclusive.extend(diff.old.cut_offs.iter().map(|old| old.name.as_str()));
    }
    let (left, joined) = referenced(diff);
    exclusive.extend(left);
    set_timeouts(script, A_MINUTE, "60s", exclusive.len() + joined.len());
    if !are_written(plan) && exclusive.len() + joined.len() == 1 {
        return;
    }
    script.comment("Locked here so that nobody writes between the statements below.");
    let listed = |tables: Vec<&str>| {
        tables.into_iter().map(|table| DIALECT.table(table)).collect::<Vec<_>>().join(", ")
    };
    script.run(format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", listed(exclusive)));
    if !joined.is_empty() {
        script.run(format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", listed(joined)));
    }
}

/// Returns the other tables that PostgreSQL locks, each once. The first list has the targets of
/// dropped foreign keys: nobody else can read them meanwhile. The second has the targets of new
/// ones: nobody else can write to them meanwhile.
fn referenced<'d>(diff: &'d Diff) -> (Vec<&'d str>, Vec<&'d str>) {
    let changed = diff
        .kept
        .iter()
        .filter(|(old, new)| old.references != new.references || is_retyped(old, new));
    let (before, after): (Vec<_>, Vec<_>) = changed.map(|(old, new)| (old, new)).unzip();
    let tables = |columns: Vec<&'d TableColumn>| {
        let targets = columns.into_iter().filter_map(|column| column.references.as_ref());
        let mut tables: Vec<_> = targets.map(|target| target.table.as_str()).collect();
        tables.retain(|table| *table != diff.old.name && *table != diff.new.name);
        tables.sort_unstable();
        tables.dedup();
        tables
    };
    let left = tables(diff.dropped.iter().chain(before).collect());
    let mut joined = tables(diff.added.iter().chain(after).collect());
    joined.retain(|table| !left.contains(table));
    (left, joined)
}
