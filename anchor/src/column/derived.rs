//! What `#[derive(Column)]` calls.

use super::{ColumnError, ColumnType};
use crate::column::Value;

/// The type of a newtype's column: that of what it wraps.
///
/// # Panics
///
/// When that may be `NULL`: at compile time, in the derived constant.
#[track_caller]
pub const fn newtype(inner: ColumnType, nullable: bool) -> ColumnType {
    assert!(
        !nullable,
        "a newtype around an `Option` cannot be a column: wrap the type inside, and use an \
         `Option` of the newtype"
    );
    inner
}

/// A variant as its stored name.
pub fn variant_to_value(name: &'static str) -> Value {
    Value::Text(name.to_owned())
}

/// The name that a cell holds.
///
/// # Errors
///
/// When the cell holds no text.
pub fn variant_from_value(value: &Value) -> Result<&str, ColumnError> {
    match value {
        Value::Text(name) => Ok(name),
        other => Err(ColumnError::unexpected("text", other)),
    }
}

/// The cell's name is none of the enum's.
pub fn unknown_variant(ty: ColumnType) -> ColumnError {
    match ty {
        ColumnType::Enum(names) => {
            ColumnError::new(format_args!("the text is none of {}", names.join(", ")))
        }
        _ => ColumnError::new("the text is none of the enum's names"),
    }
}
