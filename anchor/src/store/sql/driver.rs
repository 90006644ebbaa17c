//! [`Driver`]: the few things that a store needs from a database's pool. sqlx's types for each
//! database are used only behind it.

use std::future::Future;
use std::ops::DerefMut;
#[cfg(feature = "cache")]
use std::sync::Arc;

use super::statement::Query;
use super::subject_lock::SubjectLock;
use crate::column::{ColumnError, ColumnType, Value, wanted};
use crate::schema::Dialect;
#[cfg(feature = "cache")]
use crate::schema::Schema;
#[cfg(feature = "cache")]
use crate::store::Notices;
use crate::timestamp::Timestamp;

/// A pool of one database. No other crate can name or implement this trait.
///
/// A statement is prepared once per connection, and cached by its text.
pub trait Driver: Clone + Send + Sync + 'static {
    /// The database's dialect.
    const DIALECT: Dialect;

    /// A row of a result. It is not `Sync`: sqlx's SQLite row remembers what has been read from it,
    /// and two threads that read it at the same time panic, although it claims to be `Sync`.
    type Row: Send;

    /// A connection, in a transaction or not.
    type Connection: Send;

    /// A connection that goes back to the pool when it is dropped.
    type Acquired: DerefMut<Target = Self::Connection> + Send;

    /// A transaction. If it is dropped before [`commit`](Self::commit), it changes nothing.
    type Transaction: DerefMut<Target = Self::Connection> + Send;

    /// Takes a connection from the pool.
    fn connection(&self) -> impl Future<Output = Result<Self::Acquired, sqlx::Error>> + Send;

    /// Returns the rows that a query finds.
    fn rows_on(
        connection: &mut Self::Connection,
        query: &Query,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    /// Runs a write, and returns how many rows it matched.
    fn execute_on(
        connection: &mut Self::Connection,
        write: &Query,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// Runs a write that reports one instant, and returns the instant, or `None` if the write
    /// matched no row.
    fn instant_on(
        connection: &mut Self::Connection,
        write: &Query,
    ) -> impl Future<Output = Result<Option<Timestamp>, sqlx::Error>> + Send;

    /// Makes the connection prepare its statements again if the error says that they are outdated.
    /// Returns whether it did.
    fn prepare_anew(
        connection: &mut Self::Connection,
        error: &sqlx::Error,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send {
        let (_, _) = (connection, error);
        async { Ok(false) }
    }

    /// Begins a transaction that reads what other transactions have committed. With a lock, it
    /// waits until no other transaction holds the lock.
    fn begin(
        &self,
        lock: Option<SubjectLock>,
    ) -> impl Future<Output = Result<Self::Transaction, sqlx::Error>> + Send;

    /// Ends a transaction, and keeps what it has written.
    fn commit(
        transaction: Self::Transaction,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Ends a transaction, and undoes what it has written.
    fn rollback(
        transaction: Self::Transaction,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs statements that define `table`, one node at a time.
    fn define(
        &self,
        table: &'static str,
        statements: Vec<String>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Returns how messages call the database.
    fn server(&self) -> String;

    /// Returns a warning if others can read what is sent to the database.
    fn transport_warning(&self) -> Option<String> {
        None
    }

    /// Returns the channel on which the caches of several nodes learn of changes of a table.
    #[cfg(feature = "cache")]
    fn notices(&self, schema: &'static Schema) -> Option<Arc<dyn Notices>> {
        let _ = schema;
        None
    }

    /// Returns the cell at `index` of a row, as a value of type `ty`.
    fn cell(row: &Self::Row, index: usize, ty: ColumnType) -> Result<Value, ColumnError>;

    /// Returns the bytes of the cell at `index` of a row, or `None` for `NULL`.
    fn bytes(row: &Self::Row, index: usize) -> Result<Option<&[u8]>, ColumnError>;

    /// Returns the text of the cell at `index` of a row, or `None` for `NULL`.
    fn text(row: &Self::Row, index: usize) -> Result<Option<&str>, ColumnError>;

    /// Returns whether the pool can give somebody else a connection without taking one back.
    fn has_spare(&self) -> bool;

    /// Calls [`rows_on`](Self::rows_on) on the kept connection, or on one from the pool, which is
    /// then kept if the pool has others to spare.
    ///
    /// The next query then needs no connection from the pool, which a pool usually tests with a
    /// round trip.
    fn rows(
        &self,
        kept: &mut Option<Self::Acquired>,
        query: &Query,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send {
        async {
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => self.connection().await?,
            };
            let found = match Self::rows_on(&mut connection, query).await {
                Err(error) if Self::prepare_anew(&mut connection, &error).await? => {
                    Self::rows_on(&mut connection, query).await
                }
                found => found,
            };
            if found.is_ok() && self.has_spare() {
                *kept = Some(connection);
            }
            found
        }
    }

    /// Calls [`execute_on`](Self::execute_on) on a connection from the pool.
    fn execute(&self, write: &Query) -> impl Future<Output = Result<u64, sqlx::Error>> + Send {
        async { Self::execute_on(&mut *self.connection().await?, write).await }
    }

    /// Calls [`instant_on`](Self::instant_on) on a connection from the pool.
    fn instant(
        &self,
        write: &Query,
    ) -> impl Future<Output = Result<Option<Timestamp>, sqlx::Error>> + Send {
        async { Self::instant_on(&mut *self.connection().await?, write).await }
    }
}

/// Describes a cell that does not contain what its column should.
pub(crate) fn mistyped(ty: ColumnType, found: &str) -> ColumnError {
    ColumnError::new(format_args!("expected {}, found {found} in the table", wanted(ty)))
}
