//! [`Driver`]: the little that a store needs of a database's pool. All of sqlx's types end here.

use std::future::Future;
use std::ops::DerefMut;

use super::statement::Query;
use super::subject_lock::SubjectLock;
use crate::column::{ColumnError, ColumnType, Value};
use crate::schema::Dialect;
use crate::timestamp::Timestamp;

/// A pool of one database. No other crate can name this trait, nor implement it.
///
/// A statement is prepared once per connection and kept by its text.
pub trait Driver: Clone + Send + Sync + 'static {
    /// The database's dialect.
    const DIALECT: Dialect;

    /// A row of a result.
    type Row: Send + Sync;

    /// A connection, in a transaction or not.
    type Connection: Send;

    /// A connection that goes back to the pool when it is dropped.
    type Acquired: DerefMut<Target = Self::Connection> + Send;

    /// A transaction. Dropped before [`commit`](Self::commit), it changes nothing.
    type Transaction: DerefMut<Target = Self::Connection> + Send;

    /// A connection from the pool.
    fn connection(&self) -> impl Future<Output = Result<Self::Acquired, sqlx::Error>> + Send;

    /// The rows that a query finds.
    fn rows_on(
        connection: &mut Self::Connection,
        query: &Query,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    /// Runs a write and says how many rows it met.
    fn execute_on(
        connection: &mut Self::Connection,
        write: &Query,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// Runs a write of at most one row and gives the instant that it reports, or `None` when it met
    /// no row.
    fn instant_on(
        connection: &mut Self::Connection,
        write: &Query,
    ) -> impl Future<Output = Result<Option<Timestamp>, sqlx::Error>> + Send;

    /// Prepares statements anew if the error says that what the connection has prepared is
    /// outdated, and says whether it did.
    fn prepare_anew(
        connection: &mut Self::Connection,
        error: &sqlx::Error,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send {
        let (_, _) = (connection, error);
        async { Ok(false) }
    }

    /// Begins a transaction that reads what others have committed; with a lock, when no other
    /// transaction has it.
    fn begin(
        &self,
        lock: Option<SubjectLock>,
    ) -> impl Future<Output = Result<Self::Transaction, sqlx::Error>> + Send;

    /// Ends a transaction and keeps what it has written.
    fn commit(
        transaction: Self::Transaction,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Ends a transaction and undoes what it has written.
    fn rollback(
        transaction: Self::Transaction,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs statements that define `table`, one node at a time.
    fn define(
        &self,
        table: &'static str,
        statements: Vec<String>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// A warning where what is sent to the database can be read on its way.
    fn transport_warning(&self) -> Option<String> {
        None
    }

    /// The cell at `index` of a row, as a value of type `ty`.
    fn cell(row: &Self::Row, index: usize, ty: ColumnType) -> Result<Value, ColumnError>;

    /// [`rows_on`](Self::rows_on) on a connection of its own.
    fn rows(
        &self,
        query: &Query,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send {
        async {
            let mut connection = self.connection().await?;
            match Self::rows_on(&mut connection, query).await {
                Err(error) if Self::prepare_anew(&mut connection, &error).await? => {
                    Self::rows_on(&mut connection, query).await
                }
                found => found,
            }
        }
    }

    /// [`execute_on`](Self::execute_on) on a connection of its own.
    fn execute(&self, write: &Query) -> impl Future<Output = Result<u64, sqlx::Error>> + Send {
        async { Self::execute_on(&mut *self.connection().await?, write).await }
    }

    /// [`instant_on`](Self::instant_on) on a connection of its own.
    fn instant(
        &self,
        write: &Query,
    ) -> impl Future<Output = Result<Option<Timestamp>, sqlx::Error>> + Send {
        async { Self::instant_on(&mut *self.connection().await?, write).await }
    }
}

/// Describes a cell that does not hold what its column should.
pub(crate) fn mistyped(ty: ColumnType, found: &str) -> ColumnError {
    ColumnError::new(format_args!("the table holds {found} where {} is due", wanted(ty)))
}

/// A type in words.
pub(crate) fn wanted(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Bool => "a boolean",
        ColumnType::SmallInt => "a 16-bit integer",
        ColumnType::Integer => "a 32-bit integer",
        ColumnType::BigInt => "a 64-bit integer",
        ColumnType::Real | ColumnType::Double => "a float",
        ColumnType::Text | ColumnType::Enum(_) => "text",
        ColumnType::Bytes => "bytes",
        ColumnType::Uuid => "a UUID",
        ColumnType::Ip => "an IP address",
        ColumnType::Timestamp => "a timestamp",
        ColumnType::Json => "JSON",
    }
}
