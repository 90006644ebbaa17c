//! Starts a Galera cluster: three servers of MariaDB, each with a copy of everything.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use super::mariadb::prepare;
use super::supervised::{Supervised, free_port, make_folder};
use super::{Running, programs};

const NODES: usize = 3;

/// Where distributions put Galera.
const PROVIDERS: [&str; 4] = [
    "/usr/lib/galera/libgalera_smm.so",
    "/usr/lib64/galera-4/libgalera_smm.so",
    "/usr/lib64/galera/libgalera_smm.so",
    "/usr/lib/libgalera_smm.so",
];

/// A server's own ports.
struct Ports {
    /// For clients.
    sql: u16,
    /// For the other servers.
    group: u16,
    /// For the data that a server gets when it joins: all, or what it has missed.
    all: u16,
    missed: u16,
}

impl Ports {
    fn free() -> Result<Self, String> {
        let (sql, group) = (free_port()?, free_port()?);
        Ok(Self { sql, group, all: free_port()?, missed: free_port()? })
    }
}

/// Starts them. The first server makes the cluster: only the others can be started again.
pub(super) fn start() -> Result<Running, String> {
    let provider = PROVIDERS.iter().map(Path::new).find(|file| file.is_file());
    let (Some(mariadbd), Some(provider), Some(_)) =
        (programs::find("mariadbd", &[]), provider, programs::find("rsync", &[]))
    else {
        return Err("install Galera (`apt-get install mariadb-server galera-4 rsync`)".into());
    };
    let ports = (0..NODES).map(|_| Ports::free()).collect::<Result<Vec<_>, _>>()?;
    let group: Vec<_> = ports.iter().map(|ports| format!("127.0.0.1:{}", ports.group)).collect();
    let (mut supervised, mut urls) = (Vec::new(), Vec::new());
    for (number, ports) in ports.iter().enumerate() {
        let folder = make_folder("galera")?;
        match number {
            0 => prepare(&folder)?,
            // It gets its data from another server.
            _ => fs::create_dir(folder.join("data")).map_err(said)?,
        }
        let owner = own(&folder).inspect_err(|_| drop(fs::remove_dir_all(&folder)))?;
        let known = if number == 0 { String::new() } else { group.join(",") };
        let mut server = server(&mariadbd, &folder, ports);
        server
            .args(owner)
            .arg(format!("--wsrep-provider={}", provider.display()))
            .arg(format!("--wsrep-cluster-address=gcomm://{known}"));
        let ready = "Synchronized with group\nmariadbd: ready for connections";
        supervised.push(Supervised::start(&folder, "KILL", &server, ready)?);
        urls.push(format!("mysql://root@127.0.0.1:{}/mysql", ports.sql));
    }
    Ok(Running { url: urls.join(","), supervised })
}

/// The server without what it shares with the others.
fn server(mariadbd: &PathBuf, folder: &Path, ports: &Ports) -> Command {
    let Ports { sql, group, all, missed } = ports;
    let mut server = Command::new(mariadbd);
    server
        .arg("--no-defaults")
        .arg(format!("--datadir={}", folder.join("data").display()))
        .arg(format!("--socket={}", folder.join("socket").display()))
        .arg(format!("--tmpdir={}", folder.display()))
        .arg(format!("--pid-file={}", folder.join("mariadb.pid").display()))
        .arg(format!("--port={sql}"))
        .args(["--bind-address=127.0.0.1", "--skip-name-resolve", "--max-connections=300"])
        .args(["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M"])
        .args(["--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync"])
        .args(["--binlog-format=ROW", "--innodb-autoinc-lock-mode=2"])
        .args(["--wsrep-on=ON", "--wsrep-cluster-name=anchor", "--wsrep-sst-method=rsync"])
        .arg(format!("--wsrep-node-address=127.0.0.1:{group}"))
        .arg(format!("--wsrep-sst-receive-address=127.0.0.1:{all}"))
        // While a test keeps one server from applying, the others go on.
        .arg(format!(
            "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:{group};\
             ist.recv_addr=127.0.0.1:{missed};gcache.size=32M;gcs.fc_limit=10000"
        ));
    server
}

/// Gives the folder to the user whom the server becomes if it is started by root: rsync, which
/// copies the data, refuses root's files.
fn own(folder: &Path) -> Result<Option<&'static str>, String> {
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::uid(&fs::metadata(folder).map_err(said)?) == 0 {
        let mut chown = Command::new("chown");
        chown.args(["-R", "mysql"]).arg(folder);
        programs::run(chown)?;
        return Ok(Some("--user=mysql"));
    }
    let _ = folder;
    Ok(None)
}

fn said(error: io::Error) -> String {
    error.to_string()
}
