//! The columns that every session table has, whatever its payload.

use super::{ColumnSchema, Dialect};
use crate::column::ColumnType;

/// A column that anchor itself keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemColumn {
    /// Name, type and nullability.
    pub column: ColumnSchema,
    /// What the table's definition says beside it.
    pub comment: Option<&'static str>,
}

const fn required(
    name: &'static str,
    ty: ColumnType,
    comment: Option<&'static str>,
) -> SystemColumn {
    SystemColumn { column: ColumnSchema::new(name, ty, false), comment }
}

const fn nullable(
    name: &'static str,
    ty: ColumnType,
    comment: Option<&'static str>,
) -> SystemColumn {
    SystemColumn { column: ColumnSchema::new(name, ty, true), comment }
}

/// The system columns, in the table's order.
pub const SYSTEM_COLUMNS: &[SystemColumn] = &[
    required("id", ColumnType::Uuid, None),
    required("secret_hash", ColumnType::Bytes, Some("SHA-256 of the token's secret")),
    nullable("previous_secret_hash", ColumnType::Bytes, Some("the one before the last rotation")),
    nullable("previous_secret_until", ColumnType::Timestamp, None),
    required("created_at", ColumnType::Timestamp, None),
    required("authenticated_at", ColumnType::Timestamp, None),
    required("last_seen_at", ColumnType::Timestamp, None),
    required("expires_at", ColumnType::Timestamp, Some("moves with use, never past the deadline")),
    required("deadline", ColumnType::Timestamp, None),
    required("version", ColumnType::BigInt, Some("counts the payload's updates")),
];

impl SystemColumn {
    /// The column's type in a dialect.
    pub fn type_in(&self, dialect: Dialect) -> &'static str {
        match (dialect, self.column.ty) {
            // The only bytes among the system columns are SHA-256 hashes.
            (Dialect::MySql, ColumnType::Bytes) => "BINARY(32)",
            (_, ty) => dialect.spell(ty),
        }
    }
}

/// The system column of this name. For names in this crate's own code.
#[cfg(feature = "_sql")]
pub(crate) fn system(name: &'static str) -> ColumnSchema {
    SYSTEM_COLUMNS
        .iter()
        .map(|system| system.column)
        .find(|column| column.name == name)
        .unwrap_or_else(|| unreachable!("`{name}` is no system column"))
}
