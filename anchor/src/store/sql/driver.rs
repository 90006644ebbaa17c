//! [`Driver`]: the few things that a store needs from a database's pool. sqlx's types for each
//! database are used only behind it.

use std::future::Future;
use std::ops::DerefMut;
#[cfg(feature = "cache")]
use std::sync::Arc;

use super::cluster::Cluster;
use super::durability::Durability;
use super::statement::Query;
use super::subject_lock::SubjectLock;
use crate::column::{ColumnError, ColumnType, Value, wanted};
use crate::schema::{Dialect, Schema};
#[cfg(feature = "cache")]
use crate::store::Notices;
use crate::timestamp::Timestamp;

/// A pool of one database. No other crate can name or implement this trait.
///
/// A statement is prepared once per connection, and cached by its text, if the pool keeps prepared
/// statements.
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

    /// Returns whether the pool's connections keep prepared statements.
    fn keeps_statements(&self) -> bool {
        true
    }

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

    /// Finds out whether other servers accept writes, too.
    fn cluster(&self) -> impl Future<Output = Result<Cluster, sqlx::Error>> + Send {
        async { Ok(Cluster::OneWriter) }
    }

    /// Begins a transaction that reads what other transactions have committed. With a lock, it
    /// waits until no other transaction of this server holds the lock.
    fn begin(
        &self,
        lock: Option<SubjectLock>,
        cluster: Cluster,
    ) -> impl Future<Output = Result<Self::Transaction, sqlx::Error>> + Send;

    /// Ends a transaction, and keeps what it has written.
    fn commit(
        transaction: Self::Transaction,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Ends a transaction, and undoes what it has written.
    fn rollback(
        transaction: Self::Transaction,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Ends a transaction, and keeps what it has written if that succeeded. Returns the outcome.
    fn end<R: Send>(
        transaction: Self::Transaction,
        done: Result<R, sqlx::Error>,
    ) -> impl Future<Output = Result<R, sqlx::Error>> + Send {
        async {
            match done {
                Ok(_) => Self::commit(transaction).await?,
                // The connection may be the cause, and is then not used again.
                Err(_) => drop(Self::rollback(transaction).await),
            }
            done
        }
    }

    /// Runs statements that define `table`, one node at a time.
    fn define(
        &self,
        table: &'static str,
        statements: Vec<String>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Returns why a store cannot use the database, if it cannot for a reason that its settings do
    /// not show.
    fn refusal(&self, schema: &'static Schema) -> impl Future<Output = Option<String>> + Send {
        let _ = schema;
        async { None }
    }

    /// Returns how messages call the database.
    fn server(&self) -> String;

    /// Returns what distinguishes this database from others on its server, if they share their
    /// locks.
    fn lock_space(&self) -> String {
        String::new()
    }

    /// Says what keeps the contract from holding if other servers accept writes, or take over.
    fn judge_cluster(
        &self,
        said: &mut Durability,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        let _ = said;
        async { Ok(()) }
    }

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
            if !query.is_kept {
                let mut transaction = self.begin(None, Cluster::OneWriter).await?;
                let done = Self::rows_on(&mut transaction, query).await;
                return Self::end(transaction, done).await;
            }
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
        async {
            if write.is_kept {
                return Self::execute_on(&mut *self.connection().await?, write).await;
            }
            let mut transaction = self.begin(None, Cluster::OneWriter).await?;
            let done = Self::execute_on(&mut transaction, write).await;
            Self::end(transaction, done).await
        }
    }

    /// Calls [`instant_on`](Self::instant_on) on a connection from the pool.
    fn instant(
        &self,
        write: &Query,
    ) -> impl Future<Output = Result<Option<Timestamp>, sqlx::Error>> + Send {
        async {
            if write.is_kept {
                return Self::instant_on(&mut *self.connection().await?, write).await;
            }
            let mut transaction = self.begin(None, Cluster::OneWriter).await?;
            let done = Self::instant_on(&mut transaction, write).await;
            Self::end(transaction, done).await
        }
    }
}

/// Describes a cell that does not contain what its column should.
pub(crate) fn mistyped(ty: ColumnType, found: &str) -> ColumnError {
    ColumnError::new(format_args!("expected {}, found {found} in the table", wanted(ty)))
}
