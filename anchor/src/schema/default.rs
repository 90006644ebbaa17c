//! The check of a column's default that needs the field's type.

use crate::column::ColumnType;

/// Refuses, at compile time, a default that is not an SQL expression on a column of text. The
/// derive calls it, with the advice, for each default that does not look like an expression.
///
/// # Panics
///
/// Panics with the advice if the column holds text.
#[track_caller]
pub const fn refuse_bare_text(ty: ColumnType, advice: &'static str) {
    if matches!(ty, ColumnType::Text | ColumnType::Enum(_)) {
        panic!("{}", advice)
    }
}
