//! [`Table`]: a session table in one dialect. Its names are owned, so that a migration's header can
//! be read back into it.

use super::cut_offs::CutOffsTable;
use super::names::{LONGEST_NAME, name_of};
use super::{ColumnSchema, Dialect, OnDelete, Schema, SchemaOptions};
use crate::column::ColumnType;

/// A session table in one dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) dialect: Dialect,
    /// `table` or `schema.table`.
    pub(crate) name: String,
    /// The options that have columns. Without an option, a column of the payload may have the name
    /// of one of the option's columns.
    pub(crate) options: SchemaOptions,
    pub(crate) columns: Vec<TableColumn>,
    pub(crate) indexes: Vec<TableIndex>,
    /// The companion table, if the struct asks for one.
    pub(crate) cut_offs: Option<CutOffsTable>,
}

/// A column, either a system column or one of the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableColumn {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The type, as the table's definition spells it.
    pub(crate) sql_type: String,
    /// Whether the user wrote `sql_type`.
    pub(crate) custom: bool,
    /// The integers that the field holds, if the SQL type has another range.
    pub(crate) range: Option<(i64, i64)>,
    pub(crate) nullable: bool,
    pub(crate) primary_key: bool,
    /// An SQL expression, as written in the struct.
    pub(crate) default: Option<String>,
    pub(crate) references: Option<ForeignKey>,
    /// The earlier owner, if the struct no longer has the column and the column is to be dropped
    /// later.
    pub(crate) leaving: Option<Owner>,
}

/// Who declares a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The struct, as a field.
    Payload,
    /// anchor itself.
    Anchor,
}

/// What a column holds, independent of how a dialect spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anything but [`ColumnType::Enum`].
    Plain(ColumnType),
    /// Text that is one of these values.
    Enum(Vec<String>),
}

/// A foreign key's target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ForeignKey {
    pub(crate) table: String,
    pub(crate) column: String,
    pub(crate) on_delete: OnDelete,
}

/// An index on one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableIndex {
    pub(crate) name: String,
    pub(crate) column: String,
    pub(crate) unique: bool,
}

/// Returns the name that PostgreSQL gives to a table's primary key.
pub(crate) fn primary_key_name(table: &str) -> String {
    let table = table.rsplit('.').next().unwrap_or(table);
    let mut cut = table.len().min(LONGEST_NAME - "_pkey".len());
    while !table.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}_pkey", &table[..cut])
}

impl Table {
    /// Returns the table of a struct's schema in this dialect: the system columns, then the
    /// payload's.
    pub(crate) fn of(schema: &Schema, dialect: Dialect) -> Self {
        let system = schema.system_columns().map(|system| TableColumn {
            sql_type: system.type_in(dialect).to_owned(),
            primary_key: system.column.name == "id",
            ..TableColumn::of(&system.column, dialect)
        });
        let payload = schema.columns.iter().map(|column| TableColumn::of(column, dialect));
        let indexes = schema.indexes().into_iter().map(|index| TableIndex {
            name: index.name,
            column: index.column.to_owned(),
            unique: index.unique,
        });
        Self {
            dialect,
            name: schema.table.to_owned(),
            options: SchemaOptions { cut_off: false, ..schema.options },
            columns: system.chain(payload).collect(),
            indexes: indexes.collect(),
            cut_offs: CutOffsTable::of(schema, dialect),
        }
    }

    /// Returns the column with this name.
    pub(crate) fn column(&self, name: &str) -> Option<&TableColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Returns whether the column with this name is a system column and not one of the payload.
    pub(crate) fn is_system(&self, name: &str) -> bool {
        if let Some(owner) = self.column(name).and_then(|column| column.leaving) {
            return owner == Owner::Anchor;
        }
        let own = Schema::new("", &[]).options(self.options);
        own.system_columns().any(|system| system.column.name == name)
    }

    /// Returns a column of this table in the state that it has from the release that no longer uses
    /// it until it is dropped: a row without a value for it is accepted.
    pub(crate) fn leaving(&self, column: &TableColumn) -> TableColumn {
        if column.leaving.is_some() {
            return column.clone();
        }
        let owner = if self.is_system(&column.name) { Owner::Anchor } else { Owner::Payload };
        let is_unique =
            self.indexes.iter().any(|index| index.unique && index.column == column.name);
        // The same default in all new rows would be refused by a unique index, or would reference a
        // row that does not exist.
        let default = column.default.clone().filter(|default| {
            !is_unique && column.references.is_none() && !default.eq_ignore_ascii_case("null")
        });
        let nullable = column.nullable || default.is_none();
        TableColumn { leaving: Some(owner), default, nullable, ..column.clone() }
    }

    /// Returns the table without the columns that are leaving.
    pub(crate) fn without_leaving(&self) -> Self {
        let mut table = self.clone();
        table.columns.retain(|column| column.leaving.is_none());
        table
            .indexes
            .retain(|index| table.columns.iter().any(|column| column.name == index.column));
        table
    }

    /// Returns the table's name without the schema that it is in.
    pub(crate) fn bare_name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }

    /// Returns the schema that the table is in, if its name contains one.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.name.rsplit_once('.').map(|(namespace, _)| namespace)
    }

    /// Returns the name that PostgreSQL gives to the primary key.
    pub(crate) fn primary_key_name(&self) -> String {
        primary_key_name(&self.name)
    }

    /// Returns the name of the column's `CHECK`.
    pub(crate) fn check_name(&self, column: &str) -> String {
        name_of(self.bare_name(), column, "check")
    }

    /// Returns the name of the `CHECK` that the column is not `NULL`, which is used while the
    /// column itself still allows `NULL`.
    pub(crate) fn not_null_name(&self, column: &str) -> String {
        name_of(self.bare_name(), column, "not_null")
    }

    /// Returns the name of the column's index.
    pub(crate) fn index_name(&self, column: &str, unique: bool) -> String {
        index_name(self.bare_name(), column, unique)
    }

    /// Returns the name of the column's foreign key.
    pub(crate) fn foreign_key_name(&self, column: &str) -> String {
        name_of(self.bare_name(), column, "fkey")
    }
}

impl TableColumn {
    fn of(column: &ColumnSchema, dialect: Dialect) -> Self {
        Self {
            name: column.name.to_owned(),
            kind: match column.ty {
                ColumnType::Enum(values) => {
                    Kind::Enum(values.iter().map(|value| (*value).to_owned()).collect())
                }
                plain => Kind::Plain(plain),
            },
            sql_type: dialect.type_of(column).to_owned(),
            custom: column.sql_type.is_some(),
            range: column.range,
            nullable: column.nullable,
            primary_key: false,
            default: column.default.map(|default| default.trim().to_owned()),
            references: column.references.map(|target| ForeignKey {
                table: target.table.to_owned(),
                column: target.column.to_owned(),
                on_delete: target.on_delete,
            }),
            leaving: None,
        }
    }

    /// Returns the values that a `CHECK` allows in the column. A type that the user wrote, such as
    /// a PostgreSQL enum, defines its own values.
    pub(crate) fn checked_values(&self) -> Option<&[String]> {
        match &self.kind {
            Kind::Enum(values) if !self.custom => Some(values),
            _ => None,
        }
    }
}

/// Returns the name of a column's index.
pub(super) fn index_name(table: &str, column: &str, unique: bool) -> String {
    name_of(table, column, if unique { "key" } else { "idx" })
}
