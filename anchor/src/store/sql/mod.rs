//! The SQL stores: one implementation of the contract, on top of a [`Driver`] for each database.
//!
//! `contract.rs` implements the contract, and `within.rs` the verbs that a transaction of the
//! application's may contain (`transactions.rs`). `verbs/` has one file per verb: its statements,
//! their arguments, and how the answer is read. They run where `runs.rs` says. `table.rs` and
//! `expressions.rs` contain the parts of the statements, `statement.rs` binds their parameters, and
//! `row.rs` describes a session's row. `database.rs` runs the statements. `storable.rs` refuses
//! what a database cannot store, `failure.rs` converts its errors, `live_table.rs` compares a live
//! table with the struct, `durability.rs` says what a crash would undo, and `cluster.rs` what
//! several servers that write need. `postgres.rs`, `sqlite.rs` and `mysql.rs` bind and read values,
//! and decide nothing. `postgres_notices.rs` connects the caches of several nodes, and
//! `postgres_pooler.rs` notices an unsuitable pooler.

mod by_size;
#[cfg(any(feature = "mysql", feature = "sqlite"))]
mod cells;
mod cluster;
mod contract;
mod database;
mod driver;
mod durability;
mod expressions;
mod failure;
mod live_table;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(all(feature = "cache", feature = "postgres"))]
mod postgres_notices;
#[cfg(feature = "postgres")]
mod postgres_pooler;
#[cfg(all(feature = "sqlite", feature = "postgres", any(test, feature = "_fuzz")))]
pub(crate) mod properties;
mod row;
mod runs;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statement;
mod storable;
mod subject_lock;
mod table;
mod transactions;
mod verbs;
mod within;

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::sync::Arc;

use database::Database;
use driver::Driver;
use verbs::Verbs;
use verbs::insert::Inserts;
use verbs::load::Lookups;
use verbs::logout::Logouts;

pub(crate) use transactions::{OwnTransaction, Transactions};

use super::gather::Gather;
use super::{StoreIdentity, Verified, VerifyError};
use crate::error::StoreError;
use crate::payload::SessionData;

/// How many shared statements of each kind are in flight, unless the application says otherwise.
const ONE: NonZeroU32 = NonZeroU32::MIN;

/// Stores sessions in a PostgreSQL table. It needs PostgreSQL 12 or newer.
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
/// A verb returns when its transaction has committed. With `synchronous_commit = on`, the default,
/// a logout that was answered survives a crash of the server. With `off`, the last moments before a
/// crash are lost, including logouts. A failover to an asynchronous replica loses what that replica
/// had not received: a session that was ended in that time is live again, until it expires.
/// `synchronous_commit = remote_apply` with a synchronous standby prevents this. Give the pool the
/// primary's address, because a replica answers `load` with an older state.
///
/// # Behind a pooler
///
/// PgBouncer in transaction mode needs `max_prepared_statements`, from 1.21 on. Behind an older
/// one, set `statement_cache_capacity(0)` on the pool's options, or `?statement-cache-capacity=0`
/// in its URL. Each statement then runs unprepared, in a transaction of its own, and takes four
/// round trips.
#[cfg(feature = "postgres")]
pub type PostgresStore<T> = SqlStore<sqlx::PgPool, T>;

/// Stores sessions in a SQLite table.
///
/// Its clock is the machine's, with a resolution of one millisecond. If that clock is set, sessions
/// expire earlier or later, and a session that has expired and has not been removed yet may be live
/// again. A session that was logged out stays ended, whatever the clock shows.
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
/// Each connection of a pool opens its own in-memory database. For an in-memory database, limit the
/// pool to one connection that is never closed.
///
/// # What it promises after a crash
///
/// With `synchronous = FULL`, SQLite's default, a logout that was answered survives a crash of the
/// process and a loss of power. In WAL mode with `synchronous = NORMAL`, it survives a crash of the
/// process, and may be lost in a loss of power. A copy of the file that is restored, or a replica
/// that is promoted, brings back the sessions that it contains.
#[cfg(feature = "sqlite")]
pub type SqliteStore<T> = SqlStore<sqlx::SqlitePool, T>;

/// Stores sessions in a MySQL (8.0.16 or newer) or MariaDB (10.6 or newer) table.
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
/// A text that is the subject, indexed, unique or a foreign key has at most 255 characters here,
/// and is compared exactly, including case and accents. A column with your own `sql_type` needs the
/// server's strict mode, which is the default: a server without it cuts values that do not fit.
/// `binlog_format = STATEMENT` does not work; `ROW` and `MIXED`, the defaults, do.
///
/// # What it promises after a crash and a failover
///
/// With `innodb_flush_log_at_trx_commit = 1`, the default, a logout that was answered survives a
/// crash of the server. With 0 or 2, the last second before a crash may be lost. Replication is
/// asynchronous by default: a failover may bring back sessions that were ended within the replica's
/// lag, until they expire. Semi-synchronous replication shortens that time. Give the pool the
/// primary's address, because a replica answers `load` with an older state.
///
/// # Galera
///
/// The contract holds on all servers of a MariaDB Galera cluster, whatever server a call goes to.
/// Before its first statement, a store asks the server whether it is one of a cluster. If so,
///
/// - each statement waits until its server has applied what the other servers had answered
///   (`wsrep_sync_wait`, which it sets for itself). A server without a majority answers nothing.
/// - a login under a limit also inserts a row and deletes it again, so that it collides with logins
///   of its subject on other servers. Triggers on the table see that row.
/// - what collides with a write of another server was undone, and is repeated up to ten times.
///
/// The server that is asked decides about expiry and cut-offs by its clock: synchronize the clocks.
/// On Galera without MariaDB, [`verify`](SqlStore::verify) refuses a server whose `wsrep_sync_wait`
/// is not 7. It also refuses a group of MySQL with several primaries.
#[cfg(feature = "mysql")]
pub type MySqlStore<T> = SqlStore<sqlx::MySqlPool, T>;

/// Stores sessions in a SQL table. `PostgresStore`, `SqliteStore` and `MySqlStore` are its names
/// for each database. Cheap to clone.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use sqlx::sqlite::SqlitePoolOptions;
///
/// // One connection, because each one has its own in-memory database.
/// let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
/// let store = SqliteStore::<UserSession>::new(pool);
/// store.migrate().await?;
/// let sessions = SessionManager::builder(store).keys(KeyRing::generate()?).build()?;
/// let session = sessions.test_session(UserSession { user_id: 1 }).await;
/// assert!(sessions.revoke(session.id()).await?);
/// # Ok(())
/// # }
/// ```
///
/// # Cost
///
/// Each verb is one prepared statement, with these exceptions:
///
/// - `create` with a session to replace, or with a limit, is one transaction. If the payload has
///   cut-offs, `create` first asks for the database's clock and the subject's cut-off.
/// - An `update`, `rotate`, `reauthenticate` or `consume` that matched no row asks a second time,
///   to distinguish a conflict from an ended session.
/// - `consume` is one transaction of two statements on MySQL, which does not return rows from a
///   write.
/// - A `revoke` or `revoke_of` that matched no live row asks once or twice more.
/// - [`record_uses`](super::RecordUses::record_uses) is one statement for each 64 uses; on MySQL
///   one transaction of two.
/// - `revoke_subject`, `revoke_others`, `revoke_everyone` and `cut_off` are two statements. On
///   PostgreSQL, the first three are three if there is nothing to end: the third one makes sure
///   that a failover brings nothing back.
/// - `sweep` is two more statements if there are cut-offs, and one more if ended rows are kept.
/// - On MySQL, the first call asks the server first whether it is one of a cluster.
///
/// Under a limit, the logins of one subject run one after the other. On one node they wait without
/// a connection: however many there are, they hold one connection. Clones share the queue; a second
/// store on the same table has its own queue.
///
/// # Shared statements
///
/// Concurrent lookups (`load`) share a statement. So do concurrent insertions: calls of `create`
/// without a limit and without a session to replace. So do concurrent logouts: calls of `revoke`
/// with a proof and [`EndReason::Logout`](super::EndReason::Logout), whether ended rows are kept or
/// not. If no such statement is running, a call's statement is sent at once: nobody waits for a
/// timer, and an idle store adds no delay. Calls that arrive while a statement runs share the next
/// statement. One statement looks up at most 128 sessions, or inserts or ends at most 64; further
/// calls wait for the statement after it.
///
/// An answer is never older than its question, because a call joins only a statement that has not
/// been sent. Each call learns its own outcome:
///
/// - **What the database refuses**, such as a row that a constraint or a trigger does not accept,
///   it refuses for that call alone: nothing of a refused statement was written, and each of its
///   calls then runs its own statement. If the database cannot answer at all, each of them fails.
/// - **A logout has its own proof compared**, and does not wait for a row that somebody else has
///   locked: it asks alone afterwards, as does a logout that finds no live row, as described under
///   *Cost*. MySQL does not report which rows a statement has ended. There, logouts that share are
///   one transaction: a statement locks the live rows and returns them, and another one ends them.
/// - **A statement that takes long**, because it waits for a lock, for example, holds up only its
///   own calls. After 100 ms, the next one is sent beside it. Of each kind, at most three can be
///   late like this at the same time.
///
/// Otherwise, at most two statements of each kind run at the same time: one for a single call, and
/// one that is shared. So the lookups of a store and its clones hold at most two connections, these
/// insertions hold at most two, and these logouts hold at most two, however many requests there
/// are. [`lookup_statements_in_flight`](Self::lookup_statements_in_flight) lets more than one
/// shared lookup run at the same time. Statements come in few sizes, the powers of two, so a
/// connection prepares at most eight texts for lookups, seven for these insertions, and eight for
/// these logouts, on MySQL fifteen.
#[derive(Clone)]
pub struct SqlStore<D: Driver, T> {
    database: Database<D>,
    verbs: Arc<Verbs>,
    lookups: Arc<Gather<Lookups<D>>>,
    inserts: Arc<Gather<Inserts<D>>>,
    logouts: Arc<Gather<Logouts<D>>>,
    payload: PhantomData<fn() -> T>,
}

impl<D: Driver, T: SessionData> SqlStore<D, T> {
    /// Creates a store in the table of `T` that uses this pool. It connects when it is first used.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { user_id: i64 }
    /// # async fn example() -> Result<(), sqlx::Error> {
    /// let pool = sqlx::SqlitePool::connect("sqlite://app.db?mode=rwc").await?;
    /// let store = SqliteStore::<UserSession>::new(pool);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(pool: D) -> Self {
        let schema = T::schema();
        let database = Database::new(pool, schema);
        let verbs = Arc::new(Verbs::new(&database));
        let lookups = Gather::new(schema.table, Lookups::new(database.clone()), ONE);
        let inserts = Gather::new(schema.table, Inserts::new(database.clone()), ONE);
        let logouts = Gather::new(schema.table, Logouts::new(database.clone()), ONE);
        Self { database, verbs, lookups, inserts, logouts, payload: PhantomData }
    }

    /// Sets how many shared lookup statements may run at the same time on each tokio runtime. The
    /// default is 1. Call it before the store is cloned: existing clones keep their number.
    ///
    /// Each of them holds a connection of the pool while it runs, beside the connection of a single
    /// lookup. If the pool has fewer connections, the statements wait for one, as all calls do, and
    /// take their turns with the writes. So leave the pool some connections more than this number.
    ///
    /// A statement looks up at most 128 sessions, so with `n` in flight, a store does not answer
    /// more than about `n` × 128 lookups per round trip to the database. If a round trip takes
    /// 5 ms, these are 25,600 lookups per second with the default, and 102,400 with 4. A lookup
    /// that has to wait waits for the next of `n` statements to end, and then for its own.
    ///
    /// The default served best where the database is near. Over loopback, with 64 connections and 2
    /// cores, guarded reads reached these shares of the requests per second of a bare axum handler:
    ///
    /// | statements in flight | 1 | 2 | 4 |
    /// | --- | --- | --- | --- |
    /// | PostgreSQL | 0.415 | 0.40 | 0.33 |
    /// | SQLite | 0.44 | 0.39 | 0.38 |
    ///
    /// With more in flight, fewer lookups share a statement, and the database has more statements
    /// to run. Raise it if the database is far away, that is, if the round trip and not the
    /// database's work is most of a lookup's time, or if a node looks up more sessions than the
    /// bound above. Concurrent insertions and logouts always have one shared statement in flight.
    ///
    /// ```no_run
    /// # fn store<T: anchor::SessionData>(pool: sqlx::PgPool) -> anchor::PostgresStore<T> {
    /// use std::num::NonZeroU32;
    ///
    /// const FOUR: NonZeroU32 = NonZeroU32::new(4).unwrap();
    ///
    /// let store = anchor::PostgresStore::<T>::new(pool).lookup_statements_in_flight(FOUR);
    /// # store
    /// # }
    /// ```
    #[must_use]
    pub fn lookup_statements_in_flight(self, n: NonZeroU32) -> Self {
        let lookups = Lookups::new(self.database.clone());
        Self { lookups: Gather::new(self.database.schema.table, lookups, n), ..self }
    }

    /// Returns what this store and its clones have in common, and no other store.
    pub(crate) fn own_identity(&self) -> StoreIdentity {
        StoreIdentity::of(&self.verbs)
    }

    /// Returns the pool.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # async fn example(store: SqliteStore<UserSession>) -> Result<(), sqlx::Error> {
    /// // The application's own statement, through the same pool.
    /// sqlx::query("DELETE FROM carts WHERE updated_at < 0").execute(store.pool()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn pool(&self) -> &D {
        &self.database.pool
    }

    /// Creates the table and its indexes if they are missing, for a quick start and for tests.
    /// Several nodes may call it at the same time. It does not change a table that exists;
    /// migrations do that.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # async fn example<T: SessionData>(
    /// #     store: SqliteStore<T>,
    /// # ) -> Result<(), anchor::StoreError> {
    /// store.migrate().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails when the database does not answer, or does not permit it.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let schema = T::schema();
        let statements = schema.create_if_not_exists(D::DIALECT);
        let defined = self.pool().define(schema.table, statements).await;
        defined.map_err(|error| self.database.failure(&error))
    }

    /// Compares the live table with the struct, and looks at the database's settings, in three
    /// statements, on MySQL in four. Call it at start-up. On PostgreSQL, it also opens two
    /// connections for a moment, in addition to those of the pool, to see whether a pooler loses
    /// prepared statements. On SQLite, it also tries to write, which changes nothing.
    ///
    /// It warns, in its result and in the log (target `anchor`), about
    ///
    /// - a setting with which a crash undoes logouts that were answered: `synchronous_commit` and
    ///   `fsync` on PostgreSQL, `innodb_flush_log_at_trx_commit` and `sync_binlog` on MySQL,
    ///   `synchronous = OFF` on SQLite, or `NORMAL` in WAL mode. It is the setting of one of the
    ///   pool's connections.
    /// - a connection to PostgreSQL or MySQL that leaves the machine and does not require TLS. That
    ///   is a connection that does not use a Unix socket, goes to a host other than `localhost` or
    ///   a loopback address, and has an `sslmode` less strict than `require`.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # async fn example<T: SessionData>(
    /// #     store: PostgresStore<T>,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// // Stops the start if the table does not fit the struct.
    /// let verified = store.verify().await?;
    /// for warning in verified.warnings {
    ///     println!("{warning}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`VerifyError::Settings`] when the database is a replica, accepts no writes, is behind a
    /// pooler that loses prepared statements, or is one of several servers that accept writes and
    /// do not keep the contract together.
    /// [`VerifyError::Table`] lists all differences at once: each column that is missing or has
    /// another type or nullability, and each missing index.
    pub async fn verify(&self) -> Result<Verified, VerifyError> {
        live_table::verify(&self.database).await
    }
}

/// Shows only the dialect and the table, because a pool's options may contain a password.
impl<D: Driver, T: SessionData> fmt::Debug for SqlStore<D, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlStore")
            .field("dialect", &D::DIALECT)
            .field("table", &T::schema().table)
            .finish_non_exhaustive()
    }
}
