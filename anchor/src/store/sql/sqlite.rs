//! SQLite: instants are integers in microseconds, UUIDs are 16 bytes, and JSON and IP addresses are
//! text.

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{
    Arguments, AssertSqlSafe, Connection, Executor, Row, SqlSafeStr, Sqlite, Transaction, TypeInfo,
    ValueRef,
};

use super::cells;
use super::cluster::Cluster;
use super::driver::{Driver, mistyped};
use super::durability::read_only_file;
use super::statement::{Argument, Query};
use super::subject_lock::SubjectLock;
use crate::column::{ColumnError, ColumnType, Value};
use crate::schema::{Dialect, Schema};
use crate::timestamp::Timestamp;

/// Takes the write lock at once. A transaction that begins with a read cannot wait for the lock
/// later: it fails.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// Takes a connection from the pool. Closes one on which sqlx still counts a transaction that a
/// statement or a trigger of the application's has ended: nothing could begin there, and after a
/// savepoint, what is written there is not committed.
async fn acquire(pool: &SqlitePool) -> Result<PoolConnection<Sqlite>, sqlx::Error> {
    loop {
        let mut connection = pool.acquire().await?;
        if !connection.is_in_transaction() {
            return Ok(connection);
        }
        connection.close_on_drop();
    }
}

/// Begins a transaction that can write.
pub(super) async fn begin(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    Transaction::begin(acquire(pool).await?, Some(BEGIN.into_sql_str())).await
}

/// Begins a transaction, unless the connection is in one.
pub(super) async fn reopen(connection: &mut SqliteConnection) {
    let _ = connection.execute("BEGIN").await;
}

impl Driver for SqlitePool {
    const DIALECT: Dialect = Dialect::Sqlite;

    type Row = SqliteRow;

    type Connection = SqliteConnection;

    type Acquired = PoolConnection<Sqlite>;

    type Transaction = Transaction<'static, Sqlite>;

    async fn connection(&self) -> Result<Self::Acquired, sqlx::Error> {
        acquire(self).await
    }

    async fn rows_on(
        connection: &mut SqliteConnection,
        query: &Query,
    ) -> Result<Vec<Self::Row>, sqlx::Error> {
        sqlx::query_with(query.sql.clone(), arguments(query)?).fetch_all(connection).await
    }

    async fn execute_on(
        connection: &mut SqliteConnection,
        write: &Query,
    ) -> Result<u64, sqlx::Error> {
        let write = sqlx::query_with(write.sql.clone(), arguments(write)?);
        Ok(write.execute(connection).await?.rows_affected())
    }

    async fn instant_on(
        connection: &mut SqliteConnection,
        write: &Query,
    ) -> Result<Option<Timestamp>, sqlx::Error> {
        let write = sqlx::query_with(write.sql.clone(), arguments(write)?);
        write.fetch_all(connection).await?.first().map(reported).transpose()
    }

    async fn begin(
        &self,
        _: Option<SubjectLock>,
        _: Cluster,
    ) -> Result<Self::Transaction, sqlx::Error> {
        // Only one transaction at a time writes to the file.
        begin(self).await
    }

    async fn commit(transaction: Self::Transaction) -> Result<(), sqlx::Error> {
        transaction.commit().await
    }

    async fn rollback(transaction: Self::Transaction) -> Result<(), sqlx::Error> {
        transaction.rollback().await
    }

    async fn define(&self, _: &'static str, statements: Vec<String>) -> Result<(), sqlx::Error> {
        let mut transaction = begin(self).await?;
        for statement in statements {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
        }
        transaction.commit().await
    }

    async fn refusal(&self, schema: &'static Schema) -> Option<String> {
        // Nothing else reports a file that is write-protected. The statement writes nothing.
        let write = format!("DELETE FROM {} WHERE 0", Dialect::Sqlite.table(schema.table));
        let written = sqlx::raw_sql(AssertSqlSafe(write)).execute(self).await;
        let is_read_only = written.is_err_and(|error| is_of_read_only(&error));
        is_read_only.then(|| read_only_file(&self.server()))
    }

    fn server(&self) -> String {
        "SQLite".to_owned()
    }

    fn cell(row: &SqliteRow, index: usize, ty: ColumnType) -> Result<Value, ColumnError> {
        match ty {
            ColumnType::Bytes | ColumnType::Uuid => {
                cells::bytes_value(Self::bytes(row, index)?, ty)
            }
            _ => cells::value::<Sqlite>(row.try_get_raw(index).map_err(ColumnError::new)?, ty),
        }
    }

    fn bytes(row: &SqliteRow, index: usize) -> Result<Option<&[u8]>, ColumnError> {
        let cell = row.try_get_raw(index).map_err(ColumnError::new)?;
        // sqlx would also read text as bytes.
        if !cell.is_null() && cell.type_info().name() != "BLOB" {
            return Err(mistyped(ColumnType::Bytes, cell.type_info().name()));
        }
        cells::borrowed::<Sqlite, _>(cell, ColumnType::Bytes)
    }

    fn text(row: &SqliteRow, index: usize) -> Result<Option<&str>, ColumnError> {
        let cell = row.try_get_raw(index).map_err(ColumnError::new)?;
        cells::borrowed::<Sqlite, _>(cell, ColumnType::Text)
    }

    fn has_spare(&self) -> bool {
        let has_other = self.num_idle() > 0 || self.size() < self.options().get_max_connections();
        has_other && !self.is_closed()
    }
}

/// Returns whether a write failed because the database is read-only. The primary code is in the
/// lower byte (<https://www.sqlite.org/rescode.html>).
fn is_of_read_only(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == 8)
}

fn reported(row: &SqliteRow) -> Result<Timestamp, sqlx::Error> {
    row.try_get(0).map(Timestamp::from_micros)
}

fn arguments(query: &Query) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    for Argument { value, .. } in &query.arguments {
        match value {
            Value::Null => arguments.add(None::<i64>),
            Value::Bool(value) => arguments.add(*value),
            Value::Int(value) => arguments.add(*value),
            Value::Float(value) => arguments.add(*value),
            Value::Text(value) | Value::Json(value) => arguments.add(value.clone()),
            Value::Bytes(value) => arguments.add(value.clone()),
            Value::Uuid(value) => arguments.add(value.as_bytes().to_vec()),
            Value::Ip(value) => arguments.add(value.to_string()),
            Value::Timestamp(value) => arguments.add(value.as_micros()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
