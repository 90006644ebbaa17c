//! PostgreSQL: values are sent in the binary format, exact to the microsecond, without sqlx's type
//! features.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::{Deref, DerefMut};
#[cfg(feature = "cache")]
use std::sync::Arc;

use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{
    PgArgumentBuffer, PgArguments, PgConnectOptions, PgConnection, PgPool, PgRow, PgSslMode,
    PgTypeInfo, PgValueFormat, PgValueRef, Postgres,
};
use sqlx::{
    Arguments, AssertSqlSafe, ConnectOptions, Connection, Executor, Row, Type, TypeInfo, ValueRef,
};
use uuid::Uuid;

use super::cluster::Cluster;
use super::driver::{Driver, mistyped};
#[cfg(feature = "cache")]
use super::postgres_notices::PostgresNotices;
use super::postgres_pooler;
use super::statement::{Argument, Query};
use super::subject_lock::SubjectLock;
use crate::column::{ColumnError, ColumnType, Value};
use crate::schema::{Dialect, Schema};
#[cfg(feature = "cache")]
use crate::store::Notices;
use crate::store::transport::Transport;
use crate::timestamp::Timestamp;

/// The start of 2000-01-01, from which PostgreSQL counts microseconds.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// The address families in an INET value.
const INET_V4: u8 = 2;
const INET_V6: u8 = 3;

/// Returns whether connections with these options keep prepared statements.
fn keeps_statements(options: &PgConnectOptions) -> bool {
    // sqlx has no other way to ask. Of the host and the user it makes no URL if the host is a
    // folder, or an IPv6 address.
    let url = options.clone().host("localhost").username("anchor").to_url_lossy();
    let capacity = url.query_pairs().find(|(name, _)| name == "statement-cache-capacity");
    capacity.is_none_or(|(_, capacity)| capacity != "0")
}

impl Driver for PgPool {
    const DIALECT: Dialect = Dialect::Postgres;

    type Row = PgRow;

    type Connection = PgConnection;

    type Acquired = PoolConnection<Postgres>;

    type Transaction = OpenTransaction;

    async fn connection(&self) -> Result<Self::Acquired, sqlx::Error> {
        self.acquire().await
    }

    fn keeps_statements(&self) -> bool {
        keeps_statements(&self.connect_options())
    }

    async fn rows_on(
        connection: &mut PgConnection,
        query: &Query,
    ) -> Result<Vec<Self::Row>, sqlx::Error> {
        statement(query)?.fetch_all(connection).await
    }

    async fn execute_on(connection: &mut PgConnection, write: &Query) -> Result<u64, sqlx::Error> {
        Ok(statement(write)?.execute(connection).await?.rows_affected())
    }

    async fn instant_on(
        connection: &mut PgConnection,
        write: &Query,
    ) -> Result<Option<Timestamp>, sqlx::Error> {
        let written = statement(write)?.fetch_all(connection).await?;
        written.first().map(reported).transpose()
    }

    async fn prepare_anew(
        connection: &mut PgConnection,
        error: &sqlx::Error,
    ) -> Result<bool, sqlx::Error> {
        // A migration has changed a column's type since this connection prepared the statement,
        // which fails from then on. sqlx's cache is cleared, so that the statement is prepared
        // again.
        let outdated = is_outdated(error);
        if outdated {
            connection.clear_cached_statements().await?;
        }
        Ok(outdated)
    }

    async fn begin(
        &self,
        lock: Option<SubjectLock>,
        _: Cluster,
    ) -> Result<Self::Transaction, sqlx::Error> {
        let mut transaction = OpenTransaction { connection: self.acquire().await?, is_open: true };
        // At a stricter level, the count would show the state before the wait for the lock.
        transaction.execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        if let Some(lock) = lock {
            let lock = format!("SELECT pg_advisory_xact_lock({})", lock.number());
            sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *transaction).await?;
        }
        Ok(transaction)
    }

    async fn commit(transaction: Self::Transaction) -> Result<(), sqlx::Error> {
        transaction.end("COMMIT").await
    }

    async fn rollback(transaction: Self::Transaction) -> Result<(), sqlx::Error> {
        transaction.end("ROLLBACK").await
    }

    async fn define(
        &self,
        table: &'static str,
        statements: Vec<String>,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = Driver::begin(self, None, Cluster::OneWriter).await?;
        // CREATE TABLE IF NOT EXISTS alone fails when two nodes run it at the same time.
        sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended('anchor:' || $1, 0))")
            .bind(table)
            .persistent(false)
            .execute(&mut *transaction)
            .await?;
        for statement in statements {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *transaction).await?;
        }
        Self::commit(transaction).await
    }

    async fn refusal(&self, _: &'static Schema) -> Option<String> {
        match self.keeps_statements() {
            true => postgres_pooler::refusal(self).await,
            false => None,
        }
    }

    fn server(&self) -> String {
        let options = self.connect_options();
        format!("PostgreSQL at {}:{}", options.get_host(), options.get_port())
    }

    fn transport_warning(&self) -> Option<String> {
        let options = self.connect_options();
        let host = options.get_host();
        let transport = Transport {
            database: "PostgreSQL",
            host,
            port: options.get_port(),
            is_socket: options.get_socket().is_some() || host.starts_with('/'),
            demands_tls: matches!(
                options.get_ssl_mode(),
                PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull
            ),
            remedy: "Add `?sslmode=verify-full` to the database's URL, and enable sqlx's feature \
                     `tls-rustls-ring`",
        };
        transport.warning()
    }

    #[cfg(feature = "cache")]
    fn notices(&self, schema: &'static Schema) -> Option<Arc<dyn Notices>> {
        Some(Arc::new(PostgresNotices::new(self.clone(), schema)))
    }

    fn cell(row: &PgRow, index: usize, ty: ColumnType) -> Result<Value, ColumnError> {
        let Some((cell, bytes)) = binary(row, index)? else { return Ok(Value::Null) };
        let found = cell.type_info();
        decode(ty, found.oid().map(|oid| oid.0), bytes).ok_or_else(|| mistyped(ty, found.name()))
    }

    fn bytes(row: &PgRow, index: usize) -> Result<Option<&[u8]>, ColumnError> {
        let Some((cell, bytes)) = binary(row, index)? else { return Ok(None) };
        let found = cell.type_info();
        if found.oid() != Some(Oid(oid(ColumnType::Bytes))) {
            return Err(mistyped(ColumnType::Bytes, found.name()));
        }
        Ok(Some(bytes))
    }

    fn text(row: &PgRow, index: usize) -> Result<Option<&str>, ColumnError> {
        let Some((cell, bytes)) = binary(row, index)? else { return Ok(None) };
        let text = std::str::from_utf8(bytes);
        text.map(Some).map_err(|_| mistyped(ColumnType::Text, cell.type_info().name()))
    }

    fn has_spare(&self) -> bool {
        let has_other = self.num_idle() > 0 || self.size() < self.options().get_max_connections();
        has_other && !self.is_closed()
    }
}

/// A transaction. sqlx's own would leave the transaction open if the caller leaves while it begins,
/// and then a pooler can give its connection to nobody else.
pub struct OpenTransaction {
    connection: PoolConnection<Postgres>,
    /// Whether the transaction still has to be ended.
    is_open: bool,
}

impl OpenTransaction {
    async fn end(mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        self.connection.execute(statement).await?;
        self.is_open = false;
        Ok(())
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        if self.is_open {
            // When the connection closes, the server undoes the transaction.
            self.connection.close_on_drop();
        }
    }
}

impl Deref for OpenTransaction {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for OpenTransaction {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

/// Returns a cell with its value in the binary format, or `None` for `NULL`.
fn binary(row: &PgRow, index: usize) -> Result<Option<(PgValueRef<'_>, &[u8])>, ColumnError> {
    let cell = row.try_get_raw(index).map_err(ColumnError::new)?;
    if cell.is_null() {
        return Ok(None);
    }
    if cell.format() != PgValueFormat::Binary {
        return Err(ColumnError::new("the connection does not use the binary protocol"));
    }
    let bytes = cell.as_bytes().map_err(ColumnError::new)?;
    Ok(Some((cell, bytes)))
}

/// Returns whether the result of a prepared statement has another type than when it was prepared:
/// "cached plan must not change result type".
fn is_outdated(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.as_deref() == Some("0A000")
}

fn reported(row: &PgRow) -> Result<Timestamp, sqlx::Error> {
    match PgPool::cell(row, 0, ColumnType::Timestamp) {
        Ok(Value::Timestamp(instant)) => Ok(instant),
        _ => Err(sqlx::Error::Protocol("the write did not report an instant".into())),
    }
}

/// Returns a query for sqlx. A statement that the connection does not keep has no name.
fn statement(query: &Query) -> Result<sqlx::query::Query<'_, Postgres, PgArguments>, sqlx::Error> {
    let statement = sqlx::query_with(query.sql.clone(), arguments(query)?);
    Ok(statement.persistent(query.is_kept))
}

fn arguments(query: &Query) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    for Argument { ty, value } in &query.arguments {
        arguments.add(Sent { ty: *ty, value }).map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// Returns PostgreSQL's number for the type that a value is sent as. The numbers of its built-in
/// types are fixed.
pub(super) fn oid(ty: ColumnType) -> u32 {
    match ty {
        ColumnType::Bool => 16,
        ColumnType::Bytes => 17,
        ColumnType::BigInt => 20,
        ColumnType::SmallInt => 21,
        ColumnType::Integer => 23,
        ColumnType::Text | ColumnType::Enum(_) => 25,
        ColumnType::Real => 700,
        ColumnType::Double => 701,
        ColumnType::Ip => 869,
        ColumnType::Timestamp => 1184,
        ColumnType::Uuid => 2950,
        ColumnType::Json => 3802,
    }
}

/// One value in the binary format. A NULL has its column's type, too, so that a statement is
/// prepared only once.
struct Sent<'v> {
    ty: ColumnType,
    value: &'v Value,
}

impl Type<Postgres> for Sent<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(oid(ColumnType::Text)))
    }
}

impl Encode<'_, Postgres> for Sent<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match (self.ty, self.value) {
            (_, Value::Null) => return Ok(IsNull::Yes),
            (_, Value::Bool(value)) => buffer.push(u8::from(*value)),
            (ColumnType::SmallInt, Value::Int(value)) => {
                buffer.extend_from_slice(&i16::try_from(*value)?.to_be_bytes());
            }
            (ColumnType::Integer, Value::Int(value)) => {
                buffer.extend_from_slice(&i32::try_from(*value)?.to_be_bytes());
            }
            (_, Value::Int(value)) => buffer.extend_from_slice(&value.to_be_bytes()),
            (ColumnType::Real, Value::Float(value)) => {
                buffer.extend_from_slice(&(*value as f32).to_be_bytes());
            }
            (_, Value::Float(value)) => buffer.extend_from_slice(&value.to_be_bytes()),
            (_, Value::Text(value)) => buffer.extend_from_slice(value.as_bytes()),
            (_, Value::Bytes(value)) => buffer.extend_from_slice(value),
            (_, Value::Uuid(value)) => buffer.extend_from_slice(value.as_bytes()),
            (_, Value::Ip(IpAddr::V4(value))) => {
                buffer.extend_from_slice(&[INET_V4, 32, 0, 4]);
                buffer.extend_from_slice(&value.octets());
            }
            (_, Value::Ip(IpAddr::V6(value))) => {
                buffer.extend_from_slice(&[INET_V6, 128, 0, 16]);
                buffer.extend_from_slice(&value.octets());
            }
            (_, Value::Timestamp(value)) => {
                let micros = value.as_micros().checked_sub(POSTGRES_EPOCH);
                let micros = micros.ok_or("the timestamp is out of range")?;
                buffer.extend_from_slice(&micros.to_be_bytes());
            }
            (_, Value::Json(value)) => {
                // The version of JSONB's format.
                buffer.push(1);
                buffer.extend_from_slice(value.as_bytes());
            }
        }
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(PgTypeInfo::with_oid(Oid(oid(self.ty))))
    }
}

/// Returns the bytes in which a value is sent.
#[cfg(any(test, feature = "_fuzz"))]
pub(super) fn sent(ty: ColumnType, value: &Value) -> Option<Vec<u8>> {
    let mut buffer = PgArgumentBuffer::default();
    let sent = Sent { ty, value }.encode_by_ref(&mut buffer).ok()?;
    matches!(sent, IsNull::No).then(|| buffer.to_vec())
}

/// Reads a value in the binary format. `found` is the type that the server reports, because eight
/// bytes of a float are not an integer.
pub(super) fn decode(ty: ColumnType, found: Option<u32>, bytes: &[u8]) -> Option<Value> {
    let is = |ty: ColumnType| found == Some(oid(ty));
    Some(match ty {
        ColumnType::Bool if is(ty) => match bytes {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            _ => return None,
        },
        ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => {
            Value::Int(if is(ColumnType::SmallInt) {
                i16::from_be_bytes(bytes.try_into().ok()?).into()
            } else if is(ColumnType::Integer) {
                i32::from_be_bytes(bytes.try_into().ok()?).into()
            } else if is(ColumnType::BigInt) {
                i64::from_be_bytes(bytes.try_into().ok()?)
            } else {
                return None;
            })
        }
        ColumnType::Real | ColumnType::Double => Value::Float(if is(ColumnType::Real) {
            f32::from_be_bytes(bytes.try_into().ok()?).into()
        } else if is(ColumnType::Double) {
            f64::from_be_bytes(bytes.try_into().ok()?)
        } else {
            return None;
        }),
        // The binary format of every text-like type is the text itself.
        ColumnType::Text | ColumnType::Enum(_) => {
            Value::Text(String::from_utf8(bytes.into()).ok()?)
        }
        ColumnType::Bytes if is(ty) => Value::Bytes(bytes.into()),
        ColumnType::Uuid if is(ty) => Value::Uuid(Uuid::from_slice(bytes).ok()?),
        ColumnType::Ip if is(ty) => Value::Ip(match bytes {
            [INET_V4, 32, _, 4, address @ ..] => {
                Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?).into()
            }
            [INET_V6, 128, _, 16, address @ ..] => {
                Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?).into()
            }
            _ => return None,
        }),
        ColumnType::Timestamp if is(ty) => {
            let micros = i64::from_be_bytes(bytes.try_into().ok()?);
            // The ends of the range mean infinity.
            let finite = !matches!(micros, i64::MIN | i64::MAX);
            let micros = micros.checked_add(POSTGRES_EPOCH).filter(|_| finite)?;
            Value::Timestamp(Timestamp::from_micros(micros))
        }
        ColumnType::Json if is(ty) => match bytes {
            [1, text @ ..] => Value::Json(String::from_utf8(text.into()).ok()?),
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_kept_unless_the_capacity_is_zero_wherever_the_server_is() {
        for host in ["localhost", "db.example.com", "/var/run/postgresql", "::1", ""] {
            let options = PgConnectOptions::new_without_pgpass().host(host).username("a:b@c");
            assert!(keeps_statements(&options), "{host}");
            assert!(!keeps_statements(&options.statement_cache_capacity(0)), "{host}");
        }
        let socket = PgConnectOptions::new_without_pgpass().socket("/tmp").database("a b/c?d");
        assert!(keeps_statements(&socket));
    }
    /// A column of another type may have values of the same length.
    #[test]
    fn a_value_of_another_type_is_not_read_whatever_its_bytes_are() {
        let address = "192.0.2.1".parse().unwrap();
        for (ty, value) in [
            (ColumnType::Bool, Value::Bool(true)),
            (ColumnType::SmallInt, Value::Int(-7)),
            (ColumnType::Integer, Value::Int(-7)),
            (ColumnType::BigInt, Value::Int(-7)),
            (ColumnType::Real, Value::Float(0.5)),
            (ColumnType::Double, Value::Float(0.5)),
            (ColumnType::Bytes, Value::Bytes(vec![1, 2])),
            (ColumnType::Uuid, Value::Uuid(Uuid::from_u128(7))),
            (ColumnType::Ip, Value::Ip(address)),
            (ColumnType::Timestamp, Value::Timestamp(Timestamp::from_micros(7))),
            (ColumnType::Json, Value::Json("[1]".into())),
        ] {
            let bytes = sent(ty, &value).unwrap();
            assert_eq!(decode(ty, Some(oid(ty)), &bytes), Some(value), "{ty:?}");
            // 1042 is `bpchar`.
            for other in [Some(1042), Some(oid(ColumnType::Text)), None] {
                assert_eq!(decode(ty, other, &bytes), None, "{ty:?} as {other:?}");
            }
        }
    }
}
