//! Servers and folders that end with the test process, however that ends.
//!
//! A shell between the two reads a pipe that only the test process holds open. Its end of file,
//! which the kernel delivers even when the process is killed, makes the shell stop the server and
//! remove the folder. A line in it makes the shell start the server again.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::net::TcpListener;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The server runs in a subshell that notes its pid and, should it end early, says so in the log.
const SUPERVISOR: &str = r#"
folder=$1 signal=$2
shift 2
start() {
    (
        "$@" </dev/null &
        echo $! >"$folder/pid"
        wait $!
        echo "the server exited with status $?"
    ) >"$folder/log" 2>&1 &
}
if [ $# -gt 0 ]; then start "$@"; fi
while read -r _; do start "$@"; done
if [ -s "$folder/pid" ]; then
    kill -"$signal" "$(cat "$folder/pid")" 2>/dev/null
    wait
fi
rm -rf "$folder"
"#;
const EXITED: &str = "the server exited with status";
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running server that stops when this process ends.
pub(super) struct Supervised {
    supervisor: Child,
    folder: PathBuf,
    /// What its log says when it is ready: each of these lines.
    ready: String,
}

impl Supervised {
    /// Starts the server that `command` names and waits until its log says `ready`.
    ///
    /// # Errors
    ///
    /// The server's log, when it ended or was not ready in time. Dropping the supervisor then has
    /// stopped it and removed its folder.
    pub(super) fn start(
        folder: &Path,
        signal: &str,
        command: &Command,
        ready: &str,
    ) -> Result<Self, String> {
        let supervisor = supervise(folder, signal, Some(command))?;
        let supervised = Self { supervisor, folder: folder.to_owned(), ready: ready.to_owned() };
        supervised.wait_until_ready().map_err(|why| format!("{command:?} {why}"))?;
        Ok(supervised)
    }

    fn wait_until_ready(&self) -> Result<(), String> {
        let started = Instant::now();
        loop {
            let log = fs::read(self.folder.join("log")).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            if self.ready.lines().all(|line| log.contains(line)) {
                return Ok(());
            }
            if log.contains(EXITED) || started.elapsed() > START_LIMIT {
                return Err(format!("did not become ready; its log:\n{log}"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends SIGKILL to the server and its processes, and returns when they are gone.
    ///
    /// # Errors
    ///
    /// When it is not known which process it is.
    pub(super) fn kill(&self) -> Result<(), String> {
        let pid = self.pid()?;
        let mut processes = children_of(pid);
        if !processes.is_empty() {
            // So that it does not start another one meanwhile.
            send("STOP", &[pid])?;
            processes = children_of(pid);
        }
        processes.push(pid);
        // One of them may have ended by itself.
        let _ = send("KILL", &processes);
        let killed = Instant::now();
        while processes.iter().any(|process| parent_of(*process).is_some()) {
            if killed.elapsed() > START_LIMIT {
                return Err(format!("{processes:?} do not end"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Sends a signal to the server.
    ///
    /// # Errors
    ///
    /// When it is not known which process it is, or it has ended.
    pub(super) fn signal(&self, signal: &str) -> Result<(), String> {
        send(signal, &[self.pid()?])
    }

    fn pid(&self) -> Result<u32, String> {
        let pid = fs::read_to_string(self.folder.join("pid")).map_err(|error| error.to_string())?;
        pid.trim().parse().map_err(|error| format!("{pid}: {error}"))
    }

    /// Starts the server again, after it has ended.
    ///
    /// # Errors
    ///
    /// The server's log, when it ended or was not ready in time.
    pub(super) fn restart(&mut self) -> Result<(), String> {
        let mut attempts = 0;
        loop {
            // What the last start has written is not to be taken for what this one writes.
            for file in ["log", "pid"] {
                let _ = fs::remove_file(self.folder.join(file));
            }
            let line = self.supervisor.stdin.as_mut().map(|shell| shell.write_all(b"start\n"));
            line.transpose().map_err(|error| format!("the supervisor is gone: {error}"))?;
            match self.wait_until_ready() {
                // While the server was gone, a connection of another program took its port.
                Err(why) if attempts < 20 && why.contains("Address already in use") => {
                    attempts += 1;
                    std::thread::sleep(Duration::from_millis(500));
                }
                ready => return ready.map_err(|why| format!("the server {why}")),
            }
        }
    }
}

/// Sends a signal to processes of this test.
fn send(signal: &str, processes: &[u32]) -> Result<(), String> {
    let mut kill = Command::new("sh");
    kill.args(["-c", r#"kill -"$@""#, "kill", signal]);
    kill.args(processes.iter().map(u32::to_string));
    super::programs::run(kill)
}

fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten();
    let processes = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes.filter(|process| parent_of(*process) == Some(parent)).collect()
}

/// Which process has started this one; `None` if it has ended.
fn parent_of(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, may contain anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    // A zombie has ended, and waits only to be counted.
    fields.next().filter(|state| !matches!(*state, "Z" | "X"))?;
    fields.next()?.parse().ok()
}

/// A folder that is removed when this value is dropped, or when this process ends.
pub(crate) struct ScratchFolder {
    path: PathBuf,
    _supervisor: Child,
}

impl ScratchFolder {
    /// An empty folder.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        let path = make_folder(name)?;
        let _supervisor = supervise(&path, "TERM", None)?;
        Ok(Self { path, _supervisor })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes an empty folder of this process.
pub(super) fn make_folder(name: &str) -> Result<PathBuf, String> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("anchor-tests-{}-{name}-{count}", std::process::id());
    let path = std::env::temp_dir().join(name);
    // A process of the same id may have been here before.
    let _ = fs::remove_dir_all(&path);
    fs::create_dir(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
    Ok(path)
}

/// Below the ports from which systems take those of outgoing connections: until a server listens,
/// seconds may pass, and nothing else may take its port.
const PORTS: Range<u16> = 10_240..32_768;

/// A loopback port that was free a moment ago, and that this process has not been given before.
pub(super) fn free_port() -> Result<u16, String> {
    // Processes that run at the same time begin at different ports.
    static NEXT: LazyLock<AtomicU64> =
        LazyLock::new(|| AtomicU64::new(RandomState::new().hash_one(()) >> 1));
    let range = u64::from(PORTS.end - PORTS.start);
    for _ in PORTS {
        let next = NEXT.fetch_add(1, Ordering::Relaxed) % range;
        let port = PORTS.start + u16::try_from(next).expect("less than the range");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err(format!("no port of 127.0.0.1 from {} to {} is free", PORTS.start, PORTS.end - 1))
}

fn supervise(folder: &Path, signal: &str, server: Option<&Command>) -> Result<Child, String> {
    let mut shell = Command::new("sh");
    shell.args(["-c", SUPERVISOR, "anchor-tests"]).arg(folder).arg(signal);
    if let Some(server) = server {
        shell.arg(server.get_program()).args(server.get_args());
    }
    // A group of its own: Ctrl-C at the terminal would otherwise end the shell before it has
    // cleaned up.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    shell
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("`sh` did not start: {error}"))
}
