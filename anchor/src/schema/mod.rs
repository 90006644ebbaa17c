//! [`Schema`]: the table that is derived from a session's struct, independent of any dialect.

mod column_definition;
mod cut_offs;
mod ddl;
mod default;
mod dialect;
mod names;
mod options;
mod reserved;
mod system;
mod table;

pub(crate) use column_definition::{default_clause, is_literal};
#[cfg(feature = "_sql")]
pub(crate) use cut_offs::cut_off_columns;
pub(crate) use cut_offs::{CUT_OFF_BYTES, CutOffsTable};
pub use ddl::Index;
pub use default::refuse_bare_text;
pub use dialect::Dialect;
pub use options::SchemaOptions;
#[cfg(feature = "_sql")]
pub(crate) use system::system;
pub use system::{SYSTEM_COLUMNS, SystemColumn};
pub(crate) use table::{ForeignKey, Kind, Owner, Table, TableColumn, TableIndex, primary_key_name};

use crate::column::{Column, ColumnType};

/// The derived table: its name and its payload columns. The system columns
/// ([`system_columns`](Schema::system_columns)) come before them.
///
/// ```
/// use anchor::prelude::*;
/// use anchor::schema::Dialect;
///
/// #[derive(Clone, SessionData)]
/// #[session(table = "sessions")]
/// struct UserSession { #[session(subject)] user_id: i64, theme: Option<String> }
///
/// let schema = UserSession::schema();
/// assert_eq!(schema.table, "sessions");
/// assert!(schema.columns.iter().any(|column| column.name == "theme"));
/// assert!(schema.create_table(Dialect::Postgres).starts_with("CREATE TABLE sessions ("));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schema {
    /// The table's name, as in `#[session(table = "..")]`; it may be `schema.table` if the database
    /// has schemas.
    pub table: &'static str,
    /// The payload's columns, in the struct's order.
    pub columns: &'static [ColumnSchema],
    /// `#[session(renamed_from = "..")]` on the struct: the table's earlier name.
    pub renamed_from: Option<&'static str>,
    /// The optional parts that the table has.
    pub options: SchemaOptions,
}

impl Schema {
    /// Creates a table with these payload columns.
    pub const fn new(table: &'static str, columns: &'static [ColumnSchema]) -> Self {
        Self { table, columns, renamed_from: None, options: SchemaOptions::NONE }
    }

    /// Sets the table's earlier name.
    pub const fn renamed_from(self, name: &'static str) -> Self {
        Self { renamed_from: Some(name), ..self }
    }

    /// Sets the optional parts that the table has.
    ///
    /// # Panics
    ///
    /// Panics if the table is to have cut-offs and no column is the subject: at compile time, in a
    /// derived schema.
    pub const fn options(mut self, options: SchemaOptions) -> Self {
        let mut subject = false;
        let mut index = 0;
        while index < self.columns.len() {
            subject |= self.columns[index].subject;
            index += 1;
        }
        assert!(
            subject || !options.cut_off,
            "`cut_off` ends the sessions of a subject: mark the field that says whose session \
             it is with `#[session(subject)]`"
        );
        self.options = options;
        self
    }

    /// Returns the payload's subject column, with its index among the payload's columns.
    pub fn subject(&self) -> Option<(usize, &'static ColumnSchema)> {
        self.columns.iter().enumerate().find(|(_, column)| column.subject)
    }
}

/// One payload column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ColumnSchema {
    /// The column's name: that of the field, or that of `#[session(column = "..")]`; never with
    /// quotes.
    pub name: &'static str,
    /// The type, independent of how a dialect spells it.
    pub ty: ColumnType,
    /// Whether the column may be `NULL`.
    pub nullable: bool,
    /// `#[session(subject)]`: whose session it is.
    pub subject: bool,
    /// `#[session(default = "..")]`: an SQL expression.
    pub default: Option<&'static str>,
    /// `#[session(sql_type = "..")]`: the type as written in the table, instead of the dialect's.
    pub sql_type: Option<&'static str>,
    /// `#[session(references = "table(column)")]`.
    pub references: Option<Reference>,
    /// `#[session(unique)]`.
    pub unique: bool,
    /// `#[session(index)]`; a subject is always indexed.
    pub index: bool,
    /// `#[session(renamed_from = "..")]`: the column's earlier name.
    pub renamed_from: Option<&'static str>,
    /// What a migration does with the sessions that a change of this column leaves without a value.
    pub on_change: OnChange,
    /// `#[column(renamed_from = "..")]` on the variants of the field's enum, as pairs of old name
    /// and new name.
    pub renamed_variants: &'static [(&'static str, &'static str)],
    /// The smallest and the largest integer that the field holds, if its column has another range.
    pub range: Option<(i64, i64)>,
    /// `#[session(role)]`: what the session may do. A migration never replaces an existing value of
    /// this column with its default.
    pub role: bool,
}

impl ColumnSchema {
    /// Creates the column of a field of type `C`.
    pub const fn of<C: Column>(name: &'static str) -> Self {
        Self::new(name, C::TYPE, C::NULLABLE).renamed_variants(C::RENAMED_VARIANTS).range(C::RANGE)
    }

    /// Creates the column of a field marked `#[session(json)]`.
    pub const fn json(name: &'static str) -> Self {
        Self::new(name, ColumnType::Json, false)
    }

    /// Creates a column of this type.
    pub const fn new(name: &'static str, ty: ColumnType, nullable: bool) -> Self {
        Self {
            name,
            ty,
            nullable,
            subject: false,
            default: None,
            sql_type: None,
            references: None,
            unique: false,
            index: false,
            renamed_from: None,
            on_change: OnChange::Refuse,
            renamed_variants: &[],
            range: None,
            role: false,
        }
    }

    /// Marks the column as the subject.
    ///
    /// # Panics
    ///
    /// Panics if the column may be `NULL`: at compile time, in a derived schema.
    #[track_caller]
    pub const fn subject(mut self) -> Self {
        assert!(
            !self.nullable,
            "the subject cannot be an `Option`: a session belongs to someone; use the type inside, \
             or remove `#[session(subject)]`"
        );
        self.subject = true;
        self
    }

    /// Gives the column an SQL default expression.
    pub const fn default(self, expression: &'static str) -> Self {
        Self { default: Some(expression), ..self }
    }

    /// Sets an SQL type for the column, instead of the dialect's.
    pub const fn sql_type(self, sql_type: &'static str) -> Self {
        Self { sql_type: Some(sql_type), ..self }
    }

    /// Makes the column a foreign key.
    ///
    /// # Panics
    ///
    /// Panics if deleting the referenced row is to set the column to `NULL` and the column cannot
    /// be `NULL`: at compile time, in a derived schema.
    #[track_caller]
    pub const fn references(mut self, reference: Reference) -> Self {
        assert!(
            self.nullable || !matches!(reference.on_delete, OnDelete::SetNull),
            "`on delete set null` needs a field that can be NULL: make it an `Option`, or use `on \
             delete cascade`"
        );
        self.references = Some(reference);
        self
    }

    /// Makes the column unique.
    pub const fn unique(self) -> Self {
        Self { unique: true, ..self }
    }

    /// Indexes the column.
    pub const fn index(self) -> Self {
        Self { index: true, ..self }
    }

    /// Sets the column's earlier name.
    pub const fn renamed_from(self, name: &'static str) -> Self {
        Self { renamed_from: Some(name), ..self }
    }

    /// Sets the earlier names of the variants of the column's enum, as pairs of old name and new
    /// name.
    pub const fn renamed_variants(self, renamed: &'static [(&'static str, &'static str)]) -> Self {
        Self { renamed_variants: renamed, ..self }
    }

    /// Sets which integers the field holds, if its column has another range.
    pub const fn range(self, range: Option<(i64, i64)>) -> Self {
        Self { range, ..self }
    }

    /// Marks the column as the role.
    pub const fn role(self) -> Self {
        Self { role: true, ..self }
    }

    /// Sets what happens to the sessions that a change of this column leaves without a value.
    pub const fn on_change(self, on_change: OnChange) -> Self {
        Self { on_change, ..self }
    }
}

/// What a migration does with existing sessions when a column changes so that they have no value
/// for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnChange {
    /// The migration is refused until the struct says more. This is the default.
    #[default]
    Refuse,
    /// The sessions end: `#[session(on_change = "end_sessions")]`.
    EndSessions,
}

/// A foreign key's target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reference {
    /// The referenced table.
    pub table: &'static str,
    /// The referenced column.
    pub column: &'static str,
    /// What happens to the session when the referenced row is deleted.
    pub on_delete: OnDelete,
}

impl Reference {
    /// Creates a foreign key to `table(column)`.
    pub const fn new(table: &'static str, column: &'static str, on_delete: OnDelete) -> Self {
        Self { table, column, on_delete }
    }
}

/// What happens to a session when the row that it references is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDelete {
    /// The session ends with it. This is the default, because a deleted user is logged out.
    #[default]
    Cascade,
    /// The deletion is refused while sessions exist.
    Restrict,
    /// The column becomes `NULL`.
    SetNull,
}
