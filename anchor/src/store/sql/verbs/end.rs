//! `revoke` and its variants: end rows permanently.

use std::sync::Arc;

use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::SessionData;
use crate::schema::Dialect;
use crate::store::gather::Gather;
use crate::store::{EndReason, EndStatus, Ending};
use crate::token::LastingHash;

use super::super::database::Database;
use super::super::driver::Driver;
use super::super::expressions::least;
use super::super::row::Cells;
use super::super::runs::Runs;
use super::super::statement::{Argument, Statement};
use super::super::table::{SqlTable, subject_argument};
use super::logout::{self, Logouts};

/// Ends the rows that meet a condition. First the live rows are ended and counted. Then all other
/// rows that meet the condition are ended, because a clock that shows them as expired may be set
/// back.
pub(super) struct EndRows<const N: usize> {
    pub(super) live: Statement<N>,
    pub(super) rest: Statement<N>,
}

impl<const N: usize> EndRows<N> {
    pub(super) fn new(table: &SqlTable, condition: &str, parameters: [&str; N]) -> Self {
        let SqlTable { name, clock, .. } = table;
        let live = table.end(&format!("{condition} AND {}", table.live()), ":reason");
        let rest = if table.schema.options.keep_ended {
            let at = least(table.dialect, "expires_at", table.now);
            let not_cut_off =
                table.not_cut_off().map_or_else(String::new, |lived| format!(" AND {lived}"));
            // A login may have inserted a row since the live rows ended.
            let lives = format!("CASE WHEN expires_at > {clock} AND deadline > {clock} THEN");
            format!(
                "UPDATE {name} SET status = {lives} '{}' ELSE '{}' END, \
                 end_reason = {lives} :reason END, ended_at = {at}, expires_at = {at} \
                 WHERE {condition} AND status = 'active'{not_cut_off}",
                EndStatus::Revoked.as_str(),
                EndStatus::Expired.as_str(),
            )
        } else {
            format!("DELETE FROM {name} WHERE {condition}")
        };
        Self { live: table.statement(&live, parameters), rest: table.statement(&rest, parameters) }
    }

    /// Ends at most one row. A row that looks expired is ended only if no row was live.
    async fn end_one<D: Driver>(
        &self,
        mut on: impl Runs<D>,
        arguments: [Argument; N],
    ) -> Result<Ending, StoreError> {
        if on.execute(self.live.with(arguments.clone())).await? > 0 {
            return Ok(Ending::Ended);
        }
        if on.execute(self.rest.with(arguments)).await? == 0 {
            confirm(on).await?;
        }
        Ok(Ending::NotLive)
    }

    /// Ends every row that meets the condition, and returns how many of them were live.
    async fn end_all<D: Driver>(
        &self,
        mut on: impl Runs<D>,
        arguments: [Argument; N],
    ) -> Result<u64, StoreError> {
        let live = on.execute(self.live.with(arguments.clone())).await?;
        let rest = on.execute(self.rest.with(arguments)).await?;
        if live + rest == 0 {
            confirm(on).await?;
        }
        Ok(live)
    }
}

/// Makes PostgreSQL wait for its synchronous standbys when the statement commits, if it has any.
///
/// A statement that finds nothing to end writes nothing, and then PostgreSQL does not wait. But
/// what it has seen may be the end of a session that the standbys do not have: one whose answer was
/// lost with the server, which committed it when it started again. A failover would undo it.
const CONFIRM: &str = "CASE WHEN current_setting('synchronous_standby_names') <> '' \
                       AND current_setting('synchronous_commit') NOT IN ('off', 'local') \
                       THEN CAST(pg_logical_emit_message(true, 'anchor', '') AS text) END";

/// Waits until a failover undoes nothing of what earlier statements have seen.
async fn confirm<D: Driver>(mut on: impl Runs<D>) -> Result<(), StoreError> {
    if D::DIALECT == Dialect::Postgres {
        let confirm: Statement<0> =
            SqlTable::of(on.database()).statement(&format!("SELECT {CONFIRM}"), []);
        on.rows(confirm.with([])).await?;
    }
    Ok(())
}

/// Returns the text that selects the lasting hash of a row, live or not. There is no row, or its
/// hash is `NULL`, if there is none.
fn select_lasting(table: &SqlTable) -> String {
    let SqlTable { name, dialect, .. } = table;
    match dialect {
        Dialect::Postgres => format!(
            "SELECT lasting_hash FROM (SELECT {CONFIRM} AS lsn OFFSET 0) AS anchor_confirmed \
             LEFT JOIN {name} ON id = :id"
        ),
        Dialect::MySql | Dialect::Sqlite => {
            format!("SELECT lasting_hash FROM {name} WHERE id = :id")
        }
    }
}

/// The statements that end the sessions of a subject.
struct EndOfSubject {
    one: EndRows<3>,
    all: EndRows<2>,
    others: EndRows<3>,
}

pub(in super::super) struct End {
    by_id: EndRows<2>,
    proven: EndRows<3>,
    everyone: EndRows<1>,
    /// Selects the lasting hash of a row, live or not. What it has seen is not undone afterwards.
    lasting: Statement<1>,
    /// `None` if the payload has no subject.
    of_subject: Option<EndOfSubject>,
}

impl End {
    pub(super) fn new(table: &SqlTable) -> Self {
        Self {
            by_id: Self::by_id(table),
            proven: Self::proven(table),
            everyone: EndRows::new(table, "1 = 1", ["reason"]),
            lasting: table.statement(&select_lasting(table), ["id"]),
            of_subject: table.of_subject().map(|of_subject| EndOfSubject {
                one: EndRows::new(
                    table,
                    &format!("id = :id AND {of_subject}"),
                    ["subject", "reason", "id"],
                ),
                all: EndRows::new(table, &of_subject, ["subject", "reason"]),
                others: EndRows::new(
                    table,
                    &format!("{of_subject} AND id <> :id"),
                    ["subject", "reason", "id"],
                ),
            }),
        }
    }

    /// Returns the statements that end the row of an id.
    pub(super) fn by_id(table: &SqlTable) -> EndRows<2> {
        EndRows::new(table, "id = :id", ["id", "reason"])
    }

    /// Returns the statements that end the row of an id if the caller knows its lasting hash.
    pub(super) fn proven(table: &SqlTable) -> EndRows<3> {
        let condition = "id = :id AND lasting_hash = :lasting";
        EndRows::new(table, condition, ["id", "reason", "lasting"])
    }

    pub(in super::super) async fn revoke<D: Driver>(
        &self,
        on: impl Runs<D>,
        id: SessionId,
        reason: EndReason,
    ) -> Result<Ending, StoreError> {
        self.by_id.end_one(on, [id.into(), reason.as_str().into()]).await
    }

    pub(in super::super) async fn revoke_proven<D: Driver>(
        &self,
        database: &Database<D>,
        logouts: &Arc<Gather<Logouts<D>>>,
        id: SessionId,
        proof: LastingHash,
        reason: EndReason,
    ) -> Result<Ending, StoreError> {
        let arguments = || [id.into(), reason.as_str().into(), proof.into()];
        let was_live = match reason {
            logout::REASON => logouts.get((id, proof)).await?,
            _ => database.execute(self.proven.live.with(arguments())).await? > 0,
        };
        if was_live {
            return Ok(Ending::Ended);
        }
        // No row was live: there is no row, or it looks expired, or the proof belongs to another
        // session.
        match self.lasting(database, id).await? {
            Some(lasting) if lasting == proof => {}
            Some(_) => return Ok(Ending::Unproven),
            None => return Ok(Ending::NotLive),
        }
        database.execute(self.proven.rest.with(arguments())).await?;
        Ok(Ending::NotLive)
    }

    pub(in super::super) async fn revoke_of<D: Driver, T: SessionData>(
        &self,
        database: &Database<D>,
        subject: &T::Subject,
        id: SessionId,
        reason: EndReason,
    ) -> Result<Ending, StoreError> {
        let (Some(statements), Some(subject)) =
            (&self.of_subject, subject_argument::<T>(D::DIALECT, subject)?)
        else {
            return Ok(Ending::NotLive);
        };
        let arguments = [subject, reason.as_str().into(), id.into()];
        statements.one.end_one(database, arguments).await
    }

    pub(in super::super) async fn revoke_subject<D: Driver, T: SessionData>(
        &self,
        on: impl Runs<D>,
        subject: &T::Subject,
        keep: Option<SessionId>,
        reason: EndReason,
    ) -> Result<u64, StoreError> {
        let (Some(statements), Some(subject)) =
            (&self.of_subject, subject_argument::<T>(D::DIALECT, subject)?)
        else {
            return Ok(0);
        };
        match keep {
            None => {
                let arguments = [subject, reason.as_str().into()];
                statements.all.end_all(on, arguments).await
            }
            Some(keep) => {
                let arguments = [subject, reason.as_str().into(), keep.into()];
                statements.others.end_all(on, arguments).await
            }
        }
    }

    pub(in super::super) async fn revoke_everyone<D: Driver>(
        &self,
        database: &Database<D>,
        reason: EndReason,
    ) -> Result<u64, StoreError> {
        self.everyone.end_all(database, [reason.as_str().into()]).await
    }

    /// Returns the lasting hash of a row, live or not; `None` if there is no row.
    async fn lasting<D: Driver>(
        &self,
        database: &Database<D>,
        id: SessionId,
    ) -> Result<Option<LastingHash>, StoreError> {
        let rows = database.rows(self.lasting.with([id.into()])).await?;
        let found = rows.first().filter(|row| !matches!(D::bytes(row, 0), Ok(None)));
        let lasting = found.map(|row| Cells::<D>::from_start(row).hash("lasting_hash"));
        let lasting = lasting.transpose().map_err(StoreError::unavailable)?;
        Ok(lasting.map(LastingHash::from_bytes))
    }
}
