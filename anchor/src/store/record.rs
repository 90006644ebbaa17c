//! [`Record`]: a session as a store returns it, and what a load can return instead.

use std::fmt;
use std::sync::Arc;

use super::{ClientInfo, Fingerprint, Secrets};
use crate::id::SessionId;
use crate::payload::DecodeError;
use crate::timestamp::Timestamp;

/// A session as it is stored, without its secret.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
/// #     .keys(KeyRing::generate()?)
/// #     .build()?;
/// use anchor::store::Record;
///
/// let id = sessions.test_session(UserSession { user_id: 1 }).await.id();
/// let record: Record<UserSession> = sessions.get(id).await?.expect("it is live");
/// assert_eq!((record.id, record.version, record.data.user_id), (id, 1, 1));
/// assert!(record.created_at <= record.expires_at && record.expires_at <= record.deadline);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Record<T> {
    /// The session's public id.
    pub id: SessionId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its subject last proved who they are.
    pub authenticated_at: Timestamp,
    /// When it was last marked as used.
    pub last_seen_at: Timestamp,
    /// When it ends unless it is used before then; never later than `deadline`.
    pub expires_at: Timestamp,
    /// The latest time at which it ends.
    pub deadline: Timestamp,
    /// Counts the payload's updates, starting at 1.
    pub version: i64,
    /// Whether its cookie outlives the browser.
    pub remembered: bool,
    /// Where it was last used from, if the table has `#[session(track)]`.
    pub client: Option<ClientInfo>,
    /// The payload.
    pub data: Arc<T>,
}

/// Prints everything except the payload and the client.
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

/// What [`SessionStore::load`](super::SessionStore::load) found.
#[derive(Clone)]
pub enum Load<T> {
    /// A live session.
    Live(Loaded<T>),
    /// The row exists, but has ended; it waits for the sweep.
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
#[derive(Clone)]
pub struct Loaded<T> {
    /// The session, shared with the store if the store keeps it in memory.
    pub record: Arc<Record<T>>,
    /// The hashes that decide which tokens of the session are accepted.
    pub secrets: Secrets,
    /// What the session is bound to, if the table has `#[session(fingerprint)]`.
    pub fingerprint: Option<Fingerprint>,
    /// The time of the store's clock at this load.
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
