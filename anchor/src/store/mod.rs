//! [`SessionStore`]: where sessions are stored, and the contract that every store keeps.
//!
//! A store knows the schema and the payload, and nothing about HTTP. A session is live until it
//! ends (it is revoked, or it expires). The end is final: no verb brings a session back.

mod bounded;
#[cfg(feature = "cache")]
pub(crate) mod cache;
mod call;
mod changes;
mod client_info;
mod device;
mod ended;
mod fingerprint;
#[cfg(any(feature = "_sql", feature = "redis"))]
pub(crate) mod gather;
mod identity;
pub(crate) mod keyed_mutex;
#[cfg(feature = "memory")]
pub(crate) mod memory;
mod new_session;
#[cfg(feature = "cache")]
mod notices;
mod page;
mod placement;
mod record;
#[cfg(feature = "redis")]
pub(crate) mod redis;
mod secrets;
mod shared;
#[cfg(feature = "_sql")]
pub(crate) mod sql;
#[cfg(feature = "_sql")]
mod transactional;
#[cfg(any(feature = "mysql", feature = "postgres", feature = "redis"))]
mod transport;
mod uses;
pub(crate) mod verbs;
#[cfg(any(feature = "_sql", feature = "redis"))]
mod verified;

pub(crate) use bounded::Bounded;
pub(crate) use secrets::Standing;

pub use changes::{
    Change, Consumed, Ending, Reauthenticated, Rotated, Rotation, Touch, Touched, Updated,
};
pub use client_info::ClientInfo;
pub use device::Device;
pub use ended::{EndReason, EndStatus, EndedRecord};
pub use fingerprint::Fingerprint;
pub use identity::StoreIdentity;
#[cfg(feature = "memory")]
pub use memory::MemoryStore;
pub use new_session::{Created, LONGEST_LOGIN, NewSession, Replaced};
#[cfg(feature = "cache")]
pub use notices::{Notices, Subscription};
pub use page::{Cursor, CursorError, Listed, Page};
pub use placement::Placement;
pub use record::{Load, Loaded, Record};
#[cfg(feature = "redis")]
pub use redis::{Durability, RedisConnection, RedisStore};
pub use secrets::{OldSecret, RotationState, Secrets};
#[cfg(feature = "mysql")]
pub use sql::MySqlStore;
#[cfg(feature = "postgres")]
pub use sql::PostgresStore;
#[cfg(feature = "_sql")]
#[cfg_attr(docsrs, doc(cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))))]
pub use sql::SqlStore;
#[cfg(feature = "sqlite")]
pub use sql::SqliteStore;
#[cfg(feature = "_sql")]
#[cfg_attr(docsrs, doc(cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))))]
pub use transactional::Transactional;
pub use uses::{RecordUses, Use};
#[cfg(any(feature = "_sql", feature = "redis"))]
pub use verified::{Verified, VerifyError};

use std::future::Future;
use std::pin::Pin;

use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::{CutOff, SessionData};
use crate::token::{LastingHash, SecretHash};

/// The future that a store's verbs return. It is boxed, so that `dyn SessionStore<T>` works.
pub type StoreFuture<'a, R> = Pin<Box<dyn Future<Output = Result<R, StoreError>> + Send + 'a>>;

/// Stores the sessions of payload `T`.
///
/// | verb | does | never |
/// | --- | --- | --- |
/// | [`create`](Self::create) | inserts a new row | overwrites a row |
/// | [`load`](Self::load) | returns a live row | returns an ended row; writes |
/// | [`update`](Self::update) | writes the changed columns, by compare-and-set on the version, for the holder of an accepted secret | creates a row; lets the last writer win |
/// | [`touch`](Self::touch) | extends the idle expiry, never past the deadline | creates a row |
/// | [`rotate`](Self::rotate) | gives the same session a new secret; one of several concurrent calls wins | creates a row |
/// | [`reauthenticate`](Self::reauthenticate) | sets the time at which the subject last proved who they are, and rotates | creates a row; does one without the other |
/// | [`consume`](Self::consume) | ends a session and returns its last payload; one of several concurrent calls gets it | returns a payload twice; ends a session and reports that it did not |
/// | [`revoke`](Self::revoke), [`revoke_of`](Self::revoke_of), [`revoke_subject`](Self::revoke_subject), [`revoke_others`](Self::revoke_others), [`revoke_everyone`](Self::revoke_everyone) | end sessions; idempotent | fail on an absent row |
/// | [`cut_off`](Self::cut_off) | ends a subject's sessions, and those of logins that have begun and have not inserted their row yet | lets such a login in |
/// | [`list`](Self::list), [`history`](Self::history) | return a subject's live sessions, and its ended sessions | return a secret |
/// | [`sweep`](Self::sweep) | removes ended rows | changes a live row |
///
/// `update`, `rotate` and `reauthenticate` count as a use of the session. In the same statement
/// they mark the session as used now, and set its idle expiry to their `idle` from now, at most its
/// deadline. A call that ends in a conflict, or whose session is gone, does not count as a use.
///
/// Time is measured by the store's clock, never by the caller's: every duration is added to the
/// store's `now`. A row is live while `now` is before both its idle expiry and its deadline; at the
/// exact instant of either, it has ended. A row has also ended when its login began before a
/// [`cut_off`](Self::cut_off) of its subject, no matter when the row was inserted.
///
/// **What happens to ended rows** is the payload's choice. Either they are removed, or, with
/// `#[session(keep_ended = "..")]` ([`SessionData::KEEP_ENDED`]), they are kept for that long,
/// together with the reason. Kept rows are returned only by [`history`](Self::history).
///
/// **Calls may share a statement.** The SQL stores answer concurrent calls of [`load`](Self::load)
/// with one statement, and insert the rows of concurrent calls of [`create`](Self::create) with one
/// statement if these calls have no limit and replace no session. Concurrent logouts, the calls of
/// [`revoke`](Self::revoke) with a proof, also share a statement. The contract does not change:
/// such a statement begins after every call that it answers, so an answer is never older than its
/// question, and an error of the statement is returned to each of its callers. The documentation of
/// `SqlStore` gives the cost and the bounds. `RedisStore` sends what such calls need together,
/// unless it is on a cluster; each session has commands of its own.
///
/// `anchor::conformance!` runs the whole contract against any store.
///
/// # Errors
///
/// Every verb fails with a [`StoreError`] when the store cannot answer. An absent or ended row is
/// an outcome, not an error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not store sessions of `{T}`",
    label = "this is not a `SessionStore<{T}>`",
    note = "use `MemoryStore`, `SqliteStore`, `PostgresStore`, `MySqlStore`, `RedisStore` (each \
        behind anchor's feature of that name), or implement `SessionStore<{T}>`"
)]
pub trait SessionStore<T: SessionData>: Send + Sync + 'static {
    /// Inserts a new row and, in the same transaction, ends the session that it replaces, and then
    /// the sessions for which the subject's limit leaves no room. The limit holds even when other
    /// logins of the subject run at the same time.
    ///
    /// The SQL stores insert the rows of concurrent calls without `limit` and `replaces` with one
    /// statement, at most 64 rows. An error of that statement is returned to each of its callers. A
    /// [`Constraint`](crate::StoreErrorKind::Constraint) or
    /// [`Encode`](crate::StoreErrorKind::Encode) error is the exception: nothing was written then,
    /// and each row is inserted again by its own statement, so that only the calls whose row is
    /// refused fail.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Constraint`](crate::StoreErrorKind::Constraint) when a row with this id
    /// exists, when the login took longer than [`LONGEST_LOGIN`], or when the table's own
    /// constraints (unique, foreign key, check) refuse the payload;
    /// [`StoreErrorKind::Encode`](crate::StoreErrorKind::Encode) when the payload cannot be
    /// represented in the table. In all these cases nothing was written, and no session was ended.
    fn create(&self, new: NewSession<T>) -> StoreFuture<'_, Created<T>>;

    /// Returns the placement that the id of a new session with this payload should carry. A login
    /// asks for it before it calls [`create`](Self::create), and `id.placed(placement)` writes it.
    /// It is a hint, and a store accepts any id, except for a session with a limit: its id must
    /// carry it.
    ///
    /// Default: `None`. The id is random. `RedisStore` keeps the sessions of a subject in one
    /// shard. A store that wraps another one forwards this method.
    fn placement(&self, data: &T) -> Option<Placement> {
        let _ = data;
        None
    }

    /// Returns the live row with this id, in one round trip. It never returns a state that is older
    /// than the start of the call.
    ///
    /// The SQL stores look up the ids of concurrent calls with one statement, at most 128 ids. That
    /// statement begins after each of its calls, and an error of it is returned to each of its
    /// callers.
    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>>;

    /// Returns the answer of [`load`](Self::load) if the store has it without waiting, such as from
    /// memory. The request then needs no future for it, and no box. The default is `None`: the
    /// store is asked by `load`.
    fn try_load(&self, id: SessionId) -> Option<Result<Load<T>, StoreError>> {
        let _ = id;
        None
    }

    /// Writes the columns that differ between `change.from` and `change.to`, if the row is live, is
    /// still at `change.version`, and [`Secrets::accepts`] the caller's secret. If no column
    /// differs, only the use is written.
    fn update(&self, change: Change<T>) -> StoreFuture<'_, Updated>;

    /// Marks a live session as used now: its idle expiry becomes `touch.idle` from now, at most its
    /// deadline. If the table tracks clients, `touch.client` replaces the recorded client. If
    /// `touch.presented` is the current secret, the last rotation becomes
    /// [settled](RotationState::Settled).
    fn touch(&self, touch: Touch) -> StoreFuture<'_, Touched>;

    /// Returns the store as one that records the uses of several sessions together, some time after
    /// they happened. The manager then lets the uses that requests record at load wait for a
    /// moment, and does not [`touch`](Self::touch) in those requests.
    ///
    /// Default: `None`. The manager touches in each request. The SQL stores record uses together;
    /// `MemoryStore` does not, because a touch costs it very little. A store that wraps another one
    /// forwards this method.
    fn uses_recorder(&self) -> Option<&dyn RecordUses> {
        None
    }

    /// Returns the channel on which managers that have a cache tell one another which sessions have
    /// changed. A manager without a cache does not call this method.
    ///
    /// Default: `None`. A cache then learns of a change on another node when its lease is over.
    /// `PostgresStore` has a channel. A store that wraps another one forwards this method.
    #[cfg(feature = "cache")]
    fn notices(&self) -> Option<std::sync::Arc<dyn Notices>> {
        None
    }

    /// Returns which SQL store this is, so that a transaction of the application's is not begun on
    /// another one: [`SessionManager::begin`](crate::SessionManager::begin).
    ///
    /// Default: `None`, for a store without such transactions. A store that wraps another one
    /// forwards this method.
    fn identity(&self) -> Option<StoreIdentity> {
        None
    }

    /// Returns the database's name as OpenTelemetry spells it (`db.system.name`), such as
    /// `postgresql`. The spans of the store's calls have it.
    ///
    /// Default: `None`. A store that wraps another one forwards this method.
    fn database_system(&self) -> Option<&'static str> {
        None
    }

    /// Counts the live sessions, for
    /// [`SessionManager::record_live_count`](crate::SessionManager::record_live_count).
    ///
    /// Default: `None`, for a store that cannot count without looking at everything that it has.
    /// The SQL stores read all live rows with one statement. A store that wraps another one
    /// forwards this method.
    #[cfg(feature = "metrics")]
    fn live_count(&self) -> Option<StoreFuture<'_, u64>> {
        None
    }

    /// Replaces the secret of a live session, if [`Secrets::may_rotate`] allows a rotation from
    /// `rotation.from`. `rotation.old` decides whether `rotation.from` is remembered as the
    /// previous secret or forgotten. Its grace period ends `rotation.grace` from now.
    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated>;

    /// Sets the `authenticated_at` of a live session, the time at which its subject last proved who
    /// they are, to now, and rotates the secret. If [`Secrets::may_rotate`] does not allow a
    /// rotation from `rotation.from`, it does neither.
    fn reauthenticate(&self, rotation: Rotation) -> StoreFuture<'_, Reauthenticated>;

    /// Ends a live session with [`EndReason::Consumed`], and returns its last payload, if
    /// [`Secrets::may_rotate`] allows a rotation from `secret`. Of all calls that end the session,
    /// by whatever verb, exactly one ends it: if it is this one, the payload includes every update
    /// that was answered before.
    ///
    /// A call whose answer is lost is an error, and nobody gets the payload if it ended the
    /// session. A row that the struct cannot decode is ended, logged, and counts as
    /// [`Consumed::Gone`].
    fn consume(&self, id: SessionId, secret: SecretHash) -> StoreFuture<'_, Consumed<T>>;

    /// Ends one session. With `proof`, it ends the session only if `proof` is the hash of the
    /// lasting half of the session's secrets.
    ///
    /// The SQL stores end the sessions of concurrent calls with a proof and
    /// [`EndReason::Logout`] by one statement, at most 64 sessions. Each row is compared with its
    /// own caller's proof. An error of that statement is returned to each of its callers. A
    /// [`Constraint`](crate::StoreErrorKind::Constraint) or
    /// [`Encode`](crate::StoreErrorKind::Encode) error is the exception: nothing was ended then,
    /// and each session is ended again by its own statement.
    ///
    /// The row ends for good even if it looks expired, because a clock that shows it as expired may
    /// be set back.
    fn revoke(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, Ending>;

    /// Ends one session, if it belongs to this subject. The statement that ends it compares both
    /// the id and the subject, so the id may come from anybody, and may be a guess. Like
    /// [`revoke`](Self::revoke), it ends a row for good even if the row looks expired. For the
    /// session of another subject it returns [`Ending::NotLive`], as for a session that never
    /// existed.
    fn revoke_of<'a>(
        &'a self,
        subject: &'a T::Subject,
        id: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, Ending>;

    /// Ends every session of a subject, and returns how many of them were live. Like
    /// [`revoke`](Self::revoke), it ends a row for good even if the row looks expired.
    fn revoke_subject<'a>(
        &'a self,
        subject: &'a T::Subject,
        reason: EndReason,
    ) -> StoreFuture<'a, u64>;

    /// Ends every session of a subject except `keep`, and returns how many of them were live.
    fn revoke_others<'a>(
        &'a self,
        subject: &'a T::Subject,
        keep: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, u64>;

    /// Ends every session in the table, and returns how many of them were live.
    fn revoke_everyone(&self, reason: EndReason) -> StoreFuture<'_, u64>;

    /// Ends every session of a subject, including those of logins that have begun and have not
    /// inserted their row yet ([`NewSession::began`]), and returns how many it ended. It is meant
    /// for a change of the password.
    ///
    /// A login that begins after the answer is let in. On a database there is an exception for a
    /// login that begins very shortly after the answer. The store asks the database for the time of
    /// such a login, and the time that the database takes to answer is counted against the login.
    /// So the login can appear to have begun before the cut-off. It is then cut off, too, and has
    /// to be repeated.
    ///
    /// It first records the instant, and then ends the rows. Every verb treats a row whose login
    /// began at that instant or before it as ended, so a row that is inserted later has ended from
    /// the start. Only for payloads with `#[session(cut_off)]`.
    fn cut_off<'a>(&'a self, subject: &'a T::Subject, reason: EndReason) -> StoreFuture<'a, u64>
    where
        T: CutOff;

    /// Returns a page of a subject's live sessions, ordered by creation time and id, latest first.
    /// A row that the struct cannot decode is left out, logged and counted.
    fn list<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<Record<T>>>;

    /// Returns a page of a subject's ended sessions that are still kept, ordered by end time and
    /// id, latest first. The page is empty for a payload without `#[session(keep_ended = "..")]`. A
    /// row that the struct cannot decode is left out, logged and counted.
    fn history<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<EndedRecord<T>>>;

    /// Removes at most `batch` ended rows, and returns how many it removed. The statement's own
    /// predicate decides which rows have ended, so a row that is touched in the meantime stays. If
    /// ended rows are kept, it marks those that have expired, removes those that ended longer ago
    /// than they are kept, and returns the number of both.
    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64>;
}
