//! Records uses of sessions after the response, with one statement for many requests.
//!
//! The first use that waits starts a task, and the task ends when no use waits: without uses there
//! is neither a task nor a timer. The wait does not change what is recorded, because a use is
//! recorded with the time at which it happened.

use std::any::type_name;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::sessions::Sessions;
use super::touches::Added;
use crate::error::StoreError;
use crate::manager::Event;
use crate::payload::SessionData;
use crate::store::{ClientInfo, Loaded, Use};

/// A session that expires in less time than this, or than three times `store_timeout`, is touched
/// in the request. So a session never expires because its use waits, or because a write takes as
/// long as it may.
const MARGIN: Duration = Duration::from_secs(30);

/// How long the uses that waited are written. What is left then is given up.
const LONGEST_WRITE: Duration = Duration::from_secs(5);

/// How many uses are passed to the store at a time.
const BATCH: usize = 64;

impl<T: SessionData> Sessions<T> {
    /// Lets the use of a loaded session wait until it is written with others. Returns `false` if
    /// the request has to record it: the store cannot record several uses together, the session
    /// would soon expire, or too many uses wait.
    pub(crate) fn touch_later(
        self: &Arc<Self>,
        loaded: &Loaded<T>,
        client: Option<ClientInfo>,
    ) -> bool {
        let Loaded { record, now, .. } = loaded;
        let left = record.expires_at.min(record.deadline).saturating_since(*now);
        let margin = MARGIN.max(3 * self.store.timeout());
        // A shutdown waits until no use waits.
        if left < margin || self.tasks.stopping().is_cancelled() || !self.store.records_uses() {
            return false;
        }
        let one = Use { id: record.id, at: *now, idle: self.idle, client };
        match self.touches.add(one, self.touch_interval) {
            Added::Waits => true,
            Added::IsFirst => {
                self.tasks.spawn(Writer { sessions: Arc::clone(self), is_done: false }.run());
                true
            }
            Added::IsRefused => false,
        }
    }

    /// Records uses, and reports those that are recorded. The others are given up: the sessions'
    /// next uses count.
    async fn write_uses(&self, uses: &[Use]) {
        let began = Instant::now();
        let (mut failed, mut reason) = (0, None);
        for batch in uses.chunks(BATCH) {
            let recorded = if began.elapsed() < LONGEST_WRITE {
                self.store.record_uses(batch.to_vec()).await
            } else {
                Err(StoreError::unavailable("the store is too slow"))
            };
            let recorded = recorded.unwrap_or_else(|error| {
                failed += batch.len();
                reason = Some(error);
                Vec::new()
            });
            self.touches.recorded(batch, &recorded);
            recorded.into_iter().for_each(|id| self.emit(&Event::Touched { id }));
        }
        if let Some(error) = reason {
            tracing::warn!(
                target: "anchor", sessions = failed, payload = type_name::<T>(),
                "the use of sessions was not recorded: {error}"
            );
        }
    }
}

/// The task that writes the waiting uses, until none is left. A shutdown makes it write at once,
/// and waits for it.
struct Writer<T: SessionData> {
    sessions: Arc<Sessions<T>>,
    is_done: bool,
}

impl<T: SessionData> Writer<T> {
    async fn run(mut self) {
        let Sessions { touches, tasks, .. } = &*self.sessions;
        let stopping = tasks.stopping();
        loop {
            stopping.run_until_cancelled(touches.due()).await;
            let Some(uses) = touches.take() else { break };
            self.sessions.write_uses(&uses).await;
        }
        self.is_done = true;
    }
}

impl<T: SessionData> Drop for Writer<T> {
    /// The task may end early, for example when its runtime shuts down.
    fn drop(&mut self) {
        if !self.is_done {
            let lost = self.sessions.touches.task_ended();
            tracing::warn!(
                target: "anchor", sessions = lost, payload = type_name::<T>(),
                "the use of sessions was not recorded: the task that writes it has ended"
            );
        }
    }
}
