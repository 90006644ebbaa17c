//! [`State`]: the table as it is after a migration, kept in the `-- anchor:` lines at the head of
//! the migration's file.
//!
//! The lines say everything that a later migration needs, so that neither a snapshot folder nor a
//! database is asked. What follows them, the SQL, is the user's to edit. Beside each column stands
//! what the struct answered for it, so that an answer is carried out once. The state's hash covers
//! the lines alone and includes the parent's, so that a file names its place in the table's
//! history.

mod lines;
mod parse;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use parse::HeaderError;

use crate::column::ColumnType;
use crate::schema::{ColumnSchema, Dialect, OnChange, Schema, Table};

/// The format that this version writes, and the newest that it reads.
const FORMAT: &str = "1";

/// What every line of a header begins with.
const PREFIX: &str = "-- anchor:";

const KINDS: &[(&str, ColumnType)] = &[
    ("bool", ColumnType::Bool),
    ("smallint", ColumnType::SmallInt),
    ("integer", ColumnType::Integer),
    ("bigint", ColumnType::BigInt),
    ("real", ColumnType::Real),
    ("double", ColumnType::Double),
    ("text", ColumnType::Text),
    ("bytes", ColumnType::Bytes),
    ("uuid", ColumnType::Uuid),
    ("ip", ColumnType::Ip),
    ("timestamp", ColumnType::Timestamp),
    ("json", ColumnType::Json),
];

/// The table after a migration, and the migration's place in its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) table: Table,
    /// What the struct said about its columns when the migration was written: each holds once.
    pub(crate) answers: Vec<Answer>,
    /// The hash of the state before; `None` for the migration that creates the table.
    pub(crate) parent: Option<String>,
    /// Of a table that is created under a name that another one had: the hash of the state after
    /// that one's last migration, so that no two first migrations are one.
    pub(crate) beside: Option<String>,
    /// Which of the files that were written together it is, from 1, and how many they are; `None`
    /// for one by itself.
    pub(crate) step: Option<(usize, usize)>,
}

/// The answers on one field that a migration has carried out, so that they are no answer to a
/// later change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) column: String,
    /// `renamed_from`.
    pub(crate) was: Option<String>,
    /// `on_change = "end_sessions"`.
    pub(crate) ends: bool,
    /// `renamed_from` on an enum's variants: old name, new name.
    pub(crate) variants: Vec<(String, String)>,
}

impl Answer {
    /// What a struct says now, of the columns of which it says anything.
    pub(crate) fn of(schema: &Schema) -> Vec<Self> {
        let answers = schema.columns.iter().map(|column| Self {
            column: column.name.to_owned(),
            was: column.renamed_from.map(str::to_owned),
            ends: column.on_change == OnChange::EndSessions,
            variants: variant_renames(column),
        });
        answers.filter(|answer| !answer.is_empty()).collect()
    }

    fn is_empty(&self) -> bool {
        self.was.is_none() && !self.ends && self.variants.is_empty()
    }
}

/// The variants of a column's enum that say what they were called before: old name, new name.
pub(crate) fn variant_renames(column: &ColumnSchema) -> Vec<(String, String)> {
    let owned = |(from, to): &(&str, &str)| ((*from).to_owned(), (*to).to_owned());
    column.renamed_variants.iter().map(owned).collect()
}

impl State {
    /// The state after a migration that leads to this struct's table.
    pub(crate) fn of(schema: &Schema, dialect: Dialect, parent: Option<String>) -> Self {
        Self {
            table: Table::of(schema, dialect),
            answers: Answer::of(schema),
            parent,
            beside: None,
            step: None,
        }
    }

    /// What has been answered of the column.
    pub(crate) fn answer(&self, column: &str) -> Option<&Answer> {
        self.answers.iter().find(|answer| answer.column == column)
    }

    /// The variants of the column that a migration has renamed: old name, new name.
    pub(crate) fn renamed_variants(&self, column: &str) -> &[(String, String)] {
        self.answer(column).map_or(&[], |answer| &answer.variants)
    }
}
