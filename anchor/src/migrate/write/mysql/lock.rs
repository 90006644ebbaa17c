//! The locks that a file takes explicitly.

use super::DIALECT;
use super::alter::{gets_key, present_name};
use crate::migrate::conversion::Condition;
use crate::migrate::plan::Plan;
use crate::migrate::write::cut_offs;
use crate::migrate::write::rows::are_written;
use crate::migrate::write::script::Script;

/// Locks the table if the change writes rows before it alters the table, or recreates a foreign
/// key, so that nobody else writes in between. Returns whether it locks the table.
pub(super) fn lock(script: &mut Script, plan: &Plan) -> bool {
    let diff = &plan.diff;
    // Rows could be written after the key is dropped and before it is recreated.
    let remakes_key = diff.kept.iter().any(|(old, new)| {
        old.references.is_some() && new.references.is_some() && gets_key(plan, old, new)
    });
    if !are_written(plan) && !remakes_key {
        return false;
    }
    let table = DIALECT.table(&diff.old.name);
    let mut locks = vec![format!("{table} WRITE")];
    if plan.misfits.iter().any(|misfit| misfit.conditions.contains(&Condition::Shared)) {
        locks.push(format!("{table} AS again WRITE"));
    }
    if let Some(companion) = diff.old.cut_offs.as_ref().filter(|_| cut_offs::is_replaced(plan)) {
        locks.push(format!("{} AS c READ", DIALECT.table(&companion.name)));
    }
    // MySQL also requires locks on the tables that a new foreign key references.
    let keys = diff.kept.iter().filter(|(old, new)| gets_key(plan, old, new)).map(|(_, new)| new);
    for target in keys.chain(&diff.added).filter_map(|column| column.references.as_ref()) {
        let parent = DIALECT.table(present_name(plan, &target.table));
        let lock = format!("{parent} READ");
        if parent != table && !locks.contains(&lock) {
            locks.push(lock);
        }
    }
    script.comment("Locked here so that nobody writes between the statements below.");
    script.run(format!("LOCK TABLES {}", locks.join(", ")));
    true
}
