//! The SQL stores: one implementation of the contract over a [`Driver`] a database.
//!
//! The statements are in `statements.rs`, what a database cannot keep in `fit.rs`, its errors in `failure.rs`, the comparison of a
//! live table with the struct in `verify.rs`; `postgres.rs`, `sqlite.rs` and `mysql.rs` bind and read values, and decide nothing.

mod driver;
mod failure;
mod fit;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statements;
mod verify;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use driver::{Driver, Query};
use statements::{Arguments, RECORD, SECRETS, Statements, SubjectStatements};
pub use verify::VerifyError;

use super::{
    Change, EndReason, Load, Loaded, NewSession, Record, Rotated, Rotation, SessionStore,
    StoreFuture, Touched, Updated,
};
use crate::column::{Column, ColumnError, ColumnType};
use crate::data::{Columns, DecodeError, Decoder, EncodeError, Encoder, SessionData};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::schema::{ColumnSchema, Schema};
use crate::timestamp::Timestamp;
use crate::token::SecretHash;
use crate::value::Value;

/// Sessions in a PostgreSQL table; needs PostgreSQL 12 or newer.
///
/// ```no_run
/// # async fn connect<T: anchor::SessionData>() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = sqlx::PgPool::connect("postgres://localhost/app").await?;
/// let store = anchor::PostgresStore::<T>::new(pool);
/// store.verify().await?;
/// # Ok(())
/// # }
/// ```
///
/// # What it promises after a crash and a failover
///
/// A verb is answered when its transaction has committed. With `synchronous_commit = on`, the default, a logout that was answered survives a crash of the
/// server. With `off`, the last moments before a crash are lost, logouts among them. A failover to an asynchronous replica loses what that replica
/// had not received: a session that was ended in that window lives again, until it expires. `synchronous_commit = remote_apply` with a synchronous
/// standby closes the window. Give the pool the primary's address: a replica answers `load` with the past.
#[cfg(feature = "postgres")]
pub type PostgresStore<T> = SqlStore<sqlx::PgPool, T>;

/// Sessions in a SQLite table. Its clock has milliseconds.
///
/// ```no_run
/// # async fn connect<T: anchor::SessionData>() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = sqlx::SqlitePool::connect("sqlite:app.db?mode=rwc").await?;
/// let store = anchor::SqliteStore::<T>::new(pool);
/// store.migrate().await?;
/// # Ok(())
/// # }
/// ```
///
/// An in-memory database is a new one for each connection of a pool: limit its pool to one connection that is never closed.
///
/// # What it promises after a crash
///
/// With `synchronous = FULL`, SQLite's default, a logout that was answered survives a crash of the process and a loss of power. In WAL mode with
/// `synchronous = NORMAL` it survives a crash of the process, and may be lost with the power. A copy of the file that is restored, or a replica that
/// is promoted, brings back the sessions that it holds.
#[cfg(feature = "sqlite")]
pub type SqliteStore<T> = SqlStore<sqlx::SqlitePool, T>;

/// Sessions in a MySQL (8.0.16 or newer) or MariaDB (10.5 or newer) table.
///
/// ```no_run
/// # async fn connect<T: anchor::SessionData>() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = sqlx::MySqlPool::connect("mysql://localhost/app").await?;
/// let store = anchor::MySqlStore::<T>::new(pool);
/// store.verify().await?;
/// # Ok(())
/// # }
/// ```
///
/// A text that is a subject, indexed, unique or a foreign key has at most 255 characters here, and is compared exactly, case and accents included.
/// A column with an `sql_type` of your own needs the server's strict mode, its default: a lax server cuts what does not fit. `binlog_format = STATEMENT` does not work; ROW and MIXED, the
/// defaults, do.
///
/// # What it promises after a crash and a failover
///
/// With `innodb_flush_log_at_trx_commit = 1`, the default, a logout that was answered survives a crash of the server; with 0 or 2 the last
/// second before a crash may be lost. Replication is asynchronous by default: a failover may bring back sessions that were ended in the
/// replica's lag, until they expire. Semi-synchronous replication, or a Galera cluster, narrows that. Give the pool the primary's address: a replica answers
/// `load` with the past. On Galera, set `wsrep_sync_wait = 1`.
#[cfg(feature = "mysql")]
pub type MySqlStore<T> = SqlStore<sqlx::MySqlPool, T>;

/// How often a statement is run again that the database gave up for another's sake. Each time one of the contenders is done.
const DEADLOCK_RETRIES: u32 = 10;

/// The longest span that is added to the database's clock: longer ones are cut to two hundred years, which every database can hold.
const LONGEST_SPAN: Duration = Duration::from_secs(200 * 365 * 24 * 60 * 60);

/// Awaits an attempt, and again when the database ended it to break a deadlock: it has been undone then.
macro_rules! run_again_after_deadlock {
    ($store:ident, $attempt:expr) => {{
        let mut retries = DEADLOCK_RETRIES;
        loop {
            match $attempt.await {
                Err(error) if retries > 0 && failure::is_deadlock(&error) => retries -= 1,
                other => return other.map_err(|error| $store.failure(&error)),
            }
        }
    }};
}

/// Sessions in a SQL table; `PostgresStore`, `SqliteStore` and `MySqlStore` are its names. Cheap to clone.
///
/// Each verb is one prepared statement, but for two cases: `create` with a session to replace is one transaction of two, and an `update` or `rotate`
/// that met no row asks a second time, to tell a conflict from an ended session.
pub struct SqlStore<D, T> {
    pool: D,
    statements: Arc<Statements>,
    payload: PhantomData<fn() -> T>,
}

impl<D: Driver, T: SessionData> SqlStore<D, T> {
    /// A store in the table of `T`, through this pool. It connects when it is first used.
    pub fn new(pool: D) -> Self {
        let statements = Arc::new(Statements::of(D::DIALECT, T::schema()));
        Self { pool, statements, payload: PhantomData }
    }

    /// The pool.
    pub fn pool(&self) -> &D {
        &self.pool
    }

    /// Creates the table and its indexes where they are missing: for a quick start, and for tests. Several nodes may call it at once. It
    /// changes no table that exists; migrations do.
    ///
    /// # Errors
    ///
    /// When the database does not answer or does not permit it.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let schema = T::schema();
        let statements = schema.create_if_not_exists(D::DIALECT);
        self.pool.define(schema.table, statements).await.map_err(|error| self.failure(&error))
    }

    /// Compares the live table with the struct; call it at start-up. Two statements.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Table`] lists every difference at once: each column that is missing or has another type or nullability, each missing index.
    pub async fn verify(&self) -> Result<(), VerifyError> {
        verify::verify(&self.pool, T::schema(), |error| self.failure(error)).await
    }

    fn failure(&self, error: &sqlx::Error) -> StoreError {
        failure::store_error(D::DIALECT, T::schema().table, error)
    }

    async fn rows(&self, query: Query) -> Result<Vec<D::Row>, StoreError> {
        run_again_after_deadlock!(self, self.pool.rows(&query))
    }

    async fn execute(&self, write: Query) -> Result<u64, StoreError> {
        run_again_after_deadlock!(self, self.pool.execute(&write))
    }

    async fn instant(&self, write: Query) -> Result<Option<Timestamp>, StoreError> {
        run_again_after_deadlock!(self, self.pool.instant(&write))
    }

    async fn replace(&self, delete: Query, insert: Query) -> Result<Option<Timestamp>, StoreError> {
        run_again_after_deadlock!(self, self.pool.replace(&delete, &insert))
    }

    /// The payload's values, each of which the table keeps as it is.
    fn encode(&self, data: &T) -> Result<Vec<Value>, StoreError> {
        let values = Encoder::values_of(data)?;
        for (column, value) in T::schema().columns.iter().zip(&values) {
            fit::check(D::DIALECT, column, value)?;
        }
        Ok(values)
    }

    /// The statements that go by the subject, and the subject's value; `None` where there can be no such session.
    fn subject(
        &self,
        subject: &T::Subject,
    ) -> Result<Option<(&SubjectStatements, Value)>, StoreError> {
        let (Some(statements), Some((_, column))) =
            (&self.statements.subject, T::schema().subject())
        else {
            return Ok(None);
        };
        let value = subject.to_value().map_err(|reason| EncodeError::new(column.name, reason))?;
        // No row has a subject that cannot be stored.
        let can_be_stored = fit::check(D::DIALECT, column, &value).is_ok();
        Ok(can_be_stored.then_some((statements, value)))
    }

    /// Whether the row lives, and at which version; `None` where there is no live row.
    async fn live_version(&self, id: SessionId) -> Result<Option<i64>, StoreError> {
        let query = self.statements.state.with(Arguments { id: Some(id), ..Arguments::default() });
        let rows = self.rows(query).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let mut cells = Cells::<D> { row, at: 0 };
        let state = (|| {
            let version = cells.int("version")?;
            let (expires_at, deadline) = (cells.instant("expires_at")?, cells.instant("deadline")?);
            let now = cells.instant(NOW)?;
            Ok((now < expires_at && now < deadline).then_some(version))
        })();
        // A row that cannot be read counts as ended.
        Ok(state.unwrap_or_else(|error: DecodeError| {
            undecodable(T::schema(), id, &error);
            None
        }))
    }

    fn read(&self, id: SessionId, row: &D::Row) -> Load<T> {
        match self.read_live(row) {
            Ok(Some(loaded)) => Load::Live(loaded),
            Ok(None) => Load::Ended,
            Err(error) => {
                undecodable(T::schema(), id, &error);
                Load::Undecodable(error)
            }
        }
    }

    /// The session of a row that [`Statements::load`] selected, if it is live.
    fn read_live(&self, row: &D::Row) -> Result<Option<Loaded<T>>, DecodeError> {
        let payload_at = RECORD.len();
        let mut after = Cells::<D> { row, at: payload_at + T::schema().columns.len() };
        let secret = after.hash(SECRETS[0])?;
        let previous = after.hash(SECRETS[1])?;
        let until = after.instant_or_null(SECRETS[2])?;
        let now = after.instant(NOW)?;
        let mut before = Cells::<D> { row, at: RECORD.len() - 3 };
        let (expires_at, deadline) = (before.instant("expires_at")?, before.instant("deadline")?);
        if now >= expires_at || now >= deadline {
            return Ok(None);
        }
        let record = read_record::<D, T>(row)?;
        let secret = secret.ok_or_else(|| {
            DecodeError::new(SECRETS[0], ColumnError::unexpected("a hash", &Value::Null))
        })?;
        let previous = previous.zip(until);
        Ok(Some(Loaded { record: Arc::new(record), secret, previous, now }))
    }
}

impl<D: Driver, T: SessionData> SessionStore<T> for SqlStore<D, T> {
    fn create(&self, new: NewSession<T>) -> StoreFuture<'_, Record<T>> {
        Box::pin(async move {
            let NewSession { id, secret, data, idle, absolute, replaces } = new;
            let payload = self.encode(&data)?;
            let insert = self.statements.create.with(Arguments {
                id: Some(id),
                secret: Some(secret),
                idle: Some(micros(idle)),
                absolute: Some(micros(absolute)),
                payload,
                ..Arguments::default()
            });
            let created_at = match replaces {
                None => self.instant(insert).await?,
                Some(_) => {
                    let old = Arguments { id: replaces, ..Arguments::default() };
                    self.replace(self.statements.end.with(old), insert).await?
                }
            };
            let created_at = created_at.ok_or_else(|| {
                StoreError::unavailable("the database did not say when the row was created")
            })?;
            // The same sums as the statement's own, so this is the row without reading it again.
            let after =
                |span| created_at.saturating_add(Duration::from_micros(micros(span) as u64));
            let deadline = after(absolute);
            Ok(Record {
                id,
                created_at,
                authenticated_at: created_at,
                last_seen_at: created_at,
                expires_at: after(idle).min(deadline),
                deadline,
                version: 1,
                data,
            })
        })
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>> {
        Box::pin(async move {
            let by_id = Arguments { id: Some(id), ..Arguments::default() };
            let rows = self.rows(self.statements.load.with(by_id)).await?;
            Ok(rows.first().map_or(Load::Absent, |row| self.read(id, row)))
        })
    }

    fn update(&self, change: Change<T>) -> StoreFuture<'_, Updated> {
        Box::pin(async move {
            let Change { id, version, from, to } = change;
            let payload = self.encode(&to)?;
            // What was loaded may hold a value that could not be written any more; then its column counts as changed.
            let from = Encoder::values_of(&*from).unwrap_or_default();
            let changed: Vec<usize> =
                (0..payload.len()).filter(|&at| from.get(at) != Some(&payload[at])).collect();
            if changed.is_empty() {
                // Nothing to write, but the caller learns the truth all the same, with one statement.
                return Ok(match self.live_version(id).await? {
                    Some(current) if current == version => Updated::Written { version },
                    Some(_) => Updated::Conflict,
                    None => Updated::Gone,
                });
            }
            let write = self.statements.update(&changed).with(Arguments {
                id: Some(id),
                version: Some(version),
                payload,
                ..Arguments::default()
            });
            if self.execute(write).await? > 0 {
                return Ok(Updated::Written { version: version + 1 });
            }
            Ok(match self.live_version(id).await? {
                Some(_) => Updated::Conflict,
                None => Updated::Gone,
            })
        })
    }

    fn touch(&self, id: SessionId, idle: Duration) -> StoreFuture<'_, Touched> {
        Box::pin(async move {
            let arguments =
                Arguments { id: Some(id), idle: Some(micros(idle)), ..Arguments::default() };
            let expires_at = self.instant(self.statements.touch.with(arguments)).await?;
            Ok(expires_at.map_or(Touched::Gone, |expires_at| Touched::Written { expires_at }))
        })
    }

    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated> {
        Box::pin(async move {
            let write = self.statements.rotate.with(Arguments {
                id: Some(rotation.id),
                secret: Some(rotation.from),
                new_secret: Some(rotation.to),
                grace: Some(micros(rotation.grace)),
                ..Arguments::default()
            });
            if self.execute(write).await? > 0 {
                return Ok(Rotated::Written);
            }
            Ok(match self.live_version(rotation.id).await? {
                Some(_) => Rotated::Conflict,
                None => Rotated::Gone,
            })
        })
    }

    fn revoke(
        &self,
        id: SessionId,
        proof: Option<SecretHash>,
        _: EndReason,
    ) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let statement = match proof {
                Some(_) => &self.statements.revoke_proven,
                None => &self.statements.revoke,
            };
            let arguments = Arguments { id: Some(id), secret: proof, ..Arguments::default() };
            self.execute(statement.with(arguments)).await
        })
    }

    fn revoke_subject<'a>(&'a self, subject: &'a T::Subject, _: EndReason) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let Some((statements, subject)) = self.subject(subject)? else { return Ok(0) };
            let arguments = Arguments { subject: Some(subject), ..Arguments::default() };
            self.execute(statements.revoke_all.with(arguments)).await
        })
    }

    fn revoke_others<'a>(
        &'a self,
        subject: &'a T::Subject,
        keep: SessionId,
        _: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let Some((statements, subject)) = self.subject(subject)? else { return Ok(0) };
            let arguments =
                Arguments { id: Some(keep), subject: Some(subject), ..Arguments::default() };
            self.execute(statements.revoke_others.with(arguments)).await
        })
    }

    fn list<'a>(&'a self, subject: &'a T::Subject) -> StoreFuture<'a, Vec<Record<T>>> {
        Box::pin(async move {
            let Some((statements, subject)) = self.subject(subject)? else { return Ok(Vec::new()) };
            let arguments = Arguments { subject: Some(subject), ..Arguments::default() };
            let rows = self.rows(statements.list.with(arguments)).await?;
            let readable = rows.iter().filter_map(|row| {
                read_record::<D, T>(row)
                    .map_err(|error| match (Cells::<D> { row, at: 0 }).id() {
                        Ok(id) => undecodable(T::schema(), id, &error),
                        Err(error) => undecodable(T::schema(), "unreadable", &error),
                    })
                    .ok()
            });
            Ok(readable.collect())
        })
    }

    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let arguments = Arguments { batch: Some(batch.into()), ..Arguments::default() };
            self.execute(self.statements.sweep.with(arguments)).await
        })
    }
}

impl<D: Clone, T> Clone for SqlStore<D, T> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            statements: Arc::clone(&self.statements),
            payload: PhantomData,
        }
    }
}

/// Shows the table alone: a pool's options may hold a password.
impl<D: Driver, T: SessionData> fmt::Debug for SqlStore<D, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore")
            .field("dialect", &D::DIALECT)
            .field("table", &T::schema().table)
            .finish_non_exhaustive()
    }
}

fn micros(span: Duration) -> i64 {
    span.min(LONGEST_SPAN).as_micros() as i64
}

fn undecodable(schema: &Schema, id: impl fmt::Display, error: &DecodeError) {
    tracing::warn!(
        table = schema.table,
        session = %id,
        column = error.column(),
        "a live session cannot be decoded and counts as ended: {error}"
    );
}

/// What an error calls the database's clock, which is no column of the table.
const NOW: &str = "now";

fn read_record<D: Driver, T: SessionData>(row: &D::Row) -> Result<Record<T>, DecodeError> {
    let mut cells = Cells::<D> { row, at: 0 };
    Ok(Record {
        id: cells.id()?,
        created_at: cells.instant("created_at")?,
        authenticated_at: cells.instant("authenticated_at")?,
        last_seen_at: cells.instant("last_seen_at")?,
        expires_at: cells.instant("expires_at")?,
        deadline: cells.instant("deadline")?,
        version: cells.int("version")?,
        data: Arc::new(Decoder::payload_of(&mut cells)?),
    })
}

/// The cells of a row, read one after the other.
struct Cells<'r, D: Driver> {
    row: &'r D::Row,
    at: usize,
}

impl<D: Driver> Cells<'_, D> {
    fn next(&mut self, ty: ColumnType) -> Result<Value, ColumnError> {
        self.at += 1;
        D::cell(self.row, self.at - 1, ty)
    }

    fn id(&mut self) -> Result<SessionId, DecodeError> {
        match self.next(ColumnType::Uuid) {
            Ok(Value::Uuid(id)) => Ok(SessionId::from_uuid(id)),
            other => Err(unreadable("id", other)),
        }
    }

    fn int(&mut self, name: &'static str) -> Result<i64, DecodeError> {
        match self.next(ColumnType::BigInt) {
            Ok(Value::Int(int)) => Ok(int),
            other => Err(unreadable(name, other)),
        }
    }

    fn instant_or_null(&mut self, name: &'static str) -> Result<Option<Timestamp>, DecodeError> {
        match self.next(ColumnType::Timestamp) {
            Ok(Value::Timestamp(instant)) => Ok(Some(instant)),
            Ok(Value::Null) => Ok(None),
            other => Err(unreadable(name, other)),
        }
    }

    fn instant(&mut self, name: &'static str) -> Result<Timestamp, DecodeError> {
        self.instant_or_null(name)?.ok_or_else(|| unreadable(name, Ok(Value::Null)))
    }

    fn hash(&mut self, name: &'static str) -> Result<Option<SecretHash>, DecodeError> {
        match self.next(ColumnType::Bytes) {
            Ok(Value::Null) => Ok(None),
            Ok(Value::Bytes(bytes)) => match bytes.try_into() {
                Ok(bytes) => Ok(Some(SecretHash::from_bytes(bytes))),
                Err(_) => Err(unreadable(name, Err(ColumnError::new("expected 32 bytes")))),
            },
            other => Err(unreadable(name, other)),
        }
    }
}

fn unreadable(name: &'static str, found: Result<Value, ColumnError>) -> DecodeError {
    let reason = match found {
        Ok(found) => ColumnError::unexpected("another value", &found),
        Err(reason) => reason,
    };
    DecodeError::new(name, reason)
}

/// The payload's part of a row.
impl<D: Driver> Columns for Cells<'_, D> {
    fn take(&mut self, _: usize, column: &ColumnSchema) -> Result<Value, ColumnError> {
        self.next(column.ty)
    }
}
