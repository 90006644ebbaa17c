//! [`Dialect`]: how PostgreSQL, MySQL and SQLite spell types and names.

use std::borrow::Cow;

use super::reserved::is_reserved;
use super::{ColumnSchema, Schema};
use crate::column::ColumnType;

/// A dialect of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    MySql,
    /// SQLite.
    Sqlite,
}

impl Dialect {
    /// Returns the type of a payload column, as the table's definition spells it: `sql_type` if the
    /// struct names one.
    pub fn type_of(self, column: &ColumnSchema) -> &'static str {
        column.sql_type.unwrap_or_else(|| self.own_type(column))
    }

    /// Returns the type that a payload column has unless the struct names another one.
    pub(crate) fn own_type(self, column: &ColumnSchema) -> &'static str {
        let indexed =
            column.subject || column.unique || column.index || column.references.is_some();
        match (self, column.ty) {
            // An index on MySQL needs a length.
            (Dialect::MySql, ColumnType::Text) if indexed => "VARCHAR(255)",
            (Dialect::MySql, ColumnType::Bytes) if indexed => "VARBINARY(255)",
            (_, ty) => self.spell(ty),
        }
    }

    /// Returns the spelling of a type that no index constrains.
    pub(crate) fn spell(self, ty: ColumnType) -> &'static str {
        use ColumnType::{
            BigInt, Bool, Bytes, Double, Enum, Integer, Ip, Json, Real, SmallInt, Text, Timestamp,
            Uuid,
        };
        match self {
            Dialect::Postgres => match ty {
                Bool => "BOOLEAN",
                SmallInt => "SMALLINT",
                Integer => "INTEGER",
                BigInt => "BIGINT",
                Real => "REAL",
                Double => "DOUBLE PRECISION",
                Text | Enum(_) => "TEXT",
                Bytes => "BYTEA",
                Uuid => "UUID",
                Ip => "INET",
                Timestamp => "TIMESTAMPTZ",
                Json => "JSONB",
            },
            Dialect::MySql => match ty {
                Bool => "BOOLEAN",
                SmallInt => "SMALLINT",
                Integer => "INTEGER",
                BigInt => "BIGINT",
                Real => "FLOAT",
                Double => "DOUBLE",
                Text => "LONGTEXT",
                Enum(_) => "VARCHAR(255)",
                Bytes => "LONGBLOB",
                Uuid => "BINARY(16)",
                Ip => "VARCHAR(45)",
                Timestamp => "DATETIME(6)",
                Json => "JSON",
            },
            Dialect::Sqlite => match ty {
                Bool => "BOOLEAN",
                SmallInt | Integer | BigInt | Timestamp => "INTEGER",
                Real | Double => "REAL",
                Text | Enum(_) | Ip | Json => "TEXT",
                Bytes | Uuid => "BLOB",
            },
        }
    }

    /// Returns a name, in quotes if it needs them: if it is not a plain lower-case word, or if it
    /// is a word that a database reserves.
    pub fn identifier(self, name: &str) -> Cow<'_, str> {
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && !is_reserved(name);
        if plain { Cow::Borrowed(name) } else { Cow::Owned(self.quote(name)) }
    }

    /// Returns a name in quotes.
    pub(crate) fn quote(self, name: &str) -> String {
        match self {
            Dialect::Postgres | Dialect::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
            Dialect::MySql => format!("`{}`", name.replace('`', "``")),
        }
    }

    /// Returns a column's name as statements refer to it. SQLite treats a double-quoted name that
    /// no column has as a string. A back-quoted name fails instead, so SQLite gets that one.
    pub(crate) fn reference(self, name: &str) -> String {
        match self {
            Dialect::Postgres => self.quote(name),
            Dialect::MySql | Dialect::Sqlite => Dialect::MySql.quote(name),
        }
    }

    /// Returns a table's name. Each part of `schema.table` gets its own quotes, if it needs them.
    pub fn table(self, name: &str) -> String {
        name.split('.').map(|part| self.identifier(part)).collect::<Vec<_>>().join(".")
    }

    /// Returns a string literal.
    pub(crate) fn literal(self, text: &str) -> String {
        let text = text.replace('\'', "''");
        match self {
            Dialect::Postgres | Dialect::Sqlite => format!("'{text}'"),
            Dialect::MySql => format!("'{}'", text.replace('\\', "\\\\")),
        }
    }
}

impl Schema {
    /// Returns the table's name without the schema that it is in.
    pub(crate) fn bare_table(&self) -> &'static str {
        self.table.rsplit('.').next().unwrap_or(self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_only_where_it_must_be() {
        assert_eq!(Dialect::Postgres.identifier("user_id"), "user_id");
        assert_eq!(Dialect::Postgres.identifier("order"), "\"order\"");
        assert_eq!(Dialect::Postgres.identifier("userId"), "\"userId\"");
        assert_eq!(Dialect::Sqlite.identifier("größe"), "\"größe\"");
        assert_eq!(Dialect::Sqlite.identifier("2fa"), "\"2fa\"");
        assert_eq!(Dialect::Postgres.identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(Dialect::MySql.identifier("a`b"), "`a``b`");
        assert_eq!(Dialect::Postgres.table("auth.order"), "auth.\"order\"");
    }
}
