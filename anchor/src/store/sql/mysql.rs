//! MySQL and MariaDB: instants are DATETIME(6) in UTC and travel as microseconds, whatever the session's time zone; UUIDs are 16 bytes.

use std::sync::Arc;

use sqlx::mysql::{
    MySqlArguments, MySqlConnection, MySqlPool, MySqlQueryResult, MySqlRow, MySqlSslMode,
    MySqlValueRef,
};
use sqlx::{
    Arguments, AssertSqlSafe, Connection, Decode, Executor, MySql, Row, Type, TypeInfo, ValueRef,
};
use uuid::Uuid;

use super::driver::{Driver, mistyped};
use super::login::{Entered, Login, enter};
use super::statement::Query;
use super::transport::Transport;
use crate::column::Value;
use crate::column::{ColumnError, ColumnType};
use crate::schema::Dialect;
use crate::timestamp::Timestamp;

/// How long a login waits for the other logins of its subject.
const LOCK_TIMEOUT_SECONDS: i64 = 30;

impl Driver for MySqlPool {
    const DIALECT: Dialect = Dialect::MySql;

    type Row = MySqlRow;

    type Connection = MySqlConnection;

    async fn rows(&self, query: &Query) -> Result<Vec<MySqlRow>, sqlx::Error> {
        sqlx::query_with(query.sql.clone(), arguments(query)?).fetch_all(self).await
    }

    async fn execute(&self, write: &Query) -> Result<u64, sqlx::Error> {
        let done = sqlx::query_with(write.sql.clone(), arguments(write)?).execute(self).await?;
        Ok(done.rows_affected())
    }

    async fn instant(&self, write: &Query) -> Result<Option<Timestamp>, sqlx::Error> {
        let write = sqlx::query_with(write.sql.clone(), arguments(write)?);
        Ok(reported(&write.execute(self).await?))
    }

    async fn rows_on(
        connection: &mut MySqlConnection,
        query: &Query,
    ) -> Result<Vec<Self::Row>, sqlx::Error> {
        sqlx::query_with(query.sql.clone(), arguments(query)?).fetch_all(connection).await
    }

    async fn execute_on(
        connection: &mut MySqlConnection,
        write: &Query,
    ) -> Result<u64, sqlx::Error> {
        let write = sqlx::query_with(write.sql.clone(), arguments(write)?);
        Ok(write.execute(connection).await?.rows_affected())
    }

    async fn instant_on(
        connection: &mut MySqlConnection,
        write: &Query,
    ) -> Result<Option<Timestamp>, sqlx::Error> {
        let write = sqlx::query_with(write.sql.clone(), arguments(write)?);
        Ok(reported(&write.execute(connection).await?))
    }

    async fn login(&self, login: &Arc<Login>) -> Result<Entered, sqlx::Error> {
        let mut connection = self.acquire().await?;
        if login.room.is_none() {
            return transact(&mut connection, login).await;
        }
        // A task of its own: the lock is the connection's and not the transaction's, so that a future dropped half way would leave it locked.
        let login = Arc::clone(login);
        let task = tokio::spawn(async move {
            let Some(room) = &login.room else { return transact(&mut connection, &login).await };
            let name = room.lock.name();
            let locked: Option<i64> = sqlx::query_scalar("SELECT GET_LOCK(?, ?)")
                .bind(&name)
                .bind(LOCK_TIMEOUT_SECONDS)
                .fetch_one(&mut *connection)
                .await?;
            if locked != Some(1) {
                let waited = "other logins of this subject did not end in time";
                return Err(sqlx::Error::Protocol(waited.into()));
            }
            let entered = transact(&mut connection, &login).await;
            let unlocked =
                sqlx::query("DO RELEASE_LOCK(?)").bind(&name).execute(&mut *connection).await;
            if unlocked.is_err() {
                // The server gives the lock back when the connection ends.
                connection.close_on_drop();
            }
            entered
        });
        task.await.unwrap_or_else(|error| Err(sqlx::Error::Protocol(error.to_string())))
    }

    async fn define(&self, _: &'static str, statements: Vec<String>) -> Result<(), sqlx::Error> {
        // DDL commits by itself, and the server's metadata lock lets one node at a time create the table.
        for statement in statements {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(self).await?;
        }
        Ok(())
    }

    fn transport_warning(&self) -> Option<String> {
        let options = self.connect_options();
        let transport = Transport {
            database: "MySQL",
            host: options.get_host(),
            port: options.get_port(),
            is_socket: options.get_socket().is_some(),
            demands_tls: matches!(
                options.get_ssl_mode(),
                MySqlSslMode::Required | MySqlSslMode::VerifyCa | MySqlSslMode::VerifyIdentity
            ),
            demand: "?ssl-mode=VERIFY_IDENTITY",
        };
        transport.warning()
    }

    fn cell(row: &MySqlRow, index: usize, ty: ColumnType) -> Result<Value, ColumnError> {
        let cell = row.try_get_raw(index).map_err(ColumnError::new)?;
        if cell.is_null() {
            return Ok(Value::Null);
        }
        Ok(match ty {
            ColumnType::Bool => match decoded::<i64>(cell, ty)? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return Err(mistyped(ty, "another integer than 0 and 1")),
            },
            ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => {
                Value::Int(decoded(cell, ty)?)
            }
            ColumnType::Timestamp => Value::Timestamp(Timestamp::from_micros(decoded(cell, ty)?)),
            ColumnType::Real | ColumnType::Double => Value::Float(decoded(cell, ty)?),
            ColumnType::Text | ColumnType::Enum(_) => Value::Text(decoded(cell, ty)?),
            // MySQL has a type of its own for JSON, MariaDB has text.
            ColumnType::Json if cell.type_info().name() == "JSON" => Value::Json(
                <String as Decode<MySql>>::decode(cell).map_err(|_| mistyped(ty, "other bytes"))?,
            ),
            ColumnType::Json => Value::Json(decoded(cell, ty)?),
            ColumnType::Ip => {
                let text: String = decoded(cell, ty)?;
                Value::Ip(text.parse().map_err(|_| mistyped(ty, "other text"))?)
            }
            ColumnType::Bytes => Value::Bytes(decoded(cell, ty)?),
            ColumnType::Uuid => {
                let bytes: Vec<u8> = decoded(cell, ty)?;
                Value::Uuid(Uuid::from_slice(&bytes).map_err(|_| mistyped(ty, "other bytes"))?)
            }
        })
    }
}

async fn transact(connection: &mut MySqlConnection, login: &Login) -> Result<Entered, sqlx::Error> {
    // At MySQL's own level, a DELETE of a row that is gone locks the gap where it would be, and logins deadlock on each other's.
    connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
    let mut transaction = connection.begin().await?;
    let entered = enter::<MySqlPool>(&mut transaction, login).await?;
    match &entered {
        Entered::Written { .. } => transaction.commit().await?,
        Entered::Full => transaction.rollback().await?,
    }
    Ok(entered)
}

fn decoded<'r, V: Decode<'r, MySql> + Type<MySql>>(
    cell: MySqlValueRef<'r>,
    ty: ColumnType,
) -> Result<V, ColumnError> {
    let found = cell.type_info().into_owned();
    if !V::compatible(&found) {
        return Err(mistyped(ty, found.name()));
    }
    V::decode(cell).map_err(|_| mistyped(ty, found.name()))
}

/// The number that came with the server's answer, if the write met a row.
fn reported(done: &MySqlQueryResult) -> Option<Timestamp> {
    let micros = i64::try_from(done.last_insert_id()).ok()?;
    (done.rows_affected() > 0).then(|| Timestamp::from_micros(micros))
}

fn arguments(query: &Query) -> Result<MySqlArguments, sqlx::Error> {
    let mut arguments = MySqlArguments::default();
    for (ty, value) in &query.arguments {
        match value {
            Value::Null => match ty {
                ColumnType::Text | ColumnType::Enum(_) | ColumnType::Json | ColumnType::Ip => {
                    arguments.add(None::<String>)
                }
                ColumnType::Bytes | ColumnType::Uuid => arguments.add(None::<Vec<u8>>),
                ColumnType::Real | ColumnType::Double => arguments.add(None::<f64>),
                _ => arguments.add(None::<i64>),
            },
            Value::Bool(value) => arguments.add(i64::from(*value)),
            Value::Int(value) => arguments.add(*value),
            Value::Float(value) => arguments.add(*value),
            Value::Text(value) | Value::Json(value) => arguments.add(value.as_str()),
            Value::Bytes(value) => arguments.add(value.as_slice()),
            Value::Uuid(value) => arguments.add(value.as_bytes().as_slice()),
            Value::Ip(value) => arguments.add(value.to_string()),
            Value::Timestamp(value) => arguments.add(value.as_micros()),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
