//! Every statement that a SQL store runs.
//!
//! The texts are written with named parameters (`:id`), which become the dialect's placeholders. Two clocks are in them:
//! `now`, the instant at which the statement began, and `clock`, the instant at which it is evaluated. A write that waited for another's lock
//! must ask by the second whether the row is live, or it would bring back a session that ended while it waited. PostgreSQL asks again after
//! the wait only if the other did change the row, so there the row is locked first.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::driver::Query;
use crate::column::ColumnType;
use crate::id::SessionId;
use crate::schema::{ColumnSchema, Dialect, Schema, system};
use crate::token::SecretHash;
use crate::value::Value;

/// What [`Statements::list`] selects, and [`Statements::load`] before its own: the payload follows.
pub(crate) const RECORD: [&str; 7] =
    ["id", "created_at", "authenticated_at", "last_seen_at", "expires_at", "deadline", "version"];

/// What [`Statements::load`] selects after the payload; the last one is the database's now.
pub(crate) const SECRETS: [&str; 3] =
    ["secret_hash", "previous_secret_hash", "previous_secret_until"];

/// The statements of one table.
pub(crate) struct Statements {
    dialect: Dialect,
    schema: &'static Schema,
    pub(crate) create: Statement,
    pub(crate) load: Statement,
    pub(crate) touch: Statement,
    pub(crate) rotate: Statement,
    pub(crate) end: Statement,
    pub(crate) revoke: Statement,
    pub(crate) revoke_proven: Statement,
    pub(crate) state: Statement,
    pub(crate) sweep: Statement,
    /// `None` where the payload has no subject.
    pub(crate) subject: Option<SubjectStatements>,
}

/// The statements that go by the subject.
pub(crate) struct SubjectStatements {
    pub(crate) list: Statement,
    pub(crate) revoke_all: Statement,
    pub(crate) revoke_others: Statement,
}

impl Statements {
    pub(crate) fn of(dialect: Dialect, schema: &'static Schema) -> Self {
        let table = dialect.table(schema.table);
        let now = now(dialect);
        let clock = clock(dialect);
        let row = row(dialect, &table);
        let live = format!("expires_at > {clock} AND deadline > {clock}");
        let record = RECORD.iter().map(|name| read(dialect, &system(name)));
        let payload = schema.columns.iter().map(|column| read(dialect, column));
        let record = record.chain(payload).collect::<Vec<_>>().join(", ");
        let secrets = SECRETS.map(|name| read(dialect, &system(name))).join(", ");
        let read_now = read_expression(dialect, ColumnType::Timestamp, now);
        let statement = |text: String| Statement::parse(dialect, schema, &text);

        Self {
            dialect,
            schema,

            create: statement({
                let columns = schema.columns.iter().enumerate();
                let (names, values): (Vec<_>, Vec<_>) = columns
                    .map(|(index, column)| {
                        let name = dialect.reference(column.name);
                        (format!(", {name}"), format!(", {}", write(dialect, column, index)))
                    })
                    .unzip();
                let deadline = after(dialect, now, ":absolute");
                let expires = least(dialect, &after(dialect, now, ":idle"), &deadline);
                let created = reported(dialect, now);
                format!(
                    "INSERT INTO {table} (id, secret_hash, created_at, authenticated_at, last_seen_at, \
                     expires_at, deadline, version{}) \
                     VALUES (:id, :secret, {created}, {now}, {now}, {expires}, {deadline}, 1{}){}",
                    names.concat(),
                    values.concat(),
                    returning(dialect, "created_at"),
                )
            }),

            load: statement(format!(
                "SELECT {record}, {secrets}, {read_now} FROM {table} WHERE id = :id"
            )),

            touch: statement({
                let expires = least(dialect, &after(dialect, now, ":idle"), "deadline");
                format!(
                    "UPDATE {table} SET last_seen_at = {now}, expires_at = {} \
                     WHERE {row} AND {live}{}",
                    reported(dialect, &expires),
                    returning(dialect, "expires_at"),
                )
            }),

            // MySQL assigns from left to right: the old secret is copied before the new one replaces it.
            rotate: statement(format!(
                "UPDATE {table} SET previous_secret_hash = secret_hash, previous_secret_until = {}, \
                 secret_hash = :new_secret \
                 WHERE {row} AND secret_hash = :secret AND {live}",
                after(dialect, now, ":grace"),
            )),

            end: statement(format!("DELETE FROM {table} WHERE id = :id")),

            revoke: statement(format!("DELETE FROM {table} WHERE id = :id AND {live}")),

            revoke_proven: statement(format!(
                "DELETE FROM {table} WHERE id = :id AND {live} \
                 AND (secret_hash = :secret OR previous_secret_hash = :secret)"
            )),

            state: statement(format!(
                "SELECT {}, {}, {}, {read_now} FROM {table} WHERE id = :id",
                read(dialect, &system("version")),
                read(dialect, &system("expires_at")),
                read(dialect, &system("deadline")),
            )),

            sweep: statement(match dialect {
                // The array is computed once; a plain IN may be planned as a join that runs the LIMIT again and again.
                Dialect::Postgres => format!(
                    "DELETE FROM {table} WHERE expires_at <= {now} AND id = ANY(ARRAY(\
                     SELECT id FROM {table} WHERE expires_at <= {now} \
                     ORDER BY expires_at LIMIT :batch FOR UPDATE SKIP LOCKED))"
                ),
                Dialect::Sqlite => format!(
                    "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} \
                     WHERE expires_at <= {now} ORDER BY expires_at LIMIT :batch)"
                ),
                Dialect::MySql => format!(
                    "DELETE FROM {table} WHERE expires_at <= {now} ORDER BY expires_at LIMIT :batch"
                ),
            }),

            subject: schema.subject().map(|(_, column)| {
                let subject = is_subject(dialect, column);
                let listed = format!("expires_at > {now} AND deadline > {now}");
                SubjectStatements {
                    list: statement(format!(
                        "SELECT {record} FROM {table} WHERE {subject} AND {listed} \
                         ORDER BY created_at DESC, id DESC"
                    )),
                    revoke_all: statement(format!(
                        "DELETE FROM {table} WHERE {subject} AND {live}"
                    )),
                    revoke_others: statement(format!(
                        "DELETE FROM {table} WHERE {subject} AND id <> :id AND {live}"
                    )),
                }
            }),
        }
    }

    /// Writes these payload columns, if the row is live and at `:version`. Its text depends on the set of columns alone, so a
    /// connection prepares it once a set.
    pub(crate) fn update(&self, changed: &[usize]) -> Statement {
        let dialect = self.dialect;
        let table = dialect.table(self.schema.table);
        let clock = clock(dialect);
        let columns = self.schema.columns;
        let assignments: String = changed
            .iter()
            .map(|&index| {
                let name = dialect.reference(columns[index].name);
                format!("{name} = {}, ", write(dialect, &columns[index], index))
            })
            .collect();
        let text = format!(
            "UPDATE {table} SET {assignments}version = version + 1 \
             WHERE {row} AND version = :version AND expires_at > {clock} AND deadline > {clock}",
            row = row(dialect, &table),
        );
        Statement::parse(dialect, self.schema, &text)
    }
}

/// The instant at which the statement began.
fn now(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "statement_timestamp()",
        Dialect::MySql => "UTC_TIMESTAMP(6)",
        // SQLite's clock has milliseconds.
        Dialect::Sqlite => "(CAST(round(unixepoch('subsec') * 1000) AS INTEGER) * 1000)",
    }
}

/// The instant at which the expression is evaluated, after every wait for a lock.
fn clock(dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => "clock_timestamp()".into(),
        // SYSDATE() moves on while a statement runs, but is in the session's time zone: add that zone's distance from UTC.
        Dialect::MySql => "TIMESTAMPADD(MICROSECOND, \
             TIMESTAMPDIFF(MICROSECOND, NOW(6), UTC_TIMESTAMP(6)), SYSDATE(6))"
            .into(),
        // SQLite reads the clock after it got the lock.
        Dialect::Sqlite => now(dialect).into(),
    }
}

/// The row of `:id`, locked before anything is asked about it.
fn row(dialect: Dialect, table: &str) -> String {
    match dialect {
        Dialect::Postgres => {
            format!("id = (SELECT id FROM {table} WHERE id = :id FOR NO KEY UPDATE)")
        }
        Dialect::MySql | Dialect::Sqlite => "id = :id".into(),
    }
}

/// `instant` plus a parameter in microseconds.
fn after(dialect: Dialect, instant: &str, micros: &str) -> String {
    match dialect {
        Dialect::Postgres => format!("{instant} + {micros} * INTERVAL '1 microsecond'"),
        Dialect::MySql => format!("TIMESTAMPADD(MICROSECOND, {micros}, {instant})"),
        Dialect::Sqlite => format!("{instant} + {micros}"),
    }
}

fn least(dialect: Dialect, a: &str, b: &str) -> String {
    match dialect {
        Dialect::Postgres | Dialect::MySql => format!("LEAST({a}, {b})"),
        Dialect::Sqlite => format!("min({a}, {b})"),
    }
}

/// Microseconds since 1970 of an instant on MySQL, exact and free of the session's time zone.
const MYSQL_EPOCH: &str = "TIMESTAMP'1970-01-01 00:00:00'";

/// An instant that the statement assigns and [`Driver::instant`](super::driver::Driver::instant) then reports. MySQL cannot return
/// columns from a write, but sends one number along with its answer.
fn reported(dialect: Dialect, instant: &str) -> String {
    match dialect {
        Dialect::Postgres | Dialect::Sqlite => instant.into(),
        Dialect::MySql => format!(
            "TIMESTAMPADD(MICROSECOND, \
             LAST_INSERT_ID(TIMESTAMPDIFF(MICROSECOND, {MYSQL_EPOCH}, {instant})), {MYSQL_EPOCH})"
        ),
    }
}

fn returning(dialect: Dialect, column: &str) -> String {
    match dialect {
        Dialect::Postgres | Dialect::Sqlite => format!(" RETURNING {column}"),
        Dialect::MySql => String::new(),
    }
}

/// A column as a statement selects it.
fn read(dialect: Dialect, column: &ColumnSchema) -> String {
    let name = dialect.reference(column.name);
    if column.sql_type.is_none() {
        return read_expression(dialect, column.ty, &name);
    }
    let cast = match (dialect, column.ty) {
        // CAST knows a few types only, and the timestamp is converted below.
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

fn read_expression(dialect: Dialect, ty: ColumnType, expression: &str) -> String {
    match (dialect, ty) {
        (Dialect::MySql, ColumnType::Timestamp) => {
            format!("TIMESTAMPDIFF(MICROSECOND, {MYSQL_EPOCH}, {expression})")
        }
        _ => expression.into(),
    }
}

/// A payload column's parameter as a statement writes it.
fn write(dialect: Dialect, column: &ColumnSchema, index: usize) -> String {
    write_as(dialect, column, &format!(":p{index}"))
}

fn write_as(dialect: Dialect, column: &ColumnSchema, parameter: &str) -> String {
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

/// What to cast a parameter to for a column of a type of the user's own. Without the length in parentheses: a cast to `varchar(40)` cuts the text silently,
/// where the assignment to such a column refuses it. A character type without a length may mean length 1, and needs no cast.
fn cast_target(sql_type: &str) -> Option<String> {
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

fn is_subject(dialect: Dialect, column: &ColumnSchema) -> String {
    let name = dialect.reference(column.name);
    let is_equal = format!("{name} = {}", write_as(dialect, column, ":subject"));
    match (dialect, column.ty) {
        // MySQL's collations take 'a' and 'a ' for equal: nobody is to list or end the sessions of a subject who differs by a space.
        (Dialect::MySql, ColumnType::Text | ColumnType::Enum(_)) => {
            format!("{is_equal} AND LENGTH({name}) = LENGTH(:subject)")
        }
        _ => is_equal,
    }
}

/// A text in the dialect's own placeholders, and what each of them stands for.
pub(crate) struct Statement {
    sql: SqlStr,
    parameters: Vec<(Parameter, ColumnType)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parameter {
    Id,
    Secret,
    NewSecret,
    Idle,
    Absolute,
    Grace,
    Version,
    Batch,
    Subject,
    Payload(usize),
}

/// What a statement's parameters stand for; those that it does not have stay empty.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) id: Option<SessionId>,
    pub(crate) secret: Option<SecretHash>,
    pub(crate) new_secret: Option<SecretHash>,
    /// Spans are in microseconds.
    pub(crate) idle: Option<i64>,
    pub(crate) absolute: Option<i64>,
    pub(crate) grace: Option<i64>,
    pub(crate) version: Option<i64>,
    pub(crate) batch: Option<i64>,
    pub(crate) subject: Option<Value>,
    /// A value a payload column, in the schema's order.
    pub(crate) payload: Vec<Value>,
}

impl Statement {
    /// Replaces each `:name` outside of quotes by the dialect's placeholder.
    fn parse(dialect: Dialect, schema: &Schema, text: &str) -> Self {
        let mut sql = String::with_capacity(text.len());
        let mut parameters = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find([':', '"', '\'', '`']) {
            sql.push_str(&rest[..at]);
            let mark = &rest[at..=at];
            rest = &rest[at + 1..];
            if mark == ":" {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
                let parameter = Parameter::named(name);
                parameters.push((parameter, parameter.ty(schema)));
                match dialect {
                    Dialect::Postgres => sql.push_str(&format!("${}", parameters.len())),
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
        // A clone of an `Arc` costs no copy of the text at each use.
        let sql: Arc<str> = sql.into();
        Self { sql: AssertSqlSafe(sql).into_sql_str(), parameters }
    }

    /// The statement with its arguments.
    pub(crate) fn with(&self, mut arguments: Arguments) -> Query {
        let values = self.parameters.iter().map(|&(parameter, ty)| {
            let hash = |hash: Option<SecretHash>| {
                hash.map_or(Value::Null, |hash| Value::Bytes(hash.as_bytes().to_vec()))
            };
            let int = |int: Option<i64>| int.map_or(Value::Null, Value::Int);
            let value = match parameter {
                Parameter::Id => arguments.id.map_or(Value::Null, |id| Value::Uuid(*id.as_uuid())),
                Parameter::Secret => hash(arguments.secret),
                Parameter::NewSecret => hash(arguments.new_secret),
                Parameter::Idle => int(arguments.idle),
                Parameter::Absolute => int(arguments.absolute),
                Parameter::Grace => int(arguments.grace),
                Parameter::Version => int(arguments.version),
                Parameter::Batch => int(arguments.batch),
                Parameter::Subject => arguments.subject.clone().unwrap_or(Value::Null),
                // Each payload column occurs once in a statement, so its value need not be copied.
                Parameter::Payload(index) => {
                    std::mem::replace(&mut arguments.payload[index], Value::Null)
                }
            };
            (ty, value)
        });
        Query { arguments: values.collect(), sql: self.sql.clone() }
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        self.sql.as_str()
    }
}

impl Parameter {
    /// The parameter of this name. The names are this file's own.
    fn named(name: &str) -> Self {
        match name {
            "id" => Parameter::Id,
            "secret" => Parameter::Secret,
            "new_secret" => Parameter::NewSecret,
            "idle" => Parameter::Idle,
            "absolute" => Parameter::Absolute,
            "grace" => Parameter::Grace,
            "version" => Parameter::Version,
            "batch" => Parameter::Batch,
            "subject" => Parameter::Subject,
            _ => match name.strip_prefix('p').and_then(|index| index.parse().ok()) {
                Some(index) => Parameter::Payload(index),
                None => unreachable!("`:{name}` is no parameter"),
            },
        }
    }

    fn ty(self, schema: &Schema) -> ColumnType {
        match self {
            Parameter::Id => ColumnType::Uuid,
            Parameter::Secret | Parameter::NewSecret => ColumnType::Bytes,
            Parameter::Idle
            | Parameter::Absolute
            | Parameter::Grace
            | Parameter::Version
            | Parameter::Batch => ColumnType::BigInt,
            Parameter::Subject => {
                schema.subject().map_or(ColumnType::Text, |(_, column)| column.ty)
            }
            Parameter::Payload(index) => schema.columns[index].ty,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static COLUMNS: [ColumnSchema; 3] = [
        ColumnSchema::new("user_id", ColumnType::Text, false).subject(),
        ColumnSchema::new("a:b", ColumnType::Timestamp, true),
        ColumnSchema::new("mood", ColumnType::Text, false).sql_type("mood"),
    ];
    static SCHEMA: Schema = Schema::new("sessions", &COLUMNS);

    fn on(dialect: Dialect) -> Statements {
        Statements::of(dialect, &SCHEMA)
    }

    #[test]
    fn a_load_is_one_select_by_the_key() {
        assert_eq!(
            on(Dialect::Postgres).load.text(),
            "SELECT \"id\", \"created_at\", \"authenticated_at\", \"last_seen_at\", \"expires_at\", \
             \"deadline\", \"version\", \"user_id\", \"a:b\", CAST(\"mood\" AS TEXT), \
             \"secret_hash\", \"previous_secret_hash\", \"previous_secret_until\", \
             statement_timestamp() FROM sessions WHERE id = $1"
        );
    }

    #[test]
    fn an_update_writes_the_changed_columns_alone() {
        let text = |dialect| on(dialect).update(&[2]).text().to_owned();
        assert!(
            text(Dialect::Postgres).starts_with(
                "UPDATE sessions SET \"mood\" = CAST($1 AS mood), version = version + 1 WHERE id = "
            ),
            "{}",
            text(Dialect::Postgres)
        );
        assert!(text(Dialect::Sqlite).contains(
            "SET `mood` = ?, version = version + 1 WHERE id = ? AND version = ? AND expires_at > "
        ));
    }

    #[test]
    fn mysql_reports_the_expiry_without_a_second_statement() {
        let statements = on(Dialect::MySql);
        assert!(
            statements
                .touch
                .text()
                .contains("expires_at = TIMESTAMPADD(MICROSECOND, LAST_INSERT_ID(")
        );
        assert!(!statements.touch.text().contains("RETURNING"));
        assert!(on(Dialect::Sqlite).touch.text().ends_with(" RETURNING expires_at"));
    }

    #[test]
    fn parameters_are_found_outside_of_quotes_and_keep_their_order() {
        let statement = Statement::parse(
            Dialect::Postgres,
            &SCHEMA,
            "SELECT ':id', \"a:b\" FROM t WHERE x = :version AND id = :id AND y = :p1",
        );
        assert_eq!(
            statement.text(),
            "SELECT ':id', \"a:b\" FROM t WHERE x = $1 AND id = $2 AND y = $3"
        );
        assert_eq!(
            statement.parameters,
            [
                (Parameter::Version, ColumnType::BigInt),
                (Parameter::Id, ColumnType::Uuid),
                (Parameter::Payload(1), ColumnType::Timestamp),
            ]
        );
    }

    #[test]
    fn a_cast_never_names_a_length() {
        for (sql_type, target) in [
            ("citext", Some("citext")),
            ("numeric(10, 2)", Some("numeric")),
            ("timestamp (3) with time zone", Some("timestamp with time zone")),
            ("auth.mood", Some("auth.mood")),
            ("varchar(40)", None),
            ("CHARACTER VARYING (40)", None),
            ("char(10)", None),
        ] {
            assert_eq!(cast_target(sql_type).as_deref(), target, "{sql_type}");
        }
    }
}
