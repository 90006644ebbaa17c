//! [`RedisStore`]: sessions in Redis, Valkey, or Redis Cluster.
//!
//! Each session is one hash, and a verb is one script (`scripts/`), which Redis runs as a whole.
//! `create.rs`, `write.rs`, `end.rs`, `list.rs` and `sweep.rs` call the scripts. On one server, the
//! verbs that are called most use plain commands instead, which concurrent callers send together:
//! `load.rs` with `end_log.rs` and, for logins and logouts that do nothing else, `insert.rs` and
//! `logouts.rs`, with transactions (`transaction.rs`). `row.rs` converts between a session
//! and the fields of its hash, `own.rs` reads the field that is anchor's own, and `codec.rs`
//! converts between a value and its text. `keys.rs` names the keys. `connection.rs` reaches the
//! server, by connections that `replaceable.rs` and `silence.rs` replace when they seem to be dead,
//! and `servers.rs` knows the servers of a cluster. `durability.rs` and `confirmed.rs` wait until
//! an end is safe. `reply.rs` reads the server's answers, and `failure.rs` converts its errors.

mod codec;
mod confirmed;
mod connection;
mod contract;
mod create;
mod database;
mod durability;
mod end;
mod end_log;
mod failure;
mod insert;
mod keys;
mod list;
mod load;
mod logouts;
mod own;
mod permissions;
#[cfg(any(test, feature = "_fuzz"))]
pub(crate) mod properties;
mod replaceable;
mod reply;
mod row;
mod script;
mod servers;
mod silence;
mod sweep;
mod transaction;
mod verify;
mod write;

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::sync::Arc;

use connection::Reached;
pub use connection::RedisConnection;
use database::Database;
use durability::Confirmation;
pub use durability::Durability;
use insert::Inserts;
use keys::Keys;
use load::Lookups;
use logouts::Logouts;
use row::field_names;

use super::gather::Gather;
#[cfg(doc)]
use super::{Load, Placement, RecordUses};
use super::{Verified, VerifyError};
use crate::error::StoreError;
use crate::payload::SessionData;

/// Stores sessions in Redis (7.0 or newer), Redis Cluster, or Valkey. It is tested on Redis 7.0 and
/// its cluster; the tests of this store also pass on Valkey 8.0.
///
/// ```no_run
/// # async fn connect<T: anchor::SessionData>() -> Result<(), Box<dyn std::error::Error>> {
/// let store = anchor::RedisStore::<T>::connect("redis://127.0.0.1:6379").await?;
/// store.verify().await?;
///
/// let servers = ["redis://10.0.0.1:6379", "redis://10.0.0.2:6379"];
/// let store = anchor::RedisStore::<T>::connect_cluster(servers).await?.prefix("shop");
/// # Ok(())
/// # }
/// ```
///
/// The client is the crate `redis`, because it is the one that most applications have already. It
/// sends the calls of all requests over one connection, one directly after the other, and
/// reconnects by itself. A call whose connection was lost is sent once more: called twice, a verb
/// has the effect of one call, but an end may report that nothing was live. (A consumption has the
/// same answer for a minute. An update is
/// recognized unless eight others of the same session came in between. Then it reports a conflict,
/// and `Session::update` runs its closure again on what is there by then, its own change included.)
/// An answer may take five seconds, and a call that is sent once more, or waits for a connection,
/// as long again; the manager's `store_timeout` bounds all of it. The machine at the other end may
/// lose its power, and nobody says so: on Linux, a connection counts as lost when nothing is
/// acknowledged for some seconds. With one server, another connection is made even before that,
/// when a call has waited in vain and nothing else was answered meanwhile. Clones share the
/// connection.
///
/// In a cluster, the client may stop for good when connections to several servers are lost at the
/// same time under load. So when calls have waited for a second, and nothing at all was answered,
/// the store makes another connection, and uses it as soon as it works. Calls that come meanwhile
/// wait for it. Of those that were under way, reads and ends of single sessions are repeated, and
/// the others fail: the client receives 503. This needs [`connect_cluster`](Self::connect_cluster):
/// a `ClusterConnection` that was given to [`new`](Self::new) is not replaced.
///
/// While a cluster moves a slot, a session in it is on neither of the two servers alone. Calls for
/// it wait, and fail if the move takes long: the client receives 503.
///
/// # What a session is
///
/// Each session is one hash, `{anchor:sessions:abc}:session:<id>`. Each column of the struct is one
/// field, as text that a person can read. Instants are microseconds since 1970, bytes are
/// hexadecimal, `NULL` is `\\xffNULL`. The other columns of a SQL table are together in the field
/// `@session`: `created_at=1763000000000000;authenticated_at=..`. Fields whose names begin with `@`
/// are anchor's own.
///
/// The sessions of a subject are together in one of 4,096 shards (`abc` above), which Redis Cluster
/// keeps in one slot, so a verb needs one server. Twelve bits of a session's id lead
/// to its shard ([`Placement`]). The shard's index, a sorted set, has the ids of its sessions, by a
/// number that stands for the subject. **After "end all sessions of this subject", those are
/// refused, too, that the index has lost**: the end is first recorded in a log,
/// `{anchor:sessions:ends}`, another sorted set, with at most 65,536 entries, and a session that
/// began before the latest end of its subject is live only if the index has it under its subject.
/// (It is not counted, and stays in Redis until it expires.) One that the index has lost without
/// such an end can be read and be ended alone, and is not listed, updated or extended any more. In
/// a cluster, and with [`new`](Self::new), it has ended.
///
/// Redis' clock decides, and Redis removes expired sessions; `sweep` has work only
/// for payloads with `keep_ended` or `cut_off`. The scripts use keys that they find in other keys
/// of the same slot, which Redis and Valkey permit.
///
/// There are no constraints: `unique`, `references` and `CHECK` are not enforced. An expired
/// session that Redis has removed is [`Load::Absent`], not `Load::Ended`.
///
/// # A struct that changes
///
/// There are no migrations: add `migrations = false` to the struct. A field that a session lacks is
/// read as a migration would have written it: from the column of `renamed_from`, which may be
/// `NULL`, else as the `default` if that is a literal, else as `NULL`. (A session may lack the
/// earlier column, too, because it is older. Migrations would have given it the earlier column's
/// default; here it has the present one.) Renamed variants of an enum are read under their new
/// names. A session that the struct still cannot decode counts as ended; `on_change =
/// "end_sessions"` says that this is intended. [`verify`](Self::verify) reports how many there are.
/// Two releases may run side by side as long as the older one does not read sessions in which the
/// newer one has changed a renamed column.
///
/// While one release has `cut_off` and the other has not, logins at the latter are not measured.
///
/// If two columns or two variants swap names, sessions of one release count as ended in the other:
/// neither reads a value of the one as the other's. Keep both `renamed_from` until the sessions
/// from before the swap, and those from after it, have expired.
///
/// # Cost
///
/// Each verb is one call of a script, with these exceptions:
///
/// - With [`connect`](Self::connect), a `load` is an `HMGET`. Concurrent ones are sent together,
///   and share a `TIME` and, if the payload has a subject, a `ZRANGEBYSCORE` of the log of ends. A
///   session that is older than the latest end of its subject, such as the one that "log out
///   everywhere else" has spared, needs another `HMGET` and a `ZSCORE`, and some others with it:
///   ends have 65,536 places in the log, of which subjects share one by chance. From a minute after
///   the end on, the store remembers the answer for the latest 32,768 to 65,536 such sessions.
/// - With [`connect`](Self::connect), logins that arrive at the same time share a `TIME`, and then
///   each is a transaction of eight plain commands, sent together: two round trips. That needs a
///   payload without `max_per_subject`, `cut_off` and `keep_ended`, and a login that replaces no
///   session.
/// - With [`connect`](Self::connect), concurrent logouts are sent together: their sessions are read
///   by `TIME` and one `HGET` each, and then removed by a transaction of up to five plain commands
///   each: two round trips. That needs a payload without `keep_ended`, and
///   [`Durability::Server`].
/// - The verbs that end all sessions of a subject make one more call, for the log, except in a
///   cluster.
/// - A `create` whose login is measured against cut-offs first asks for the server's clock. One
///   that replaces a session of another subject ends it by a second call.
/// - [`record_uses`](RecordUses::record_uses) is one call for each use; they are sent together.
/// - `revoke_everyone` looks at all keys of each server, and makes a call for each session. If a
///   server is restarted meanwhile, or another one takes its place, it looks at all of them again.
///   In a cluster, do not move slots meanwhile.
/// - `sweep` asks each shard whether something is due, with one command each, and remembers those
///   that it does not finish for the next call.
/// - An update that gives a session to a subject of another shard first asks for the session's
///   deadline, and registers it with that shard: two more calls. Until the deadline, the verbs of
///   that subject make one more call for each such shard.
///
/// The verbs on a subject depend on how many sessions the subject has. While a script runs, Redis
/// does nothing else: 50 to 200 ms for a subject with 10,000 sessions, by the machine.
///
/// # What it promises after a crash and a failover
///
/// Redis keeps what it is told as it is set up. With `appendonly yes` and `appendfsync always`, a
/// logout that was answered survives a crash of the server. With `everysec`, the last second may be
/// lost; with snapshots alone, everything since the last one. [`verify`](Self::verify) says which
/// it is. Replication is asynchronous: a failover may bring back sessions that were ended just
/// before it, until they expire. [`Durability::Replicas`] answers a logout with 503 unless so many
/// replicas have received it, and [`Durability::Disks`] unless it is on the disk. In a cluster,
/// keep the servers' clocks together: a session's times are those of the server that has its shard.
///
/// # Errors
///
/// [`StoreErrorKind::Constraint`](crate::StoreErrorKind::Constraint) from `create` when the id is
/// taken, or when a session with a limit has an id of another shard than its subject's.
/// [`StoreErrorKind::Unavailable`](crate::StoreErrorKind::Unavailable) when the server cannot be
/// reached or refuses; the message says what to do.
pub struct RedisStore<T> {
    database: Database,
    lookups: Arc<Gather<Lookups>>,
    inserts: Arc<Gather<Inserts>>,
    logouts: Arc<Gather<Logouts>>,
    payload: PhantomData<fn() -> T>,
}

/// What the names of keys begin with unless the application says otherwise.
const PREFIX: &str = "anchor";

impl<T: SessionData> RedisStore<T> {
    /// Connects to one server: `redis://host:6379`, `redis://user:password@host:6379/0`, or, with
    /// TLS, `rediss://host:6379`. TLS needs a feature of the crate `redis`: add
    /// `redis = { version = "1", features = ["tokio-rustls-comp"] }`.
    ///
    /// ```
    /// # use anchor::{RedisStore, SessionData};
    /// # async fn example<T: SessionData>() -> Result<(), anchor::StoreError> {
    /// let store = RedisStore::<T>::connect("redis://127.0.0.1:6379").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails when the text is not a URL of Redis, or the server does not answer.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        RedisConnection::to_server(url).await.map(Self::reached)
    }

    /// Connects to a cluster, of which these are some servers. The others are found through them.
    ///
    /// ```
    /// # use anchor::{RedisStore, SessionData};
    /// # async fn example<T: SessionData>() -> Result<(), anchor::StoreError> {
    /// let servers = ["redis://127.0.0.1:7000", "redis://127.0.0.1:7001"];
    /// let store = RedisStore::<T>::connect_cluster(servers).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails when a text is not a URL of Redis, or none of the servers answers.
    pub async fn connect_cluster(
        urls: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, StoreError> {
        let urls: Vec<String> = urls.into_iter().map(Into::into).collect();
        RedisConnection::to_cluster(&urls).await.map(Self::reached)
    }

    /// Creates a store that uses a connection of the application's: a `ConnectionManager` or a
    /// `ClusterConnection` of the crate `redis`, release 1.
    ///
    /// ```no_run
    /// # async fn connect<T: anchor::SessionData>() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = redis::Client::open("redis://127.0.0.1:6379")?;
    /// let store = anchor::RedisStore::<T>::new(client.get_connection_manager().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(connection: impl Into<RedisConnection>) -> Self {
        let (connection, server) = (connection.into(), "Redis".to_owned());
        Self::reached(Reached { connection, server, warnings: Vec::new() })
    }

    fn reached(Reached { connection, server, warnings }: Reached) -> Self {
        let keys = Keys::new(PREFIX, T::schema().table);
        let (server, warnings, keep) = (server.into(), warnings.into(), T::KEEP_ENDED);
        Self::on(Database {
            connection,
            table: T::schema().table,
            server,
            warnings,
            keys,
            names: field_names(T::schema()),
            keep,
            due: Arc::default(),
            confirmation: None,
        })
    }

    fn on(database: Database) -> Self {
        let have_subjects = T::schema().subject().is_some();
        let (table, one) = (database.table, NonZeroU32::MIN);
        let lookups = Gather::new(table, Lookups::new(&database, have_subjects), one);
        let inserts = Gather::new(table, Inserts::new(&database), one);
        let logouts = Gather::new(table, Logouts::new(&database), one);
        Self { database, lookups, inserts, logouts, payload: PhantomData }
    }

    /// Sets what the names of the store's keys begin with, instead of `anchor`. Applications that
    /// share a server need different prefixes.
    ///
    /// ```
    /// # use anchor::{RedisStore, SessionData};
    /// # async fn example<T: SessionData>() -> Result<(), anchor::StoreError> {
    /// let store = RedisStore::<T>::connect("redis://127.0.0.1:6379").await?.prefix("shop");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.database.keys = Keys::new(prefix, T::schema().table);
        self.database.due = Arc::default();
        Self::on(self.database)
    }
}

impl<T: SessionData> RedisStore<T> {
    /// Looks at the server, and at some of the sessions that are there. Call it at start-up.
    ///
    /// It warns, in its result and in the log (target `anchor`), about what a restart of the server
    /// would undo, with the setting that prevents it, about what [`Durability`] would wait for in
    /// vain, and about live sessions that the struct cannot decode: nothing migrates them. At most
    /// 1,000 sessions of each server are looked at.
    ///
    /// ```
    /// # use anchor::{RedisStore, SessionData};
    /// # async fn example<T: SessionData>(
    /// #     store: RedisStore<T>,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// for warning in store.verify().await?.warnings {
    ///     println!("{warning}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`VerifyError::Settings`] when the server, or a replica that a cluster may promote, removes
    /// keys to save memory (any `maxmemory-policy` but `noeviction`); when the server is a replica;
    /// and when it cannot confirm what [`Durability::Disks`] asks for.
    pub async fn verify(&self) -> Result<Verified, VerifyError> {
        self.database.verify::<T>().await
    }

    /// Sets what has to confirm the end of a session before it is answered.
    ///
    /// ```
    /// # use anchor::{RedisStore, SessionData};
    /// # async fn example<T: SessionData>() -> Result<(), anchor::StoreError> {
    /// use std::time::Duration;
    ///
    /// use anchor::store::Durability;
    ///
    /// let asked = Durability::Replicas { replicas: 1, within: Duration::from_millis(500) };
    /// let store = RedisStore::<T>::connect("redis://127.0.0.1:6379").await?;
    /// let store = store.durability(asked).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails when the connections that this needs cannot be made: the server does not answer, or
    /// the application gave the store its connection.
    pub async fn durability(mut self, durability: Durability) -> Result<Self, StoreError> {
        self.database.confirmation = Confirmation::new(&self.database, durability).await?;
        Ok(self)
    }
}

impl<T> Clone for RedisStore<T> {
    fn clone(&self) -> Self {
        Self {
            database: self.database.clone(),
            lookups: Arc::clone(&self.lookups),
            inserts: Arc::clone(&self.inserts),
            logouts: Arc::clone(&self.logouts),
            payload: PhantomData,
        }
    }
}

/// Shows the server and the table, and no password.
impl<T: SessionData> fmt::Debug for RedisStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("server", &self.database.server)
            .field("table", &T::schema().table)
            .finish_non_exhaustive()
    }
}
