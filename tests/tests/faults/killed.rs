//! kill -9 of a database server, or of the application that has SQLite in it, in a storm of
//! logouts: what was answered stays.
//!
//! `ANCHOR_KILL_CYCLES=1000 cargo test -p anchor-tests --test faults killed` makes 1,000 cycles of
//! each instead of 20.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use anchor_tests::http::Served;
use anchor_tests::servers::Killable;
use anchor_tests::{Backend, cluster};
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::application::{Application, LoggedIn, log_in};
use crate::node::Node;
use crate::storm::{Storm, Verdict, is_live, live_among};

const CYCLES: usize = 20;

/// In how many cycles a server that loses what it has confirmed has to be found.
const FEW: usize = 5;

/// How many sessions are there when a storm begins.
const STOCK: usize = 32;

const IDLE: Duration = Duration::from_secs(7_200);

/// What is killed, and starts again with what it has kept.
trait Victim {
    fn served(&self) -> Arc<Served>;
    fn kill(&mut self);
    async fn restart(&mut self);
    /// Returns when a kill loses nothing that came before.
    async fn settle(&self);
}

/// A server, with the application in this process.
struct Server {
    server: Killable,
    backend: Backend,
    app: Application,
}

impl Server {
    async fn of(server: Killable) -> Self {
        let backend = Backend::at(server.url());
        let store = backend.store().await;
        let bound = Duration::from_secs(3);
        let app = Application::over(store, |sessions| sessions.store_timeout(bound)).await;
        Self { server, backend, app }
    }
}

impl Victim for Server {
    fn served(&self) -> Arc<Served> {
        self.app.served()
    }

    fn kill(&mut self) {
        block_in_place(|| self.server.kill());
    }

    async fn restart(&mut self) {
        block_in_place(|| self.server.restart());
    }

    async fn settle(&self) {
        match &self.backend {
            Backend::Postgres(_) => {
                self.backend.execute("CHECKPOINT").await;
            }
            // InnoDB writes its log every second, whatever it is told.
            Backend::MySql(_) => sleep(Duration::from_millis(1_500)).await,
            Backend::Redis(server) => {
                server.run::<String>(&["SAVE"]).await;
            }
            Backend::Memory | Backend::Sqlite(_) => {}
        }
    }
}

/// A Redis Cluster without replicas, with the application in this process. Its primaries are killed
/// in turns.
struct Cluster {
    server: Server,
    kills: usize,
}

impl Cluster {
    async fn of(options: &[&str]) -> Option<Self> {
        // Nobody takes the place of a primary: it comes back.
        let servers = block_in_place(|| Killable::redis_cluster(3, 0, "5000", options))?;
        Some(Self { server: Server::of(servers).await, kills: 0 })
    }

    /// The URL of the primary that is killed, or was killed last.
    fn victim(&self) -> String {
        self.server.server.url().split(',').nth(self.kills % 3).unwrap().to_owned()
    }
}

impl Victim for Cluster {
    fn served(&self) -> Arc<Served> {
        self.server.served()
    }

    fn kill(&mut self) {
        self.kills += 1;
        let victim = self.server.server.number_of(&self.victim());
        block_in_place(|| self.server.server.kill_one(victim));
    }

    async fn restart(&mut self) {
        let victim = self.victim();
        let victim = self.server.server.number_of(&victim);
        block_in_place(|| self.server.server.restart_one(victim));
    }

    async fn settle(&self) {
        for url in self.server.server.url().split(',') {
            cluster::on::<String>(url, &["SAVE"]).await;
        }
    }
}

/// The application, with SQLite in it.
struct Process {
    node: Node,
    store: String,
}

impl Process {
    fn over(folder: &tempfile::TempDir) -> Self {
        let store = format!("sqlite:{}", folder.path().join("sessions.db").display());
        Self { node: Node::start(&store, IDLE, None), store }
    }
}

impl Victim for Process {
    fn served(&self) -> Arc<Served> {
        self.node.served()
    }

    fn kill(&mut self) {
        block_in_place(|| self.node.kill());
    }

    async fn restart(&mut self) {
        self.node = block_in_place(|| Node::start(&self.store, IDLE, None));
    }

    async fn settle(&self) {}
}

/// Kills it again and again, each time in a storm.
async fn kill_again_and_again(
    name: &str,
    victim: &mut impl Victim,
    cycles: usize,
    logout: &'static str,
    settles: bool,
) -> Verdict {
    let began = Instant::now();
    let mut verdict = Verdict::default();
    let mut ended: Vec<LoggedIn> = Vec::new();
    for cycle in 0..cycles {
        let served = victim.served();
        let mut stock = Vec::new();
        for number in 0..STOCK {
            stock.push(log_in(&served, &format!("stock{number}")).await);
        }
        if settles {
            victim.settle().await;
        }
        let storm = Storm::begin(&served, logout, stock);
        sleep(Duration::from_millis(20 + RandomState::new().hash_one(cycle) % 180)).await;
        victim.kill();
        victim.restart().await;
        let told = storm.end().await;
        let served = victim.served();
        // The pool has noticed that its connections are gone.
        if let Some(session) = told.ended.first() {
            is_live(&served, session).await;
        }
        verdict.judge(&served, &told).await;
        ended.extend(told.ended);
    }
    // What has ended stays so, however often it is killed afterwards.
    verdict.undone = verdict.undone.max(live_among(&victim.served(), &ended).await);
    println!("kill -9 of {name}: {cycles} cycles in {:?}: {verdict:?}", began.elapsed());
    verdict
}

fn cycles() -> usize {
    let cycles = std::env::var("ANCHOR_KILL_CYCLES").ok();
    cycles.map_or(CYCLES, |cycles| cycles.parse().expect("a number of cycles"))
}

/// What was answered has stayed.
async fn assert_keeps(name: &str, mut victim: impl Victim) {
    let cycles = cycles();
    let verdict = kill_again_and_again(name, &mut victim, cycles, "/logout", false).await;
    assert_eq!((verdict.undone, verdict.lost), (0, 0), "{name}: {verdict:?}");
    assert!(verdict.logouts >= cycles, "{name}: no storm: {verdict:?}");
}

/// The same storms find what is lost.
async fn assert_loses(name: &str, mut victim: impl Victim, logout: &'static str) {
    let verdict = kill_again_and_again(name, &mut victim, FEW, logout, true).await;
    assert!(verdict.undone > 0, "{name}: {verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_keeps_what_was_answered() {
    let Some(server) = Killable::postgres(&[]) else { return };
    assert_keeps("PostgreSQL", Server::of(server).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_with_synchronous_commit_off_undoes_logouts() {
    let settings = ["synchronous_commit=off", "wal_writer_delay=10s"];
    let Some(server) = Killable::postgres(&settings) else { return };
    let name = "PostgreSQL with synchronous_commit = off";
    assert_loses(name, Server::of(server).await, "/logout").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_keeps_what_was_answered() {
    let Some(server) = Killable::mariadb(&[]) else { return };
    assert_keeps("MariaDB", Server::of(server).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mariadb_with_innodb_flush_log_at_trx_commit_0_undoes_logouts() {
    let Some(server) = Killable::mariadb(&["--innodb-flush-log-at-trx-commit=0"]) else { return };
    let name = "MariaDB with innodb_flush_log_at_trx_commit = 0";
    assert_loses(name, Server::of(server).await, "/logout").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_with_appendfsync_always_keeps_what_was_answered() {
    let options = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"];
    let Some(server) = Killable::redis(&options) else { return };
    assert_keeps("Redis", Server::of(server).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_with_snapshots_alone_undoes_logouts() {
    let options = ["--save", "3600", "1", "--appendonly", "no"];
    let Some(server) = Killable::redis(&options) else { return };
    assert_loses("Redis with snapshots alone", Server::of(server).await, "/logout").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_cluster_with_appendfsync_always_keeps_what_was_answered() {
    let options = ["--save", "", "--appendonly", "yes", "--appendfsync", "always"];
    let Some(cluster) = Cluster::of(&options).await else { return };
    assert_keeps("Redis Cluster", cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_cluster_with_snapshots_alone_undoes_logouts() {
    let options = ["--save", "3600", "1", "--appendonly", "no"];
    let Some(cluster) = Cluster::of(&options).await else { return };
    assert_loses("Redis Cluster with snapshots alone", cluster, "/logout").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_on_sqlite_keeps_what_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    assert_keeps("an application on SQLite", Process::over(&folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_answers_before_the_end_undoes_logouts() {
    let folder = tempfile::tempdir().unwrap();
    let name = "an application on SQLite that answers too early";
    assert_loses(name, Process::over(&folder), "/hasty-logout").await;
}
