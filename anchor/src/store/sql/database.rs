//! [`Database`]: runs statements on a pool, runs them again after a deadlock, and converts their
//! errors.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::cluster::Cluster;
use super::driver::Driver;
use super::failure;
use super::statement::Query;
use crate::error::StoreError;
use crate::jitter;
use crate::payload::DecodeError;
use crate::schema::{Dialect, Schema};
use crate::timestamp::Timestamp;

/// How many times a statement is run again if the database aborted it in favor of another
/// statement. Each time, one of the competing statements is done.
const DEADLOCK_RETRIES: u32 = 10;

/// The approximate pause before a statement is run again for the first time. Each further pause is
/// twice as long, up to 160 ms: on several servers, those that compete have to miss each other.
const RETRY_PAUSE: Duration = Duration::from_millis(5);
const DOUBLINGS: u32 = 5;

/// Awaits an attempt, and repeats it if the database aborted it to break a deadlock. An aborted
/// attempt has been undone.
macro_rules! run_again_after_deadlock {
    ($database:expr, $attempt:expr) => {{
        let mut retries = 0;
        loop {
            match $attempt.await {
                Err(error) if $database.may_run_again(&error, retries).await => retries += 1,
                other => break other.map_err(|error| $database.failure(&error)),
            }
        }
    }};
}
pub(super) use run_again_after_deadlock;

/// Waits a little before a statement is run again. The pause is random, so that competing
/// statements do not meet again.
pub(super) async fn pause(retries: u32) {
    tokio::time::sleep(jitter::around(RETRY_PAUSE * (1 << retries.min(DOUBLINGS)))).await;
}

/// A pool, and the schema of the table that its statements use.
#[derive(Clone)]
pub(super) struct Database<D> {
    pub(super) pool: D,
    pub(super) schema: &'static Schema,
    /// Whether a connection may keep a prepared statement.
    pub(super) keeps_statements: bool,
    /// Asked for before the first statement.
    cluster: Arc<OnceCell<Cluster>>,
}

impl<D: Driver> Database<D> {
    pub(super) fn new(pool: D, schema: &'static Schema) -> Self {
        let keeps_statements = pool.keeps_statements();
        Self { pool, schema, keeps_statements, cluster: Arc::default() }
    }

    /// Returns whether other servers accept writes, too.
    pub(super) async fn cluster(&self) -> Result<Cluster, StoreError> {
        if D::DIALECT != Dialect::MySql {
            return Ok(Cluster::OneWriter);
        }
        let known = self.cluster.get_or_try_init(|| self.pool.cluster()).await;
        known.copied().map_err(|error| self.failure(&error))
    }

    /// Makes a statement wait for what other servers have written, if there are any.
    async fn current(&self, query: Query) -> Result<Query, StoreError> {
        Ok(query.after(self.cluster().await?.wait()))
    }

    /// Returns the rows that a query finds.
    pub(super) async fn rows(&self, query: Query) -> Result<Vec<D::Row>, StoreError> {
        self.rows_on_kept(&mut None, query).await
    }

    /// Returns the rows that a query finds. It runs on the kept connection if there is one, and may
    /// keep the connection that it used.
    pub(super) async fn rows_on_kept(
        &self,
        kept: &mut Option<D::Acquired>,
        query: Query,
    ) -> Result<Vec<D::Row>, StoreError> {
        let query = self.current(query).await?;
        run_again_after_deadlock!(self, self.pool.rows(kept, &query))
    }

    /// Runs a write, and returns how many rows it matched.
    pub(super) async fn execute(&self, write: Query) -> Result<u64, StoreError> {
        let write = self.current(write).await?;
        run_again_after_deadlock!(self, self.pool.execute(&write))
    }

    /// Runs a write that reports one instant, and returns the instant, or `None` if the write
    /// matched no row.
    pub(super) async fn instant(&self, write: Query) -> Result<Option<Timestamp>, StoreError> {
        let write = self.current(write).await?;
        run_again_after_deadlock!(self, self.pool.instant(&write))
    }

    /// Locks rows and returns them, after `write` has made the statement that writes to them, if
    /// there is one. For a database that does not return rows from a write.
    pub(super) async fn lock_and_write(
        &self,
        lock: Query,
        write: impl Fn(&[D::Row]) -> Result<Option<Query>, DecodeError>,
    ) -> Result<Vec<D::Row>, StoreError> {
        let cluster = self.cluster().await?;
        run_again_after_deadlock!(self, self.try_lock_and_write(cluster, &lock, &write))
    }

    async fn try_lock_and_write(
        &self,
        cluster: Cluster,
        lock: &Query,
        write: &impl Fn(&[D::Row]) -> Result<Option<Query>, DecodeError>,
    ) -> Result<Vec<D::Row>, sqlx::Error> {
        let mut transaction = self.pool.begin(None, cluster).await?;
        let rows = D::rows_on(&mut transaction, lock).await?;
        let write = write(&rows).map_err(|error| sqlx::Error::Decode(error.into()))?;
        if let Some(write) = write
            && let Err(error) = D::execute_on(&mut transaction, &write).await
        {
            // At once, so that the next attempt does not find the rows locked.
            D::rollback(transaction).await?;
            return Err(error);
        }
        D::commit(transaction).await?;
        Ok(rows)
    }

    /// Returns whether an attempt was aborted to break a deadlock and may be repeated. If so, it
    /// pauses first.
    pub(super) async fn may_run_again(&self, error: &sqlx::Error, retries: u32) -> bool {
        let may = retries < DEADLOCK_RETRIES && failure::is_deadlock(error);
        if may {
            pause(retries).await;
        }
        may
    }

    pub(super) fn failure(&self, error: &sqlx::Error) -> StoreError {
        failure::store_error(D::DIALECT, self.schema, error)
    }
}
