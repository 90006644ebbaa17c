//! The arguments of the verbs that write to a session, and their outcomes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{ClientInfo, OldSecret};
use crate::id::SessionId;
use crate::timestamp::Timestamp;
use crate::token::SecretHash;

/// The change that [`SessionStore::update`](super::SessionStore::update) writes.
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
    /// The payload as it is written.
    pub to: Arc<T>,
    /// How long the session may stay unused from now on.
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

/// The outcome of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// The columns were written; the row now has this version.
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
    /// How long it may stay unused from now on.
    pub idle: Duration,
    /// Where it was used from; `None` keeps what is recorded.
    pub client: Option<ClientInfo>,
    /// The hash of the presented secret, if that settles a rotation.
    pub presented: Option<SecretHash>,
}

impl Touch {
    /// Creates a use that came from an unknown client.
    pub const fn new(id: SessionId, idle: Duration) -> Self {
        Self { id, idle, client: None, presented: None }
    }
}

/// The outcome of a touch.
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

/// The rotation that [`SessionStore::rotate`](super::SessionStore::rotate) and
/// [`SessionStore::reauthenticate`](super::SessionStore::reauthenticate) carry out.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The session.
    pub id: SessionId,
    /// The hash of the secret that the caller holds.
    pub from: SecretHash,
    /// The hash of the new secret.
    pub to: SecretHash,
    /// How long a request that was in flight may still present an older secret.
    pub grace: Duration,
    /// What happens to `from`.
    pub old: OldSecret,
    /// How long the session may stay unused from now on.
    pub idle: Duration,
}

/// The outcome of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// The new secret is the current one.
    Written,
    /// Another rotation came first: `from` is not a secret that a rotation may begin from, or is no
    /// longer one.
    Conflict,
    /// The session has ended; nothing was written.
    Gone,
}

/// The outcome of a re-authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reauthenticated {
    /// The new secret is the current one, and this instant is recorded as the time at which the
    /// subject proved who they are.
    Written {
        /// The new time.
        authenticated_at: Timestamp,
    },
    /// Another rotation came first: nothing was written.
    Conflict,
    /// The session has ended; nothing was written.
    Gone,
}

/// The outcome of a [`SessionStore::consume`](super::SessionStore::consume).
#[derive(Clone)]
pub enum Consumed<T> {
    /// The session was live until now. This is its last payload, which no other call gets.
    Ended(Arc<T>),
    /// Another rotation came first: nothing was ended.
    Conflict,
    /// The session has ended before, or never existed; nothing was ended.
    Gone,
}

/// Prints no payload.
impl<T> fmt::Debug for Consumed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Consumed::Ended(_) => "Ended(..)",
            Consumed::Conflict => "Conflict",
            Consumed::Gone => "Gone",
        })
    }
}

/// The outcome of a [`SessionStore::revoke`](super::SessionStore::revoke).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The session was live until now.
    Ended,
    /// It had ended before, or never existed. What was left of it stays ended, whatever the clock
    /// does.
    NotLive,
    /// The proof does not belong to the session with this id; nothing was ended.
    Unproven,
}

impl Ending {
    /// Returns how many live sessions it ended.
    pub const fn count(self) -> u64 {
        match self {
            Ending::Ended => 1,
            Ending::NotLive | Ending::Unproven => 0,
        }
    }
}
