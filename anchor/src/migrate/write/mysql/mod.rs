//! MySQL and MariaDB. Every `ALTER TABLE` commits, so a change has only one, with all clauses.
//! Everything before it can run again, and a comment marks what remains to be done after it:
//! whichever statement fails, the file says how to continue. What can fail is checked before
//! anything changes.

mod alter;
mod copy;
mod lock;
mod moved;
mod obstacle;

use super::assertions::{assert_none, assertions};
use super::comments::comment_on_change;
use super::cut_offs;
use super::rows::{change_values, end_sessions, name_before, rename_variants};
use super::script::Script;
use crate::migrate::plan::Plan;
use crate::schema::Dialect;
use alter::Constraints;

const DIALECT: Dialect = Dialect::MySql;

/// How to update sqlx's record of a failed migration, to run it again or to mark it as done.
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
    comment_on_change(&mut script, plan);
    let asserted = assertions(plan);
    if !asserted.is_empty() {
        script.run("DROP TEMPORARY TABLE IF EXISTS anchor_asserts");
    }
    assert_none(&mut script, DIALECT, &asserted);
    script.before_comments(|script| begin(script, again));

    let locks = lock::lock(&mut script, plan);
    end_sessions(&mut script, plan);
    let Constraints { drops, adds, checks_of_moved } = alter::constraints(plan);
    for constraint in &drops {
        obstacle::remove(&mut script, plan, constraint);
    }
    let (mut first, moved) = moved::without_moved(plan);
    let copied: Vec<_> =
        first.misfits.extract_if(.., |misfit| copy::is_copied(plan, &misfit.column)).collect();
    change_values(&mut script, &first, &table, |column| name_before(plan, column));
    for misfit in &copied {
        copy::copy(&mut script, plan, misfit);
    }
    let mut clauses = alter::clauses(plan);
    clauses.extend(adds);
    script.alter(&table, &clauses);

    let mut last = Script::default();
    // If this ran twice, it would swap the names back.
    rename_variants(&mut last, &moved, &table, |column| column.name.clone());
    last.alter(&table, &checks_of_moved);
    if locks {
        last.run("UNLOCK TABLES");
    }
    cut_offs::after(&mut last, plan);
    if diff.old.name != diff.new.name {
        // A separate statement: MariaDB 10.11 leaves the old name behind if an ALTER TABLE renames
        // the table along with other changes.
        last.run(format!("RENAME TABLE {table} TO {}", DIALECT.table(&diff.new.name)));
    }
    end(&mut last);
    if clauses.is_empty() {
        script.append(last.take_first());
    }
    script.comment(format!(
        "The change is done here. If a later statement fails, run the remaining ones by hand, and \
         {done}"
    ));
    script.append(last);
    script
}

/// Sets the connection up, and saves the old settings unless an earlier run that failed has already
/// saved them. After a failure the connection returns to the pool with its locks and settings, so
/// the server closes it when it is idle.
fn begin(script: &mut Script, again: &str) {
    script.comment(format!(
        "Waits at most five seconds for its locks, so that nobody waits longer behind it. Text \
         that is too long is refused, never truncated. The server closes the connection when it is \
         idle for five seconds. If a statement fails: close the connection that ran it, {again} \
         and run the migration again; but not after the comment below that says that the change is \
         done.",
    ));
    script.prepare(
        "SET @anchor_sql_mode = IFNULL(@anchor_sql_mode, @@SESSION.sql_mode), @anchor_wait_timeout \
         = IFNULL(@anchor_wait_timeout, @@SESSION.wait_timeout)",
    );
    script.prepare(
        "SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@SESSION.sql_mode, ''), \
         'STRICT_ALL_TABLES'), SESSION lock_wait_timeout = 5, SESSION wait_timeout = 5",
    );
}

/// Restores the old settings.
fn end(script: &mut Script) {
    script.prepare(
        "SET SESSION sql_mode = IFNULL(@anchor_sql_mode, @@SESSION.sql_mode), SESSION \
         lock_wait_timeout = DEFAULT, SESSION wait_timeout = CAST(IFNULL(@anchor_wait_timeout, \
         @@SESSION.wait_timeout) AS SIGNED)",
    );
    script.prepare("SET @anchor_sql_mode = NULL, @anchor_wait_timeout = NULL");
}
