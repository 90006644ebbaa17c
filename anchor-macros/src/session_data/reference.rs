//! `references = "users(id) on delete cascade"`: the target of a foreign key.

use proc_macro2::Span;
use syn::{Error, LitStr, Result};

use super::sql_name::SqlName;

pub(super) struct Reference {
    /// One part, or two with a schema.
    pub(super) table: Vec<SqlName>,
    pub(super) column: SqlName,
    pub(super) on_delete: OnDelete,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum OnDelete {
    Cascade,
    Restrict,
    SetNull,
}

impl Reference {
    pub(super) fn parse(literal: &LitStr) -> Result<Self> {
        split(&literal.value(), literal.span()).ok_or_else(|| {
            Error::new(
                literal.span(),
                "expected a table and one column: `references = \"users(id)\"`, and after it `on \
                 delete cascade` (the default), `on delete restrict` or `on delete set null`",
            )
        })
    }
}

fn split(text: &str, span: Span) -> Option<Reference> {
    let (table, rest) = text.split_once('(')?;
    let (column, action) = rest.split_once(')')?;
    let words: Vec<_> = action.split_whitespace().map(str::to_ascii_lowercase).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let on_delete = match words.as_slice() {
        [] | ["on", "delete", "cascade"] => OnDelete::Cascade,
        ["on", "delete", "restrict"] => OnDelete::Restrict,
        ["on", "delete", "set", "null"] => OnDelete::SetNull,
        _ => return None,
    };
    if column.contains(',') {
        return None;
    }
    Some(Reference {
        table: SqlName::parse_path(table.trim(), span),
        column: SqlName::parse(column.trim(), span),
        on_delete,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_and_its_action_are_read() {
        for (text, table, column, on_delete) in [
            ("users(id)", "users", "id", OnDelete::Cascade),
            ("users (id) ON DELETE SET NULL", "users", "id", OnDelete::SetNull),
            ("\"user\"( \"key\" )on delete restrict", "user", "key", OnDelete::Restrict),
        ] {
            let reference = split(text, Span::call_site()).unwrap();
            assert_eq!(reference.table[0].text, table);
            assert_eq!(reference.column.text, column);
            assert_eq!(reference.on_delete, on_delete);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "users",
            "users(id",
            "users(id, org)",
            "users(id) on update cascade",
            "users(id) cascade",
        ] {
            assert!(split(text, Span::call_site()).is_none(), "{text}");
        }
    }
}
