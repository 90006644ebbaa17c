//! [`Node`]: the application in a process of its own.

use std::sync::Arc;
use std::time::Duration;

use anchor_tests::http::Served;
use anchor_tests::process::{self, Process};
use anchor_tests::{Backend, FakeClock};

use crate::application::Application;

/// Where the node's store is, as [`Backend::url`] says it.
const STORE: &str = "ANCHOR_FAULTS_STORE";

/// After how many milliseconds a session expires that is not used.
const IDLE: &str = "ANCHOR_FAULTS_IDLE";

pub(crate) struct Node(Process);

impl Node {
    /// Starts the application over the store at this URL.
    pub(crate) fn start(store: &str, idle: Duration, clock: Option<&FakeClock>) -> Self {
        Self(Process::start("node::serve_until_the_parent_ends", |command| {
            command.env(STORE, store).env(IDLE, idle.as_millis().to_string());
            if let Some(clock) = clock {
                clock.show_to(command);
            }
        }))
    }

    pub(crate) fn served(&self) -> Arc<Served> {
        self.0.served()
    }

    /// Kills it, with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.0.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the tests that need another process"]
async fn serve_until_the_parent_ends() {
    let Ok(store) = std::env::var(STORE) else { return };
    let idle = Duration::from_millis(std::env::var(IDLE).unwrap().parse().unwrap());
    let store = Backend::at(&store).store().await;
    let app = Application::over(store, |sessions| sessions.idle(idle)).await;
    process::serve_until_the_parent_ends(app.address()).await;
}
