//! MySQL and MariaDB: instants are DATETIME(6) in UTC and are sent as microseconds, whatever the
//! session's time zone is; UUIDs are 16 bytes.

use std::ops::{Deref, DerefMut};

use sqlx::mysql::{
    MySqlArguments, MySqlConnection, MySqlPool, MySqlQueryResult, MySqlRow, MySqlSslMode,
};
use sqlx::pool::PoolConnection;
use sqlx::{Arguments, AssertSqlSafe, Decode, Executor, MySql, Row, TypeInfo, ValueRef};

use super::cells;
use super::cluster::{Cluster, Variables};
use super::driver::{Driver, mistyped};
use super::durability::Durability;
use super::failure;
use super::statement::{Argument, Query};
use super::subject_lock::SubjectLock;
use crate::column::{ColumnError, ColumnType, Value};
use crate::schema::Dialect;
use crate::store::transport::Transport;
use crate::timestamp::Timestamp;

/// How long a login waits for the other logins of its subject.
const LOCK_TIMEOUT_SECONDS: i64 = 30;

impl Driver for MySqlPool {
    const DIALECT: Dialect = Dialect::MySql;

    type Row = MySqlRow;

    type Connection = MySqlConnection;

    type Acquired = PoolConnection<MySql>;

    type Transaction = Locked;

    async fn connection(&self) -> Result<Self::Acquired, sqlx::Error> {
        self.acquire().await
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

    async fn cluster(&self) -> Result<Cluster, sqlx::Error> {
        let variables = variables(self).await?;
        match variables.refusal() {
            Some(refusal) => Err(sqlx::Error::Configuration(refusal.into())),
            None => Ok(variables.cluster()),
        }
    }

    async fn begin(
        &self,
        lock: Option<SubjectLock>,
        cluster: Cluster,
    ) -> Result<Locked, sqlx::Error> {
        // On a cluster, it would be a lock of one server, and some releases refuse it.
        let lock = lock.filter(|_| !cluster.has_several_writers()).map(|lock| lock.name());
        let mut transaction = Locked { connection: self.acquire().await?, lock, is_open: true };
        let Locked { connection, lock, .. } = &mut transaction;
        if let Some(name) = lock
            && let Err(error) = get_lock(connection, name).await
        {
            // Without an error of its own, the connection is good.
            transaction.is_open = !matches!(error, sqlx::Error::Protocol(_));
            return Err(error);
        }
        // At MySQL's default level, a DELETE of a row that is gone locks the gap where the row
        // would be, and logins deadlock on each other's gaps.
        connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        let begin = format!("{}START TRANSACTION", cluster.wait());
        connection.execute(AssertSqlSafe(begin)).await?;
        Ok(transaction)
    }

    async fn commit(transaction: Locked) -> Result<(), sqlx::Error> {
        transaction.end("COMMIT").await
    }

    async fn rollback(transaction: Locked) -> Result<(), sqlx::Error> {
        transaction.end("ROLLBACK").await
    }

    async fn define(&self, _: &'static str, statements: Vec<String>) -> Result<(), sqlx::Error> {
        // DDL commits by itself, and the server's metadata lock lets one node at a time create the
        // table.
        for statement in statements {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(self).await?;
        }
        Ok(())
    }

    async fn judge_cluster(&self, said: &mut Durability) -> Result<(), sqlx::Error> {
        variables(self).await?.judge(&self.server(), said);
        Ok(())
    }

    fn server(&self) -> String {
        let options = self.connect_options();
        format!("MySQL at {}:{}", options.get_host(), options.get_port())
    }

    fn lock_space(&self) -> String {
        self.connect_options().get_database().unwrap_or_default().to_owned()
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
            remedy: "Add `?ssl-mode=VERIFY_IDENTITY` to the database's URL, and enable sqlx's \
                     feature `tls-rustls-ring`",
        };
        transport.warning()
    }

    fn cell(row: &MySqlRow, index: usize, ty: ColumnType) -> Result<Value, ColumnError> {
        let cell = row.try_get_raw(index).map_err(ColumnError::new)?;
        match ty {
            ColumnType::Bytes | ColumnType::Uuid => {
                cells::bytes_value(Self::bytes(row, index)?, ty)
            }
            // MySQL has its own type for JSON, MariaDB has text.
            ColumnType::Json if !cell.is_null() && cell.type_info().name() == "JSON" => {
                let text = <String as Decode<MySql>>::decode(cell);
                text.map(Value::Json).map_err(|_| mistyped(ty, "other bytes"))
            }
            _ => cells::value::<MySql>(cell, ty),
        }
    }

    fn bytes(row: &MySqlRow, index: usize) -> Result<Option<&[u8]>, ColumnError> {
        let cell = row.try_get_raw(index).map_err(ColumnError::new)?;
        cells::borrowed::<MySql, _>(cell, ColumnType::Bytes)
    }

    fn text(row: &MySqlRow, index: usize) -> Result<Option<&str>, ColumnError> {
        let cell = row.try_get_raw(index).map_err(ColumnError::new)?;
        cells::borrowed::<MySql, _>(cell, ColumnType::Text)
    }

    fn has_spare(&self) -> bool {
        let has_other = self.num_idle() > 0 || self.size() < self.options().get_max_connections();
        has_other && !self.is_closed()
    }
}

/// Asks what says whether the server shares its tables with others.
async fn variables(pool: &MySqlPool) -> Result<Variables, sqlx::Error> {
    let rows = sqlx::raw_sql(Variables::QUERY).fetch_all(pool).await?;
    // MySQL may declare these texts as bytes.
    let text = |row: &MySqlRow, index| row.try_get_unchecked::<String, usize>(index);
    let rows = rows.iter().map(|row| Ok((text(row, 0)?, text(row, 1)?)));
    Ok(Variables::new(rows.collect::<Result<_, sqlx::Error>>()?))
}

/// Waits until no other connection holds the lock with this name.
pub(super) async fn get_lock(
    connection: &mut MySqlConnection,
    name: &str,
) -> Result<(), sqlx::Error> {
    let locked: Option<i64> = sqlx::query_scalar("SELECT GET_LOCK(?, ?)")
        .bind(name)
        .bind(LOCK_TIMEOUT_SECONDS)
        .fetch_one(connection)
        .await?;
    match locked {
        Some(1) => Ok(()),
        _ => Err(sqlx::Error::Protocol("other logins of this subject did not end in time".into())),
    }
}

pub(super) async fn release_lock(
    connection: &mut MySqlConnection,
    name: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query("DO RELEASE_LOCK(?)").bind(name).execute(connection).await.map(drop)
}

/// A transaction, and the lock that it runs under, if any. The server keeps the lock for the
/// connection, not for the transaction.
pub struct Locked {
    connection: PoolConnection<MySql>,
    lock: Option<String>,
    /// Whether the transaction and the lock still have to be ended.
    is_open: bool,
}

impl Locked {
    async fn end(mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        let ended = match self.connection.execute(statement).await {
            // The server has undone the transaction, and the connection is good.
            Err(error) if failure::is_deadlock(&error) => {
                self.connection.execute("ROLLBACK").await?;
                Err(error)
            }
            ended => Ok(ended?),
        };
        if let Some(name) = self.lock.take() {
            release_lock(&mut self.connection, &name).await?;
        }
        self.is_open = false;
        ended.map(drop)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if self.is_open {
            // When the connection closes, the server undoes the transaction and releases the lock.
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Locked {
    type Target = MySqlConnection;

    fn deref(&self) -> &MySqlConnection {
        &self.connection
    }
}

impl DerefMut for Locked {
    fn deref_mut(&mut self) -> &mut MySqlConnection {
        &mut self.connection
    }
}

/// Returns the number that came with the server's answer, if the write matched a row.
fn reported(done: &MySqlQueryResult) -> Option<Timestamp> {
    let micros = i64::try_from(done.last_insert_id()).ok()?;
    (done.rows_affected() > 0).then(|| Timestamp::from_micros(micros))
}

fn arguments(query: &Query) -> Result<MySqlArguments, sqlx::Error> {
    let mut arguments = MySqlArguments::default();
    for Argument { ty, value } in &query.arguments {
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
