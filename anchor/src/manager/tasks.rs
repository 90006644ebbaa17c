//! [`Tasks`]: what a manager has running besides its requests, so that a shutdown can wait for it.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A manager's tasks. Those that end something (a logout whose client may have left) run to their
/// end; those that go round and round (the sweep, the watches) do so until the shutdown. A task
/// spawned after the shutdown runs, and is waited for by the next one.
pub(crate) struct Tasks {
    running: TaskTracker,
    stopping: CancellationToken,
    timeout: Duration,
}

impl Tasks {
    /// `timeout` is how long a shutdown waits.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { running: TaskTracker::new(), stopping: CancellationToken::new(), timeout }
    }

    /// Runs a task.
    pub(crate) fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.running.spawn(task)
    }

    /// Says when the shutdown begins.
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Stops what goes round, waits for the rest, and says how many tasks did not end in time.
    pub(crate) async fn shut_down(&self) -> usize {
        self.stopping.cancel();
        // What is spawned later is tracked all the same.
        self.running.close();
        match tokio::time::timeout(self.timeout, self.running.wait()).await {
            Ok(()) => 0,
            Err(_) => self.running.len(),
        }
    }
}
