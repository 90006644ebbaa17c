//! `consume`: ends a live row, and returns its payload. One of several concurrent calls gets it.

use std::sync::Arc;

use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::{Decoder, SessionData};
use crate::schema::Dialect;
use crate::store::{Consumed, EndReason};
use crate::token::SecretHash;

use super::super::database::Database;
use super::super::driver::Driver;
use super::super::expressions::for_update;
use super::super::row::{Cells, log_undecodable};
use super::super::statement::Statement;
use super::super::table::SqlTable;
use super::version::LiveVersion;

pub(in super::super) struct Consume {
    end: End,
    live_version: LiveVersion,
}

/// How a database ends a row and returns its payload.
enum End {
    /// In one statement.
    Returned(Statement<2>),
    /// In a transaction, one statement locks and returns the live row, and another one ends it.
    /// MySQL does not return rows from a write.
    Locked { lock: Statement<2>, end: Statement<1> },
}

impl Consume {
    pub(super) fn new(table: &SqlTable) -> Self {
        let payload = table.payload_columns().collect::<Vec<_>>().join(", ");
        let may_rotate = table.may_rotate(&SqlTable::is_exchangeable());
        let condition = format!("{} AND {may_rotate} AND {}", table.row, table.live());
        let end =
            |condition: &str| table.end(condition, &format!("'{}'", EndReason::Consumed.as_str()));
        let end = match table.dialect {
            Dialect::Postgres | Dialect::Sqlite => {
                let end = format!("{} RETURNING {payload}", end(&condition));
                End::Returned(table.statement(&end, ["id", "secret"]))
            }
            Dialect::MySql => {
                let lock = format!(
                    "SELECT {payload} FROM {} WHERE {condition}{}",
                    table.name,
                    for_update(table.dialect)
                );
                End::Locked {
                    lock: table.statement(&lock, ["id", "secret"]),
                    end: table.statement(&end("id = :id"), ["id"]),
                }
            }
        };
        Self { end, live_version: LiveVersion::new(table) }
    }

    pub(in super::super) async fn run<D: Driver, T: SessionData>(
        &self,
        database: &Database<D>,
        id: SessionId,
        secret: SecretHash,
    ) -> Result<Consumed<T>, StoreError> {
        let arguments = [id.into(), secret.into()];
        let ended = match &self.end {
            End::Returned(end) => database.rows(end.with(arguments)).await?,
            End::Locked { lock, end } => {
                let end = |locked: &[D::Row]| Ok(locked.first().map(|_| end.with([id.into()])));
                database.lock_and_write(lock.with(arguments), end).await?
            }
        };
        let Some(row) = ended.first() else {
            let is_live = self.live_version.is_live(database, id).await?;
            return Ok(if is_live { Consumed::Conflict } else { Consumed::Gone });
        };
        Ok(match Decoder::payload_of(&mut Cells::<D>::from_start(row)) {
            Ok(last) => Consumed::Ended(Arc::new(last)),
            Err(error) => {
                log_undecodable(database.schema, id, &error);
                Consumed::Gone
            }
        })
    }
}
