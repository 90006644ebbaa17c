//! [`SessionStore`]: where rows live, and the contract that every store keeps.
//!
//! A store knows schema and payload, and nothing of HTTP. A session is live, then ended (revoked or expired), and ended is for good:
//! no verb here brings a row back.

#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "_sql")]
mod sql;

#[cfg(feature = "mysql")]
pub use sql::MySqlStore;
#[cfg(feature = "postgres")]
pub use sql::PostgresStore;
#[cfg(feature = "sqlite")]
pub use sql::SqliteStore;
#[cfg(feature = "_sql")]
pub use sql::{SqlStore, VerifyError};

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::data::{DecodeError, SessionData};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::timestamp::Timestamp;
use crate::token::SecretHash;

#[cfg(feature = "memory")]
pub use memory::MemoryStore;

/// What a store's verbs return: a boxed future, so that a `dyn SessionStore<T>` works.
pub type StoreFuture<'a, R> = Pin<Box<dyn Future<Output = Result<R, StoreError>> + Send + 'a>>;

/// Where the sessions of payload `T` live.
///
/// | verb | does | never |
/// | --- | --- | --- |
/// | [`create`](Self::create) | inserts a new row | overwrites one |
/// | [`load`](Self::load) | returns a live row | returns an ended one; writes |
/// | [`update`](Self::update) | compare-and-set on the version, only the changed columns | creates; last-writer-wins |
/// | [`touch`](Self::touch) | extends the idle expiry, never past the deadline | creates |
/// | [`rotate`](Self::rotate) | gives the same session a new secret, one winner | creates; leaves two live secrets past the grace |
/// | [`revoke`](Self::revoke), [`revoke_subject`](Self::revoke_subject), [`revoke_others`](Self::revoke_others) | end sessions; idempotent | fail on an absent row |
/// | [`list`](Self::list) | a subject's live sessions | shows a secret |
/// | [`sweep`](Self::sweep) | removes ended rows | touches a live row |
///
/// Time is the store's clock, never the caller's: every duration is added to the store's `now`. A row is live while `now` is
/// before both its idle expiry and its deadline; at the very instant of either it has ended.
///
/// `anchor::conformance!` runs the whole contract against any store.
///
/// # Errors
///
/// Every verb fails with a [`StoreError`] when the store cannot answer. An absent or ended row is an outcome, not an error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not store sessions of `{T}`",
    label = "this is no `SessionStore<{T}>`",
    note = "use `MemoryStore`, `SqliteStore`, `PostgresStore`, `MySqlStore` (each behind anchor's feature of that name), or implement `SessionStore<{T}>`"
)]
pub trait SessionStore<T: SessionData>: Send + Sync + 'static {
    /// Inserts a new row and, in the same transaction, ends the session that it replaces.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Constraint`](crate::StoreErrorKind::Constraint) when a row of this id exists, or when the table's own
    /// constraints (unique, foreign key, check) refuse the payload; [`StoreErrorKind::Encode`](crate::StoreErrorKind::Encode) when the
    /// payload has no form in the table. In either case nothing was written and nothing was ended.
    fn create(&self, new: NewSession<T>) -> StoreFuture<'_, Record<T>>;

    /// The live row of this id. One round trip; it never returns a state older than its own start.
    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>>;

    /// Writes the columns that differ between `change.from` and `change.to`, if the row is live and still at `change.version`.
    fn update(&self, change: Change<T>) -> StoreFuture<'_, Updated>;

    /// Marks a live session as used now: its idle expiry becomes `idle` from now, at most its deadline.
    fn touch(&self, id: SessionId, idle: Duration) -> StoreFuture<'_, Touched>;

    /// Replaces the secret of a live session, if `rotation.from` is still its current one. The replaced secret is remembered as the
    /// previous one, valid until `rotation.grace` from now.
    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated>;

    /// Ends one session and says how many it ended: 0 or 1. With `proof`, only when `proof` is its current or previous
    /// secret's hash.
    fn revoke(
        &self,
        id: SessionId,
        proof: Option<SecretHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, u64>;

    /// Ends every session of a subject and says how many it ended.
    fn revoke_subject<'a>(
        &'a self,
        subject: &'a T::Subject,
        reason: EndReason,
    ) -> StoreFuture<'a, u64>;

    /// Ends every session of a subject but `keep`, and says how many it ended.
    fn revoke_others<'a>(
        &'a self,
        subject: &'a T::Subject,
        keep: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, u64>;

    /// A subject's live sessions, newest first. A row that the struct cannot decode is left out, and logged.
    fn list<'a>(&'a self, subject: &'a T::Subject) -> StoreFuture<'a, Vec<Record<T>>>;

    /// Removes at most `batch` ended rows and says how many. The statement's own predicate decides what has ended, so a row that is
    /// touched meanwhile stays.
    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64>;
}

/// A session as it is stored, without its secret.
pub struct Record<T> {
    /// The session's public id.
    pub id: SessionId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its subject last proved who they are.
    pub authenticated_at: Timestamp,
    /// When it was last marked as used.
    pub last_seen_at: Timestamp,
    /// When it ends unless it is used before; never after `deadline`.
    pub expires_at: Timestamp,
    /// When it ends at the latest.
    pub deadline: Timestamp,
    /// Counts the payload's updates, from 1.
    pub version: i64,
    /// The payload.
    pub data: Arc<T>,
}

impl<T> Clone for Record<T> {
    fn clone(&self) -> Self {
        Self { data: Arc::clone(&self.data), ..*self }
    }
}

/// Prints everything but the payload.
impl<T> fmt::Debug for Record<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("id", &self.id)
            .field("created_at", &self.created_at)
            .field("authenticated_at", &self.authenticated_at)
            .field("last_seen_at", &self.last_seen_at)
            .field("expires_at", &self.expires_at)
            .field("deadline", &self.deadline)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What [`SessionStore::create`] inserts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewSession<T> {
    /// The new session's id, which no row has.
    pub id: SessionId,
    /// The hash of its secret.
    pub secret: SecretHash,
    /// Its payload.
    pub data: Arc<T>,
    /// How long it lives unused.
    pub idle: Duration,
    /// How long it lives at most.
    pub absolute: Duration,
    /// The session to end in the same transaction, if it exists.
    pub replaces: Option<SessionId>,
}

impl<T: SessionData> NewSession<T> {
    /// A session with the payload type's own lifetime, which replaces none.
    pub fn new(id: SessionId, secret: SecretHash, data: Arc<T>) -> Self {
        Self { id, secret, data, idle: T::IDLE, absolute: T::ABSOLUTE, replaces: None }
    }
}

/// What [`SessionStore::load`] found.
#[derive(Debug, Clone)]
pub enum Load<T> {
    /// A live session.
    Live(Loaded<T>),
    /// The row is there, but has ended; it waits for the sweep.
    Ended,
    /// No row has this id.
    Absent,
    /// The row is live, but the struct cannot decode it. It counts as ended.
    Undecodable(DecodeError),
}

/// A live session, its secrets' hashes, and the store's time.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The session, shared with the store where the store keeps it in memory.
    pub record: Arc<Record<T>>,
    /// The hash of its secret.
    pub secret: SecretHash,
    /// The hash of the secret before the last rotation, and until when that one is accepted.
    pub previous: Option<(SecretHash, Timestamp)>,
    /// The store's clock at this load.
    pub now: Timestamp,
}

impl<T> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        Self { record: Arc::clone(&self.record), ..*self }
    }
}

/// What [`SessionStore::update`] is to write.
#[derive(Debug, Clone)]
pub struct Change<T> {
    /// The session.
    pub id: SessionId,
    /// The version that `from` was loaded with.
    pub version: i64,
    /// The payload as loaded.
    pub from: Arc<T>,
    /// The payload as it is to be.
    pub to: Arc<T>,
}

/// What became of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// The columns are written; the row has this version now.
    Written {
        /// The new version.
        version: i64,
    },
    /// Another update came first; nothing was written.
    Conflict,
    /// The session has ended; nothing was written.
    Gone,
}

/// What became of a touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touched {
    /// The session now expires at this instant unless it is used again.
    Written {
        /// The new idle expiry.
        expires_at: Timestamp,
    },
    /// The session has ended; nothing was written.
    Gone,
}

/// What [`SessionStore::rotate`] is to do.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The session.
    pub id: SessionId,
    /// The hash of the secret that the caller holds.
    pub from: SecretHash,
    /// The hash of the new secret.
    pub to: SecretHash,
    /// How long the old secret is still accepted, for requests in flight.
    pub grace: Duration,
}

/// What became of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// The new secret holds.
    Written,
    /// Another rotation came first; the secret is another one than `from`.
    Conflict,
    /// The session has ended; nothing was written.
    Gone,
}

/// Why a session was ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The requester logged out.
    Logout,
    /// The requester logged out everywhere.
    LogoutAll,
    /// The requester logged out everywhere else.
    LogoutOthers,
    /// A login in the same browser replaced it.
    Replaced,
    /// The application revoked it.
    Revoked,
    /// A secret that had been replaced was presented after its grace: the token was copied.
    Theft,
}

impl EndReason {
    /// The reason as one stable word, for logs and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            EndReason::Logout => "logout",
            EndReason::LogoutAll => "logout_all",
            EndReason::LogoutOthers => "logout_others",
            EndReason::Replaced => "replaced",
            EndReason::Revoked => "revoked",
            EndReason::Theft => "theft",
        }
    }
}
