//! Starts MariaDB.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::supervised::{Supervised, free_port, make_folder};
use super::{Running, programs};

const INSTALL: &str = "install MariaDB (`apt-get install mariadb-server`)";

pub(super) fn start() -> Result<Running, String> {
    start_with("mariadb", &["--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync"])
}

/// Starts one with a binary log, which does not wait for the disk.
pub(super) fn start_with_binlog() -> Result<Running, String> {
    let flush = "--innodb-flush-log-at-trx-commit=0";
    start_with("mariadb-binlog", &[flush, "--log-bin", "--sync-binlog=0"])
}

/// Starts a server with these options. Its own defaults lose nothing in a crash.
pub(super) fn start_with(name: &str, options: &[&str]) -> Result<Running, String> {
    let mariadbd = programs::find("mariadbd", &[]).ok_or(INSTALL)?;
    let folder = make_folder(name)?;
    let data = folder.join("data");
    prepare(&folder)?;

    let port = free_port()?;
    let mut server = Command::new(mariadbd);
    server
        .arg("--no-defaults")
        .arg(format!("--datadir={}", data.display()))
        .arg(format!("--socket={}", folder.join("socket").display()))
        // Another server that starts clears away what it takes for its own in a shared folder.
        .arg(format!("--tmpdir={}", folder.display()))
        .arg(format!("--pid-file={}", folder.join("mariadb.pid").display()))
        .arg(format!("--port={port}"))
        .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--max-connections=300"])
        .args(options)
        .args(run_as(&folder));
    let supervised = Supervised::start(&folder, "KILL", &server, "ready for connections")?;
    let url = format!("mysql://root@127.0.0.1:{port}/mysql");
    Ok(Running { url, supervised: vec![supervised] })
}

/// Makes an empty database in `data` in this folder. Removes the folder if that fails.
pub(super) fn prepare(folder: &Path) -> Result<(), String> {
    let mut prepare = Command::new(programs::find("mariadb-install-db", &[]).ok_or(INSTALL)?);
    prepare
        .arg("--no-defaults")
        .arg(format!("--datadir={}", folder.join("data").display()))
        .args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"])
        .env("TMPDIR", folder)
        .args(run_as(folder));
    programs::run(prepare).inspect_err(|_| drop(fs::remove_dir_all(folder)))
}

/// MariaDB runs as root only when told to.
fn run_as(folder: &Path) -> Option<&'static str> {
    #[cfg(unix)]
    if fs::metadata(folder).is_ok_and(|folder| std::os::unix::fs::MetadataExt::uid(&folder) == 0) {
        return Some("--user=root");
    }
    let _ = folder;
    None
}
