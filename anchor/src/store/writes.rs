//! What the verbs that write to a session take, and what became of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{ClientInfo, OldSecret};
use crate::id::SessionId;
use crate::timestamp::Timestamp;
use crate::token::SecretHash;

/// What [`SessionStore::update`](super::SessionStore::update) is to write.
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

/// A use of a session, which [`SessionStore::touch`](super::SessionStore::touch) records.
#[derive(Debug, Clone)]
pub struct Touch {
    /// The session.
    pub id: SessionId,
    /// How long it may now stay unused.
    pub idle: Duration,
    /// Where it was used from; `None` leaves what is recorded.
    pub client: Option<ClientInfo>,
    /// The hash of the presented secret, where that settles a rotation.
    pub presented: Option<SecretHash>,
}

impl Touch {
    /// A use of which it is not known where it came from.
    pub const fn new(id: SessionId, idle: Duration) -> Self {
        Self { id, idle, client: None, presented: None }
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

/// What [`SessionStore::rotate`](super::SessionStore::rotate) and
/// [`SessionStore::reauthenticate`](super::SessionStore::reauthenticate) are to do.
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

/// What became of a [`SessionStore::revoke`](super::SessionStore::revoke).
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
