//! [`RecordUses`]: what a store offers if it can record uses some time after they happened.

use std::fmt;
use std::time::Duration;

use super::{ClientInfo, StoreFuture};
use crate::id::SessionId;
use crate::timestamp::Timestamp;

/// A use of a session that [`RecordUses`] records after it happened.
#[derive(Clone)]
pub struct Use {
    /// The session.
    pub id: SessionId,
    /// When it was used, by the store's clock.
    pub at: Timestamp,
    /// How long it may stay unused from then on.
    pub idle: Duration,
    /// Where it was used from; `None` keeps what is recorded.
    pub client: Option<ClientInfo>,
}

impl Use {
    /// Creates a use that came from an unknown client.
    pub const fn new(id: SessionId, at: Timestamp, idle: Duration) -> Self {
        Self { id, at, idle, client: None }
    }
}

/// Does not print the client.
impl fmt::Debug for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Use").field("id", &self.id).field("at", &self.at).finish_non_exhaustive()
    }
}

/// Records the uses of several sessions together, some time after they happened. Implement this if
/// it costs the store much less than a [`touch`](super::SessionStore::touch) in each request. The
/// store then returns itself from
/// [`SessionStore::uses_recorder`](super::SessionStore::uses_recorder).
pub trait RecordUses: Send + Sync {
    /// Records uses of different sessions, and returns the ids of the sessions whose use it has
    /// recorded, in any order. They are those that are live. The SQL stores leave out a session
    /// whose row somebody else has locked, so that the others do not wait for it: its next use
    /// counts.
    ///
    /// For each session that is live now, the time of its last use becomes [`Use::at`], and its
    /// idle expiry becomes [`Use::idle`] after that, at most its deadline. If a later use is
    /// already recorded, both stay as they are. If the table tracks clients, [`Use::client`]
    /// replaces the recorded client in both cases. Nothing else changes, and an ended session stays
    /// as it is.
    ///
    /// # Errors
    ///
    /// Fails when the store cannot answer. Some of the uses may have been recorded.
    fn record_uses(&self, uses: Vec<Use>) -> StoreFuture<'_, Vec<SessionId>>;
}
