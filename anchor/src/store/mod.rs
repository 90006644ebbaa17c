//! [`SessionStore`]: where rows live, and the contract that every store keeps.
//!
//! A store knows schema and payload, and nothing of HTTP. A session is live, then ended (revoked or expired), and ended is for good:
//! no verb here brings a row back.

mod bounded;
mod ended;
mod fingerprint;
#[cfg(feature = "memory")]
mod memory;
mod origin;
mod page;
mod secrets;
mod shared;
#[cfg(feature = "_sql")]
mod sql;

pub(crate) use bounded::Bounded;

pub use crate::limit::{Overflow, SubjectLimit};
pub use ended::{EndReason, EndStatus, EndedRecord};
pub use fingerprint::Fingerprint;
pub use origin::Origin;
pub use page::{Cursor, CursorError, Listed, Page};
pub(crate) use secrets::Standing;
pub use secrets::{OldSecret, RotationState, Secrets};

#[cfg(feature = "mysql")]
pub use sql::MySqlStore;
#[cfg(feature = "postgres")]
pub use sql::PostgresStore;
#[cfg(feature = "sqlite")]
pub use sql::SqliteStore;
#[cfg(feature = "_sql")]
pub use sql::{SqlStore, Verified, VerifyError};

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::data::{CutOff, DecodeError, SessionData};
use crate::error::{StoreError, StoreErrorKind};
use crate::id::SessionId;
use crate::timestamp::Timestamp;
use crate::token::{LastingHash, SecretHash};

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
/// | [`update`](Self::update) | compare-and-set on the version, for the holder of a good secret, only the changed columns | creates; last-writer-wins |
/// | [`touch`](Self::touch) | extends the idle expiry, never past the deadline | creates |
/// | [`rotate`](Self::rotate) | gives the same session a new secret, one winner | creates |
/// | [`reauthenticate`](Self::reauthenticate) | sets the time at which the subject proved who they are, and rotates | creates; does one without the other |
/// | [`revoke`](Self::revoke), [`revoke_of`](Self::revoke_of), [`revoke_subject`](Self::revoke_subject), [`revoke_others`](Self::revoke_others), [`revoke_everyone`](Self::revoke_everyone) | end sessions; idempotent | fail on an absent row |
/// | [`cut_off`](Self::cut_off) | ends a subject's sessions, and those of logins that have begun and not arrived | lets such a login in |
/// | [`list`](Self::list), [`history`](Self::history) | a subject's live sessions, its ended ones | show a secret |
/// | [`sweep`](Self::sweep) | removes ended rows | touches a live row |
///
/// `update`, `rotate` and `reauthenticate` count as a use: in the same statement they mark the session as used now, and its idle expiry
/// becomes their `idle` from now, at most its deadline. What conflicts, or is gone, is no use.
///
/// Time is the store's clock, never the caller's: every duration is added to the store's `now`. A row is live while `now` is
/// before both its idle expiry and its deadline; at the very instant of either it has ended. It has also ended when its login began
/// before a [`cut_off`](Self::cut_off) of its subject, whenever it was inserted.
///
/// **What ended rows become** is the payload's choice: they are removed, or with `#[session(keep_ended = "..")]`
/// ([`SessionData::KEEP_ENDED`]) kept for that long, with the reason, for [`history`](Self::history) alone.
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
    /// Inserts a new row and, in the same transaction, ends the session that it replaces, then those for which the subject's limit leaves
    /// no room. The limit holds whatever else logs in meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Constraint`](crate::StoreErrorKind::Constraint) when a row of this id exists, when the login took longer than
    /// [`LONGEST_LOGIN`], or when the table's own constraints (unique, foreign key, check) refuse the payload; [`StoreErrorKind::Encode`](crate::StoreErrorKind::Encode) when the
    /// payload has no form in the table. In either case nothing was written and nothing was ended.
    fn create(&self, new: NewSession<T>) -> StoreFuture<'_, Created<T>>;

    /// The live row of this id. One round trip; it never returns a state older than its own start.
    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>>;

    /// Writes the columns that differ between `change.from` and `change.to`, if the row is live and
    /// still at `change.version`, and [`Secrets::accepts`] the caller's secret. Where none differs,
    /// the use alone is written.
    fn update(&self, change: Change<T>) -> StoreFuture<'_, Updated>;

    /// Marks a live session as used now: its idle expiry becomes `touch.idle` from now, at most its deadline. Where the table tracks
    /// origins, `touch.origin` replaces the one before. Where `touch.presented` is the current secret,
    /// the last rotation is [settled](RotationState::Settled).
    fn touch(&self, touch: Touch) -> StoreFuture<'_, Touched>;

    /// Replaces the secret of a live session, if [`Secrets::may_rotate`] lets it begin at
    /// `rotation.from`. That one is remembered as the previous secret, or forgotten, as
    /// `rotation.old` says; its grace ends `rotation.grace` from now.
    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated>;

    /// Sets the time at which a live session's subject last proved who they are to now, and rotates:
    /// both or, when [`Secrets::may_rotate`] does not let it begin at `rotation.from`, neither.
    fn reauthenticate(&self, rotation: Rotation) -> StoreFuture<'_, Reauthenticated>;

    /// Ends one session. With `proof`, only when that is the hash of the lasting half of its secrets.
    ///
    /// It ends the row for good whether or not that looks live: a clock that showed it as expired may
    /// be set back.
    fn revoke(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, Ending>;

    /// Ends one session, if it is this subject's: both are compared in the statement that ends it. The
    /// id may be anybody's guess. Like [`revoke`](Self::revoke), it ends for good what looks expired,
    /// too. The session of another subject is [`Ending::NotLive`], as one that never was.
    fn revoke_of<'a>(
        &'a self,
        subject: &'a T::Subject,
        id: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, Ending>;

    /// Ends every session of a subject and says how many of them were live. Like
    /// [`revoke`](Self::revoke), it ends for good what looks expired, too.
    fn revoke_subject<'a>(
        &'a self,
        subject: &'a T::Subject,
        reason: EndReason,
    ) -> StoreFuture<'a, u64>;

    /// Ends every session of a subject but `keep`, and says how many of them were live.
    fn revoke_others<'a>(
        &'a self,
        subject: &'a T::Subject,
        keep: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, u64>;

    /// Ends every session in the table and says how many of them were live.
    fn revoke_everyone(&self, reason: EndReason) -> StoreFuture<'_, u64>;

    /// Ends every session of a subject, also those of logins that have begun and are yet to be created ([`NewSession::began`]), and says
    /// how many it ended: for a new password. A login that begins after the answer is let in; on a
    /// database, one that begins so soon after it that the answer to its own question for the time may
    /// have begun before, can find itself cut off, and is to be repeated.
    ///
    /// First it records the instant, then it ends the rows: every verb takes a row whose login began at that instant or before
    /// for an ended one, so that one inserted later is dead on arrival. Only for payloads with `#[session(cut_off)]`.
    fn cut_off<'a>(&'a self, subject: &'a T::Subject, reason: EndReason) -> StoreFuture<'a, u64>
    where
        T: CutOff;

    /// A page of a subject's live sessions, by creation and id, the latest first. A row that the
    /// struct cannot decode is left out, and logged.
    fn list<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<Record<T>>>;

    /// A page of a subject's ended sessions, as far as they are kept, by end and id, the latest
    /// first. Empty for a payload without `#[session(keep_ended = "..")]`. A row that the struct
    /// cannot decode is left out, and logged.
    fn history<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<EndedRecord<T>>>;

    /// Removes at most `batch` ended rows and says how many. The statement's own predicate decides what has ended, so a row that is
    /// touched meanwhile stays. Where ended rows are kept, it marks those that have expired, removes those that ended longer ago
    /// than they are kept, and says how many both were.
    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64>;
}

/// The longest that a login may take, from its beginning to its `create`: what a store must remember a cut-off for.
pub const LONGEST_LOGIN: Duration = Duration::from_secs(24 * 60 * 60);

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
    /// Whether its cookie outlives the browser.
    pub remembered: bool,
    /// Where it was last used from, where the table has `#[session(track)]`.
    pub origin: Option<Origin>,
    /// The payload.
    pub data: Arc<T>,
}

impl<T> Clone for Record<T> {
    fn clone(&self) -> Self {
        Self { origin: self.origin.clone(), data: Arc::clone(&self.data), ..*self }
    }
}

/// Prints everything but the payload and the origin.
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
            .field("remembered", &self.remembered)
            .finish_non_exhaustive()
    }
}

/// What [`SessionStore::create`] inserts.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewSession<T> {
    /// The new session's id, which no row has.
    pub id: SessionId,
    /// The hash of the half of its secret that lasts for its life.
    pub lasting: LastingHash,
    /// The hash of its secret.
    pub secret: SecretHash,
    /// Its payload.
    pub data: Arc<T>,
    /// How long it lives unused.
    pub idle: Duration,
    /// How long it lives at most.
    pub absolute: Duration,
    /// The session to end in the same transaction, if it exists and the proof is its own.
    pub replaces: Option<Replaced>,
    /// Whether its cookie is to outlive the browser.
    pub remembered: bool,
    /// When the login began, by this node's clock: before it looked at a password, say. `None` for a login that begins with the
    /// insertion itself. The row's `authenticated_at` is that instant of the store's clock or, where the store cannot tell, an earlier one.
    pub began: Option<Instant>,
    /// Where the login came from; kept where the table has `#[session(track)]`.
    pub origin: Option<Origin>,
    /// What the session is bound to; kept where the table has `#[session(fingerprint)]`.
    pub fingerprint: Option<Fingerprint>,
    /// How many live sessions the subject may have, this one among them.
    pub limit: Option<SubjectLimit>,
}

/// Prints everything but the secret, the payload, the origin and the fingerprint.
impl<T> fmt::Debug for NewSession<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSession")
            .field("id", &self.id)
            .field("idle", &self.idle)
            .field("absolute", &self.absolute)
            .field("replaces", &self.replaces)
            .field("remembered", &self.remembered)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

impl<T: SessionData> NewSession<T> {
    /// A session with the payload type's own lifetime and limit, which replaces none.
    pub fn new(id: SessionId, lasting: LastingHash, secret: SecretHash, data: Arc<T>) -> Self {
        Self {
            id,
            lasting,
            secret,
            data,
            idle: T::IDLE,
            absolute: T::ABSOLUTE,
            replaces: None,
            remembered: true,
            began: None,
            origin: None,
            fingerprint: None,
            limit: T::LIMIT,
        }
    }
}

impl<T> NewSession<T> {
    /// Says no to a login that takes longer than a cut-off is remembered. A store's `create` calls it first.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Constraint`] when the login began more than [`LONGEST_LOGIN`] ago.
    pub fn check(&self) -> Result<(), StoreError> {
        match self.began.map(|began| began.elapsed()) {
            Some(taken) if taken > LONGEST_LOGIN => Err(StoreError::new(
                StoreErrorKind::Constraint,
                format!("the login began {taken:?} ago, and may take {LONGEST_LOGIN:?}"),
            )),
            _ => Ok(()),
        }
    }
}

/// A session that a login ends, and the right to end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// The session.
    pub id: SessionId,
    /// The hash of the lasting half of a secret that its owner presented.
    pub proof: LastingHash,
}

/// What became of a creation.
#[derive(Clone)]
pub enum Created<T> {
    /// The session exists.
    Session {
        /// The new session.
        record: Record<T>,
        /// The sessions that ended to make room for it, oldest first; not the one that it replaced.
        ended: Vec<SessionId>,
    },
    /// The subject has as many live sessions as it may have: nothing was written, and nothing was ended.
    SubjectFull,
}

/// Prints no payload.
impl<T> fmt::Debug for Created<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Created::Session { record, ended } => {
                f.debug_struct("Session").field("record", record).field("ended", ended).finish()
            }
            Created::SubjectFull => f.write_str("SubjectFull"),
        }
    }
}

impl<T> Created<T> {
    /// The new session, if there is one.
    pub fn into_record(self) -> Option<Record<T>> {
        match self {
            Created::Session { record, .. } => Some(record),
            Created::SubjectFull => None,
        }
    }
}

/// What [`SessionStore::load`] found.
#[derive(Clone)]
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

/// Prints no payload.
impl<T> fmt::Debug for Load<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Load::Live(loaded) => f.debug_tuple("Live").field(loaded).finish(),
            Load::Ended => f.write_str("Ended"),
            Load::Absent => f.write_str("Absent"),
            Load::Undecodable(error) => f.debug_tuple("Undecodable").field(error).finish(),
        }
    }
}

/// A live session, the hashes of its secrets, and the store's time.
pub struct Loaded<T> {
    /// The session, shared with the store where the store keeps it in memory.
    pub record: Arc<Record<T>>,
    /// Which tokens of the session are good.
    pub secrets: Secrets,
    /// What it is bound to, where the table has `#[session(fingerprint)]`.
    pub fingerprint: Option<Fingerprint>,
    /// The store's clock at this load.
    pub now: Timestamp,
}

/// Prints no payload.
impl<T> fmt::Debug for Loaded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("record", &self.record)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl<T> Clone for Loaded<T> {
    fn clone(&self) -> Self {
        Self { record: Arc::clone(&self.record), ..*self }
    }
}

/// What [`SessionStore::update`] is to write.
#[derive(Clone)]
pub struct Change<T> {
    /// The session.
    pub id: SessionId,
    /// The hash of the secret that the caller holds.
    pub secret: SecretHash,
    /// The version that `from` was loaded with.
    pub version: i64,
    /// The payload as loaded.
    pub from: Arc<T>,
    /// The payload as it is to be.
    pub to: Arc<T>,
    /// How long the session may now stay unused.
    pub idle: Duration,
}

/// Prints no payload.
impl<T> fmt::Debug for Change<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("id", &self.id)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What became of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// The columns are written; the row has this version now.
    Written {
        /// The new version.
        version: i64,
    },
    /// Another update came first, or the secret was replaced; nothing was written.
    Conflict,
    /// The session has ended; nothing was written.
    Gone,
}

/// A use of a session, which [`SessionStore::touch`] records.
#[derive(Debug, Clone)]
pub struct Touch {
    /// The session.
    pub id: SessionId,
    /// How long it may now stay unused.
    pub idle: Duration,
    /// Where it was used from; `None` leaves what is recorded.
    pub origin: Option<Origin>,
    /// The hash of the presented secret, where that settles a rotation.
    pub presented: Option<SecretHash>,
}

impl Touch {
    /// A use of which it is not known where it came from.
    pub const fn new(id: SessionId, idle: Duration) -> Self {
        Self { id, idle, origin: None, presented: None }
    }
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

/// What [`SessionStore::rotate`] and [`SessionStore::reauthenticate`] are to do.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The session.
    pub id: SessionId,
    /// The hash of the secret that the caller holds.
    pub from: SecretHash,
    /// The hash of the new secret.
    pub to: SecretHash,
    /// How long a request that was in flight may present an older secret.
    pub grace: Duration,
    /// What becomes of `from`.
    pub old: OldSecret,
    /// How long the session may now stay unused.
    pub idle: Duration,
}

/// What became of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// The new secret holds.
    Written,
    /// Another rotation came first: `from` is not, or no longer, a secret to begin at.
    Conflict,
    /// The session has ended; nothing was written.
    Gone,
}

/// What became of a re-authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reauthenticated {
    /// The new secret holds, and the session's subject counts as having proved who they are at this
    /// instant.
    Written {
        /// The new time.
        authenticated_at: Timestamp,
    },
    /// Another rotation came first: nothing was written.
    Conflict,
    /// The session has ended; nothing was written.
    Gone,
}

/// What became of a [`SessionStore::revoke`] or [`SessionStore::revoke_of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The session lived until now.
    Ended,
    /// It had ended before, or never was; what was left of it stays ended whatever the clock does.
    NotLive,
    /// The row of this id is another session's than the proof: nothing was ended.
    Unproven,
}

impl Ending {
    /// How many live sessions it ended.
    pub const fn count(self) -> u64 {
        match self {
            Ending::Ended => 1,
            Ending::NotLive | Ending::Unproven => 0,
        }
    }
}
