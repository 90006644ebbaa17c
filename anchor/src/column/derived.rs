//! The functions that `#[derive(Column)]` calls.

use super::{Column, ColumnError, ColumnType, Value};

/// Returns the type of a newtype's column, which is that of the inner type.
///
/// # Panics
///
/// Panics if the inner type may be `NULL`: at compile time, in the derived constant.
#[track_caller]
pub const fn newtype(inner: ColumnType, nullable: bool) -> ColumnType {
    assert!(
        !nullable,
        "a newtype around an `Option` cannot be a column: wrap the type inside, and use an \
         `Option` of the newtype"
    );
    inner
}

/// Returns the cell that stores the variant's name.
pub fn variant_to_value(name: &'static str) -> Value {
    Value::Text(name.to_owned())
}

/// Returns the name that a cell holds.
///
/// # Errors
///
/// Returns an error if the cell does not hold text.
pub fn variant_from_value(value: &Value) -> Result<&str, ColumnError> {
    match value {
        Value::Text(name) => Ok(name),
        other => Err(ColumnError::unexpected("text", other)),
    }
}

/// Returns the error for a cell whose name is not one of the enum's.
pub fn unknown_variant(ty: ColumnType) -> ColumnError {
    match ty {
        ColumnType::Enum(names) => {
            ColumnError::new(format_args!("the text is not one of {}", names.join(", ")))
        }
        _ => ColumnError::new("the text is not one of the enum's names"),
    }
}

/// A field marked `#[session(impersonator)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is always somebody: write `Option<{Self}>`, which is `None` in the \
        subject's own sessions",
    label = "a field marked `impersonator` must be an `Option` of a column's type"
)]
pub trait Impersonator {
    /// Returns the impersonator's value. Somebody whose value cannot be converted is still
    /// somebody.
    fn value(&self) -> Option<Value>;
}

#[diagnostic::do_not_recommend]
impl<C: Column> Impersonator for Option<C> {
    fn value(&self) -> Option<Value> {
        self.as_ref().map(|somebody| somebody.to_value().unwrap_or(Value::Null))
    }
}
