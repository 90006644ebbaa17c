//! The future that [`Session::wait_until_ended`](crate::Session::wait_until_ended) returns.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::poll::poll;
use crate::id::SessionId;
use crate::jitter;
use crate::manager::last_verdict::LastVerdict;
use crate::manager::sessions::Sessions;
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::store::Record;

/// Resolves when the session has ended or the verifier refuses it.
pub(crate) async fn revoked<T: SessionData>(
    sessions: Arc<Sessions<T>>,
    record: Arc<Record<T>>,
    last_verdict: Option<Arc<LastVerdict>>,
) {
    let mut watch = Watch::begin(&sessions, &record);
    let Some(last_verdict) = last_verdict else { return watch.over().await };
    loop {
        let next = Instant::now().checked_add(jitter::at_most(sessions.verify_interval));
        let Some(next) = next else { return watch.over().await };
        if timeout_at(next, watch.over()).await.is_ok() {
            return;
        }
        let record = watch.record();
        match unless(watch.over(), last_verdict.ask(&sessions, &record)).await {
            None | Some(Err(Error::RefusedByVerifier { .. })) => return,
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(
                target: "anchor", id = %record.id, "the verifier will be asked again: {error}"
            ),
        }
    }
}

/// Returns the output of `future`, or `None` if `over` completes first.
async fn unless<R>(over: impl Future<Output = ()>, future: impl Future<Output = R>) -> Option<R> {
    let (mut over, mut future) = (pin!(over), pin!(future));
    poll_fn(|context| match over.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => future.as_mut().poll(context).map(Some),
    })
    .await
}

/// One waiter.
struct Watch<T: SessionData> {
    seen: watch::Receiver<Arc<Record<T>>>,
    // Dropped after `seen`, so that a waiter that leaves is no longer counted.
    _leaving: Leaving<T>,
}

struct Leaving<T: SessionData> {
    sessions: Arc<Sessions<T>>,
    id: SessionId,
}

impl<T: SessionData> Watch<T> {
    /// Starts to wait for the end of a session, and starts its poll if nobody else waits.
    fn begin(sessions: &Arc<Sessions<T>>, record: &Arc<Record<T>>) -> Self {
        let seen = sessions.watches.enter(record, |watched| {
            sessions.tasks.spawn(poll(Arc::clone(sessions), watched));
        });
        Self { seen, _leaving: Leaving { sessions: Arc::clone(sessions), id: record.id } }
    }

    /// Returns the session as it was last seen.
    fn record(&self) -> Arc<Record<T>> {
        Arc::clone(&self.seen.borrow())
    }

    /// Resolves when the session has ended, or can no longer be observed.
    async fn over(&mut self) {
        while self.seen.changed().await.is_ok() {}
    }
}

impl<T: SessionData> Drop for Leaving<T> {
    fn drop(&mut self) {
        self.sessions.watches.left(self.id);
    }
}
