//! [`Database`]: runs statements on a pool, again after a deadlock, and words what goes wrong.

use std::time::Duration;

use super::driver::Driver;
use super::failure;
use super::statement::Query;
use crate::error::StoreError;
use crate::jitter;
use crate::schema::Schema;
use crate::timestamp::Timestamp;

/// How often a statement is run again that the database gave up for another's sake. Each time one
/// of the contenders is done.
const DEADLOCK_RETRIES: u32 = 10;

/// About how long it waits before that.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// Awaits an attempt, and again when the database ended it to break a deadlock: it has been undone
/// then.
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

/// A pool, and the table that its statements are about.
#[derive(Clone)]
pub(super) struct Database<D> {
    pub(super) pool: D,
    pub(super) schema: &'static Schema,
}

impl<D: Driver> Database<D> {
    /// The rows that a query finds.
    pub(super) async fn rows(&self, query: Query) -> Result<Vec<D::Row>, StoreError> {
        run_again_after_deadlock!(self, self.pool.rows(&query))
    }

    /// Runs a write and says how many rows it met.
    pub(super) async fn execute(&self, write: Query) -> Result<u64, StoreError> {
        run_again_after_deadlock!(self, self.pool.execute(&write))
    }

    /// Runs a write of at most one row and gives the instant that it reports, or `None` when it met
    /// no row.
    pub(super) async fn instant(&self, write: Query) -> Result<Option<Timestamp>, StoreError> {
        run_again_after_deadlock!(self, self.pool.instant(&write))
    }

    /// Whether an attempt was ended to break a deadlock and is worth another one, after a pause.
    pub(super) async fn may_run_again(&self, error: &sqlx::Error, retries: u32) -> bool {
        let may = retries < DEADLOCK_RETRIES && failure::is_deadlock(error);
        if may {
            // Those who met are not to meet again.
            tokio::time::sleep(jitter::around(RETRY_PAUSE)).await;
        }
        may
    }

    pub(super) fn failure(&self, error: &sqlx::Error) -> StoreError {
        failure::store_error(D::DIALECT, self.schema, error)
    }
}
