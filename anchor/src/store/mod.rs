//! [`SessionStore`]: where rows live, and the contract that every store keeps.
//!
//! A store knows schema and payload, and nothing of HTTP. A session is live, then ended (revoked or
//! expired), and ended is for good: no verb here brings a row back.

mod bounded;
mod client_info;
mod ended;
mod fingerprint;
#[cfg(feature = "_sql")]
pub(crate) mod gather;
pub(crate) mod keyed_mutex;
#[cfg(feature = "memory")]
mod memory;
mod new_session;
mod page;
mod record;
mod secrets;
mod shared;
#[cfg(feature = "_sql")]
mod sql;
mod writes;

pub(crate) use bounded::Bounded;
pub(crate) use secrets::Standing;

pub use client_info::ClientInfo;
pub use ended::{EndReason, EndStatus, EndedRecord};
pub use fingerprint::Fingerprint;
#[cfg(feature = "memory")]
pub use memory::MemoryStore;
pub use new_session::{Created, LONGEST_LOGIN, NewSession, Replaced};
pub use page::{Cursor, CursorError, Listed, Page};
pub use record::{Load, Loaded, Record};
pub use secrets::{OldSecret, RotationState, Secrets};
#[cfg(feature = "mysql")]
pub use sql::MySqlStore;
#[cfg(feature = "postgres")]
pub use sql::PostgresStore;
#[cfg(feature = "sqlite")]
pub use sql::SqliteStore;
#[cfg(feature = "_sql")]
pub use sql::{SqlStore, Verified, VerifyError};
pub use writes::{Change, Ending, Reauthenticated, Rotated, Rotation, Touch, Touched, Updated};

use std::future::Future;
use std::pin::Pin;

use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::{CutOff, SessionData};
use crate::token::LastingHash;

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
/// `update`, `rotate` and `reauthenticate` count as a use: in the same statement they mark the
/// session as used now, and its idle expiry becomes their `idle` from now, at most its deadline.
/// What conflicts, or is gone, is no use.
///
/// Time is the store's clock, never the caller's: every duration is added to the store's `now`. A
/// row is live while `now` is before both its idle expiry and its deadline; at the very instant of
/// either it has ended. It has also ended when its login began before a [`cut_off`](Self::cut_off)
/// of its subject, whenever it was inserted.
///
/// **What ended rows become** is the payload's choice: they are removed, or with
/// `#[session(keep_ended = "..")]` ([`SessionData::KEEP_ENDED`]) kept for that long, with the
/// reason, for [`history`](Self::history) alone.
///
/// `anchor::conformance!` runs the whole contract against any store.
///
/// # Errors
///
/// Every verb fails with a [`StoreError`] when the store cannot answer. An absent or ended row is
/// an outcome, not an error.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not store sessions of `{T}`",
    label = "this is no `SessionStore<{T}>`",
    note = "use `MemoryStore`, `SqliteStore`, `PostgresStore`, `MySqlStore` (each behind anchor's \
        feature of that name), or implement `SessionStore<{T}>`"
)]
pub trait SessionStore<T: SessionData>: Send + Sync + 'static {
    /// Inserts a new row and, in the same transaction, ends the session that it replaces, then
    /// those for which the subject's limit leaves no room. The limit holds whatever else logs in
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Constraint`](crate::StoreErrorKind::Constraint) when a row of this id
    /// exists, when the login took longer than [`LONGEST_LOGIN`], or when the table's own
    /// constraints (unique, foreign key, check) refuse the payload;
    /// [`StoreErrorKind::Encode`](crate::StoreErrorKind::Encode) when the payload has no form in
    /// the table. In either case nothing was written and nothing was ended.
    fn create(&self, new: NewSession<T>) -> StoreFuture<'_, Created<T>>;

    /// The live row of this id. One round trip; it never returns a state older than its own start.
    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>>;

    /// Writes the columns that differ between `change.from` and `change.to`, if the row is live and
    /// still at `change.version`, and [`Secrets::accepts`] the caller's secret. Where none differs,
    /// the use alone is written.
    fn update(&self, change: Change<T>) -> StoreFuture<'_, Updated>;

    /// Marks a live session as used now: its idle expiry becomes `touch.idle` from now, at most its
    /// deadline. Where the table tracks origins, `touch.client` replaces the one before. Where
    /// `touch.presented` is the current secret, the last rotation is
    /// [settled](RotationState::Settled).
    fn touch(&self, touch: Touch) -> StoreFuture<'_, Touched>;

    /// Replaces the secret of a live session, if [`Secrets::may_rotate`] lets it begin at
    /// `rotation.from`. That one is remembered as the previous secret, or forgotten, as
    /// `rotation.old` says; its grace ends `rotation.grace` from now.
    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated>;

    /// Sets the time at which a live session's subject last proved who they are to now, and
    /// rotates: both or, when [`Secrets::may_rotate`] does not let it begin at `rotation.from`,
    /// neither.
    fn reauthenticate(&self, rotation: Rotation) -> StoreFuture<'_, Reauthenticated>;

    /// Ends one session. With `proof`, only when that is the hash of the lasting half of its
    /// secrets.
    ///
    /// It ends the row for good whether or not that looks live: a clock that showed it as expired
    /// may be set back.
    fn revoke(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, Ending>;

    /// Ends one session, if it is this subject's: both are compared in the statement that ends it.
    /// The id may be anybody's guess. Like [`revoke`](Self::revoke), it ends for good what looks
    /// expired, too. The session of another subject is [`Ending::NotLive`], as one that never was.
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

    /// Ends every session of a subject, also those of logins that have begun and are yet to be
    /// created ([`NewSession::began`]), and says how many it ended: for a new password. A login
    /// that begins after the answer is let in; on a database, one that begins so soon after it that
    /// the answer to its own question for the time may have begun before, can find itself cut off,
    /// and is to be repeated.
    ///
    /// First it records the instant, then it ends the rows: every verb takes a row whose login
    /// began at that instant or before for an ended one, so that one inserted later is dead on
    /// arrival. Only for payloads with `#[session(cut_off)]`.
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

    /// Removes at most `batch` ended rows and says how many. The statement's own predicate decides
    /// what has ended, so a row that is touched meanwhile stays. Where ended rows are kept, it
    /// marks those that have expired, removes those that ended longer ago than they are kept, and
    /// says how many both were.
    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64>;
}
