//! [`Tasks`]: what a manager runs besides its requests, so that a shutdown can wait for it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::error::StoreError;

/// A manager's tasks. Tasks that end something (a logout whose client may have disconnected) run to
/// their end. Tasks that repeat (the sweep, the watches) run until the shutdown. A task that is
/// spawned after the shutdown runs, and the next shutdown waits for it.
pub(crate) struct Tasks {
    running: TaskTracker,
    stopping: CancellationToken,
    timeout: Duration,
}

impl Tasks {
    /// Makes an empty set of tasks. `timeout` is how long a shutdown waits.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { running: TaskTracker::new(), stopping: CancellationToken::new(), timeout }
    }

    /// Runs a task.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.spawn_boxed(Box::pin(task))
    }

    /// tokio's code for a task is compiled for each type of future. This one has only one type,
    /// whatever the application's payloads.
    fn spawn_boxed(&self, task: Pin<Box<dyn Future<Output = ()> + Send>>) -> JoinHandle<()> {
        self.running.spawn(task)
    }

    /// Runs a task to its end, even if the caller is dropped, and returns its output.
    pub(crate) async fn complete<O: Send + 'static>(
        &self,
        task: impl Future<Output = O> + Send + 'static,
    ) -> Result<O, StoreError> {
        let task = |sender: oneshot::Sender<O>| async move {
            // Nobody may wait for it any more.
            let _ = sender.send(task.await);
        };
        self.answered(task).await
    }

    /// Runs a task to its end, even if the caller is dropped, and returns what it sends, which may
    /// be long before its end.
    pub(crate) async fn answered<O: Send + 'static, F: Future<Output = ()> + Send + 'static>(
        &self,
        task: impl FnOnce(oneshot::Sender<O>) -> F,
    ) -> Result<O, StoreError> {
        let (sender, output) = oneshot::channel();
        let task = self.spawn(task(sender).in_current_span());
        match output.await {
            Ok(output) => Ok(output),
            Err(ended) => Err(match task.await {
                Err(reason) => StoreError::unavailable(reason),
                Ok(()) => StoreError::unavailable(ended),
            }),
        }
    }

    /// Returns a token that is cancelled when the shutdown begins.
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Stops the tasks that repeat, waits for the rest, and returns how many did not end in time.
    pub(crate) async fn shut_down(&self) -> usize {
        self.stopping.cancel();
        // Tasks that are spawned later are tracked anyway.
        self.running.close();
        match tokio::time::timeout(self.timeout, self.running.wait()).await {
            Ok(()) => 0,
            Err(_) => self.running.len(),
        }
    }
}
