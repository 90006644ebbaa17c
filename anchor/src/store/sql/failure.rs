//! Converts sqlx's errors to [`StoreError`]s that say what to do and quote no value.

use sqlx::error::{DatabaseError, ErrorKind};

use crate::error::{StoreError, StoreErrorKind};
use crate::schema::{Dialect, Schema};

/// Returns the error as a store reports it. Only its text is kept, because the `Debug` of a
/// driver's error contains the server's detail, which quotes rows.
pub(crate) fn store_error(dialect: Dialect, schema: &Schema, error: &sqlx::Error) -> StoreError {
    if dialect == Dialect::Postgres
        && let Some(advice) = pooler_advice(error)
    {
        return StoreError::unavailable(advice);
    }
    let error = match error {
        sqlx::Error::Database(error) => error,
        sqlx::Error::PoolClosed => {
            return StoreError::unavailable(
                "its pool was closed while requests were running: close the pool after the server \
                 has stopped",
            );
        }
        other => return StoreError::unavailable(other.to_string()),
    };
    let error = &**error;
    let code = error.code().unwrap_or_default();
    let message = error.message();
    if let Some(advice) = advice(dialect, schema, error) {
        return StoreError::new(StoreErrorKind::NotMigrated, advice);
    }
    let constraint = !matches!(error.kind(), ErrorKind::Other);
    let bad_value = is_bad_value(dialect, error);
    let said = match dialect {
        // A message of class 22 quotes the value.
        Dialect::Postgres if bad_value => {
            format!("a value does not fit its column (SQLSTATE {code})")
        }
        Dialect::MySql if constraint || bad_value => mysql_refusal(message, &code),
        _ => message.to_owned(),
    };
    match (constraint, bad_value) {
        (true, _) => {
            let advice = constraint_advice(&error.kind());
            StoreError::new(StoreErrorKind::Constraint, format!("{said}; {advice}")).refused()
        }
        (false, true) => StoreError::new(StoreErrorKind::Encode, said).refused(),
        (false, false) if is_refusal(dialect, &code) => StoreError::unavailable(said).refused(),
        (false, false) => StoreError::unavailable(said),
    }
}

/// Returns the error of a statement in a transaction of the application's, or of its commit. The
/// transaction can only be rolled back.
pub(crate) fn in_transaction(dialect: Dialect, schema: &Schema, error: &sqlx::Error) -> StoreError {
    let found = store_error(dialect, schema, error);
    let said = error.as_database_error().map(DatabaseError::message).unwrap_or_default();
    if is_deadlock(error) {
        return StoreError::new(
            StoreErrorKind::TransactionConflict,
            format!("another transaction came first ({said}): run the whole transaction again"),
        );
    }
    if dialect == Dialect::Sqlite && is_busy(error) {
        return StoreError::new(
            StoreErrorKind::TransactionConflict,
            format!(
                "another transaction writes to the file, or has since this one began to read \
                 ({said}): begin it with `sessions.begin(&store)`, which takes the write lock at \
                 once, and run the whole transaction again"
            ),
        );
    }
    match error.as_database_error().and_then(|error| advice(dialect, schema, error)) {
        Some(advice) => StoreError::new(
            StoreErrorKind::NotMigrated,
            format!("{advice}. Or the transaction is not on the database of the session store"),
        ),
        None => found,
    }
}

/// Returns whether SQLite's file is locked by another connection. The primary code is in the lower
/// byte (<https://www.sqlite.org/rescode.html>).
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

/// Returns what to set if an error of PostgreSQL is due to a pooler, such as PgBouncer.
pub(crate) fn pooler_advice(error: &sqlx::Error) -> Option<String> {
    let error = error.as_database_error()?;
    let (code, message) = (error.code().unwrap_or_default(), error.message());
    // Statements with another statement's parameters have been prepared by another client.
    let is_of_statement = matches!(&*code, "26000" | "42P05")
        || code == "08P01" && message.contains("prepared statement");
    if is_of_statement {
        return Some(format!(
            "a pooler between this application and PostgreSQL, such as PgBouncer in transaction \
             mode, does not keep prepared statements ({message}). In PgBouncer 1.21 or newer, set \
             `max_prepared_statements = 200`. With an older one, add \
             `?statement-cache-capacity=0` to the database's URL, with which a session store \
             needs none, or set `pool_mode = session`. Without a pooler, something runs `DISCARD \
             ALL` or `DEALLOCATE ALL` on the pool's connections"
        ));
    }
    let parameter = message.strip_prefix("unsupported startup parameter")?;
    Some(match parameter.contains("extra_float_digits") {
        true => format!(
            "the pooler does not let the application connect ({message}): set \
             `ignore_startup_parameters = extra_float_digits` in pgbouncer.ini"
        ),
        false => format!(
            "the pooler does not let the application connect ({message}): remove `options` from \
             the database's URL, and set them for the user, as in `ALTER ROLE shop SET \
             search_path = shop`"
        ),
    })
}

/// Returns whether an error that is neither a constraint's nor a value's may be due to one row: a
/// trigger that raised it, a lock, or an entry too large for an index. The others are due to the
/// server: its shutdown, its disk, a failed login, or a database that cannot be written to. MySQL
/// has one code for many errors of both kinds.
fn is_refusal(dialect: Dialect, code: &str) -> bool {
    match dialect {
        // Classes of https://www.postgresql.org/docs/current/errcodes-appendix.html
        Dialect::Postgres => {
            let server = ["08", "25", "28", "3D", "53", "57", "58", "F0", "XX"];
            !server.iter().any(|class| code.starts_with(class))
        }
        Dialect::MySql => !["08", "28"].iter().any(|class| code.starts_with(class)),
        // The primary code is in the lower byte (https://www.sqlite.org/rescode.html). 19 is that
        // of constraints, which triggers also raise.
        Dialect::Sqlite => {
            code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 1 | 18 | 19 | 20))
        }
    }
}

/// Returns what to do about a constraint that has refused a row, or the end of one.
fn constraint_advice(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ForeignKeyViolation => {
            "let the payload refer to a row that exists, and declare a reference to a session `ON \
             DELETE CASCADE`"
        }
        _ => "store a payload that satisfies this constraint, or handle the error as a conflict",
    }
}

/// Returns whether the database aborted the statement or the transaction in favor of another one,
/// so that it may be run again.
pub(crate) fn is_deadlock(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

fn advice(dialect: Dialect, schema: &Schema, error: &dyn DatabaseError) -> Option<String> {
    let code = error.code().unwrap_or_default();
    let message = error.message();
    let (no_table, no_column) = match dialect {
        Dialect::Postgres => (code == "42P01", code == "42703"),
        Dialect::MySql => (code == "42S02", code == "42S22"),
        Dialect::Sqlite => (
            message.starts_with("no such table"),
            message.starts_with("no such column") || message.contains("has no column named"),
        ),
    };
    let table = schema.table;
    if no_table {
        // The companion table's name begins with the table's name. A table that this one references
        // is neither of the two.
        let companion = schema.cut_offs_table();
        let ours = [companion.as_deref(), Some(table)].into_iter().flatten();
        let missing = { ours }.find(|table| mentions(message, table))?;
        Some(format!(
            "the table `{missing}` does not exist: run your migrations, or call `store.migrate()` \
             for a quick start"
        ))
    } else if no_column {
        Some(format!(
            "the table `{table}` lacks a column ({message}): run your migrations; `store.verify()` \
             lists every difference"
        ))
    } else {
        None
    }
}

/// Returns whether the message names this table.
fn mentions(message: &str, table: &str) -> bool {
    let bare = table.rsplit('.').next().unwrap_or(table);
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    match bare.chars().all(is_of_word) {
        true => message.split(|c| !is_of_word(c)).any(|word| word == bare),
        false => message.contains(bare),
    }
}

fn is_bad_value(dialect: Dialect, error: &dyn DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    match dialect {
        // 54000: too large for an index.
        Dialect::Postgres => code.starts_with("22") || code == "54000",
        // MySQL's data errors: out of range, truncated, too long, wrong for the type; some have no
        // class of their own.
        Dialect::MySql => {
            code.starts_with("22")
                || code == "01000"
                || error.message().starts_with("Incorrect ")
                || error.message().starts_with("Data truncated")
        }
        Dialect::Sqlite => false,
    }
}

/// Returns what MySQL refused, without values. MySQL quotes values in its messages, so only the
/// name of the key, the column or the constraint is taken from them.
fn mysql_refusal(message: &str, code: &str) -> String {
    for (mark, words) in [
        ("for key ", "a duplicate value for the key"),
        ("for column ", "a value does not fit the column"),
    ] {
        if let Some((_, name)) = message.rsplit_once(mark) {
            let name = name.split(" at row ").next().unwrap_or(name);
            return format!("{words} {name}");
        }
    }
    // Failed foreign keys and checks name tables, columns and constraints, in backquotes.
    if message.contains('\'') {
        format!("a value does not fit (SQLSTATE {code})")
    } else {
        message.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::error::Error;
    use std::fmt;

    use super::*;
    use crate::column::ColumnType;
    use crate::schema::{ColumnSchema, SchemaOptions};

    static COLUMNS: [ColumnSchema; 1] =
        [ColumnSchema::new("user_id", ColumnType::Text, false).subject()];
    static SCHEMA: Schema =
        Schema::new("sessions", &COLUMNS).options(SchemaOptions::NONE.cut_off());

    /// What a database has answered.
    #[derive(Debug)]
    struct Answer {
        code: &'static str,
        message: &'static str,
        kind: fn() -> ErrorKind,
    }

    impl fmt::Display for Answer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.message)
        }
    }

    impl Error for Answer {}

    impl DatabaseError for Answer {
        fn message(&self) -> &str {
            self.message
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.code.into())
        }

        fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            (self.kind)()
        }
    }

    fn answer(code: &'static str, message: &'static str) -> sqlx::Error {
        sqlx::Error::Database(Box::new(Answer { code, message, kind: || ErrorKind::Other }))
    }

    fn of(dialect: Dialect, code: &'static str, message: &'static str) -> StoreError {
        store_error(dialect, &SCHEMA, &answer(code, message))
    }

    use Dialect::{MySql, Postgres, Sqlite};

    #[test]
    fn a_pooler_that_does_not_suit_is_named_with_what_to_set() {
        for (code, message, set) in [
            ("26000", "prepared statement \"sqlx_s_1\" does not exist", "max_prepared_statements"),
            ("42P05", "prepared statement \"sqlx_s_1\" already exists", "max_prepared_statements"),
            (
                "08P01",
                "bind message supplies 1 parameters, but prepared statement \"\" requires 2",
                "max_prepared_statements",
            ),
            (
                "08P01",
                "unsupported startup parameter: extra_float_digits",
                "ignore_startup_parameters",
            ),
            ("08P01", "unsupported startup parameter: options", "ALTER ROLE"),
        ] {
            let advice = of(Postgres, code, message).to_string();
            assert!(advice.contains(set) && advice.contains(message), "{advice}");
            let another = of(MySql, code, message).to_string();
            assert!(!another.contains(set), "{another}");
        }
        let another = of(Postgres, "08P01", "insufficient data left in message").to_string();
        assert!(!another.contains("pooler"), "{another}");
    }

    #[test]
    fn a_table_or_a_column_that_is_missing_is_named_if_it_is_ones_own() {
        for (dialect, code, message, words) in [
            (Postgres, "42P01", "relation \"sessions\" does not exist", "table `sessions` does"),
            (Postgres, "42P01", "relation \"sessions_cut_offs\" does not exist", "_cut_offs` does"),
            (Postgres, "42703", "column \"device\" does not exist", "lacks a column"),
            (MySql, "42S02", "Table 'app.sessions' doesn't exist", "table `sessions` does"),
            (MySql, "42S22", "Unknown column 'device' in 'field list'", "lacks a column"),
            (Sqlite, "1", "no such table: sessions", "table `sessions` does"),
            (Sqlite, "1", "no such column: device", "lacks a column"),
            (Sqlite, "1", "table sessions has no column named device", "lacks a column"),
        ] {
            let error = of(dialect, code, message);
            assert_eq!(error.kind(), StoreErrorKind::NotMigrated, "{message}");
            assert!(error.to_string().contains(words), "{error}");
            let error = in_transaction(dialect, &SCHEMA, &answer(code, message));
            assert_eq!(error.kind(), StoreErrorKind::NotMigrated, "{message}");
            assert!(error.to_string().contains("not on the database of the session store"));
        }
        for (dialect, code, message) in [
            (Postgres, "42P01", "relation \"my_sessions\" does not exist"),
            (MySql, "42S02", "Table 'app.carts' doesn't exist"),
            (Sqlite, "1", "no such table: carts"),
            (Sqlite, "1", "near \"sessions\": syntax error"),
        ] {
            let error = of(dialect, code, message);
            assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{message}");
        }
    }

    #[test]
    fn a_value_that_does_not_fit_is_not_quoted() {
        for (dialect, code, message, is_value) in [
            (Postgres, "22001", "invalid input: \"hunter2\"", true),
            (Postgres, "54000", "index row size 3000 exceeds maximum", true),
            (Postgres, "P0001", "no more of them", false),
            (MySql, "22003", "Out of range value for column 'age' at row 1", true),
            (MySql, "01000", "Data truncated for column 'age' at row 1", true),
            (MySql, "HY000", "Incorrect integer value: 'hunter2' for column 'age' at row 1", true),
            (MySql, "HY000", "Data truncated for column 'age' at row 1", true),
            (MySql, "22007", "Incorrect value 'hunter2'", true),
            (MySql, "HY000", "no more of them", false),
            (Sqlite, "22001", "no more of them", false),
        ] {
            let error = of(dialect, code, message);
            assert_eq!(error.kind() == StoreErrorKind::Encode, is_value, "{error}");
            let said = error.to_string();
            assert!(!said.contains("hunter2") && !said.contains("at row"), "{said}");
            if message.contains("'age'") {
                assert!(said.contains("the column 'age'"), "{said}");
            }
            assert!(!is_value || error.is_refusal(), "{said}");
        }
    }

    #[test]
    fn a_constraint_is_named_without_the_value_that_it_refuses() {
        let refused = |dialect, kind, message| {
            let refused = Answer { code: "23000", message, kind };
            store_error(dialect, &SCHEMA, &sqlx::Error::Database(Box::new(refused)))
        };
        let unique = || ErrorKind::UniqueViolation;
        let key = "Duplicate entry 'hunter2' for key 'sessions.device'";
        let error = refused(MySql, unique, key);
        assert_eq!(error.kind(), StoreErrorKind::Constraint);
        assert!(error.is_refusal());
        let said = error.to_string();
        assert!(said.contains("for the key 'sessions.device'; store a payload"), "{said}");
        let said = refused(MySql, || ErrorKind::CheckViolation, "the value 'hunter2'").to_string();
        assert!(said.contains("(SQLSTATE 23000)") && !said.contains("hunter2"), "{said}");
        let said = refused(Postgres, unique, "the key \"device\"").to_string();
        assert!(said.contains("the key \"device\""), "{said}");
        let said = refused(Sqlite, || ErrorKind::ForeignKeyViolation, "a foreign key").to_string();
        assert!(said.ends_with("`ON DELETE CASCADE`"), "{said}");
    }

    #[test]
    fn only_what_one_row_may_have_caused_is_a_refusal() {
        for (dialect, code, is_refusal) in [
            (Postgres, "P0001", true),
            (Postgres, "55P03", true),
            (Postgres, "53100", false),
            (Postgres, "57P01", false),
            (MySql, "45000", true),
            (MySql, "HY000", true),
            (MySql, "08S01", false),
            (MySql, "28000", false),
            (Sqlite, "1", true),
            (Sqlite, "1811", true),
            (Sqlite, "5", false),
            (Sqlite, "8", false),
            (Sqlite, "13", false),
        ] {
            let error = of(dialect, code, "no");
            assert_eq!(error.is_refusal(), is_refusal, "{dialect:?} {code}");
            assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{dialect:?} {code}");
        }
    }

    #[test]
    fn a_transaction_that_came_second_can_be_run_again() {
        for (dialect, code, is_conflict) in [
            (Postgres, "40001", true),
            (Postgres, "40P01", true),
            (MySql, "40001", true),
            (Postgres, "5", false),
            (Postgres, "P0001", false),
            (Sqlite, "5", true),
            (Sqlite, "6", true),
            // SQLITE_BUSY_SNAPSHOT
            (Sqlite, "517", true),
            (Sqlite, "1", false),
        ] {
            let error = in_transaction(dialect, &SCHEMA, &answer(code, "another one"));
            let is = error.kind() == StoreErrorKind::TransactionConflict;
            assert_eq!(is, is_conflict, "{dialect:?} {code}: {error}");
            assert!(error.to_string().contains("another one"), "{error}");
        }
    }
}
