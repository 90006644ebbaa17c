//! Who waits for the end of which session. All who wait for one session on this node share one poll
//! (`poll.rs`); each asks the verifier about its own request (`revoked.rs`).

mod poll;
mod revoked;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::column::Column;
use crate::column::Value;
use crate::id::SessionId;
use crate::manager::sessions::Sessions;
use crate::payload::SessionData;
use crate::store::Record;

pub(crate) use revoked::revoked;

/// The sessions of one manager whose end somebody waits for.
pub(crate) struct Watches<T> {
    sessions: Mutex<HashMap<SessionId, Arc<Watched<T>>>>,
}

/// A session whose end somebody waits for. Its poll and the table of watches share it; when both
/// have let go of it, its channel closes, and everyone who waits goes on.
struct Watched<T> {
    subject: Option<Value>,
    /// Calls for a look at the store now.
    bell: Notify,
    /// The session as it was last seen.
    seen: watch::Sender<Arc<Record<T>>>,
}

impl<T> Default for Watches<T> {
    fn default() -> Self {
        Self { sessions: Mutex::default() }
    }
}

impl<T> Watches<T> {
    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Watched<T>>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One session has ended, on this node.
    pub(crate) fn ended(&self, id: SessionId) {
        if let Some(watched) = self.sessions().get(&id) {
            watched.bell.notify_one();
        }
    }

    /// The sessions of a subject have ended, but for one; of every subject, when none is named.
    pub(crate) fn ended_all(&self, subject: Option<&Value>, keep: Option<SessionId>) {
        for (id, watched) in self.sessions().iter() {
            if Some(*id) != keep && (subject.is_none() || watched.subject.as_ref() == subject) {
                watched.bell.notify_one();
            }
        }
    }

    /// Forgets a session for which nobody waits any more, and says whether it did.
    fn forget_unwatched(&self, id: SessionId) -> bool {
        let mut sessions = self.sessions();
        let unwatched = sessions.get(&id).is_some_and(|watched| watched.seen.receiver_count() == 0);
        if unwatched {
            sessions.remove(&id);
        }
        unwatched
    }

    /// Forgets a session that is over. By now its id may be watched anew: that watch stays.
    fn forget(&self, id: SessionId, over: &Arc<Watched<T>>) {
        let mut sessions = self.sessions();
        if sessions.get(&id).is_some_and(|watched| Arc::ptr_eq(watched, over)) {
            sessions.remove(&id);
        }
    }
}

/// One who waits.
struct Watch<T: SessionData> {
    seen: watch::Receiver<Arc<Record<T>>>,
    // Dropped after `seen`: whoever leaves is not counted any more.
    _leaving: Leaving<T>,
}

struct Leaving<T: SessionData> {
    sessions: Arc<Sessions<T>>,
    id: SessionId,
}

impl<T: SessionData> Watch<T> {
    /// Begins to wait for the end of a session, and to poll it if nobody else does.
    fn begin(sessions: &Arc<Sessions<T>>, record: &Arc<Record<T>>) -> Self {
        let id = record.id;
        let mut all = sessions.watches.sessions();
        let seen = match all.get(&id) {
            Some(watched) => watched.seen.subscribe(),
            None => {
                let (seen, receiver) = watch::channel(Arc::clone(record));
                let subject = record.data.subject().and_then(|subject| subject.to_value().ok());
                let watched = Arc::new(Watched { subject, bell: Notify::new(), seen });
                sessions.tasks.spawn(poll::poll(Arc::clone(sessions), Arc::clone(&watched)));
                all.insert(id, watched);
                receiver
            }
        };
        Self { seen, _leaving: Leaving { sessions: Arc::clone(sessions), id } }
    }

    /// The session as it was last seen.
    fn record(&self) -> Arc<Record<T>> {
        Arc::clone(&self.seen.borrow())
    }

    /// Resolves when the session is over, or nobody can tell any more.
    async fn over(&mut self) {
        while self.seen.changed().await.is_ok() {}
    }
}

impl<T: SessionData> Drop for Leaving<T> {
    fn drop(&mut self) {
        if let Some(watched) = self.sessions.watches.sessions().get(&self.id)
            && watched.seen.receiver_count() == 0
        {
            watched.bell.notify_one();
        }
    }
}
