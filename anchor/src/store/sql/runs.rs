//! [`Runs`]: where the statements of a verb run. On a pool, each is a transaction of its own, and
//! is run again after a deadlock. In a transaction of the application's, an error is the end of
//! that transaction.

use std::future::Future;

use super::database::Database;
use super::driver::Driver;
use super::failure;
use super::statement::Query;
use crate::error::StoreError;

/// Runs the statements of a verb.
pub(super) trait Runs<D: Driver>: Send {
    fn database(&self) -> &Database<D>;

    /// Returns the rows that a query finds.
    fn rows(
        &mut self,
        query: Query,
    ) -> impl Future<Output = Result<Vec<D::Row>, StoreError>> + Send;

    /// Runs a write, and returns how many rows it matched.
    fn execute(&mut self, write: Query) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

impl<D: Driver> Runs<D> for &Database<D> {
    fn database(&self) -> &Database<D> {
        self
    }

    async fn rows(&mut self, query: Query) -> Result<Vec<D::Row>, StoreError> {
        Database::rows(self, query).await
    }

    async fn execute(&mut self, write: Query) -> Result<u64, StoreError> {
        Database::execute(self, write).await
    }
}

impl<D: Driver, R: Runs<D>> Runs<D> for &mut R {
    fn database(&self) -> &Database<D> {
        R::database(self)
    }

    async fn rows(&mut self, query: Query) -> Result<Vec<D::Row>, StoreError> {
        R::rows(self, query).await
    }

    async fn execute(&mut self, write: Query) -> Result<u64, StoreError> {
        R::execute(self, write).await
    }
}

/// A transaction of the application's.
pub(super) struct OnConnection<'a, D: Driver> {
    pub(super) database: &'a Database<D>,
    pub(super) connection: &'a mut D::Connection,
}

impl<D: Driver> OnConnection<'_, D> {
    /// Returns the error of a statement. A connection whose prepared statement is outdated prepares
    /// it again the next time.
    pub(super) async fn failure(&mut self, error: sqlx::Error) -> StoreError {
        // The connection may be the cause, and is then not used again.
        let _ = D::prepare_anew(self.connection, &error).await;
        failure::in_transaction(D::DIALECT, self.database.schema, &error)
    }
}

impl<D: Driver> Runs<D> for OnConnection<'_, D> {
    fn database(&self) -> &Database<D> {
        self.database
    }

    async fn rows(&mut self, query: Query) -> Result<Vec<D::Row>, StoreError> {
        match D::rows_on(self.connection, &query).await {
            Ok(rows) => Ok(rows),
            Err(error) => Err(self.failure(error).await),
        }
    }

    async fn execute(&mut self, write: Query) -> Result<u64, StoreError> {
        match D::execute_on(self.connection, &write).await {
            Ok(count) => Ok(count),
            Err(error) => Err(self.failure(error).await),
        }
    }
}
