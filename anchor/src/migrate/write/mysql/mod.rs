//! MySQL and MariaDB: every `ALTER TABLE` commits, so that there is one of it, with all clauses.
//! What has to be done before it can be done again, and what is left to do after it stands below a
//! comment that says so: whatever statement fails, the file says how to go on. What can fail is
//! asserted before anything changes.

mod alter;
mod copy;
mod lock;
mod moved;
mod obstacle;

use super::assertions::{assert_none, assertions};
use super::comments::say_what_to_know;
use super::cut_offs;
use super::rows::{change_values, end_sessions, name_before, rename_variants};
use super::script::Script;
use crate::migrate::diff::Plan;
use crate::schema::Dialect;
use alter::Constraints;

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
    // A second time would move them once more.
    rename_variants(&mut last, &moved, &table, |column| column.name.clone());
    last.alter(&table, &checks_of_moved);
    if locks {
        last.run("UNLOCK TABLES");
    }
    cut_offs::after(&mut last, plan);
    if diff.old.name != diff.new.name {
        // For itself: MariaDB 10.11 leaves the old name behind when an ALTER TABLE does this beside
        // other things.
        last.run(format!("RENAME TABLE {table} TO {}", DIALECT.table(&diff.new.name)));
    }
    end(&mut last);
    if clauses.is_empty() {
        script.append(last.take_first());
    }
    script.say(format!(
        "The change is done here. If it fails from here on, run what is left by hand, and {done}"
    ));
    script.append(last);
    script
}

/// The settings of the connection. What an earlier run has put there, and could not take away, is
/// not what was there. Of a file that fails, the connection goes back to the pool with its locks
/// and settings. The server ends it when it is idle.
fn begin(script: &mut Script, again: &str) {
    script.say(format!(
        "Waits at most five seconds for its locks, so that nobody waits longer behind it. Text \
         that is too long is refused, and never cut. The server ends the connection when it is \
         idle for five seconds. If it fails: end the connection that ran it, {again} and run it \
         again; but not once the change is done, which a comment below says.",
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

/// The settings that were there before.
fn end(script: &mut Script) {
    script.prepare(
        "SET SESSION sql_mode = IFNULL(@anchor_sql_mode, @@SESSION.sql_mode), SESSION \
         lock_wait_timeout = DEFAULT, SESSION wait_timeout = CAST(IFNULL(@anchor_wait_timeout, \
         @@SESSION.wait_timeout) AS SIGNED)",
    );
    script.prepare("SET @anchor_sql_mode = NULL, @anchor_wait_timeout = NULL");
}
