//! Finding installed programs, and running those that only prepare a server.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The first executable of this name in `PATH`, the system's server folders, or `more`.
pub(super) fn find(name: &str, more: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/usr/local/bin"].map(PathBuf::from))
        .chain(more.iter().cloned())
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Runs a command to its end.
///
/// # Errors
///
/// What the command printed, when it did not succeed.
pub(super) fn run(mut command: Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{command:?} did not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}
