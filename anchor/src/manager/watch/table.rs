//! [`Watches`]: the sessions whose end somebody on this node waits for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::column::{Column, Value};
use crate::id::SessionId;
use crate::payload::SessionData;
use crate::store::Record;

/// The sessions of one manager whose end somebody waits for.
pub(crate) struct Watches<T> {
    sessions: Mutex<HashMap<SessionId, Arc<WatchedSession<T>>>>,
}

/// A session whose end somebody waits for. Its poll and the table of watches share it. When both
/// have dropped it, its channel closes, and everyone who waits continues.
pub(super) struct WatchedSession<T> {
    subject: Option<Value>,
    /// Makes the poll check the store now.
    pub(super) wake: Notify,
    /// The session as it was last seen.
    pub(super) seen: watch::Sender<Arc<Record<T>>>,
}

impl<T> Default for Watches<T> {
    fn default() -> Self {
        Self { sessions: Mutex::default() }
    }
}

impl<T: SessionData> Watches<T> {
    /// Adds a waiter for the end of a session. If it is the first one, `poll` must start the
    /// session's poll.
    pub(super) fn enter(
        &self,
        record: &Arc<Record<T>>,
        poll: impl FnOnce(Arc<WatchedSession<T>>),
    ) -> watch::Receiver<Arc<Record<T>>> {
        let mut sessions = self.sessions();
        if let Some(watched) = sessions.get(&record.id) {
            return watched.seen.subscribe();
        }
        let (seen, receiver) = watch::channel(Arc::clone(record));
        let subject = record.data.subject().and_then(|subject| subject.to_value().ok());
        let watched = Arc::new(WatchedSession { subject, wake: Notify::new(), seen });
        poll(Arc::clone(&watched));
        sessions.insert(record.id, watched);
        receiver
    }
}

impl<T> Watches<T> {
    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<WatchedSession<T>>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the poll of a session that has ended on this node.
    pub(crate) fn ended(&self, id: SessionId) {
        if let Some(watched) = self.sessions().get(&id) {
            watched.wake.notify_one();
        }
    }

    /// Wakes the polls of a subject's sessions, which have ended, except for `keep`. Without a
    /// subject, wakes those of every subject.
    pub(crate) fn ended_all(&self, subject: Option<&Value>, keep: Option<SessionId>) {
        for (id, watched) in self.sessions().iter() {
            if Some(*id) != keep && (subject.is_none() || watched.subject.as_ref() == subject) {
                watched.wake.notify_one();
            }
        }
    }

    /// Records that a waiter has left. The last one wakes the poll, so that it ends.
    pub(super) fn left(&self, id: SessionId) {
        if let Some(watched) = self.sessions().get(&id)
            && watched.seen.receiver_count() == 0
        {
            watched.wake.notify_one();
        }
    }

    /// Forgets a session that nobody waits for any more, and returns whether it did.
    pub(super) fn forget_unwatched(&self, id: SessionId) -> bool {
        let mut sessions = self.sessions();
        let unwatched = sessions.get(&id).is_some_and(|watched| watched.seen.receiver_count() == 0);
        if unwatched {
            sessions.remove(&id);
        }
        unwatched
    }

    /// Forgets a session that has ended. By now, its id may be watched again: the new watch stays.
    pub(super) fn forget(&self, id: SessionId, over: &Arc<WatchedSession<T>>) {
        let mut sessions = self.sessions();
        if sessions.get(&id).is_some_and(|watched| Arc::ptr_eq(watched, over)) {
            sessions.remove(&id);
        }
    }
}
