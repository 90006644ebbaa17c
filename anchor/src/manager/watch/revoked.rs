//! What [`Session::revoked`](crate::Session::revoked) waits for.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::time::{Instant, timeout_at};

use super::Watch;
use crate::error::Error;
use crate::jitter;
use crate::manager::sessions::Sessions;
use crate::manager::verification::Verification;
use crate::payload::SessionData;
use crate::store::Record;

/// Resolves when the session is over, or the verifier refuses it.
pub(crate) async fn revoked<T: SessionData>(
    sessions: Arc<Sessions<T>>,
    record: Arc<Record<T>>,
    verification: Option<Arc<Verification>>,
) {
    let mut watch = Watch::begin(&sessions, &record);
    let Some(verification) = verification else { return watch.over().await };
    loop {
        let next = Instant::now().checked_add(jitter::at_most(sessions.verify_interval));
        let Some(next) = next else { return watch.over().await };
        if timeout_at(next, watch.over()).await.is_ok() {
            return;
        }
        let record = watch.record();
        match unless(watch.over(), verification.ask(&sessions, &record)).await {
            None | Some(Err(Error::RefusedByVerifier { .. })) => return,
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!(
                target: "anchor", id = %record.id, "the verifier is asked again: {error}"
            ),
        }
    }
}

/// What `future` gives, unless `over` comes first.
async fn unless<R>(over: impl Future<Output = ()>, future: impl Future<Output = R>) -> Option<R> {
    let (mut over, mut future) = (pin!(over), pin!(future));
    poll_fn(|context| match over.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => future.as_mut().poll(context).map(Some),
    })
    .await
}
