//! A column's properties in words, and whether a new row has a value for it.

use std::fmt;

use crate::schema::{Kind, OnDelete, TableColumn};

/// Returns whether a row that is inserted without a value for the column has one.
pub(crate) fn has_value(column: &TableColumn) -> bool {
    column.default.as_deref().is_some_and(|default| !default.eq_ignore_ascii_case("null"))
}

/// Returns the action of a foreign key on a deletion, in words.
pub(crate) fn on_delete_words(action: OnDelete) -> &'static str {
    match action {
        OnDelete::Cascade => "cascade",
        OnDelete::Restrict => "restrict",
        OnDelete::SetNull => "set null",
    }
}

/// Displays a column's type and nullability.
pub(crate) struct Shape<'t>(pub(crate) &'t TableColumn);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape(column) = self;
        f.write_str(&column.sql_type)?;
        match &column.kind {
            Kind::Enum(values) => write!(f, " of {}", values.join(", "))?,
            // SQLite has one type for several of anchor's, so the word says which it is.
            Kind::Plain(ty) => {
                let word = format!("{ty:?}").to_lowercase();
                if let Some((least, most)) = column.range {
                    write!(f, " from {least} to {most}")?;
                }
                let spelled = column.sql_type.to_lowercase().replace(' ', "");
                if !spelled.starts_with(&word) {
                    write!(f, " ({word})")?;
                }
            }
        }
        f.write_str(if column.nullable { ", may be NULL" } else { "" })
    }
}
