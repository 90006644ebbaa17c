//! Starts PostgreSQL.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::supervised::{Supervised, free_port, make_folder};
use super::{Running, programs};

const INSTALL: &str = "install PostgreSQL (`apt-get install postgresql`)";

/// Settings that do not wait for the disk.
const NO_WAITING: [&str; 3] = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];

pub(super) fn start() -> Result<Running, String> {
    start_as("postgres", false, &NO_WAITING)
}

/// Starts a standby, whose primary is gone.
pub(super) fn start_standby() -> Result<Running, String> {
    start_as("postgres-standby", true, &NO_WAITING)
}

/// Starts a server with these settings. Its own defaults lose nothing in a crash.
pub(super) fn start_with(name: &str, settings: &[&str]) -> Result<Running, String> {
    start_as(name, false, settings)
}

/// Starts a standby that copies the server at this port, and follows it from then on. The server
/// knows it as `name`.
pub(super) fn start_standby_of(
    port: u16,
    name: &str,
    settings: &[&str],
) -> Result<Running, String> {
    let copy = program("pg_basebackup").ok_or(INSTALL)?;
    let folder = make_folder(name)?;
    let owner = Owner::of_server_in(&folder)?;
    let data = folder.join("data");
    let mut prepare = owner.command(&copy);
    prepare
        .arg("--pgdata")
        .arg(&data)
        .arg(format!("--dbname=host=127.0.0.1 port={port} user=anchor application_name={name}"))
        .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]);
    programs::run(prepare).inspect_err(|_| drop(fs::remove_dir_all(&folder)))?;
    run(&owner, &folder, true, settings)
}

fn start_as(name: &str, is_standby: bool, settings: &[&str]) -> Result<Running, String> {
    let initdb = program("initdb").ok_or(INSTALL)?;
    let folder = make_folder(name)?;
    let owner = Owner::of_server_in(&folder)?;
    let data = folder.join("data");

    let mut prepare = owner.command(&initdb);
    prepare.arg("--pgdata").arg(&data).args([
        "--username=anchor",
        "--auth=trust",
        "--no-sync",
        "--encoding=UTF8",
        "--locale=C",
    ]);
    programs::run(prepare).inspect_err(|_| drop(fs::remove_dir_all(&folder)))?;

    if is_standby {
        fs::write(data.join("standby.signal"), "").map_err(|error| error.to_string())?;
    }
    run(&owner, &folder, is_standby, settings)
}

/// Runs the server whose data is in this folder.
fn run(
    owner: &Owner,
    folder: &Path,
    is_standby: bool,
    settings: &[&str],
) -> Result<Running, String> {
    let postgres = program("postgres").ok_or(INSTALL)?;
    let port = free_port()?;
    let mut server = owner.command(&postgres);
    server.arg("-D").arg(folder.join("data")).arg("-p").arg(port.to_string());
    let placed = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=300"];
    for setting in placed.iter().chain(settings) {
        server.arg("-c").arg(setting);
    }
    // SIGQUIT: an immediate shutdown, for data that nobody will read again.
    let ready = match is_standby {
        // `read-only` or, up to 13, `read only`.
        true => "database system is ready to accept read",
        false => "database system is ready to accept connections",
    };
    let supervised = Supervised::start(folder, "QUIT", &server, ready)?;
    let url = format!("postgres://anchor@127.0.0.1:{port}/postgres");
    Ok(Running { url, supervised: vec![supervised] })
}

/// Debian keeps PostgreSQL's server programs out of `PATH`. The newest version wins.
fn program(name: &str) -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort_by_key(|folder| std::cmp::Reverse(version(folder)));
    programs::find(name, &versions)
}

fn version(bin: &Path) -> Option<u32> {
    bin.parent()?.file_name()?.to_str()?.parse().ok()
}

/// Who runs the server: this process's user or, because PostgreSQL refuses to run as root, another
/// one.
pub(super) struct Owner {
    become_user: Option<(u32, u32)>,
}

impl Owner {
    /// Gives the folder to the user who will run the server.
    #[cfg(unix)]
    pub(super) fn of_server_in(folder: &Path) -> Result<Self, String> {
        use std::os::unix::fs::{MetadataExt, chown};

        let this_user = fs::metadata(folder).map_err(|error| error.to_string())?.uid();
        if this_user != 0 {
            return Ok(Self { become_user: None });
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let (user, group) =
            ["postgres", "nobody"].iter().find_map(|name| ids_of(name, &users)).ok_or(
                "PostgreSQL does not run as root, and there is no user `postgres` or `nobody`",
            )?;
        chown(folder, Some(user), Some(group)).map_err(|error| error.to_string())?;
        Ok(Self { become_user: Some((user, group)) })
    }

    #[cfg(not(unix))]
    pub(super) fn of_server_in(_: &Path) -> Result<Self, String> {
        Ok(Self { become_user: None })
    }

    pub(super) fn command(&self, program: &Path) -> Command {
        let Some((user, group)) = self.become_user else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        command
            .arg(format!("--reuid={user}"))
            .arg(format!("--regid={group}"))
            .arg("--clear-groups")
            .arg(program);
        // The folder that the tests run in may be closed to that user.
        command.current_dir("/");
        command
    }
}

/// A user's and its group's numbers, out of the lines of `/etc/passwd`.
fn ids_of(name: &str, users: &str) -> Option<(u32, u32)> {
    let mut fields = users
        .lines()
        .map(|line| line.split(':'))
        .find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
    let user = fields.nth(1)?.parse().ok()?;
    Some((user, fields.next()?.parse().ok()?))
}
