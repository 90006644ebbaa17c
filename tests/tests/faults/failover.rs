//! A failover of Redis to a replica that a silent network has cut off: with
//! [`Durability::Replicas`] no logout that was answered is undone; with [`Durability::Server`] the
//! documentation's warning comes true.

use std::sync::Arc;
use std::time::Duration;

use anchor::RedisStore;
use anchor::store::Durability;
use anchor_tests::databases::Redis;
use anchor_tests::servers::Killable;
use anchor_tests::{Backend, Proxy};
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::application::{Application, LoggedIn, UserSession, log_in};
use crate::storm::{Storm, Told, Verdict};

const IN_MEMORY: [&str; 4] = ["--save", "", "--appendonly", "no"];

const STOCK: usize = 64;

/// How long replicas may take.
const WITHIN: Duration = Duration::from_millis(100);

/// A primary, and a replica that is connected through a proxy.
struct Pair {
    primary: Killable,
    replica: Killable,
    link: Proxy,
}

impl Pair {
    async fn start() -> Option<Self> {
        let primary = Killable::redis(&IN_MEMORY)?;
        let link = Proxy::before(server(&primary).address());
        let port = link.address().port().to_string();
        let replica = [&IN_MEMORY[..], &["--replicaof", "127.0.0.1", &port]].concat();
        let replica = Killable::redis(&replica)?;
        let pair = Self { primary, replica, link };
        let began = Instant::now();
        while !info(&server(&pair.primary)).await.contains("state=online") {
            assert!(began.elapsed() < Duration::from_secs(30), "the replica does not connect");
            sleep(Duration::from_millis(20)).await;
        }
        Some(pair)
    }

    /// Waits until the replica has everything.
    async fn catch_up(&self) {
        let confirmed: i64 = server(&self.primary).run(&["WAIT", "1", "5000"]).await;
        assert_eq!(confirmed, 1);
    }

    /// Kills the primary, and lets the replica take its place.
    async fn fail_over(&self) -> Application {
        block_in_place(|| self.primary.kill());
        let promoted = server(&self.replica);
        let _: String = promoted.run(&["REPLICAOF", "NO", "ONE"]).await;
        assert!(info(&promoted).await.contains("role:master"));
        Application::over(Backend::Redis(promoted).store().await, |sessions| sessions).await
    }
}

fn server(server: &Killable) -> Redis {
    Redis { url: server.url().to_owned(), prefix: "anchor".to_owned() }
}

async fn info(server: &Redis) -> String {
    server.run(&["INFO", "replication"]).await
}

/// Storms before, while and after the link falls silent, and then the failover.
async fn storm_and_fail_over(durability: Durability) -> Option<Verdict> {
    let pair = Pair::start().await?;
    let store: RedisStore<UserSession> = server(&pair.primary).store().await;
    let store = Arc::new(store.durability(durability).await.unwrap());
    let app = Application::over(store, |sessions| sessions).await;
    let mut stock: Vec<LoggedIn> = Vec::new();
    for number in 0..STOCK {
        stock.push(log_in(&app, &format!("stock{number}")).await);
    }
    pair.catch_up().await;
    let mut told = Told::default();
    let began = Instant::now();
    while told.ended.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30), "a replica in reach confirms nothing");
        let storm = Storm::begin(&app.served(), "/logout", Vec::new());
        sleep(Duration::from_millis(200)).await;
        told.extend(storm.end().await);
    }
    let storm = Storm::begin(&app.served(), "/logout", Vec::new());
    sleep(Duration::from_millis(200)).await;
    pair.link.silence();
    sleep(Duration::from_millis(200)).await;
    told.extend(storm.end().await);
    let storm = Storm::begin(&app.served(), "/logout", stock);
    sleep(Duration::from_millis(500)).await;
    told.extend(storm.end().await);
    // Those who have stayed are not asked for: nothing says that a login survives a failover.
    told.live.clear();
    let promoted = pair.fail_over().await;
    let mut verdict = Verdict::default();
    verdict.judge(&promoted.served(), &told).await;
    println!("failover with {durability:?}: {verdict:?}");
    Some(verdict)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_that_a_replica_has_confirmed_survives_the_failover_and_any_other_was_503() {
    let replicas = Durability::Replicas { replicas: 1, within: WITHIN };
    let Some(verdict) = storm_and_fail_over(replicas).await else { return };
    assert_eq!(verdict.undone, 0, "{verdict:?}");
    assert!(verdict.not_done > 0, "a logout that was not confirmed is undone: {verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_replicas_word_a_failover_undoes_logouts() {
    // On a busy machine an answer may come too late, or the replica may have heard of all of them.
    let mut verdicts = Vec::new();
    for _ in 0..3 {
        let Some(verdict) = storm_and_fail_over(Durability::Server).await else { return };
        if verdict.undone > 0 && verdict.unanswered == 0 {
            return;
        }
        verdicts.push(verdict);
    }
    panic!("each of them is answered, and some are undone: {verdicts:?}");
}
