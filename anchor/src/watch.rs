//! Who waits for the end of which session, so that a revocation on this node is noticed at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::id::SessionId;
use crate::value::Value;

/// The sessions of one manager whose end somebody waits for.
#[derive(Default)]
pub(crate) struct Watched {
    sessions: Mutex<HashMap<SessionId, Entry>>,
}

struct Entry {
    subject: Option<Value>,
    bell: Arc<Notify>,
    waiting: usize,
}

impl Watched {
    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, Entry>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the end of a session until the watch is dropped.
    pub(crate) fn watch<'w>(&'w self, id: SessionId, subject: Option<Value>) -> Watch<'w> {
        let mut sessions = self.sessions();
        let entry = sessions.entry(id).or_insert_with(|| Entry {
            subject,
            bell: Arc::new(Notify::new()),
            waiting: 0,
        });
        entry.waiting += 1;
        Watch { watched: self, id, bell: Arc::clone(&entry.bell) }
    }

    /// One session has ended.
    pub(crate) fn ended(&self, id: SessionId) {
        if let Some(entry) = self.sessions().get(&id) {
            entry.bell.notify_waiters();
        }
    }

    /// The sessions of a subject have ended, but for one; of every subject, when none is named.
    pub(crate) fn ended_all(&self, subject: Option<&Value>, keep: Option<SessionId>) {
        for (id, entry) in self.sessions().iter() {
            if Some(*id) != keep && (subject.is_none() || entry.subject.as_ref() == subject) {
                entry.bell.notify_waiters();
            }
        }
    }
}

/// One who waits.
pub(crate) struct Watch<'w> {
    watched: &'w Watched,
    id: SessionId,
    pub(crate) bell: Arc<Notify>,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut sessions = self.watched.sessions();
        if let Some(entry) = sessions.get_mut(&self.id) {
            entry.waiting -= 1;
            if entry.waiting == 0 {
                sessions.remove(&self.id);
            }
        }
    }
}
