//! Rows read back: a session's columns, one cell after the other.

use std::sync::Arc;

use super::driver::Driver;
use super::statements::{ORIGIN, RECORD};
use super::undecodable;
use crate::column::Value;
use crate::column::{ColumnError, ColumnType};
use crate::id::SessionId;
use crate::payload::{Columns, DecodeError, Decoder, SessionData};
use crate::schema::ColumnSchema;
use crate::store::{Origin, Record};
use crate::timestamp::Timestamp;

/// What an error calls the database's clock, which is no column of the table.
pub(super) const NOW: &str = "now";

/// What an error calls the subject's latest cut-off, which is in another table.
pub(super) const CUT_OFF: &str = "cut_off_at";

/// The status of a kept row that has not ended.
pub(super) const ACTIVE: &str = "active";

/// How many cells a record has.
pub(super) fn record_width<T: SessionData>() -> usize {
    let schema = T::schema();
    let origin = if schema.extras.track { ORIGIN.len() } else { 0 };
    RECORD.len() + origin + schema.columns.len()
}

/// A list's row that can be read; the others are logged.
pub(super) fn told<D: Driver, T: SessionData, R>(
    row: &D::Row,
    read: Result<R, DecodeError>,
) -> Option<R> {
    read.map_err(|error| match (Cells::<D> { row, at: 0 }).id() {
        Ok(id) => undecodable(T::schema(), id, &error),
        Err(_) => undecodable(T::schema(), "unreadable", &error),
    })
    .ok()
}

/// The times that say whether a row is live, read before the rest of it.
pub(super) struct Times {
    pub(super) authenticated_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) deadline: Timestamp,
}

impl Times {
    pub(super) fn read<D: Driver>(row: &D::Row) -> Result<Self, DecodeError> {
        let mut cells = Cells::<D> { row, at: 1 };
        cells.instant("created_at")?;
        let authenticated_at = cells.instant("authenticated_at")?;
        cells.instant("last_seen_at")?;
        let (expires_at, deadline) = (cells.instant("expires_at")?, cells.instant("deadline")?);
        Ok(Self { authenticated_at, expires_at, deadline })
    }

    pub(super) fn end(&self) -> Timestamp {
        self.expires_at.min(self.deadline)
    }

    pub(super) fn live_at(&self, now: Timestamp) -> bool {
        now < self.end()
    }

    pub(super) fn cut_off_by(&self, cut_off_at: Option<Timestamp>) -> bool {
        cut_off_at.is_some_and(|at| self.authenticated_at <= at)
    }
}

pub(super) fn read_record<D: Driver, T: SessionData>(
    row: &D::Row,
) -> Result<Record<T>, DecodeError> {
    let mut cells = Cells::<D> { row, at: 0 };
    Ok(Record {
        id: cells.id()?,
        created_at: cells.instant("created_at")?,
        authenticated_at: cells.instant("authenticated_at")?,
        last_seen_at: cells.instant("last_seen_at")?,
        expires_at: cells.instant("expires_at")?,
        deadline: cells.instant("deadline")?,
        version: cells.int("version")?,
        remembered: cells.bool("remembered")?,
        origin: if T::schema().extras.track { cells.origin()? } else { None },
        data: Arc::new(Decoder::payload_of(&mut cells)?),
    })
}

/// The cells of a row, read one after the other.
pub(super) struct Cells<'r, D: Driver> {
    pub(super) row: &'r D::Row,
    pub(super) at: usize,
}

impl<D: Driver> Cells<'_, D> {
    pub(super) fn next(&mut self, ty: ColumnType) -> Result<Value, ColumnError> {
        self.at += 1;
        D::cell(self.row, self.at - 1, ty)
    }

    pub(super) fn id(&mut self) -> Result<SessionId, DecodeError> {
        match self.next(ColumnType::Uuid) {
            Ok(Value::Uuid(id)) => Ok(SessionId::from_uuid(id)),
            other => Err(unreadable("id", other)),
        }
    }

    pub(super) fn int(&mut self, name: &'static str) -> Result<i64, DecodeError> {
        match self.next(ColumnType::BigInt) {
            Ok(Value::Int(int)) => Ok(int),
            other => Err(unreadable(name, other)),
        }
    }

    pub(super) fn instant_or_null(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Timestamp>, DecodeError> {
        match self.next(ColumnType::Timestamp) {
            Ok(Value::Timestamp(instant)) => Ok(Some(instant)),
            Ok(Value::Null) => Ok(None),
            other => Err(unreadable(name, other)),
        }
    }

    pub(super) fn instant(&mut self, name: &'static str) -> Result<Timestamp, DecodeError> {
        self.instant_or_null(name)?.ok_or_else(|| unreadable(name, Ok(Value::Null)))
    }

    pub(super) fn bool(&mut self, name: &'static str) -> Result<bool, DecodeError> {
        match self.next(ColumnType::Bool) {
            Ok(Value::Bool(value)) => Ok(value),
            other => Err(unreadable(name, other)),
        }
    }

    pub(super) fn text_or_null(
        &mut self,
        name: &'static str,
    ) -> Result<Option<String>, DecodeError> {
        match self.next(ColumnType::Text) {
            Ok(Value::Text(text)) => Ok(Some(text)),
            Ok(Value::Null) => Ok(None),
            other => Err(unreadable(name, other)),
        }
    }

    pub(super) fn origin(&mut self) -> Result<Option<Origin>, DecodeError> {
        let ip = match self.next(ColumnType::Ip) {
            Ok(Value::Ip(ip)) => Some(ip),
            Ok(Value::Null) => None,
            other => return Err(unreadable(ORIGIN[0], other)),
        };
        let user_agent = self.text_or_null(ORIGIN[1])?;
        let known = ip.is_some() || user_agent.is_some();
        Ok(known.then(|| Origin::new(ip, user_agent.as_deref())))
    }

    pub(super) fn hash(&mut self, name: &'static str) -> Result<Option<[u8; 32]>, DecodeError> {
        match self.next(ColumnType::Bytes) {
            Ok(Value::Null) => Ok(None),
            Ok(Value::Bytes(bytes)) => match bytes.try_into() {
                Ok(bytes) => Ok(Some(bytes)),
                Err(_) => Err(unreadable(name, Err(ColumnError::new("expected 32 bytes")))),
            },
            other => Err(unreadable(name, other)),
        }
    }
}

pub(super) fn unreadable(name: &'static str, found: Result<Value, ColumnError>) -> DecodeError {
    let reason = match found {
        Ok(found) => ColumnError::unexpected("another value", &found),
        Err(reason) => reason,
    };
    DecodeError::new(name, reason)
}

/// The payload's part of a row.
impl<D: Driver> Columns for Cells<'_, D> {
    fn take(&mut self, _: usize, column: &ColumnSchema) -> Result<Value, ColumnError> {
        self.next(column.ty)
    }
}
