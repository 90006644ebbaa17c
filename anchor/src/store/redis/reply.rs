//! A script's answer, read one element after the other.

use std::str::FromStr;

use redis::Value;

use super::row::Fields;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::timestamp::Timestamp;

/// The elements of an answer that have not been read.
pub(super) struct Reply(std::vec::IntoIter<Value>);

impl Reply {
    pub(super) fn new(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Array(elements) => Ok(Self(elements.into_iter())),
            _ => Err(unexpected()),
        }
    }

    fn next(&mut self) -> Result<Value, StoreError> {
        self.0.next().ok_or_else(unexpected)
    }

    /// Reads a text, or a number that the script wrote as one.
    pub(super) fn read<V: FromStr>(&mut self) -> Result<V, StoreError> {
        text(self.next()?)?.parse().map_err(|_| unexpected())
    }

    pub(super) fn word(&mut self) -> Result<String, StoreError> {
        self.read()
    }

    pub(super) fn instant(&mut self) -> Result<Timestamp, StoreError> {
        self.read().map(Timestamp::from_micros)
    }

    pub(super) fn list(&mut self) -> Result<Reply, StoreError> {
        Self::new(self.next()?)
    }

    pub(super) fn fields(&mut self) -> Result<Fields, StoreError> {
        let mut flat = self.list()?;
        let mut fields = Vec::with_capacity(flat.0.len() / 2);
        while !flat.is_empty() {
            fields.push((bytes(flat.next()?)?, bytes(flat.next()?)?));
        }
        Ok(Fields(fields))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// Reads the remaining elements as texts.
    pub(super) fn rest<V: FromStr>(mut self) -> Result<Vec<V>, StoreError> {
        let mut rest = Vec::with_capacity(self.0.len());
        while !self.is_empty() {
            rest.push(self.read()?);
        }
        Ok(rest)
    }
}

/// Reads a session's id in the name of its key.
pub(super) fn id_in_key(key: &str) -> Option<SessionId> {
    key.rsplit_once(":session:")?.1.parse().ok()
}

fn bytes(value: Value) -> Result<Vec<u8>, StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::Int(int) => Ok(int.to_string().into_bytes()),
        _ => Err(unexpected()),
    }
}

fn text(value: Value) -> Result<String, StoreError> {
    String::from_utf8(bytes(value)?).map_err(|_| unexpected())
}

pub(super) fn unexpected() -> StoreError {
    StoreError::unavailable(
        "Redis gave an answer that the store does not understand: let nothing but anchor write \
         keys with the store's prefix",
    )
}
