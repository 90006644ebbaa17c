//! [`Statement`]: a text with named parameters, in a dialect's own placeholders.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use crate::column::ColumnType;
use crate::column::Value;
use crate::id::SessionId;
use crate::schema::{Dialect, Schema};
use crate::store::{EndReason, Fingerprint, OldSecret, Origin};
use crate::timestamp::Timestamp;
use crate::token::{LastingHash, SecretHash};

/// A statement's text and its arguments in the order of its placeholders.
pub struct Query {
    pub(crate) sql: SqlStr,
    pub(crate) arguments: Vec<(ColumnType, Value)>,
}

/// A text in the dialect's own placeholders, and what each of them stands for.
pub(crate) struct Statement {
    pub(super) sql: SqlStr,
    pub(super) parameters: Vec<(Parameter, ColumnType)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    Id,
    Lasting,
    Secret,
    NewSecret,
    OldSecret,
    RotationState,
    Idle,
    Absolute,
    Grace,
    Version,
    Batch,
    Subject,
    Since,
    BeganAt,
    AfterAt,
    Remembered,
    Ip,
    UserAgent,
    Fingerprint,
    Reason,
    Payload(usize),
}

/// What a statement's parameters stand for; those that it does not have stay empty.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) id: Option<SessionId>,
    pub(crate) lasting: Option<LastingHash>,
    pub(crate) secret: Option<SecretHash>,
    pub(crate) new_secret: Option<SecretHash>,
    /// What becomes of `secret`.
    pub(crate) old: Option<OldSecret>,
    /// Spans are in microseconds.
    pub(crate) idle: Option<i64>,
    pub(crate) absolute: Option<i64>,
    pub(crate) grace: Option<i64>,
    pub(crate) version: Option<i64>,
    pub(crate) batch: Option<i64>,
    pub(crate) subject: Option<Value>,
    /// How long ago something was.
    pub(crate) since: Option<i64>,
    pub(crate) began_at: Option<Timestamp>,
    /// The instant of a cursor; `id` is its session.
    pub(crate) after_at: Option<Timestamp>,
    pub(crate) remembered: bool,
    pub(crate) origin: Option<Origin>,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) reason: Option<EndReason>,
    /// A value a payload column, in the schema's order.
    pub(crate) payload: Vec<Value>,
}

impl Statement {
    /// Replaces each `:name` outside of quotes by the dialect's placeholder.
    pub(super) fn parse(dialect: Dialect, schema: &Schema, text: &str) -> Self {
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
                Parameter::Lasting => match arguments.lasting {
                    Some(lasting) => Value::Bytes(lasting.as_bytes().to_vec()),
                    None => Value::Null,
                },
                Parameter::Secret => hash(arguments.secret),
                Parameter::NewSecret => hash(arguments.new_secret),
                Parameter::OldSecret => hash(
                    arguments
                        .old
                        .zip(arguments.secret)
                        .and_then(|(old, from)| old.remembered(from)),
                ),
                Parameter::RotationState => match arguments.old {
                    Some(old) => Value::Text(old.state().as_str().to_owned()),
                    None => Value::Null,
                },
                Parameter::Idle => int(arguments.idle),
                Parameter::Absolute => int(arguments.absolute),
                Parameter::Grace => int(arguments.grace),
                Parameter::Version => int(arguments.version),
                Parameter::Batch => int(arguments.batch),
                Parameter::Subject => arguments.subject.clone().unwrap_or(Value::Null),
                Parameter::Since => int(arguments.since.map(|since| -since)),
                Parameter::BeganAt => arguments.began_at.map_or(Value::Null, Value::Timestamp),
                Parameter::AfterAt => arguments.after_at.map_or(Value::Null, Value::Timestamp),
                Parameter::Remembered => Value::Bool(arguments.remembered),
                Parameter::Ip => {
                    let ip = arguments.origin.as_ref().and_then(Origin::ip);
                    ip.map_or(Value::Null, Value::Ip)
                }
                Parameter::UserAgent => {
                    let agent = arguments.origin.as_ref().and_then(Origin::user_agent);
                    agent.map_or(Value::Null, |agent| Value::Text(agent.to_owned()))
                }
                Parameter::Fingerprint => match arguments.fingerprint {
                    Some(fingerprint) => Value::Bytes(fingerprint.as_bytes().to_vec()),
                    None => Value::Null,
                },
                Parameter::Reason => match arguments.reason {
                    Some(reason) => Value::Text(reason.as_str().to_owned()),
                    None => Value::Null,
                },
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
            "lasting" => Parameter::Lasting,
            "secret" => Parameter::Secret,
            "new_secret" => Parameter::NewSecret,
            "old_secret" => Parameter::OldSecret,
            "rotation_state" => Parameter::RotationState,
            "idle" => Parameter::Idle,
            "absolute" => Parameter::Absolute,
            "grace" => Parameter::Grace,
            "version" => Parameter::Version,
            "batch" => Parameter::Batch,
            "subject" => Parameter::Subject,
            "since" => Parameter::Since,
            "began_at" => Parameter::BeganAt,
            "after_at" => Parameter::AfterAt,
            "remembered" => Parameter::Remembered,
            "ip" => Parameter::Ip,
            "user_agent" => Parameter::UserAgent,
            "fingerprint" => Parameter::Fingerprint,
            "reason" => Parameter::Reason,
            _ => match name.strip_prefix('p').and_then(|index| index.parse().ok()) {
                Some(index) => Parameter::Payload(index),
                None => unreachable!("`:{name}` is no parameter"),
            },
        }
    }

    fn ty(self, schema: &Schema) -> ColumnType {
        match self {
            Parameter::Id => ColumnType::Uuid,
            Parameter::Lasting
            | Parameter::Secret
            | Parameter::NewSecret
            | Parameter::OldSecret
            | Parameter::Fingerprint => ColumnType::Bytes,
            Parameter::BeganAt | Parameter::AfterAt => ColumnType::Timestamp,
            Parameter::Remembered => ColumnType::Bool,
            Parameter::Ip => ColumnType::Ip,
            Parameter::RotationState | Parameter::UserAgent | Parameter::Reason => ColumnType::Text,
            Parameter::Since
            | Parameter::Idle
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
