//! MySQL and MariaDB: every `ALTER TABLE` commits, so that there is one of it, with all clauses;
//! another only where constraints are in its way, and for the table's own name. What can fail is
//! asserted before the first, and what each leaves behind stands in the file, with the way back.

use super::{
    ENDS_ALL, Script, assert_none, assertions, change_values, column_renames, cut_offs,
    index_renames, is_retyped, name_before, say_what_to_know,
};
use crate::column::ColumnType;
use crate::migrate::diff::{Misfit, Plan};
use crate::migrate::fit::Condition;
use crate::schema::{Dialect, Kind, TableColumn, default_clause};

const DIALECT: Dialect = Dialect::MySql;

/// What sqlx keeps of a migration that failed, and what lets it run again.
struct Bookkeeping {
    again: &'static str,
    done: &'static str,
}

const UP: Bookkeeping = Bookkeeping {
    again: "DELETE FROM _sqlx_migrations WHERE NOT success;",
    done: "UPDATE _sqlx_migrations SET success = TRUE WHERE NOT success;",
};

const DOWN: Bookkeeping = Bookkeeping { again: UP.done, done: UP.again };

pub(super) fn change(plan: &Plan) -> Script {
    let mut script = Script::default();
    let diff = &plan.diff;
    let table = DIALECT.table(&diff.old.name);
    let Bookkeeping { again, done } = if plan.is_way_back { DOWN } else { UP };
    say_what_to_know(&mut script, plan);
    let asserted = assertions(plan);
    if !asserted.is_empty() {
        script.run("DROP TEMPORARY TABLE IF EXISTS anchor_asserts");
    }
    assert_none(&mut script, DIALECT, "TEMPORARY ", &asserted);
    let comments = std::mem::take(&mut script.comments);
    script.say(format!(
        "Waits at most five seconds for its locks, so that nobody waits longer behind it. If it gives up (\"Lock wait timeout exceeded\") at its first ALTER or LOCK, nothing has changed: {again} and run it again. Text that is too long is refused, and never cut.",
    ));
    // What an earlier run has put there, and could not take away, is not what was there.
    script.run("SET @anchor_sql_mode = IFNULL(@anchor_sql_mode, @@SESSION.sql_mode)");
    script.run(
        "SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@SESSION.sql_mode, ''), 'STRICT_ALL_TABLES'), SESSION lock_wait_timeout = 5",
    );
    script.comments = comments;

    let locks = lock(&mut script, plan);
    cut_offs::before(&mut script, plan);
    if plan.ends_all {
        script.say(ENDS_ALL);
        script.run(format!("DELETE FROM {table}"));
    }
    let Steps { drops, mut adds, mut clauses } = steps(plan);
    let away: Vec<_> = drops.iter().map(|drop| drop.away.clone()).collect();
    script.alter(&table, &away);
    change_values(&mut script, plan, &table, |column| name_before(plan, column));
    clauses.append(&mut adds);
    let undo = undo(plan, &drops);
    if !undo.is_empty() {
        script.say(format!(
            "If this fails, end the connection that ran it, run the following, and then the migration again: {again} {}",
            undo.join(" ")
        ));
    }
    script.alter(&table, &clauses);
    if locks {
        script.run("UNLOCK TABLES");
    }

    let mut last = Script::default();
    cut_offs::after(&mut last, plan);
    if diff.old.name != diff.new.name {
        // For itself: MariaDB 10.11 leaves the old name behind when an ALTER TABLE does this beside other things.
        last.run(format!("RENAME TABLE {table} TO {}", DIALECT.table(&diff.new.name)));
    }
    if !last.statements.is_empty() && !script.is_only_settings() {
        script.say(format!(
            "If it fails from here on, the rest is done: run what is left by hand, and {done}"
        ));
    }
    script.statements.extend(last.statements);
    script.run("SET SESSION sql_mode = @anchor_sql_mode, SESSION lock_wait_timeout = DEFAULT");
    script.run("SET @anchor_sql_mode = NULL");
    script
}

/// What takes back the statements before the table is altered, as far as they do not do the same
/// when they run again.
fn undo(plan: &Plan, drops: &[Dropped]) -> Vec<String> {
    let diff = &plan.diff;
    let table = DIALECT.table(&diff.old.name);
    let mut undo = Vec::new();
    for (old, new) in &diff.kept {
        let names = diff.variants_of(&new.name);
        if !plan.ends_all && names.iter().any(|(_, to)| names.iter().any(|(from, _)| from == to)) {
            let column = DIALECT.identifier(&old.name);
            let cases = names.iter().map(|(from, to)| {
                format!(" WHEN {} THEN {}", DIALECT.literal(to), DIALECT.literal(from))
            });
            let cases: String = cases.collect();
            undo.push(format!(
                "UPDATE {table} SET {column} = CASE {column}{cases} ELSE {column} END;"
            ));
        }
    }
    if !drops.is_empty() {
        let back: Vec<_> = drops.iter().map(|drop| drop.back.as_str()).collect();
        undo.push(format!("ALTER TABLE {table} {};", back.join(", ")));
    }
    undo
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

/// A constraint that goes, and what brings it back.
struct Dropped {
    away: String,
    back: String,
}

/// The clauses of the change, by the statement that they are in.
struct Steps {
    /// What has to be gone before the table is altered.
    drops: Vec<Dropped>,
    /// Constraints.
    adds: Vec<String>,
    clauses: Vec<String>,
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
    let foreign_key = |column: &TableColumn| {
        let back = format!("ADD {}", diff.old.foreign_key(column)?);
        Some(Dropped { away: drop_foreign_key(plan, column), back })
    };
    let check = |column: &TableColumn| {
        let back = format!("ADD {}", diff.old.check(column)?);
        Some(Dropped { away: drop_check(plan, column), back })
    };
    for column in &diff.dropped {
        drops.extend(foreign_key(column));
        drops.extend(check(column));
    }
    for (old, new) in &diff.kept {
        let in_the_way = is_in_the_way(plan, old, new);
        if in_the_way || old.references != new.references {
            drops.extend(foreign_key(old));
            adds.extend(diff.new.foreign_key(new).map(|key| format!("ADD {key}")));
        }
        if in_the_way || old.checked_values() != new.checked_values() {
            match in_the_way {
                true => drops.extend(check(old)),
                false => adds.extend(check(old).map(|check| check.away)),
            }
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
