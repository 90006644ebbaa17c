//! MySQL and MariaDB: every `ALTER TABLE` commits, so that there is one of it, with all clauses;
//! another only where constraints are in its way, and for the table's own name. What can fail is
//! asserted before the first, and what each leaves behind stands in the file, with the way back.

use super::{
    ENDS_ALL, Script, assert_none, assertions, column_renames, cut_offs, index_renames, is_retyped,
    name_before, rename_variants, say_what_to_know, tend_misfits,
};
use crate::column::ColumnType;
use crate::migrate::diff::{Misfit, Plan};
use crate::migrate::fit::Condition;
use crate::schema::{Dialect, Kind, TableColumn, default_clause};

const DIALECT: Dialect = Dialect::MySql;

pub(super) fn change(plan: &Plan) -> Script {
    let mut script = Script { is_way_back: plan.is_way_back, ..Script::default() };
    let diff = &plan.diff;
    let table = DIALECT.table(&diff.old.name);
    script.say(
        "Waits at most five seconds for its locks, so that nobody waits longer behind it. If it gives up at its first statements (\"Lock wait timeout exceeded\"), nothing has changed: run it again. Text that is too long is refused, and never cut.",
    );
    script.run(
        "SET @anchor_sql_mode = @@SESSION.sql_mode, @anchor_lock_wait = @@SESSION.lock_wait_timeout",
    );
    script.run(
        "SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@SESSION.sql_mode, ''), 'STRICT_ALL_TABLES'), SESSION lock_wait_timeout = 5",
    );
    say_what_to_know(&mut script, plan);
    let asserted = assertions(plan);
    if !asserted.is_empty() {
        script.run("DROP TEMPORARY TABLE IF EXISTS anchor_asserts");
    }
    assert_none(&mut script, DIALECT, "TEMPORARY ", &asserted);

    let locks = lock(&mut script, plan);
    cut_offs::before(&mut script, plan);
    if plan.ends_all {
        script.say(ENDS_ALL);
        script.run(format!("DELETE FROM {table}"));
    }
    let Steps { drops, adds, clauses } = steps(plan);
    let back = Steps::put_back(plan);
    if !drops.is_empty() {
        let undo = format!("ALTER TABLE {table} {}", back.join(", "));
        script.committed(|script| script.alter(&table, &drops), (!back.is_empty()).then_some(undo));
    }
    tend_misfits(&mut script, plan, &table, |column| name_before(plan, column));
    rename_variants(&mut script, plan, &table, |column| name_before(plan, column));
    let all: Vec<_> = clauses.into_iter().chain(adds).collect();
    if !all.is_empty() {
        script.committed(|script| script.alter(&table, &all), None);
    }
    if locks {
        script.run("UNLOCK TABLES");
    }
    cut_offs::after(&mut script, plan);
    if diff.old.name != diff.new.name {
        // For itself: MariaDB 10.11 leaves the old name behind when an ALTER TABLE does this beside other things.
        let to = DIALECT.table(&diff.new.name);
        script.committed(|script| script.run(format!("RENAME TABLE {table} TO {to}")), None);
    }
    script.run(
        "SET SESSION sql_mode = @anchor_sql_mode, SESSION lock_wait_timeout = @anchor_lock_wait",
    );
    script
}

/// Locks the table where something is to be written before it is altered, so that nobody writes
/// in between.
fn lock(script: &mut Script, plan: &Plan) -> bool {
    let diff = &plan.diff;
    let replaced = cut_offs::is_replaced(plan);
    let writes = plan.ends_all || !plan.misfits.is_empty() || !diff.variants.is_empty() || replaced;
    if !writes {
        return false;
    }
    let table = DIALECT.table(&diff.old.name);
    let mut locks = vec![format!("{table} WRITE")];
    if plan.misfits.iter().any(|misfit| misfit.conditions.contains(&Condition::Shared)) {
        locks.push(format!("{table} AS again WRITE"));
    }
    if let Some(companion) = diff.old.cut_offs.as_ref().filter(|_| replaced) {
        let companion = DIALECT.table(&companion.name);
        locks.push(format!("{companion} WRITE"));
        locks.push(format!("{companion} AS c WRITE"));
    }
    for column in &diff.new.columns {
        if let Some(target) = &column.references {
            let lock = format!("{} WRITE", DIALECT.table(&target.table));
            if !locks.contains(&lock) {
                locks.push(lock);
            }
        }
    }
    script.say("Now, so that nobody writes between the statements below.");
    script.run(format!("LOCK TABLES {}", locks.join(", ")));
    true
}

/// The clauses of the change, by the statement that they are in.
struct Steps {
    /// What has to be gone before the table is altered.
    drops: Vec<String>,
    /// Constraints.
    adds: Vec<String>,
    clauses: Vec<String>,
}

impl Steps {
    /// What makes good for the drops.
    fn put_back(plan: &Plan) -> Vec<String> {
        let old = &plan.diff.old;
        let columns = plan.diff.dropped.iter().chain(plan.diff.kept.iter().map(|(old, _)| old));
        let constraints = columns.filter(|column| {
            let stays = plan.diff.kept.iter().find(|(before, _)| before == *column);
            stays.is_none_or(|(before, after)| is_in_the_way(plan, before, after))
        });
        constraints
            .flat_map(|column| [old.foreign_key(column), old.check(column)])
            .flatten()
            .map(|constraint| format!("ADD {constraint}"))
            .collect()
    }
}

/// Whether the column's constraints hold it as it is.
fn is_in_the_way(plan: &Plan, old: &TableColumn, new: &TableColumn) -> bool {
    plan.diff.old.name != plan.diff.new.name
        || old.name != new.name
        || is_redefined(plan, old, new)
        || plan.misfit(new).is_some()
        || !plan.diff.variants_of(&new.name).is_empty()
}

fn steps(plan: &Plan) -> Steps {
    let diff = &plan.diff;
    // A constraint holds its column as it is, and its name is not free before the statement's end.
    let mut drops = Vec::new();
    let mut adds = Vec::new();
    for column in &diff.dropped {
        drops.extend(column.references.as_ref().map(|_| drop_foreign_key(plan, column)));
        drops.extend(column.checked_values().map(|_| drop_check(plan, column)));
    }
    for (old, new) in &diff.kept {
        let in_the_way = is_in_the_way(plan, old, new);
        if in_the_way || old.references != new.references {
            drops.extend(old.references.as_ref().map(|_| drop_foreign_key(plan, old)));
            adds.extend(diff.new.foreign_key(new).map(|key| format!("ADD {key}")));
        }
        if in_the_way || old.checked_values() != new.checked_values() {
            let drops = if in_the_way { &mut drops } else { &mut adds };
            drops.extend(old.checked_values().map(|_| drop_check(plan, old)));
            adds.extend(diff.new.check(new).map(|check| format!("ADD {check}")));
        }
    }

    let mut clauses = Vec::new();
    for index in &diff.dropped_indexes {
        clauses.push(format!("DROP INDEX {}", DIALECT.identifier(&index.name)));
    }
    for column in &diff.dropped {
        clauses.push(format!("DROP COLUMN {}", DIALECT.identifier(&column.name)));
    }
    let redefined = |name: &str| {
        diff.kept.iter().any(|(old, new)| old.name == name && is_redefined(plan, old, new))
    };
    for (from, to) in column_renames(plan) {
        if !redefined(&from) {
            let (from, to) = (DIALECT.identifier(&from), DIALECT.identifier(&to));
            clauses.push(format!("RENAME COLUMN {from} TO {to}"));
        }
    }
    let mut rebuilt_indexes = Vec::new();
    for (old, new) in diff.kept.iter().filter(|(old, new)| is_redefined(plan, old, new)) {
        let definition = diff.new.column_definition(new);
        let before = DIALECT.identifier(&old.name);
        if is_reset(plan, new) {
            clauses.push(format!("DROP COLUMN {before}"));
            clauses.push(format!("ADD COLUMN {definition}"));
            for (old, new) in diff.kept_indexes.iter().filter(|(_, index)| index.column == new.name)
            {
                clauses.push(format!("DROP INDEX {}", DIALECT.identifier(&old.name)));
                clauses.push(format!("ADD {}", diff.new.mysql_index(new)));
                rebuilt_indexes.push(old.name.clone());
            }
        } else if old.name == new.name {
            clauses.push(format!("MODIFY COLUMN {definition}"));
        } else {
            clauses.push(format!("CHANGE COLUMN {before} {definition}"));
        }
    }
    for column in &diff.added {
        clauses.push(format!("ADD COLUMN {}", diff.new.column_definition(column)));
    }
    for (from, to) in index_renames(plan) {
        if !rebuilt_indexes.contains(&from) {
            let (from, to) = (DIALECT.identifier(&from), DIALECT.identifier(&to));
            clauses.push(format!("RENAME INDEX {from} TO {to}"));
        }
    }
    clauses.extend(
        diff.added_indexes.iter().map(|index| format!("ADD {}", diff.new.mysql_index(index))),
    );
    for column in &diff.added {
        adds.extend(diff.new.check(column).map(|check| format!("ADD {check}")));
        adds.extend(diff.new.foreign_key(column).map(|key| format!("ADD {key}")));
    }
    Steps { drops, adds, clauses }
}

fn drop_foreign_key(plan: &Plan, column: &TableColumn) -> String {
    let name = plan.diff.old.foreign_key_name(&column.name);
    format!("DROP FOREIGN KEY {}", DIALECT.identifier(&name))
}

fn drop_check(plan: &Plan, column: &TableColumn) -> String {
    let name = plan.diff.old.check_name(&column.name);
    format!("DROP CONSTRAINT {}", DIALECT.identifier(&name))
}

/// Whether the column's definition has to be said anew.
fn is_redefined(plan: &Plan, old: &TableColumn, new: &TableColumn) -> bool {
    is_retyped(old, new)
        || old.nullable != new.nullable
        || default_clause(DIALECT, old) != default_clause(DIALECT, new)
        || is_reset(plan, new)
        // MariaDB keeps a check of a JSON column under the name that the column is defined with.
        || (old.name != new.name && new.kind == Kind::Plain(ColumnType::Json))
}

fn is_reset(plan: &Plan, new: &TableColumn) -> bool {
    plan.misfit(new).is_some_and(Misfit::is_reset)
}
