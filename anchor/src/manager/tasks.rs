//! [`Tasks`]: what a manager runs besides its requests, so that a shutdown can wait for it.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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
    pub(crate) fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.running.spawn(task)
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
