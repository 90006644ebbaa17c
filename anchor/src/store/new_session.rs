//! [`NewSession`]: what a login inserts, and what becomes of it.

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

/// The longest that a login may take, from its beginning to its `create`: what a store must
/// remember a cut-off for.
pub const LONGEST_LOGIN: Duration = Duration::from_secs(24 * 60 * 60);

/// What [`SessionStore::create`](super::SessionStore::create) inserts.
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
    /// When the login began, by this node's clock: before it looked at a password, say. `None` for
    /// a login that begins with the insertion itself. The row's `authenticated_at` is that instant
    /// of the store's clock or, where the store cannot tell, an earlier one.
    pub began: Option<Instant>,
    /// Where the login came from; kept where the table has `#[session(track)]`.
    pub client: Option<ClientInfo>,
    /// What the session is bound to; kept where the table has `#[session(fingerprint)]`.
    pub fingerprint: Option<Fingerprint>,
    /// How many live sessions the subject may have, this one among them.
    pub limit: Option<SubjectLimit>,
}

/// Prints everything but the secret, the payload, the client and the fingerprint.
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
            client: None,
            fingerprint: None,
            limit: T::LIMIT,
        }
    }
}

impl<T> NewSession<T> {
    /// Says no to a login that takes longer than a cut-off is remembered. A store's `create` calls
    /// it first.
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
    /// The subject has as many live sessions as it may have: nothing was written, and nothing was
    /// ended.
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
