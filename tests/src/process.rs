//! [`Process`]: an application in a process of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crate::http::Served;

/// A process that serves HTTP: the same test program, which runs one ignored test alone. It ends
/// when this value is dropped, or with this process.
pub struct Process {
    process: Child,
    served: Arc<Served>,
}

impl Process {
    /// Starts the test of this name, which calls [`serve_until_the_parent_ends`], and waits until
    /// it listens.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub fn start(test: &str, configure: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a test program"));
        command
            .args(["--ignored", "--exact", test, "--nocapture"])
            // It ends with this process, which holds the other end.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        configure(&mut command);
        let mut process = command.spawn().expect("the process starts");
        let output = process.stdout.take().expect("its output");
        let address = BufReader::new(output).lines().find_map(|line| {
            let line = line.ok()?;
            Some(line.split_once("listening: ")?.1.parse().expect("an address"))
        });
        let served = Arc::new(Served::elsewhere(address.expect("the process listens")));
        Self { process, served }
    }

    /// What it serves.
    pub fn served(&self) -> Arc<Served> {
        Arc::clone(&self.served)
    }

    /// Kills it, with SIGKILL.
    ///
    /// # Panics
    ///
    /// When it cannot.
    pub fn kill(&mut self) {
        self.process.kill().expect("the process is killed");
        self.process.wait().expect("the process ends");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Says where this process listens, and returns when the one that has started it ends.
///
/// # Panics
///
/// When that one cannot be told.
pub async fn serve_until_the_parent_ends(address: SocketAddr) {
    // Past libtest's capture, to the process that waits for it.
    let mut output = std::io::stdout();
    writeln!(output, "listening: {address}").expect("the parent reads");
    output.flush().expect("the parent reads");
    let parent_ends = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(parent_ends).await.expect("no panic").expect("the parent ends");
}
