//! The columns that anchor itself keeps: those that every session table has, and those that a
//! struct asks for.

use super::{ColumnSchema, Dialect, Schema};
use crate::column::ColumnType;

/// A column that anchor itself keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemColumn {
    /// Name, type and nullability.
    pub column: ColumnSchema,
    /// The comment beside the column in the table's definition.
    pub comment: Option<&'static str>,
}

const fn required(name: &'static str, ty: ColumnType) -> SystemColumn {
    SystemColumn { column: ColumnSchema::new(name, ty, false), comment: None }
}

const fn nullable(name: &'static str, ty: ColumnType) -> SystemColumn {
    SystemColumn { column: ColumnSchema::new(name, ty, true), comment: None }
}

/// The system columns that every table has, in the table's order.
pub const SYSTEM_COLUMNS: &[SystemColumn] = &[
    required("id", ColumnType::Uuid),
    required("lasting_hash", ColumnType::Bytes).comment("SHA-256 of the secret's lasting half"),
    required("secret_hash", ColumnType::Bytes).comment("SHA-256 of the token's secret"),
    nullable("previous_secret_hash", ColumnType::Bytes).comment("the one before the last rotation"),
    nullable("previous_secret_until", ColumnType::Timestamp),
    required("rotation_state", ColumnType::Enum(&["settled", "exchangeable", "pending"]))
        .default("'settled'"),
    required("created_at", ColumnType::Timestamp),
    required("authenticated_at", ColumnType::Timestamp),
    required("last_seen_at", ColumnType::Timestamp),
    required("expires_at", ColumnType::Timestamp)
        .comment("moves with use, never past the deadline"),
    required("deadline", ColumnType::Timestamp),
    required("version", ColumnType::BigInt).comment("counts the payload's updates"),
    required("remembered", ColumnType::Bool)
        .default("TRUE")
        .comment("whether the cookie outlives the browser"),
];

/// The columns of [`SchemaOptions::keep_ended`](super::SchemaOptions::keep_ended).
const KEEP_ENDED: &[SystemColumn] = &[
    required("status", ColumnType::Enum(&["active", "revoked", "expired"])).default("'active'"),
    nullable("ended_at", ColumnType::Timestamp),
    nullable("end_reason", ColumnType::Text),
];

/// The columns of [`SchemaOptions::track`](super::SchemaOptions::track).
const TRACK: &[SystemColumn] = &[
    nullable("ip_address", ColumnType::Ip).comment("of the latest use"),
    nullable("user_agent", ColumnType::Text),
];

/// The columns of [`SchemaOptions::fingerprint`](super::SchemaOptions::fingerprint).
const FINGERPRINT: &[SystemColumn] =
    &[nullable("fingerprint", ColumnType::Bytes)
        .comment("SHA-256 of what the session is bound to")];

impl Schema {
    /// Returns the system columns of this table, in the table's order: [`SYSTEM_COLUMNS`], then
    /// those that the struct asks for.
    pub fn system_columns(&self) -> impl Iterator<Item = &'static SystemColumn> + use<> {
        let options = self.options;
        let optional = [
            (options.keep_ended, KEEP_ENDED),
            (options.track, TRACK),
            (options.fingerprint, FINGERPRINT),
        ];
        let optional = optional.into_iter().filter(|(wanted, _)| *wanted);
        SYSTEM_COLUMNS.iter().chain(optional.flat_map(|(_, columns)| columns))
    }
}

impl SystemColumn {
    /// Sets the value for the rows of a release that did not have the column.
    const fn default(self, default: &'static str) -> Self {
        Self { column: self.column.default(default), ..self }
    }

    const fn comment(self, comment: &'static str) -> Self {
        Self { comment: Some(comment), ..self }
    }

    /// Returns the column's type in a dialect.
    pub fn type_in(&self, dialect: Dialect) -> &'static str {
        match (dialect, self.column.ty) {
            // The only bytes among the system columns are SHA-256 hashes.
            (Dialect::MySql, ColumnType::Bytes) => "BINARY(32)",
            // The only texts are words that anchor itself writes, and a user agent, which is
            // truncated.
            (Dialect::MySql, ColumnType::Text) => "VARCHAR(512)",
            (_, ty) => dialect.spell(ty),
        }
    }
}

/// Returns the comment beside one of the columns in the definition of a table with these columns,
/// if that column is a system column.
pub(crate) fn comment_on(name: &str, has_column: impl Fn(&str) -> bool) -> Option<&'static str> {
    let group = [SYSTEM_COLUMNS, KEEP_ENDED, TRACK, FINGERPRINT]
        .into_iter()
        .find(|group| group.iter().any(|system| system.column.name == name))?;
    // A payload may have a column with such a name if the struct does not ask for the group.
    let is_own = group.iter().all(|system| has_column(system.column.name));
    group.iter().find(|system| is_own && system.column.name == name)?.comment
}

/// Returns the system column with this name. Only for names in this crate's own code.
#[cfg(feature = "_sql")]
pub(crate) fn system(name: &'static str) -> ColumnSchema {
    [SYSTEM_COLUMNS, KEEP_ENDED, TRACK, FINGERPRINT]
        .into_iter()
        .flatten()
        .map(|system| system.column)
        .find(|column| column.name == name)
        .unwrap_or_else(|| unreachable!("`{name}` is not a system column"))
}
