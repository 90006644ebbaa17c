//! [`Column`]: a Rust type as one SQL column.
//!
//! The implementations for the types that work out of the box are in this folder.

#[cfg(feature = "chrono")]
mod chrono;
pub(crate) mod derived;
#[cfg(any(feature = "chrono", feature = "jiff", feature = "time"))]
mod instant;
#[cfg(feature = "jiff")]
mod jiff;
mod number;
mod option;
mod plain;
#[cfg(feature = "time")]
mod time;
pub(crate) mod value;

use std::fmt;

pub use value::Value;

use crate::excerpt::{ERROR, excerpt};

/// The SQL type of a column, independent of how a dialect spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColumnType {
    /// `BOOLEAN`.
    Bool,
    /// A 16-bit integer.
    SmallInt,
    /// A 32-bit integer.
    Integer,
    /// A 64-bit integer.
    BigInt,
    /// A 32-bit float.
    Real,
    /// A 64-bit float.
    Double,
    /// Text of any length.
    Text,
    /// Bytes of any length.
    Bytes,
    /// A UUID.
    Uuid,
    /// An IP address.
    Ip,
    /// An instant with microsecond precision.
    Timestamp,
    /// A JSON document.
    Json,
    /// Text from a fixed set, which a `CHECK` enforces.
    Enum(&'static [&'static str]),
}

#[cfg(any(feature = "_sql", feature = "redis"))]
/// Returns a type in words.
pub(crate) fn wanted(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Bool => "a boolean",
        ColumnType::SmallInt => "a 16-bit integer",
        ColumnType::Integer => "a 32-bit integer",
        ColumnType::BigInt => "a 64-bit integer",
        ColumnType::Real | ColumnType::Double => "a float",
        ColumnType::Text | ColumnType::Enum(_) => "text",
        ColumnType::Bytes => "bytes",
        ColumnType::Uuid => "a UUID",
        ColumnType::Ip => "an IP address",
        ColumnType::Timestamp => "a timestamp",
        ColumnType::Json => "JSON",
    }
}

/// A Rust type that is stored as one SQL column.
///
/// Derive it with `#[derive(Column)]` for a newtype (stored like its inner type) or a field-less
/// enum (stored as the variant's name in `snake_case`, with a `CHECK`). Implement it by hand for
/// other types of your own:
///
/// ```
/// use anchor::Column;
/// use anchor::column::{ColumnError, ColumnType, Value};
///
/// struct Percent(u8);
///
/// impl Column for Percent {
///     const TYPE: ColumnType = ColumnType::SmallInt;
///
///     fn to_value(&self) -> Result<Value, ColumnError> {
///         Ok(Value::Int(self.0.into()))
///     }
///
///     fn from_value(value: Value) -> Result<Self, ColumnError> {
///         match value {
///             Value::Int(n @ 0..=100) => Ok(Percent(n as u8)),
///             other => Err(ColumnError::unexpected("0 to 100", &other)),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a session column",
    label = "this type does not implement `Column`",
    note = "for any type that serde can write, add `#[session(json)]` to the field",
    note = "for a newtype or a field-less enum of your own, add `#[derive(Column)]` to it",
    note = "for `u64`, `usize` or `i128`, use `i64`: no SQL integer holds their whole range",
    note = "for date-times of `time`, `chrono` or `jiff`, switch on anchor's feature of that name",
    note = "to leave the field out of the table, add `#[session(skip)]`"
)]
pub trait Column: Sized {
    /// The column's SQL type.
    const TYPE: ColumnType;

    /// Whether the column may be `NULL`. This is `true` only for `Option<T>`.
    const NULLABLE: bool = false;

    /// The earlier names of an enum's variants, as pairs of old name and new name. A migration
    /// replaces the old name with the new one in existing rows.
    const RENAMED_VARIANTS: &'static [(&'static str, &'static str)] = &[];

    /// The smallest and the largest integer that the type holds, if its column has another range.
    /// For example, `u16` is stored as an `INTEGER`, but holds no negative numbers.
    const RANGE: Option<(i64, i64)> = None;

    /// Converts this value into a cell.
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be represented in SQL.
    fn to_value(&self) -> Result<Value, ColumnError>;

    /// Converts a cell into the value that it holds.
    ///
    /// # Errors
    ///
    /// Returns an error if the cell holds something else.
    fn from_value(value: Value) -> Result<Self, ColumnError>;
}

/// The reason why a value could not be written to or read from a column. The message never quotes
/// the value.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ColumnError(String);

impl ColumnError {
    /// Creates an error with this message, of which the first 1,000 characters are kept. Do not put
    /// the value into the message, because the message is logged.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self(excerpt(reason, ERROR).to_string())
    }

    /// Creates the error for a cell that holds another kind of value than `wanted`.
    pub fn unexpected(wanted: &str, found: &Value) -> Self {
        Self::new(format_args!("expected {wanted}, found {}", found.kind()))
    }
}

impl fmt::Debug for ColumnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ColumnError({})", self.0)
    }
}

/// The subject type of a payload without a subject. It has no values, so `list(subject)` cannot be
/// called for such a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoSubject {}

impl Column for NoSubject {
    const TYPE: ColumnType = ColumnType::Text;

    fn to_value(&self) -> Result<Value, ColumnError> {
        match *self {}
    }

    fn from_value(value: Value) -> Result<Self, ColumnError> {
        Err(ColumnError::unexpected("no value at all", &value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes the value and reads it back.
    pub(super) fn round_trip<C: Column>(value: &C) -> C {
        C::from_value(value.to_value().expect("it can be written")).expect("it can be read")
    }

    /// Returns the message with which a column refuses a cell.
    pub(super) fn refusal<C: Column>(cell: Value) -> String {
        match C::from_value(cell) {
            Ok(_) => panic!("the cell was accepted"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_refusal_does_not_quote_the_value() {
        let message = refusal::<i64>(Value::Text("hunter2".to_owned()));
        assert_eq!(message, "expected an integer, found text");
    }
}
