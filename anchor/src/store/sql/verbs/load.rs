//! `load`: one `SELECT` by the key.

use std::sync::Arc;

use crate::column::ColumnError;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::{DecodeError, SessionData};
use crate::store::{Fingerprint, Load, Loaded, RotationState, Secrets};
use crate::token::{LastingHash, SecretHash};

use super::super::database::Database;
use super::super::driver::Driver;
use super::super::row::{ACTIVE, Cells, NOW, Times, read_record, record_columns};
use super::super::statement::Statement;
use super::super::table::SqlTable;

/// What is selected after a record; then the fingerprint, the status and the subject's cut-off where
/// the table has them, and the database's now.
const SECRETS: [&str; 5] = [
    "lasting_hash",
    "secret_hash",
    "previous_secret_hash",
    "previous_secret_until",
    "rotation_state",
];

pub(in super::super) struct LoadRow {
    select: Statement<1>,
}

impl LoadRow {
    pub(super) fn new(table: &SqlTable) -> Self {
        let SqlTable { name, schema, .. } = table;
        let mut columns = record_columns(table);
        columns.extend(table.columns(&SECRETS));
        if schema.extras.fingerprint {
            columns.extend(table.columns(&["fingerprint"]));
        }
        if schema.extras.keep_ended {
            columns.extend(table.columns(&["status"]));
        }
        columns.extend(table.cut_off_of_row());
        columns.push(table.instant(table.now));
        let text = format!("SELECT {} FROM {name} WHERE id = :id", columns.join(", "));
        Self { select: table.statement(&text, ["id"]) }
    }

    pub(in super::super) async fn run<D: Driver, T: SessionData>(
        &self,
        database: &Database<D>,
        id: SessionId,
    ) -> Result<Load<T>, StoreError> {
        let rows = database.rows(self.select.with([id.into()])).await?;
        Ok(rows.first().map_or(Load::Absent, |row| match read_live::<D, T>(row) {
            Ok(Some(loaded)) => Load::Live(loaded),
            Ok(None) => Load::Ended,
            Err(error) => Load::Undecodable(error),
        }))
    }
}

/// The session of a selected row, if it is live.
fn read_live<D: Driver, T: SessionData>(row: &D::Row) -> Result<Option<Loaded<T>>, DecodeError> {
    let schema = T::schema();
    let extras = schema.extras;
    let mut cells = Cells::<D>::after_record(row, schema);
    let lasting = cells.hash_or_null(SECRETS[0]);
    let current = cells.hash_or_null(SECRETS[1]);
    let previous = cells.hash_or_null(SECRETS[2])?;
    let previous_until = cells.instant_or_null(SECRETS[3])?;
    let rotation = cells.text_or_null(SECRETS[4])?;
    let fingerprint = if extras.fingerprint { cells.hash_or_null("fingerprint")? } else { None };
    let is_active = !extras.keep_ended || cells.text_or_null("status")?.as_deref() == Some(ACTIVE);
    let cut_off_at = cells.cut_off(schema)?;
    let now = cells.instant(NOW)?;
    let times = Times::read::<D>(row)?;
    if !is_active || !times.live_at(now) || times.cut_off_by(cut_off_at) {
        return Ok(None);
    }
    let present = |hash: Result<Option<[u8; 32]>, DecodeError>, name| {
        hash?.ok_or_else(|| DecodeError::new(name, ColumnError::new("expected a hash, found NULL")))
    };
    let secrets = Secrets {
        lasting: LastingHash::from_bytes(present(lasting, SECRETS[0])?),
        current: SecretHash::from_bytes(present(current, SECRETS[1])?),
        previous: previous.map(SecretHash::from_bytes),
        previous_until,
        rotation: rotation.as_deref().and_then(RotationState::from_word).ok_or_else(|| {
            DecodeError::new(SECRETS[4], ColumnError::new("expected the state of a rotation"))
        })?,
    };
    Ok(Some(Loaded {
        record: Arc::new(read_record::<D, T>(row)?),
        secrets,
        fingerprint: fingerprint.map(Fingerprint::from_bytes),
        now,
    }))
}
