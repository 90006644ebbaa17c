//! [`Driver`]: the little that a store needs of a database's pool. All of sqlx's types end here.

use std::future::Future;
use std::sync::Arc;

use super::login::{Entered, Login};
use super::statement::Query;
use crate::column::Value;
use crate::column::{ColumnError, ColumnType};
use crate::schema::Dialect;
use crate::timestamp::Timestamp;

/// A pool of one database. No other crate can name this trait, nor implement it.
///
/// Each call is one statement on a connection of its own, prepared once a connection and kept by its text; [`login`](Self::login) is
/// one transaction.
pub trait Driver: Clone + Send + Sync + 'static {
    /// The database's dialect.
    const DIALECT: Dialect;

    /// A row of a result.
    type Row: Send + Sync;

    /// A connection, in a transaction or not.
    type Connection: Send;

    /// The rows that a query finds.
    fn rows(
        &self,
        query: &Query,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    /// Runs a write and says how many rows it met.
    fn execute(&self, write: &Query) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// Runs a write of at most one row and gives the instant that it reports, or `None` when it met no row.
    fn instant(
        &self,
        write: &Query,
    ) -> impl Future<Output = Result<Option<Timestamp>, sqlx::Error>> + Send;

    /// [`rows`](Self::rows) on a connection.
    fn rows_on(
        connection: &mut Self::Connection,
        query: &Query,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    /// [`execute`](Self::execute) on a connection.
    fn execute_on(
        connection: &mut Self::Connection,
        write: &Query,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// [`instant`](Self::instant) on a connection.
    fn instant_on(
        connection: &mut Self::Connection,
        write: &Query,
    ) -> impl Future<Output = Result<Option<Timestamp>, sqlx::Error>> + Send;

    /// Runs a login in one transaction; one that needs room, while no other one of its subject runs.
    fn login(
        &self,
        login: &Arc<Login>,
    ) -> impl Future<Output = Result<Entered, sqlx::Error>> + Send;

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
}

/// What is said of a cell that does not hold what its column should.
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
