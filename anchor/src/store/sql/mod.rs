//! The SQL stores: one implementation of the contract over a [`Driver`] a database.
//!
//! The statements are in `statements.rs`, made of `expressions.rs`; `statement.rs` binds their
//! parameters and `cells.rs` reads their rows. What a database cannot keep is in `fit.rs`, its
//! errors in `failure.rs`, the transaction of a login in `login.rs`, the comparison of a live table
//! with the struct in `verify.rs`, the look at how a database is reached in `transport.rs`;
//! `postgres.rs`, `sqlite.rs` and `mysql.rs` bind and read values, and decide nothing.

mod cells;
mod driver;
mod expressions;
mod failure;
mod fit;
mod login;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statement;
mod statements;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod transport;
mod verify;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use cells::*;
use driver::Driver;
use login::{EndReplaced, Entered, Login, Room, SubjectLock};
use statement::{Arguments, Query};
use statements::{
    ENDED, End, FINGERPRINT, SECRETS, SQLITE_CLOCK_STEP, Statements, SubjectStatements,
};
pub use verify::{Verified, VerifyError};

use super::{
    Change, Created, Cursor, EndReason, EndStatus, EndedRecord, Ending, Fingerprint, Listed, Load,
    Loaded, NewSession, Page, Reauthenticated, Record, Replaced, Rotated, Rotation, RotationState,
    Secrets, SessionStore, StoreFuture, SubjectLimit, Touch, Touched, Updated,
};
use crate::column::{Column, ColumnError};
use crate::data::{CutOff, DecodeError, EncodeError, Encoder, SessionData};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::jitter;
use crate::schema::{Dialect, Schema};
use crate::timestamp::Timestamp;
use crate::token::{LastingHash, SecretHash};
use crate::turns::Turns;
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

/// About how long it waits before that.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// The longest span that is added to the database's clock: longer ones are cut to two hundred years, which every database can hold.
const LONGEST_SPAN: Duration = Duration::from_secs(200 * 365 * 24 * 60 * 60);

/// Awaits an attempt, and again when the database ended it to break a deadlock: it has been undone then.
macro_rules! run_again_after_deadlock {
    ($store:ident, $attempt:expr) => {{
        let mut retries = DEADLOCK_RETRIES;
        loop {
            match $attempt.await {
                Err(error) if retries > 0 && failure::is_deadlock(&error) => {
                    retries -= 1;
                    // Those who met are not to meet again.
                    tokio::time::sleep(jitter::around(RETRY_PAUSE)).await;
                }
                other => return other.map_err(|error| $store.failure(&error)),
            }
        }
    }};
}

/// Sessions in a SQL table; `PostgresStore`, `SqliteStore` and `MySqlStore` are its names. Cheap to clone.
///
/// Each verb is one prepared statement, but for these cases: `create` with a session to replace, or
/// with a limit, is one transaction; an `update`, `rotate` or `reauthenticate` that met no row asks a
/// second time, to tell a conflict from an ended session; a `revoke` that met no live row asks once or
/// twice more, and a `revoke_of` once; `revoke_subject`, `revoke_others`, `revoke_everyone` and `cut_off` are two, and where the
/// payload has cut-offs, `create` asks for the database's clock first; `sweep` is two more where there
/// are cut-offs, and one more where ended rows are kept.
///
/// Under a limit, the logins of one subject come one after the other. On one node they wait without
/// a connection: however many there are, they hold one. Clones share the queue; a second store on
/// the same table has another one.
pub struct SqlStore<D, T> {
    pool: D,
    statements: Arc<Statements>,
    /// Of logins that have to count their subject's sessions.
    turns: Arc<Turns<SubjectLock>>,
    payload: PhantomData<fn() -> T>,
}

impl<D: Driver, T: SessionData> SqlStore<D, T> {
    /// A store in the table of `T`, through this pool. It connects when it is first used.
    pub fn new(pool: D) -> Self {
        let statements = Arc::new(Statements::of(D::DIALECT, T::schema()));
        Self { pool, statements, turns: Arc::new(Turns::new()), payload: PhantomData }
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
    /// It warns, in its result and in the log (target `anchor`), of a connection to PostgreSQL or
    /// MySQL that leaves the machine and does not demand TLS: one to another host than `localhost`
    /// or a loopback address, and not by a Unix socket, whose `sslmode` is less than `require`.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Table`] lists every difference at once: each column that is missing or has another type or nullability, each missing index.
    pub async fn verify(&self) -> Result<Verified, VerifyError> {
        verify::verify(&self.pool, T::schema(), |error| self.failure(error)).await
    }

    fn failure(&self, error: &sqlx::Error) -> StoreError {
        failure::store_error(D::DIALECT, T::schema(), error)
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

    async fn login(&self, login: Login) -> Result<Entered, StoreError> {
        let login = Arc::new(login);
        run_again_after_deadlock!(self, self.pool.login(&login))
    }

    /// An instant of the database's clock at which a login that began then had not begun yet: the time that the database's answer takes is
    /// counted against the login, so that no cut-off slips in between. `None` where there are no cut-offs.
    async fn not_after(&self, began: Instant) -> Result<Option<Timestamp>, StoreError> {
        let Some(cut_offs) = &self.statements.cut_offs else { return Ok(None) };
        let rows = self.rows(cut_offs.now.with(Arguments::default())).await?;
        // Both clocks cut what is below a microsecond off.
        let passed = began.elapsed() + Duration::from_micros(1);
        match rows.first().map(|row| (Cells::<D> { row, at: 0 }).instant(NOW)) {
            Some(Ok(now)) => Ok(Some(now.saturating_sub(passed))),
            _ => Err(StoreError::unavailable("the database did not say what time it is")),
        }
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

    /// What a login of this subject makes room with, when it is this login's turn on this node;
    /// `None` where there can be no such session.
    ///
    /// The database makes logins of other nodes wait, on a connection. Here they wait without one,
    /// or one subject's logins would take them all.
    async fn room(
        &self,
        subject: &T::Subject,
        limit: SubjectLimit,
    ) -> Result<Option<Room>, StoreError> {
        let Some((statements, subject)) = self.subject(subject)? else { return Ok(None) };
        let lock = SubjectLock::of(T::schema().table, &subject);
        Ok(Some(Room {
            lock,
            _turn: self.turns.take(lock).await,
            live_ids: statements
                .live_ids
                .with(Arguments { subject: Some(subject), ..Arguments::default() }),
            limit,
            statements: Arc::clone(&self.statements),
        }))
    }

    /// The version of a live row; `None` where there is none.
    async fn live_version(&self, id: SessionId) -> Result<Option<i64>, StoreError> {
        let query =
            self.statements.version.with(Arguments { id: Some(id), ..Arguments::default() });
        let rows = self.rows(query).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        // A row that cannot be read counts as ended.
        Ok((Cells::<D> { row, at: 0 }).int("version").map(Some).unwrap_or_else(|error| {
            undecodable(T::schema(), id, &error);
            None
        }))
    }

    fn read(&self, row: &D::Row) -> Load<T> {
        match self.read_live(row) {
            Ok(Some(loaded)) => Load::Live(loaded),
            Ok(None) => Load::Ended,
            Err(error) => Load::Undecodable(error),
        }
    }

    /// The session of a row that [`Statements::load`] selected, if it is live.
    fn read_live(&self, row: &D::Row) -> Result<Option<Loaded<T>>, DecodeError> {
        let extras = T::schema().extras;
        let mut after = Cells::<D> { row, at: record_width::<T>() };
        let lasting = after.hash(SECRETS[0])?;
        let current = after.hash(SECRETS[1])?;
        let previous = after.hash(SECRETS[2])?;
        let previous_until = after.instant_or_null(SECRETS[3])?;
        let rotation = after.text_or_null(SECRETS[4])?;
        let fingerprint = if extras.fingerprint { after.hash(FINGERPRINT)? } else { None };
        let is_active =
            !extras.keep_ended || after.text_or_null(ENDED[0])?.as_deref() == Some(ACTIVE);
        let cut_off_at = if extras.cut_off { after.instant_or_null(CUT_OFF)? } else { None };
        let now = after.instant(NOW)?;
        let times = Times::read::<D>(row)?;
        if !is_active || !times.live_at(now) || times.cut_off_by(cut_off_at) {
            return Ok(None);
        }
        let record = read_record::<D, T>(row)?;
        let present = |hash: Option<[u8; 32]>, name| {
            hash.ok_or_else(|| {
                DecodeError::new(name, ColumnError::unexpected("a hash", &Value::Null))
            })
        };
        let secrets = Secrets {
            lasting: LastingHash::from_bytes(present(lasting, SECRETS[0])?),
            current: SecretHash::from_bytes(present(current, SECRETS[1])?),
            previous: previous.map(SecretHash::from_bytes),
            previous_until,
            rotation: rotation.as_deref().and_then(RotationState::from_word).ok_or_else(|| {
                DecodeError::new(SECRETS[4], ColumnError::new("expected the state of a rotation"))
            })?,
        };
        Ok(Some(Loaded {
            record: Arc::new(record),
            secrets,
            fingerprint: fingerprint.map(Fingerprint::from_bytes),
            now,
        }))
    }

    /// The session of a row that [`SubjectStatements::history`] selected, if it has ended.
    fn read_ended(&self, row: &D::Row) -> Result<Option<EndedRecord<T>>, DecodeError> {
        let mut after = Cells::<D> { row, at: record_width::<T>() };
        let status = after.text_or_null(ENDED[0])?;
        let ended_at = after.instant(ENDED[1])?;
        let reason = after.text_or_null(ENDED[2])?;
        let cut_off_at =
            if T::schema().extras.cut_off { after.instant_or_null(CUT_OFF)? } else { None };
        let now = after.instant(NOW)?;
        let times = Times::read::<D>(row)?;
        let reason = reason.as_deref().and_then(EndReason::from_word);
        let (status, reason) = match status.as_deref() {
            // The sweep has not come by.
            Some(ACTIVE) if times.cut_off_by(cut_off_at) => {
                (EndStatus::Revoked, Some(EndReason::CutOff))
            }
            Some(ACTIVE) if times.live_at(now) => return Ok(None),
            Some(ACTIVE) => (EndStatus::Expired, None),
            Some("expired") => (EndStatus::Expired, reason),
            _ => (EndStatus::Revoked, reason),
        };
        Ok(Some(EndedRecord { record: read_record::<D, T>(row)?, status, ended_at, reason }))
    }

    /// Runs a list of a subject's sessions, whose rows have their instant at this cell.
    async fn page<R>(
        &self,
        statement: &statement::Statement,
        subject: Value,
        page: Page,
        instant: usize,
        read: impl Fn(&D::Row) -> Result<Option<R>, DecodeError>,
    ) -> Result<Listed<R>, StoreError> {
        let after = page.cursor().unwrap_or(Cursor::BEFORE_ALL);
        let arguments = Arguments {
            subject: Some(subject),
            id: Some(after.id),
            after_at: Some(after.at),
            // One more says whether there is a next page.
            batch: Some(i64::from(page.limit()) + 1),
            ..Arguments::default()
        };
        let rows = self.rows(statement.with(arguments)).await?;
        let limit = page.limit() as usize;
        let place = |row: &D::Row| -> Result<Cursor, DecodeError> {
            let id = (Cells::<D> { row, at: 0 }).id()?;
            Ok(Cursor { at: (Cells::<D> { row, at: instant }).instant("the list's order")?, id })
        };
        let next = match rows.len() > limit {
            true => Some(place(&rows[limit - 1]).map_err(StoreError::unavailable)?),
            false => None,
        };
        let told = |row| told::<D, T, _>(row, read(row)).flatten();
        Ok(Listed { entries: rows.iter().take(limit).filter_map(told).collect(), next })
    }

    /// Ends rows for good, and says how many of them were live.
    async fn end_all(
        &self,
        end: &End,
        arguments: impl Fn() -> Arguments,
    ) -> Result<u64, StoreError> {
        let live = self.execute(end.live.with(arguments())).await?;
        self.execute(end.rest.with(arguments())).await?;
        Ok(live)
    }

    /// The lasting hash of a row, live or not; `None` where there is no row.
    async fn lasting(&self, id: SessionId) -> Result<Option<LastingHash>, StoreError> {
        let by_id = Arguments { id: Some(id), ..Arguments::default() };
        let rows = self.rows(self.statements.lasting.with(by_id)).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        match (Cells::<D> { row, at: 0 }).hash(SECRETS[0]) {
            Ok(Some(lasting)) => Ok(Some(LastingHash::from_bytes(lasting))),
            Ok(None) => Err(StoreError::unavailable("a session's lasting hash is NULL")),
            Err(error) => Err(StoreError::unavailable(error)),
        }
    }
}

impl<D: Driver, T: SessionData> SessionStore<T> for SqlStore<D, T> {
    fn create(&self, new: NewSession<T>) -> StoreFuture<'_, Created<T>> {
        Box::pin(async move {
            new.check()?;
            let NewSession { id, lasting, secret, data, idle, absolute, .. } = new;
            let NewSession { replaces, remembered, .. } = new;
            let payload = self.encode(&data)?;
            let room = match (new.limit, data.subject()) {
                (Some(limit), Some(subject)) => self.room(subject, limit).await?,
                _ => None,
            };
            let began_at = match new.began {
                Some(began) => self.not_after(began).await?,
                None => None,
            };
            let since = new.began.map_or(0, |began| micros(began.elapsed()));
            let insert = self.statements.create.with(Arguments {
                id: Some(id),
                lasting: Some(lasting),
                secret: Some(secret),
                idle: Some(micros(idle)),
                absolute: Some(micros(absolute)),
                since: Some(since),
                began_at,
                remembered,
                origin: new.origin.clone(),
                fingerprint: new.fingerprint,
                payload,
                ..Arguments::default()
            });
            let (created_at, ended) = if replaces.is_none() && room.is_none() {
                (self.instant(insert).await?, Vec::new())
            } else {
                let end_replaced = replaces.map(|Replaced { id, proof }| {
                    let arguments = || Arguments {
                        id: Some(id),
                        lasting: Some(proof),
                        reason: Some(EndReason::Replaced),
                        ..Arguments::default()
                    };
                    let End { live, rest } = &self.statements.revoke_proven;
                    EndReplaced { live: live.with(arguments()), rest: rest.with(arguments()) }
                });
                match self.login(Login { end_replaced, room, insert }).await? {
                    Entered::Written { created_at, ended } => (created_at, ended),
                    Entered::Full => return Ok(Created::SubjectFull),
                }
            };
            let created_at = created_at.ok_or_else(|| {
                StoreError::unavailable("the database did not say when the row was created")
            })?;
            // The same sums as the statement's own, so this is the row without reading it again.
            let after =
                |span| created_at.saturating_add(Duration::from_micros(micros(span) as u64));
            let deadline = after(absolute);
            let record = Record {
                id,
                created_at,
                authenticated_at: began_at.unwrap_or(match T::schema().extras.cut_off {
                    true => created_at,
                    false => created_at.saturating_sub(Duration::from_micros(since as u64)),
                }),
                last_seen_at: created_at,
                expires_at: after(idle).min(deadline),
                deadline,
                version: 1,
                remembered,
                origin: new.origin.filter(|_| T::schema().extras.track),
                data,
            };
            Ok(Created::Session { record, ended })
        })
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>> {
        Box::pin(async move {
            let by_id = Arguments { id: Some(id), ..Arguments::default() };
            let rows = self.rows(self.statements.load.with(by_id)).await?;
            Ok(rows.first().map_or(Load::Absent, |row| self.read(row)))
        })
    }

    fn update(&self, change: Change<T>) -> StoreFuture<'_, Updated> {
        Box::pin(async move {
            let Change { id, secret, version, from, to, idle } = change;
            let payload = self.encode(&to)?;
            // What was loaded may hold a value that could not be written any more; then its column counts as changed.
            let from = Encoder::values_of(&*from).unwrap_or_default();
            let changed: Vec<usize> =
                (0..payload.len()).filter(|&at| from.get(at) != Some(&payload[at])).collect();
            let write = self.statements.update(&changed).with(Arguments {
                id: Some(id),
                secret: Some(secret),
                version: Some(version),
                idle: Some(micros(idle)),
                payload,
                ..Arguments::default()
            });
            if self.execute(write).await? > 0 {
                let version = if changed.is_empty() { version } else { version + 1 };
                return Ok(Updated::Written { version });
            }
            Ok(match self.live_version(id).await? {
                Some(_) => Updated::Conflict,
                None => Updated::Gone,
            })
        })
    }

    fn touch(&self, touch: Touch) -> StoreFuture<'_, Touched> {
        Box::pin(async move {
            let statement = match (&self.statements.touch_from, &touch.origin) {
                (Some(touch_from), Some(_)) => touch_from,
                _ => &self.statements.touch,
            };
            let arguments = Arguments {
                id: Some(touch.id),
                secret: touch.presented,
                idle: Some(micros(touch.idle)),
                origin: touch.origin,
                ..Arguments::default()
            };
            let expires_at = self.instant(statement.with(arguments)).await?;
            Ok(expires_at.map_or(Touched::Gone, |expires_at| Touched::Written { expires_at }))
        })
    }

    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated> {
        Box::pin(async move {
            let id = rotation.id;
            if self.execute(self.statements.rotate.with(secrets_of(rotation))).await? > 0 {
                return Ok(Rotated::Written);
            }
            Ok(match self.live_version(id).await? {
                Some(_) => Rotated::Conflict,
                None => Rotated::Gone,
            })
        })
    }

    fn reauthenticate(&self, rotation: Rotation) -> StoreFuture<'_, Reauthenticated> {
        Box::pin(async move {
            let id = rotation.id;
            let write = self.statements.reauthenticate.with(secrets_of(rotation));
            if let Some(authenticated_at) = self.instant(write).await? {
                return Ok(Reauthenticated::Written { authenticated_at });
            }
            Ok(match self.live_version(id).await? {
                Some(_) => Reauthenticated::Conflict,
                None => Reauthenticated::Gone,
            })
        })
    }

    fn revoke(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, Ending> {
        Box::pin(async move {
            let End { live, rest } = match proof {
                Some(_) => &self.statements.revoke_proven,
                None => &self.statements.revoke,
            };
            let arguments = || Arguments {
                id: Some(id),
                lasting: proof,
                reason: Some(reason),
                ..Arguments::default()
            };
            if self.execute(live.with(arguments())).await? > 0 {
                return Ok(Ending::Ended);
            }
            // Nothing was live: it is not there, or looks expired, or the proof is another one's.
            if let Some(proof) = proof {
                match self.lasting(id).await? {
                    Some(lasting) if lasting == proof => {}
                    Some(_) => return Ok(Ending::Unproven),
                    None => return Ok(Ending::NotLive),
                }
            }
            self.execute(rest.with(arguments())).await?;
            Ok(Ending::NotLive)
        })
    }

    fn revoke_of<'a>(
        &'a self,
        subject: &'a T::Subject,
        id: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, Ending> {
        Box::pin(async move {
            let Some((statements, subject)) = self.subject(subject)? else {
                return Ok(Ending::NotLive);
            };
            let End { live, rest } = &statements.revoke_of;
            let arguments = || Arguments {
                id: Some(id),
                subject: Some(subject.clone()),
                reason: Some(reason),
                ..Arguments::default()
            };
            if self.execute(live.with(arguments())).await? > 0 {
                return Ok(Ending::Ended);
            }
            self.execute(rest.with(arguments())).await?;
            Ok(Ending::NotLive)
        })
    }

    fn revoke_subject<'a>(
        &'a self,
        subject: &'a T::Subject,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let Some((statements, subject)) = self.subject(subject)? else { return Ok(0) };
            let arguments = || Arguments {
                subject: Some(subject.clone()),
                reason: Some(reason),
                ..Arguments::default()
            };
            self.end_all(&statements.revoke_all, arguments).await
        })
    }

    fn revoke_others<'a>(
        &'a self,
        subject: &'a T::Subject,
        keep: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let Some((statements, subject)) = self.subject(subject)? else { return Ok(0) };
            let arguments = || Arguments {
                id: Some(keep),
                subject: Some(subject.clone()),
                reason: Some(reason),
                ..Arguments::default()
            };
            self.end_all(&statements.revoke_others, arguments).await
        })
    }

    fn revoke_everyone(&self, reason: EndReason) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let arguments = || Arguments { reason: Some(reason), ..Arguments::default() };
            self.end_all(&self.statements.revoke_everyone, arguments).await
        })
    }

    fn cut_off<'a>(&'a self, subject: &'a T::Subject, reason: EndReason) -> StoreFuture<'a, u64>
    where
        T: CutOff,
    {
        Box::pin(async move {
            let Some(cut_offs) = &self.statements.cut_offs else {
                return Err(StoreError::unavailable(format!(
                    "the schema of `{}` has no cut-offs, and its payload claims them: add `Extras::cut_off` to it",
                    T::schema().table
                )));
            };
            let Some((_, subject)) = self.subject(subject)? else { return Ok(0) };
            let arguments = Arguments { subject: Some(subject.clone()), ..Arguments::default() };
            self.execute(cut_offs.record.with(arguments)).await?;
            let arguments =
                Arguments { subject: Some(subject), reason: Some(reason), ..Arguments::default() };
            let ended = self.execute(cut_offs.end.with(arguments)).await?;
            if D::DIALECT == Dialect::Sqlite {
                // Until a login that begins after the answer is later than the cut-off by SQLite's clock too.
                tokio::time::sleep(3 * SQLITE_CLOCK_STEP).await;
            }
            Ok(ended)
        })
    }

    fn list<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<Record<T>>> {
        Box::pin(async move {
            let Some((statements, subject)) = self.subject(subject)? else {
                return Ok(Listed::default());
            };
            let created_at = 1;
            self.page(&statements.list, subject, page, created_at, |row| {
                read_record::<D, T>(row).map(Some)
            })
            .await
        })
    }

    fn history<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<EndedRecord<T>>> {
        Box::pin(async move {
            let Some((SubjectStatements { history: Some(history), .. }, subject)) =
                self.subject(subject)?
            else {
                return Ok(Listed::default());
            };
            let ended_at = record_width::<T>() + 1;
            self.page(history, subject, page, ended_at, |row| self.read_ended(row)).await
        })
    }

    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let batch = u64::from(batch);
            let limited = |swept: u64| Arguments {
                batch: Some(batch.saturating_sub(swept) as i64),
                since: T::KEEP_ENDED.map(micros),
                ..Arguments::default()
            };
            let mut swept = self.execute(self.statements.sweep.with(limited(0))).await?;
            if let Some(sweep_kept) = &self.statements.sweep_kept
                && swept < batch
            {
                swept += self.execute(sweep_kept.with(limited(swept))).await?;
            }
            if let Some(cut_offs) = &self.statements.cut_offs
                && swept < batch
            {
                swept += self.execute(cut_offs.sweep.with(limited(swept))).await?;
                self.execute(cut_offs.forget.with(Arguments::default())).await?;
            }
            Ok(swept)
        })
    }
}

impl<D: Clone, T> Clone for SqlStore<D, T> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            statements: Arc::clone(&self.statements),
            turns: Arc::clone(&self.turns),
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

fn secrets_of(rotation: Rotation) -> Arguments {
    Arguments {
        id: Some(rotation.id),
        secret: Some(rotation.from),
        new_secret: Some(rotation.to),
        old: Some(rotation.old),
        grace: Some(micros(rotation.grace)),
        idle: Some(micros(rotation.idle)),
        ..Arguments::default()
    }
}

fn micros(span: Duration) -> i64 {
    span.min(LONGEST_SPAN).as_micros() as i64
}

fn undecodable(schema: &Schema, id: impl fmt::Display, error: &DecodeError) {
    tracing::warn!(
        target: "anchor",
        table = schema.table,
        %id,
        column = error.column(),
        "a live session cannot be decoded and counts as ended: {error}"
    );
}
