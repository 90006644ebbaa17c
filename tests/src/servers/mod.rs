//! Real servers for tests: found by an environment variable, else started from installed binaries,
//! else skipped out loud.
//!
//! | server | variable | started from |
//! | --- | --- | --- |
//! | PostgreSQL | `ANCHOR_TEST_POSTGRES_URL` | `initdb` and `postgres` in `PATH` or `/usr/lib/postgresql/*/bin` |
//! | PostgreSQL, a standby | `ANCHOR_TEST_POSTGRES_STANDBY_URL` | the same |
//! | MySQL, MariaDB | `ANCHOR_TEST_MYSQL_URL` | `mariadb-install-db` and `mariadbd` |
//! | Galera, three servers | `ANCHOR_TEST_GALERA_URLS`, with commas between them | `mariadbd` with `libgalera_smm.so`, `rsync` |
//! | Redis | `ANCHOR_TEST_REDIS_URL` | `redis-server` |
//! | PgBouncer | `ANCHOR_TEST_PGBOUNCER` names the program, not a URL | `pgbouncer`, in front of the first |
//! | Redis Cluster | `ANCHOR_TEST_REDIS_CLUSTER_URL`, with commas between its servers | `redis-server`, `redis-cli` |
//!
//! With `ANCHOR_TEST_REQUIRE_SERVERS=1` a missing server or program fails the tests that need it,
//! as continuous integration should.

mod galera;
mod killable;
mod mariadb;
pub(crate) mod pgbouncer;
mod postgres;
mod programs;
mod proxied;
mod redis;
mod redis_cluster;
mod supervised;

use std::io::Write;
use std::sync::OnceLock;

pub use killable::Killable;
pub(crate) use proxied::Proxied;
pub(crate) use supervised::ScratchFolder;
use supervised::Supervised;

/// PostgreSQL.
pub static POSTGRES: Server =
    Server::new("PostgreSQL", "ANCHOR_TEST_POSTGRES_URL", postgres::start);
/// A standby of PostgreSQL, which accepts no writes.
pub static POSTGRES_STANDBY: Server =
    Server::new("PostgreSQL", "ANCHOR_TEST_POSTGRES_STANDBY_URL", postgres::start_standby);
/// MariaDB, or MySQL by its variable.
pub static MYSQL: Server = Server::new("MariaDB", "ANCHOR_TEST_MYSQL_URL", mariadb::start);
/// Three servers of a Galera cluster. Its URL is those of its servers, with commas between.
pub static GALERA: Server = Server::new("Galera", "ANCHOR_TEST_GALERA_URLS", galera::start);
/// Redis.
pub static REDIS: Server = Server::new("Redis", "ANCHOR_TEST_REDIS_URL", redis::start);

/// Redis Cluster. Its URL is those of its servers, with commas between.
pub static REDIS_CLUSTER: Server =
    Server::new("Redis Cluster", "ANCHOR_TEST_REDIS_CLUSTER_URL", redis_cluster::start);

/// A server that a test process uses, started at most once in it.
pub struct Server {
    name: &'static str,
    variable: &'static str,
    start: fn() -> Result<Running, String>,
    found: OnceLock<Result<Running, String>>,
}

/// A server's address and, where this process started it, its supervisors.
struct Running {
    url: String,
    supervised: Vec<Supervised>,
}

impl Server {
    const fn new(
        name: &'static str,
        variable: &'static str,
        start: fn() -> Result<Running, String>,
    ) -> Self {
        Self { name, variable, start, found: OnceLock::new() }
    }

    /// A server of Redis besides [`REDIS`], which no variable names.
    pub(crate) const fn own_redis() -> Self {
        Self::new("Redis", "ANCHOR_TEST_OWN_REDIS_URL", redis::start)
    }

    /// A MariaDB with a binary log besides [`MYSQL`], which no variable names.
    pub(crate) const fn own_mysql() -> Self {
        Self::new("MariaDB", "ANCHOR_TEST_OWN_MYSQL_URL", mariadb::start_with_binlog)
    }

    /// Where the server listens; `None`, said on standard error, when there is none.
    ///
    /// The first call starts the server and blocks until it answers; other threads wait for it.
    ///
    /// # Panics
    ///
    /// Under `ANCHOR_TEST_REQUIRE_SERVERS=1`, when there is none.
    pub fn url(&self) -> Option<&str> {
        let found = self.found.get_or_init(|| match std::env::var(self.variable) {
            Ok(url) => Ok(Running { url, supervised: Vec::new() }),
            Err(_) => (self.start)().inspect_err(|reason| self.announce_skip(reason)),
        });
        match found {
            Ok(running) => Some(&running.url),
            Err(reason) if servers_are_required() => {
                panic!("no {} to test against: {reason}; or set {}", self.name, self.variable)
            }
            Err(_) => None,
        }
    }

    fn announce_skip(&self, reason: &str) {
        let (name, variable) = (self.name, self.variable);
        announce(&format!(
            "every test on {name} passes without testing anything: {reason}; or set {variable}"
        ));
    }
}

/// The version of the PgBouncer that tests start, such as `(1, 18)`; `None` when there is none.
pub fn pgbouncer_version() -> Option<(u32, u32)> {
    pgbouncer::version()
}

/// A program that a test runs: the one that the variable names, else `name` from `PATH`. `None`,
/// said on standard error, when there is none.
///
/// # Panics
///
/// Under `ANCHOR_TEST_REQUIRE_SERVERS=1`, when there is none.
pub fn program(name: &str, variable: &str, install: &str) -> Option<String> {
    let program = std::env::var(variable).unwrap_or_else(|_| name.to_owned());
    let reason = match std::process::Command::new(&program).arg("--version").output() {
        Ok(run) if run.status.success() => return Some(program),
        Ok(run) => format!("`{program} --version` failed with {}", run.status),
        Err(error) => format!("`{program}` does not start ({error})"),
    };
    assert!(!servers_are_required(), "{reason}; {install}, or set {variable}");
    announce(&format!(
        "the tests with {name} pass without testing anything: {reason}; {install}, or set \
         {variable}"
    ));
    None
}

/// Written past libtest's capture, which would hide it from whoever believes that everything was
/// tested.
pub fn announce(skipped: &str) {
    let _ = writeln!(std::io::stderr(), "\n*** SKIPPED: {skipped} ***\n");
}

pub(crate) fn servers_are_required() -> bool {
    std::env::var("ANCHOR_TEST_REQUIRE_SERVERS").is_ok_and(|value| value == "1")
}
