//! What a column's default cannot be, where only the field's type says so.

use crate::column::ColumnType;

/// Refuses, at compile time, a default that is no expression on a column of text. The derive calls
/// it for those that are none by their looks, with the advice.
///
/// # Panics
///
/// With the advice, when the column holds text.
#[track_caller]
pub const fn refuse_bare_text(ty: ColumnType, advice: &'static str) {
    if matches!(ty, ColumnType::Text | ColumnType::Enum(_)) {
        panic!("{}", advice)
    }
}
