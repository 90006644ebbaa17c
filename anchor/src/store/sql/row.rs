//! A session's row: the columns that statements select, in one fixed order, and how they are read
//! back.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::driver::Driver;
use super::table::SqlTable;
use crate::column::{Column, ColumnError, ColumnType, Value};
use crate::id::SessionId;
use crate::payload::{Columns, DecodeError, Decoder, SessionData};
use crate::schema::{ColumnSchema, Schema};
use crate::store::{ClientInfo, Record};
use crate::timestamp::Timestamp;

/// The columns of a record that every table has.
const RECORD: [&str; 8] = [
    "id",
    "created_at",
    "authenticated_at",
    "last_seen_at",
    "expires_at",
    "deadline",
    "version",
    "remembered",
];

/// The index of `created_at` in a record.
pub(super) const CREATED_AT: usize = 1;

/// The columns of a [`ClientInfo`].
const CLIENT: [&str; 2] = ["ip_address", "user_agent"];

/// What an error calls the database's clock, which is not a column of the table.
pub(super) const NOW: &str = "now";

/// What an error calls the subject's latest cut-off, which is in another table.
const CUT_OFF: &str = "cut_off_at";

/// The status of a kept row that has not ended.
pub(super) const ACTIVE: &str = "active";

/// Returns what a statement selects for a record: the session's own columns, its client if the
/// table tracks it, and the payload.
pub(super) fn record_columns(table: &SqlTable) -> Vec<String> {
    let mut columns = table.columns(&RECORD);
    if table.schema.options.track {
        columns.extend(table.columns(&CLIENT));
    }
    columns.extend(table.payload_columns());
    columns
}

/// Returns how many cells a record has.
pub(super) fn record_width(schema: &Schema) -> usize {
    let client = if schema.options.track { CLIENT.len() } else { 0 };
    RECORD.len() + client + schema.columns.len()
}

/// The columns of [`RECORD`], which decide whether a row is live. The rest of the record is read
/// only if it is.
pub(super) struct RecordStart {
    id: SessionId,
    created_at: Timestamp,
    authenticated_at: Timestamp,
    last_seen_at: Timestamp,
    expires_at: Timestamp,
    deadline: Timestamp,
    version: i64,
    remembered: bool,
}

impl RecordStart {
    pub(super) fn read<D: Driver>(cells: &mut Cells<'_, D>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: cells.id()?,
            created_at: cells.read("created_at")?,
            authenticated_at: cells.read("authenticated_at")?,
            last_seen_at: cells.read("last_seen_at")?,
            expires_at: cells.read("expires_at")?,
            deadline: cells.read("deadline")?,
            version: cells.read("version")?,
            remembered: cells.read("remembered")?,
        })
    }

    pub(super) fn live_at(&self, now: Timestamp) -> bool {
        now < self.expires_at.min(self.deadline)
    }

    pub(super) fn cut_off_by(&self, cut_off_at: Option<Timestamp>) -> bool {
        cut_off_at.is_some_and(|at| self.authenticated_at <= at)
    }

    /// Reads the rest of the record from the cells that follow.
    pub(super) fn complete<D: Driver, T: SessionData>(
        self,
        cells: &mut Cells<'_, D>,
    ) -> Result<Record<T>, DecodeError> {
        Ok(Record {
            id: self.id,
            created_at: self.created_at,
            authenticated_at: self.authenticated_at,
            last_seen_at: self.last_seen_at,
            expires_at: self.expires_at,
            deadline: self.deadline,
            version: self.version,
            remembered: self.remembered,
            client: if T::schema().options.track { cells.client()? } else { None },
            data: Arc::new(Decoder::payload_of(cells)?),
        })
    }
}

/// Reads what [`record_columns`] selected.
pub(super) fn read_record<D: Driver, T: SessionData>(
    row: &D::Row,
) -> Result<Record<T>, DecodeError> {
    let mut cells = Cells::<D>::from_start(row);
    RecordStart::read(&mut cells)?.complete(&mut cells)
}

/// The cells of a row, read one after the other.
pub(super) struct Cells<'r, D: Driver> {
    row: &'r D::Row,
    at: usize,
}

impl<'r, D: Driver> Cells<'r, D> {
    pub(super) fn from_start(row: &'r D::Row) -> Self {
        Self { row, at: 0 }
    }

    /// Returns the cells that follow the record.
    pub(super) fn after_record(row: &'r D::Row, schema: &Schema) -> Self {
        Self { row, at: record_width(schema) }
    }

    pub(super) fn at(row: &'r D::Row, at: usize) -> Self {
        Self { row, at }
    }

    fn next(&mut self, ty: ColumnType) -> Result<Value, ColumnError> {
        self.at += 1;
        D::cell(self.row, self.at - 1, ty)
    }

    /// Reads the next cell, which is of the system column with this name.
    pub(super) fn read<C: Column>(&mut self, name: &'static str) -> Result<C, DecodeError> {
        let value = self.next(C::TYPE).and_then(C::from_value);
        value.map_err(|reason| DecodeError::new(name, reason))
    }

    pub(super) fn id(&mut self) -> Result<SessionId, DecodeError> {
        self.read("id").map(SessionId::from_uuid)
    }

    fn client(&mut self) -> Result<Option<ClientInfo>, DecodeError> {
        let ip: Option<IpAddr> = self.read(CLIENT[0])?;
        let user_agent = self.text(CLIENT[1])?;
        let known = ip.is_some() || user_agent.is_some();
        Ok(known.then(|| ClientInfo::new(ip, user_agent)))
    }

    pub(super) fn hash_or_null(
        &mut self,
        name: &'static str,
    ) -> Result<Option<[u8; 32]>, DecodeError> {
        self.at += 1;
        let bytes = D::bytes(self.row, self.at - 1);
        let bytes = bytes.map_err(|reason| DecodeError::new(name, reason))?;
        let hash = bytes.map(<[u8; 32]>::try_from).transpose();
        hash.map_err(|_| DecodeError::new(name, ColumnError::new("expected 32 bytes")))
    }

    /// Reads the next cell, which is of the system column with this name and contains text.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<&'r str>, DecodeError> {
        self.at += 1;
        let text = D::text(self.row, self.at - 1);
        text.map_err(|reason| DecodeError::new(name, reason))
    }

    pub(super) fn hash(&mut self, name: &'static str) -> Result<[u8; 32], DecodeError> {
        let null = || DecodeError::new(name, ColumnError::new("expected a hash, found NULL"));
        self.hash_or_null(name)?.ok_or_else(null)
    }

    /// Reads the subject's latest cut-off, if the table has cut-offs.
    pub(super) fn cut_off(&mut self, schema: &Schema) -> Result<Option<Timestamp>, DecodeError> {
        if schema.options.cut_off { self.read(CUT_OFF) } else { Ok(None) }
    }
}

/// Reads the payload's part of a row.
impl<D: Driver> Columns for Cells<'_, D> {
    fn take(&mut self, _: usize, column: &ColumnSchema) -> Result<Value, ColumnError> {
        self.next(column.ty)
    }
}

/// Logs a live row that the struct cannot decode.
pub(super) fn log_undecodable(schema: &Schema, id: impl fmt::Display, error: &DecodeError) {
    tracing::warn!(
        target: "anchor",
        table = schema.table,
        %id,
        column = error.column(),
        "a live session cannot be decoded and counts as ended: {error}"
    );
}
