//! A script's answer, read one element after the other.

use std::str::FromStr;
use std::sync::Arc;

use redis::{RedisResult, Value};

use super::row::Fields;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::timestamp::Timestamp;

/// The elements of an answer that have not been read.
pub(super) struct Reply(std::vec::IntoIter<Value>);

impl Reply {
    pub(super) fn of(elements: impl Iterator<Item = Value>) -> Self {
        Self(elements.collect::<Vec<_>>().into_iter())
    }

    pub(super) fn new(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Array(elements) => Ok(Self(elements.into_iter())),
            _ => Err(unexpected()),
        }
    }

    pub(super) fn next(&mut self) -> Result<Value, StoreError> {
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
        match self.next()? {
            Value::Int(micros) => Ok(Timestamp::from_micros(micros)),
            other => text(other)?.parse().map(Timestamp::from_micros).map_err(|_| unexpected()),
        }
    }

    pub(super) fn list(&mut self) -> Result<Reply, StoreError> {
        Self::new(self.next()?)
    }

    /// Reads the values of these fields.
    pub(super) fn fields(&mut self, names: &Arc<[String]>) -> Result<Fields, StoreError> {
        fields(self.next()?, names)
    }

    /// Reads the answer of `TIME`: seconds and microseconds.
    pub(super) fn time(mut self) -> Result<Timestamp, StoreError> {
        let (seconds, micros): (i64, i64) = (self.read()?, self.read()?);
        Ok(Timestamp::from_micros(seconds * 1_000_000 + micros))
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

/// Reads the values of these fields, or of the first ones.
pub(super) fn fields(value: Value, names: &Arc<[String]>) -> Result<Fields, StoreError> {
    let values = Reply::new(value)?.0.map(|value| match value {
        Value::Nil => Ok(None),
        value => bytes(value).map(Some),
    });
    Ok(Fields::new(Arc::clone(names), values.collect::<Result<_, _>>()?))
}

/// Reads the score of a sorted set's element, if there is one.
pub(super) fn number(value: Value) -> Result<Option<u64>, StoreError> {
    match value {
        Value::Nil => Ok(None),
        Value::Double(number) => Ok(Some(number as u64)),
        value => text(value)?.parse().map(Some).map_err(|_| unexpected()),
    }
}

/// Returns the error if a command was answered with one. Those within an answer are not looked for.
pub(super) fn refused(answer: Value) -> RedisResult<Value> {
    match answer {
        Value::ServerError(error) => Err(error.into()),
        answer => Ok(answer),
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
