//! The poll of one session, shared by everyone on this node who waits for its end.

use std::sync::Arc;

use super::table::WatchedSession;
use crate::id::SessionId;
use crate::jitter;
use crate::manager::sessions::Sessions;
use crate::payload::SessionData;

/// Checks the session until it has ended, nobody waits for it any more, or the manager shuts down.
pub(super) async fn poll<T: SessionData>(
    sessions: Arc<Sessions<T>>,
    watched: Arc<WatchedSession<T>>,
) {
    let id = watched.seen.borrow().id;
    let polling = Polling { sessions, watched, id };
    let stopping = polling.sessions.tasks.stopping();
    stopping.run_until_cancelled(polling.until_over()).await;
}

/// A running poll. However it ends, even by a panic or with the runtime, nobody keeps waiting for
/// it.
struct Polling<T: SessionData> {
    sessions: Arc<Sessions<T>>,
    watched: Arc<WatchedSession<T>>,
    id: SessionId,
}

impl<T: SessionData> Polling<T> {
    async fn until_over(&self) {
        let Self { sessions, watched, id } = self;
        loop {
            match sessions.load_live(*id).await {
                Ok(Some(loaded)) => {
                    watched.seen.send_replace(loaded.record);
                }
                Ok(None) => return,
                Err(error) => tracing::warn!(
                    target: "anchor", %id,
                    "the check whether the session has ended will be tried again: {error}"
                ),
            }
            let pause = jitter::at_most(sessions.revocation_poll);
            // A wake that was sent during the load is received now.
            let _ = tokio::time::timeout(pause, watched.wake.notified()).await;
            if sessions.watches.forget_unwatched(*id) {
                return;
            }
        }
    }
}

impl<T: SessionData> Drop for Polling<T> {
    fn drop(&mut self) {
        self.sessions.watches.forget(self.id, &self.watched);
    }
}
