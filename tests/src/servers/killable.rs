//! [`Killable`]: a server of one test's own, which the test kills and starts again.

use crate::Proxy;

use super::redis_cluster::{self, Shape};
use super::{Running, announce, galera, mariadb, pgbouncer, postgres, redis, servers_are_required};

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

    /// A standby of PostgreSQL that copies the server at this port, and follows it. That server
    /// knows it as `name`.
    pub fn postgres_standby(port: u16, name: &str, settings: &[&str]) -> Option<Self> {
        let started = postgres::start_standby_of(port, name, settings);
        Self::started("a standby of PostgreSQL", started)
    }

    /// PgBouncer with these settings, such as `pool_mode = session`, in front of the PostgreSQL
    /// that all tests share. `ANCHOR_TEST_PGBOUNCER` names another program than the installed one.
    pub fn pgbouncer(settings: &[&str]) -> Option<Self> {
        Self::started("PgBouncer", pgbouncer::start_with(settings))
    }

    /// MariaDB with these options, such as `--innodb-flush-log-at-trx-commit=0`.
    pub fn mariadb(options: &[&str]) -> Option<Self> {
        Self::started("MariaDB", mariadb::start_with("mariadb-killable", options))
    }

    /// A Galera cluster of three servers.
    pub fn galera() -> Option<Self> {
        Self::started("Galera", galera::start())
    }

    /// Redis with these options, such as `--appendonly`, `yes`.
    pub fn redis(options: &[&str]) -> Option<Self> {
        Self::started("Redis", redis::start_with(options))
    }

    /// Redis Cluster with these options: so many primaries, so many replicas of each, and after how
    /// many milliseconds a server that does not answer counts as lost.
    pub fn redis_cluster(
        primaries: usize,
        replicas: usize,
        node_timeout: &str,
        options: &[&str],
    ) -> Option<Self> {
        let shape = Shape { primaries, replicas, node_timeout, options };
        Self::started("Redis Cluster", redis_cluster::start_with(&shape))
    }

    /// The same, whose servers tell clients and replicas that they are behind a proxy. The
    /// addresses of the proxy are in the order of the servers.
    pub fn redis_cluster_behind_a_proxy(
        primaries: usize,
        replicas: usize,
        node_timeout: &str,
        options: &[&str],
    ) -> Option<(Self, Proxy)> {
        let shape = Shape { primaries, replicas, node_timeout, options };
        let (running, proxy) = match redis_cluster::start_behind_a_proxy(&shape) {
            Ok((running, proxy)) => (Ok(running), Some(proxy)),
            Err(reason) => (Err(reason), None),
        };
        Self::started("Redis Cluster", running).zip(proxy)
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

    /// Where it listens; with commas between several servers.
    pub fn url(&self) -> &str {
        &self.running.url
    }

    /// Kills one of several servers, and returns when it is gone.
    ///
    /// # Panics
    ///
    /// When it cannot.
    pub fn kill_one(&self, number: usize) {
        self.running.supervised[number].kill().expect("the server is killed");
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

    /// Stops one of several servers where it is (SIGSTOP), until [`thaw_one`](Self::thaw_one).
    ///
    /// # Panics
    ///
    /// When it cannot.
    pub fn freeze_one(&self, number: usize) {
        self.running.supervised[number].signal("STOP").expect("the server stops");
    }

    /// Lets a frozen server go on.
    ///
    /// # Panics
    ///
    /// When it cannot.
    pub fn thaw_one(&self, number: usize) {
        self.running.supervised[number].signal("CONT").expect("the server goes on");
    }

    /// Starts one of several servers again, and blocks until it has what it has missed.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn restart_one(&mut self, number: usize) {
        self.running.supervised[number].restart().expect("the server starts again");
    }

    /// Returns the number of the server with this URL.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn number_of(&self, url: &str) -> usize {
        self.url().split(',').position(|server| server == url).expect("a server of the cluster")
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
