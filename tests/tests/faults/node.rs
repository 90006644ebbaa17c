//! [`Node`]: the application in a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anchor_tests::http::Served;
use anchor_tests::{Backend, FakeClock};

use crate::application::Application;

/// Where the node's store is, as [`Backend::url`] says it.
const STORE: &str = "ANCHOR_FAULTS_STORE";

/// After how many milliseconds a session expires that is not used.
const IDLE: &str = "ANCHOR_FAULTS_IDLE";

pub(crate) struct Node {
    process: Child,
    served: Arc<Served>,
}

impl Node {
    /// Starts the application over the store at this URL.
    pub(crate) fn start(store: &str, idle: Duration, clock: Option<&FakeClock>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--ignored", "--exact", "node::serve_until_the_parent_ends", "--nocapture"])
            .env(STORE, store)
            .env(IDLE, idle.as_millis().to_string())
            // It ends with this process, which holds the other end.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(clock) = clock {
            clock.show_to(&mut command);
        }
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.ok()?;
            Some(line.split_once("listening: ")?.1.parse().expect("an address"))
        });
        let served = Arc::new(Served::elsewhere(address.expect("the node listens")));
        Self { process, served }
    }

    pub(crate) fn served(&self) -> Arc<Served> {
        Arc::clone(&self.served)
    }

    /// Kills it, with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the tests that need another process"]
async fn serve_until_the_parent_ends() {
    let Ok(store) = std::env::var(STORE) else { return };
    let idle = Duration::from_millis(std::env::var(IDLE).unwrap().parse().unwrap());
    let store = Backend::at(&store).store().await;
    let app = Application::over(store, |sessions| sessions.idle(idle)).await;
    // Past libtest's capture, to the process that waits for it.
    let mut output = std::io::stdout();
    writeln!(output, "listening: {}", app.address()).unwrap();
    output.flush().unwrap();
    let parent_ends = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(parent_ends).await.unwrap().unwrap();
}
