//! [`State`]: the table after a migration, as the `-- anchor:` lines at the head of the migration's
//! file record it.
//!
//! The lines contain everything that a later migration needs, so that neither a folder of snapshots
//! nor a database is necessary. The user may edit the SQL below them. The line of a column also
//! records what the struct answered for it, so that an answer is used only once. The state's hash
//! covers the lines, without the SQL. The lines include the parent's hash, which gives the file its
//! place in the table's history.

mod lines;
mod parse;
#[cfg(any(test, feature = "_fuzz"))]
pub(crate) mod properties;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use parse::HeaderError;

use crate::column::ColumnType;
use crate::schema::{ColumnSchema, Dialect, OnChange, Schema, Table};

/// The format that this version writes, and the newest that it reads.
const FORMAT: &str = "1";

/// The start of every line of a header.
const PREFIX: &str = "-- anchor:";

/// The words for the types of columns.
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
    /// What the struct answered when the migration was written. An answer is used once.
    pub(crate) answers: Vec<Answer>,
    /// The hash of the previous state, or `None` if the migration creates the table.
    pub(crate) parent: Option<String>,
    /// If another table had this table's name before: the hash of that table's newest state. It
    /// makes the hashes of the two first migrations different.
    pub(crate) beside: Option<String>,
    /// The number of this file among those of the same change, from 1, and how many there are.
    /// `None` if it is the only one.
    pub(crate) step: Option<(usize, usize)>,
}

/// The struct's answers for one field, which a migration has used, so that they do not answer a
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
    /// Returns the answers that a struct gives now, for the columns for which it gives any.
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

/// Returns the renamed variants of a column's enum: old name, new name.
pub(crate) fn variant_renames(column: &ColumnSchema) -> Vec<(String, String)> {
    let owned = |(from, to): &(&str, &str)| ((*from).to_owned(), (*to).to_owned());
    column.renamed_variants.iter().map(owned).collect()
}

impl State {
    /// Returns the state after a migration that leads to this struct's table.
    pub(crate) fn of(schema: &Schema, dialect: Dialect, parent: Option<String>) -> Self {
        Self {
            table: Table::of(schema, dialect),
            answers: Answer::of(schema),
            parent,
            beside: None,
            step: None,
        }
    }

    /// Returns the answers that were used for the column.
    pub(crate) fn answer(&self, column: &str) -> Option<&Answer> {
        self.answers.iter().find(|answer| answer.column == column)
    }

    /// Returns the variants of the column that a migration has renamed: old name, new name.
    pub(crate) fn renamed_variants(&self, column: &str) -> &[(String, String)] {
        self.answer(column).map_or(&[], |answer| &answer.variants)
    }
}
