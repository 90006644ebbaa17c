//! [`Statement`]: a text with named parameters, which become a dialect's placeholders.

use std::net::IpAddr;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::column::{ColumnType, Value};
use crate::id::SessionId;
use crate::schema::{Dialect, Schema};
use crate::store::Fingerprint;
use crate::timestamp::Timestamp;
use crate::token::{LastingHash, SecretHash};

/// A statement's text, and its arguments in the order of its placeholders.
pub struct Query {
    pub(crate) sql: SqlStr,
    pub(crate) arguments: Vec<Argument>,
    /// Whether the connection keeps the prepared statement for the next time. If not, the query
    /// runs in a transaction.
    pub(crate) is_kept: bool,
}

impl Query {
    /// Puts a text without placeholders before the statement.
    pub(crate) fn after(self, text: &str) -> Self {
        if text.is_empty() {
            return self;
        }
        let sql: Arc<str> = format!("{text}{}", self.sql.as_str()).into();
        Self { sql: AssertSqlSafe(sql).into_sql_str(), ..self }
    }
}

/// A value, and the type that it is sent as. A `NULL` has a type, too, so that a statement is
/// prepared only once.
#[derive(Clone)]
pub(crate) struct Argument {
    #[cfg_attr(
        not(any(feature = "mysql", feature = "postgres")),
        expect(dead_code, reason = "SQLite has one NULL for all types")
    )]
    pub(crate) ty: ColumnType,
    pub(crate) value: Value,
}

/// A text with the dialect's placeholders. It takes `N` named arguments and, if it is made for
/// them, the values of the payload's columns; or several rows of these.
pub(crate) struct Statement<const N: usize> {
    sql: SqlStr,
    placeholders: Vec<Placeholder>,
    is_kept: bool,
}

/// What one placeholder stands for, and in which row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Placeholder {
    row: usize,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The argument at this index.
    Argument(usize),
    /// The payload's column at this index, of this type.
    Payload(usize, ColumnType),
}

/// The arguments of one row.
#[derive(Clone)]
pub(crate) struct Arguments<const N: usize> {
    pub(crate) named: [Argument; N],
    /// The values of the payload's columns, if the statement has them.
    pub(crate) payload: Vec<Value>,
}

impl<const N: usize> From<[Argument; N]> for Arguments<N> {
    fn from(named: [Argument; N]) -> Self {
        Self { named, payload: Vec::new() }
    }
}

/// Returns the place in `sizes` of the smallest one that these items fit into, and the items, of
/// which the last one is repeated until there are as many. `None` if there are no items, or too
/// many.
pub(crate) fn padded<I: Clone>(sizes: &[usize], items: &[I]) -> Option<(usize, Vec<I>)> {
    let place = sizes.iter().position(|size| items.len() <= *size)?;
    let mut padded = items.to_vec();
    padded.resize(sizes[place], items.last()?.clone());
    Some((place, padded))
}

impl<const N: usize> Statement<N> {
    /// Replaces each `:name` outside of quotes with the dialect's placeholder. `:p0` is the
    /// payload's first column. A name may occur several times, or never. `:name@2` is an argument
    /// of the third row.
    pub(crate) fn new(
        dialect: Dialect,
        schema: &Schema,
        text: &str,
        parameters: [&str; N],
    ) -> Self {
        let mut sql = String::with_capacity(text.len());
        let mut placeholders = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find([':', '"', '\'', '`']) {
            sql.push_str(&rest[..at]);
            let mark = &rest[at..=at];
            rest = &rest[at + 1..];
            if mark == ":" {
                let end =
                    rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '@'));
                let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
                placeholders.push(Placeholder::named(name, &parameters, schema));
                match dialect {
                    Dialect::Postgres => sql.push_str(&format!("${}", placeholders.len())),
                    Dialect::MySql | Dialect::Sqlite => sql.push('?'),
                }
                rest = after;
            } else {
                let close = rest.find(mark).map_or(rest.len(), |close| close + 1);
                let (quoted, after) = rest.split_at(close);
                sql.push_str(mark);
                sql.push_str(quoted);
                rest = after;
            }
        }
        sql.push_str(rest);
        // A clone of an `Arc` copies no text when the statement is used.
        let sql: Arc<str> = sql.into();
        Self { sql: AssertSqlSafe(sql).into_sql_str(), placeholders, is_kept: true }
    }

    /// Sets whether a connection keeps the statement once it has been prepared.
    pub(crate) fn kept(self, is_kept: bool) -> Self {
        Self { is_kept, ..self }
    }

    /// Returns the statement with its arguments, in the order of the names that it was created
    /// with.
    pub(crate) fn with(&self, named: [Argument; N]) -> Query {
        self.with_rows(vec![named.into()])
    }

    /// Returns the statement with its arguments and the values of the payload's columns.
    pub(crate) fn with_payload(&self, named: [Argument; N], payload: Vec<Value>) -> Query {
        self.with_rows(vec![Arguments { named, payload }])
    }

    /// Returns the statement with the arguments of several rows.
    pub(crate) fn with_rows(&self, mut rows: Vec<Arguments<N>>) -> Query {
        let arguments = self.placeholders.iter().map(|&Placeholder { row, place }| match place {
            Place::Argument(at) => rows[row].named[at].clone(),
            // A column occurs only once per row, so its value need not be copied.
            Place::Payload(at, ty) => {
                Argument { ty, value: std::mem::replace(&mut rows[row].payload[at], Value::Null) }
            }
        });
        let (sql, is_kept) = (self.sql.clone(), self.is_kept);
        Query { arguments: arguments.collect(), sql, is_kept }
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        self.sql.as_str()
    }
}

impl Placeholder {
    fn named(name: &str, parameters: &[&str], schema: &Schema) -> Self {
        let (name, row) = match name.split_once('@') {
            Some((name, row)) => (name, row.parse().unwrap_or(usize::MAX)),
            None => (name, 0),
        };
        if let Some(at) = parameters.iter().position(|parameter| *parameter == name) {
            return Self { row, place: Place::Argument(at) };
        }
        let column = name.strip_prefix('p').and_then(|index| index.parse::<usize>().ok());
        match column.and_then(|index| Some((index, schema.columns.get(index)?))) {
            Some((index, column)) => Self { row, place: Place::Payload(index, column.ty) },
            None => unreachable!("`:{name}` has no argument"),
        }
    }
}

/// A Rust type that a statement takes as an argument.
pub(crate) trait Parameter {
    const TYPE: ColumnType;

    fn into_value(self) -> Value;
}

impl<P: Parameter> From<P> for Argument {
    fn from(value: P) -> Self {
        Self { ty: P::TYPE, value: value.into_value() }
    }
}

impl<P: Parameter> Parameter for Option<P> {
    const TYPE: ColumnType = P::TYPE;

    fn into_value(self) -> Value {
        self.map_or(Value::Null, P::into_value)
    }
}

macro_rules! parameter {
    ($rust:ty, $ty:ident, |$value:ident| $convert:expr) => {
        impl Parameter for $rust {
            const TYPE: ColumnType = ColumnType::$ty;

            fn into_value(self) -> Value {
                let $value = self;
                $convert
            }
        }
    };
}

parameter!(i64, BigInt, |int| Value::Int(int));
parameter!(bool, Bool, |value| Value::Bool(value));
parameter!(&str, Text, |text| Value::Text(text.to_owned()));
parameter!(IpAddr, Ip, |address| Value::Ip(address));
parameter!(Timestamp, Timestamp, |instant| Value::Timestamp(instant));
parameter!(SessionId, Uuid, |id| Value::Uuid(*id.as_uuid()));
parameter!(LastingHash, Bytes, |hash| Value::Bytes(hash.as_bytes().to_vec()));
parameter!(SecretHash, Bytes, |hash| Value::Bytes(hash.as_bytes().to_vec()));
parameter!(Fingerprint, Bytes, |fingerprint| Value::Bytes(fingerprint.as_bytes().to_vec()));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ColumnSchema;

    static COLUMNS: [ColumnSchema; 2] = [
        ColumnSchema::new("user_id", ColumnType::Text, false).subject(),
        ColumnSchema::new("a:b", ColumnType::Timestamp, true),
    ];
    static SCHEMA: Schema = Schema::new("sessions", &COLUMNS);

    #[test]
    fn parameters_are_found_outside_of_quotes_and_keep_their_order() {
        let statement = Statement::new(
            Dialect::Postgres,
            &SCHEMA,
            "SELECT ':id', \"a:b\" FROM t WHERE x = :version AND id = :id@2 AND y = :p1",
            ["id", "version", "unused"],
        );
        assert_eq!(
            statement.text(),
            "SELECT ':id', \"a:b\" FROM t WHERE x = $1 AND id = $2 AND y = $3"
        );
        assert_eq!(
            statement.placeholders,
            [
                Placeholder { row: 0, place: Place::Argument(1) },
                Placeholder { row: 2, place: Place::Argument(0) },
                Placeholder { row: 0, place: Place::Payload(1, ColumnType::Timestamp) },
            ]
        );
    }
}
