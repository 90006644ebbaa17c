//! The expressions that statements consist of: clocks, sums of instants, and columns as they are
//! read and written. The dialects differ here.

use crate::column::ColumnType;
use crate::schema::{ColumnSchema, Dialect};

/// Returns the instant at which the statement began.
pub(super) fn now(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "statement_timestamp()",
        Dialect::MySql => "UTC_TIMESTAMP(6)",
        // SQLite's clock has a resolution of one millisecond.
        Dialect::Sqlite => "(CAST(round(unixepoch('subsec') * 1000) AS INTEGER) * 1000)",
    }
}

/// Returns the instant at which the expression is evaluated, after every wait for a lock.
pub(super) fn clock(dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => "clock_timestamp()".into(),
        // SYSDATE() advances while a statement runs, but is in the session's time zone, so that
        // zone's offset from UTC is added.
        Dialect::MySql => "TIMESTAMPADD(MICROSECOND, \
             TIMESTAMPDIFF(MICROSECOND, NOW(6), UTC_TIMESTAMP(6)), SYSDATE(6))"
            .into(),
        // SQLite reads the clock after it has taken the lock.
        Dialect::Sqlite => now(dialect).into(),
    }
}

/// Returns the condition that selects the row of `:id`, and locks it before anything else is
/// checked.
pub(super) fn row(dialect: Dialect, table: &str) -> String {
    match dialect {
        Dialect::Postgres => {
            format!("id = (SELECT id FROM {table} WHERE id = :id FOR NO KEY UPDATE)")
        }
        Dialect::MySql | Dialect::Sqlite => "id = :id".into(),
    }
}

/// Returns what makes a `SELECT` return the latest committed rows, and lock them. SQLite locks the
/// whole file.
pub(super) fn for_update(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres | Dialect::MySql => " FOR UPDATE",
        Dialect::Sqlite => "",
    }
}

/// Returns the table, for a statement that finds its rows by their ids. MySQL would otherwise read,
/// and lock, all rows of a small table. It still does if the ids are those of most rows.
pub(super) fn found_by_id(dialect: Dialect, table: &str) -> String {
    match dialect {
        Dialect::MySql => format!("{table} FORCE INDEX (PRIMARY)"),
        Dialect::Postgres | Dialect::Sqlite => table.into(),
    }
}

/// Returns the parameters `:id@0` and so on, as a list.
pub(super) fn ids(count: usize) -> String {
    let ids: Vec<_> = (0..count).map(|row| format!(":id@{row}")).collect();
    ids.join(", ")
}

/// Returns the condition that selects those rows of `:id@0` and so on that meet another condition,
/// and locks all of them, in the order of their ids, before that condition is checked. `lock` is
/// the strength of PostgreSQL's lock.
pub(super) fn rows(
    dialect: Dialect,
    table: &str,
    count: usize,
    lock: &str,
    condition: &str,
) -> String {
    let ids = ids(count);
    match dialect {
        // CASE keeps the order. PostgreSQL would check the cheapest of several conditions first.
        Dialect::Postgres => format!(
            "id IN ({ids}) AND CASE WHEN id = ANY(ARRAY(SELECT id FROM {table} \
             WHERE id IN ({ids}) ORDER BY id FOR {lock})) THEN {condition} ELSE FALSE END"
        ),
        Dialect::MySql | Dialect::Sqlite => format!("id IN ({ids}) AND {condition}"),
    }
}

/// Returns `instant` plus a parameter in microseconds.
pub(super) fn after(dialect: Dialect, instant: &str, micros: &str) -> String {
    match dialect {
        Dialect::Postgres => format!("{instant} + {micros} * INTERVAL '1 microsecond'"),
        Dialect::MySql => format!("TIMESTAMPADD(MICROSECOND, {micros}, {instant})"),
        Dialect::Sqlite => format!("{instant} + {micros}"),
    }
}

pub(super) fn least(dialect: Dialect, a: &str, b: &str) -> String {
    match dialect {
        Dialect::Postgres | Dialect::MySql => format!("LEAST({a}, {b})"),
        Dialect::Sqlite => format!("min({a}, {b})"),
    }
}

pub(super) fn greatest(dialect: Dialect, a: &str, b: &str) -> String {
    match dialect {
        Dialect::Postgres | Dialect::MySql => format!("GREATEST({a}, {b})"),
        Dialect::Sqlite => format!("max({a}, {b})"),
    }
}

/// The start of 1970 on MySQL. Microseconds since then are exact, and independent of the session's
/// time zone.
pub(super) const MYSQL_EPOCH: &str = "TIMESTAMP'1970-01-01 00:00:00'";

/// Returns an instant that the statement assigns and
/// [`Driver::instant`](super::driver::Driver::instant) then reports. MySQL cannot return columns
/// from a write, but sends one number with its answer.
pub(super) fn reported(dialect: Dialect, instant: &str) -> String {
    match dialect {
        Dialect::Postgres | Dialect::Sqlite => instant.into(),
        Dialect::MySql => format!(
            "TIMESTAMPADD(MICROSECOND, \
             LAST_INSERT_ID(TIMESTAMPDIFF(MICROSECOND, {MYSQL_EPOCH}, {instant})), {MYSQL_EPOCH})"
        ),
    }
}

pub(super) fn returning(dialect: Dialect, column: &str) -> String {
    match dialect {
        Dialect::Postgres | Dialect::Sqlite => format!(" RETURNING {column}"),
        Dialect::MySql => String::new(),
    }
}

/// Returns a column as a statement selects it.
pub(super) fn read(dialect: Dialect, column: &ColumnSchema) -> String {
    let name = dialect.reference(column.name);
    if column.sql_type.is_none() {
        return read_expression(dialect, column.ty, &name);
    }
    let cast = match (dialect, column.ty) {
        // CAST knows only a few types, and the timestamp is converted below.
        (Dialect::MySql, ColumnType::Timestamp) => {
            return read_expression(dialect, column.ty, &name);
        }
        (Dialect::MySql, ty) => match ty {
            ColumnType::Bool | ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => {
                "SIGNED"
            }
            ColumnType::Real | ColumnType::Double => "DOUBLE",
            ColumnType::Bytes | ColumnType::Uuid => "BINARY",
            _ => "CHAR",
        },
        (_, ty) => dialect.spell(ty),
    };
    format!("CAST({name} AS {cast})")
}

pub(super) fn read_expression(dialect: Dialect, ty: ColumnType, expression: &str) -> String {
    match (dialect, ty) {
        (Dialect::MySql, ColumnType::Timestamp) => {
            format!("TIMESTAMPDIFF(MICROSECOND, {MYSQL_EPOCH}, {expression})")
        }
        _ => expression.into(),
    }
}

/// Returns a payload column's parameter as a statement writes it.
pub(super) fn write(dialect: Dialect, column: &ColumnSchema, index: usize) -> String {
    write_as(dialect, column, &format!(":p{index}"))
}

pub(super) fn write_as(dialect: Dialect, column: &ColumnSchema, parameter: &str) -> String {
    match (dialect, column.ty, column.sql_type) {
        (Dialect::MySql, ColumnType::Timestamp, _) => {
            format!("TIMESTAMPADD(MICROSECOND, {parameter}, {MYSQL_EPOCH})")
        }
        (Dialect::Postgres, _, Some(sql_type)) => match cast_target(sql_type) {
            Some(target) => format!("CAST({parameter} AS {target})"),
            None => parameter.into(),
        },
        _ => parameter.into(),
    }
}

/// Returns the type to cast a parameter to, for a column with a custom type. The length in
/// parentheses is left out, because a cast to `varchar(40)` cuts the text silently, but the
/// assignment to such a column refuses it. A character type without a length may mean length 1, and
/// needs no cast.
pub(super) fn cast_target(sql_type: &str) -> Option<String> {
    let mut target = sql_type.to_owned();
    while let (Some(open), Some(close)) = (target.find('('), target.find(')')) {
        if close < open {
            break;
        }
        target.replace_range(open..=close, "");
    }
    let target = target.split_whitespace().collect::<Vec<_>>().join(" ");
    let lower = target.to_ascii_lowercase();
    let is_character = ["char", "varchar", "bpchar", "nchar", "national", "character"]
        .contains(&lower.split(' ').next().unwrap_or_default());
    (!is_character).then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_cast_to_its_columns_type_without_the_length() {
        for (sql_type, target) in [
            ("mood", Some("mood")),
            ("numeric(10, 2)", Some("numeric")),
            ("timestamp (3) with time zone", Some("timestamp with time zone")),
            ("VarChar(40)", None),
            ("character varying (40)", None),
            ("bpchar", None),
            ("odd)(", Some("odd)(")),
        ] {
            assert_eq!(cast_target(sql_type).as_deref(), target, "{sql_type}");
        }
    }
    #[test]
    fn mysql_reads_a_column_of_an_own_type_as_the_structs_type() {
        for (ty, expression) in [
            (ColumnType::Bool, "CAST(`x` AS SIGNED)"),
            (ColumnType::BigInt, "CAST(`x` AS SIGNED)"),
            (ColumnType::Real, "CAST(`x` AS DOUBLE)"),
            (ColumnType::Double, "CAST(`x` AS DOUBLE)"),
            (ColumnType::Bytes, "CAST(`x` AS BINARY)"),
            (ColumnType::Uuid, "CAST(`x` AS BINARY)"),
            (ColumnType::Text, "CAST(`x` AS CHAR)"),
            (ColumnType::Ip, "CAST(`x` AS CHAR)"),
            (
                ColumnType::Timestamp,
                "TIMESTAMPDIFF(MICROSECOND, TIMESTAMP'1970-01-01 00:00:00', `x`)",
            ),
        ] {
            let column = ColumnSchema::new("x", ty, false);
            assert_eq!(read(Dialect::MySql, &column.sql_type("own")), expression, "{ty:?}");
        }
        let x = ColumnSchema::new("x", ColumnType::BigInt, false);
        assert_eq!(read(Dialect::MySql, &x), "`x`");
        assert_eq!(read(Dialect::Postgres, &x.sql_type("own")), "CAST(\"x\" AS BIGINT)");
    }
}
