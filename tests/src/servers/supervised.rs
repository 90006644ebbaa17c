//! Servers and folders that end with the test process, however that ends.
//!
//! A shell between the two reads a pipe that only the test process holds open. Its end of file,
//! which the kernel delivers even when the process is killed, makes the shell stop the server and
//! remove the folder.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The server runs in a subshell that notes its pid and, should it end early, says so in the log.
const SUPERVISOR: &str = r#"
folder=$1 signal=$2
shift 2
if [ $# -gt 0 ]; then
    (
        "$@" </dev/null &
        echo $! >"$folder/pid"
        wait $!
        echo "the server exited with status $?"
    ) >"$folder/log" 2>&1 &
fi
while read -r _; do :; done
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
    _supervisor: Child,
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
        let supervised = Self { _supervisor: supervise(folder, signal, Some(command))? };
        let started = Instant::now();
        loop {
            let log = fs::read(folder.join("log")).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            if log.contains(ready) {
                return Ok(supervised);
            }
            if log.contains(EXITED) || started.elapsed() > START_LIMIT {
                return Err(format!("{command:?} did not become ready; its log:\n{log}"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
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
    let path = std::env::temp_dir().join(format!("anchor-tests-{}-{name}", std::process::id()));
    // A process of the same id may have been here before.
    let _ = fs::remove_dir_all(&path);
    fs::create_dir(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
    Ok(path)
}

/// A loopback port that was free a moment ago.
pub(super) fn free_port() -> Result<u16, String> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no free port on 127.0.0.1: {error}"))
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
