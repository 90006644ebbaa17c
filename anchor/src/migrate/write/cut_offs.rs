//! What a change of the session table does to its companion table: creates, renames, replaces or
//! drops it.

use super::script::Script;
use crate::migrate::plan::Plan;
use crate::schema::{CUT_OFF_BYTES, CutOffsTable, Dialect, Table, primary_key_name};

/// What happens to the companion table.
enum CompanionChange<'p> {
    Stays,
    Renamed(&'p CutOffsTable, &'p CutOffsTable),
    Replaced(Option<&'p CutOffsTable>, Option<&'p CutOffsTable>),
}

fn companion_change(plan: &Plan) -> CompanionChange<'_> {
    let (old, new) = (plan.diff.old.cut_offs.as_ref(), plan.diff.new.cut_offs.as_ref());
    match (old, new) {
        (None, None) => CompanionChange::Stays,
        (Some(old), Some(new)) if plan.diff.keeps_subject() => {
            if old.name == new.name {
                CompanionChange::Stays
            } else if namespace(&old.name) == namespace(&new.name) {
                CompanionChange::Renamed(old, new)
            } else {
                CompanionChange::Replaced(Some(old), Some(new))
            }
        }
        (old, new) => CompanionChange::Replaced(old, new),
    }
}

/// Returns whether the companion table is dropped, perhaps for another one.
pub(super) fn is_replaced(plan: &Plan) -> bool {
    matches!(companion_change(plan), CompanionChange::Replaced(Some(_), _))
}

/// Adds what precedes the change of the session table.
pub(super) fn before(script: &mut Script, plan: &Plan) {
    if let CompanionChange::Replaced(Some(old), _) = companion_change(plan)
        && !plan.ends_all
    {
        script.comment(
            "Ends the sessions that a cut-off refuses, because the cut-offs are about to be \
             dropped.",
        );
        script.run(end_cut_off(&plan.diff.old, old));
    }
}

/// Adds what follows the change of the session table.
pub(super) fn after(script: &mut Script, plan: &Plan) {
    let dialect = plan.diff.new.dialect;
    match companion_change(plan) {
        CompanionChange::Stays => {}
        CompanionChange::Renamed(old, new) => {
            let to = match dialect {
                Dialect::MySql => dialect.table(&new.name),
                Dialect::Postgres | Dialect::Sqlite => {
                    let bare = new.name.rsplit('.').next().unwrap_or(&new.name);
                    dialect.identifier(bare).into_owned()
                }
            };
            script.run(format!("ALTER TABLE {} RENAME TO {to}", dialect.table(&old.name)));
            if dialect == Dialect::Postgres {
                let names = [&old.name, &new.name].map(|table| primary_key_name(table));
                let [from, to] = names.each_ref().map(|name| dialect.identifier(name));
                let table = dialect.table(&new.name);
                script.run(format!("ALTER TABLE {table} RENAME CONSTRAINT {from} TO {to}"));
            }
        }
        CompanionChange::Replaced(old, new) => {
            if let Some(old) = old {
                script.run(format!("DROP TABLE {}", dialect.table(&old.name)));
            }
            if let Some(new) = new {
                script.run(new.create(dialect, ""));
            }
        }
    }
}

fn namespace(table: &str) -> Option<&str> {
    table.rsplit_once('.').map(|(namespace, _)| namespace)
}

fn end_cut_off(table: &Table, cut_offs: &CutOffsTable) -> String {
    let dialect = table.dialect;
    let sessions = dialect.table(&table.name);
    let mut subject = format!("{sessions}.{}", dialect.identifier(&cut_offs.subject));
    if dialect == Dialect::MySql && cut_offs.subject_type == CUT_OFF_BYTES {
        subject = format!("CAST({subject} AS BINARY)");
    }
    format!(
        "DELETE FROM {sessions}\nWHERE EXISTS (\n    SELECT 1 FROM {} AS c\n    \
         WHERE c.subject = {subject} AND c.cut_off_at >= {sessions}.authenticated_at\n)",
        dialect.table(&cut_offs.name)
    )
}
