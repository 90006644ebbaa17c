//! [`Killable`]: a server of one test's own, which the test kills and starts again.

use super::{Running, announce, mariadb, postgres, redis, servers_are_required};

/// A server that one test alone uses. It keeps its data and its address when it is killed.
///
/// It is started with its engine's own defaults for what a crash may lose, unlike the servers that
/// all tests share.
pub struct Killable {
    running: Running,
}

impl Killable {
    /// PostgreSQL with these settings, such as `synchronous_commit=off`; `None`, said on standard
    /// error, when there is none to start.
    pub fn postgres(settings: &[&str]) -> Option<Self> {
        Self::started("PostgreSQL", postgres::start_with("postgres-killable", settings))
    }

    /// MariaDB with these options, such as `--innodb-flush-log-at-trx-commit=0`.
    pub fn mariadb(options: &[&str]) -> Option<Self> {
        Self::started("MariaDB", mariadb::start_with("mariadb-killable", options))
    }

    /// Redis with these options, such as `--appendonly`, `yes`.
    pub fn redis(options: &[&str]) -> Option<Self> {
        Self::started("Redis", redis::start_with(options))
    }

    fn started(name: &str, started: Result<Running, String>) -> Option<Self> {
        match started {
            Ok(running) => Some(Self { running }),
            Err(reason) if servers_are_required() => panic!("no {name} to kill: {reason}"),
            Err(reason) => {
                announce(&format!("a test that kills {name} passes without a test: {reason}"));
                None
            }
        }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.running.url
    }

    /// Kills the server and its processes (SIGKILL), and returns when they are gone.
    ///
    /// # Panics
    ///
    /// When it cannot.
    pub fn kill(&self) {
        for server in &self.running.supervised {
            server.kill().expect("the server is killed");
        }
    }

    /// Starts it again, and blocks until it answers.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn restart(&mut self) {
        for server in &mut self.running.supervised {
            server.restart().expect("the server starts again");
        }
    }
}
