//! [`NewSession`]: what a login inserts, and the outcome.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::record::Record;
use super::{ClientInfo, Fingerprint};
use crate::error::{StoreError, StoreErrorKind};
use crate::id::SessionId;
use crate::payload::{SessionData, SubjectLimit};
use crate::token::{LastingHash, SecretHash};

/// The longest time that a login may take, from its beginning to its `create`. A store must
/// remember a cut-off for this long.
pub const LONGEST_LOGIN: Duration = Duration::from_secs(24 * 60 * 60);

/// What [`SessionStore::create`](super::SessionStore::create) inserts.
#[derive(Clone)]
#[non_exhaustive]
pub struct NewSession<T> {
    /// The id of the new session. No row has it yet.
    pub id: SessionId,
    /// The hash of the half of its secret that stays the same for its whole life.
    pub lasting: LastingHash,
    /// The hash of its secret.
    pub secret: SecretHash,
    /// Its payload.
    pub data: Arc<T>,
    /// How long it may stay unused.
    pub idle: Duration,
    /// How long it may live at most.
    pub absolute: Duration,
    /// The session to end in the same transaction, if it exists and the proof belongs to it.
    pub replaces: Option<Replaced>,
    /// Whether its cookie outlives the browser.
    pub remembered: bool,
    /// When the login began, by this node's clock, such as before it checked a password. `None` for
    /// a login that begins with the insertion itself. The row's `authenticated_at` is that instant
    /// by the store's clock, or an earlier one if the store cannot determine it.
    pub began: Option<Instant>,
    /// Where the login came from; kept if the table has `#[session(track)]`.
    pub client: Option<ClientInfo>,
    /// What the session is bound to; kept if the table has `#[session(fingerprint)]`.
    pub fingerprint: Option<Fingerprint>,
    /// How many live sessions the subject may have, including this one.
    pub limit: Option<SubjectLimit>,
    /// Whether a test says when the login began, which may be any time ago.
    #[cfg(feature = "testing")]
    pub(crate) is_backdated: bool,
}

/// Prints everything except the secret, the payload, the client and the fingerprint.
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
    /// Creates a session that has the lifetime and the limit of its payload type, and replaces no
    /// other session.
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
            client: None,
            fingerprint: None,
            limit: T::LIMIT,
            #[cfg(feature = "testing")]
            is_backdated: false,
        }
    }
}

impl<T> NewSession<T> {
    /// Refuses a login that has taken longer than a cut-off is remembered. A store's `create` calls
    /// this method first.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Constraint`] when the login began more than [`LONGEST_LOGIN`] ago.
    pub fn check(&self) -> Result<(), StoreError> {
        #[cfg(feature = "testing")]
        if self.is_backdated {
            return Ok(());
        }
        match self.began.map(|began| began.elapsed()) {
            Some(taken) if taken > LONGEST_LOGIN => Err(StoreError::new(
                StoreErrorKind::Constraint,
                format!("the login began {taken:?} ago; it may take at most {LONGEST_LOGIN:?}"),
            )),
            _ => Ok(()),
        }
    }
}

/// A session that a login ends, and the proof that it may end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaced {
    /// The session.
    pub id: SessionId,
    /// The hash of the lasting half of a secret that its owner presented.
    pub proof: LastingHash,
}

/// The outcome of a creation.
#[derive(Clone)]
pub enum Created<T> {
    /// The session was created.
    Session {
        /// The new session.
        record: Record<T>,
        /// The sessions that were ended to make room for it, oldest first. The session that it
        /// replaced is not among them.
        ended: Vec<SessionId>,
    },
    /// The subject has as many live sessions as its limit allows. Nothing was written, and no
    /// session was ended.
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
    /// Returns the new session, if there is one.
    pub fn into_record(self) -> Option<Record<T>> {
        match self {
            Created::Session { record, .. } => Some(record),
            Created::SubjectFull => None,
        }
    }
}
