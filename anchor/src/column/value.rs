//! [`Value`]: one cell of a session's row, between a Rust field and a database driver.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use uuid::Uuid;

use crate::timestamp::Timestamp;

/// One cell of a session's row.
///
/// A [`Column`](crate::Column) converts a Rust value into a `Value` and back; a store converts the
/// `Value` into what its driver binds and reads. Every integer type is held as `i64` and every
/// float type as `f64`; the column's [`ColumnType`](crate::column::ColumnType) says how wide the
/// SQL column is.
///
/// Values are equal if their stored bits are equal: a float equals itself even if it is NaN.
/// `Debug` prints the kind of the value and never its content, because a payload may be private.
#[derive(Clone)]
#[non_exhaustive]
pub enum Value {
    /// SQL `NULL`.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer of any width up to 64 bits.
    Int(i64),
    /// A float; an `f32` is widened, which is exact.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A UUID.
    Uuid(Uuid),
    /// An IP address.
    Ip(IpAddr),
    /// An instant, in microseconds.
    Timestamp(Timestamp),
    /// A JSON document, as text.
    Json(String),
}

impl Value {
    /// Returns the kind of this value, in words for an error message.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "NULL",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytes",
            Value::Uuid(_) => "a UUID",
            Value::Ip(_) => "an IP address",
            Value::Timestamp(_) => "a timestamp",
            Value::Json(_) => "JSON",
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({})", self.kind())
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (Value::Text(a), Value::Text(b)) | (Value::Json(a), Value::Json(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Uuid(a), Value::Uuid(b)) => a == b,
            (Value::Ip(a), Value::Ip(b)) => a == b,
            (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Value::Null => {}
            Value::Bool(value) => value.hash(state),
            Value::Int(value) => value.hash(state),
            Value::Float(value) => value.to_bits().hash(state),
            Value::Text(value) | Value::Json(value) => value.hash(state),
            Value::Bytes(value) => value.hash(state),
            Value::Uuid(value) => value.hash(state),
            Value::Ip(value) => value.hash(state),
            Value::Timestamp(value) => value.hash(state),
        }
    }
}
