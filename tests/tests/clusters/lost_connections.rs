//! Redis Cluster that drops all connections at the same moment, while many callers wait for it:
//! soon after, all of them get answers again.
//!
//! `ANCHOR_KILL_CYCLES=1000 cargo test -p anchor-tests --test clusters lost_connections` drops them
//! 1,000 times instead of 12.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor::store::{Durability, EndReason, Ending, Load, NewSession, SessionStore};
use anchor::{RedisStore, StoreError, StoreErrorKind};
use anchor_tests::cluster;
use anchor_tests::servers::Killable;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, sleep, timeout};

use crate::galera::session_of;
use crate::nodes::Visitor;
use crate::redis_cluster::IN_MEMORY;

/// What was answered is there after a crash.
const ON_DISK: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

const CALLERS: usize = 64;

const ROUNDS: usize = 12;

/// Within which time each caller has to get answers again.
const RECOVERY: Duration = Duration::from_secs(15);

/// How long callers are busy before the connections are dropped.
const BUSY: Duration = Duration::from_millis(150);

/// Callers that call all the time.
struct Callers {
    stop: Arc<AtomicBool>,
    /// When the last call began that each of them got an answer to.
    answered: Arc<[Mutex<Instant>]>,
    calling: JoinSet<Told>,
}

/// What a caller was told.
#[derive(Debug, Default, Clone, Copy)]
struct Told {
    answers: usize,
    /// How many calls failed, or were given up.
    failures: usize,
}

impl Callers {
    /// Each gives a call up after this time.
    fn gather(store: &RedisStore<Visitor>, patience: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered: Arc<[_]> = (0..CALLERS).map(|_| Mutex::new(Instant::now())).collect();
        let mut calling = JoinSet::new();
        for number in 0..CALLERS {
            let (store, stop, answered) = (store.clone(), Arc::clone(&stop), Arc::clone(&answered));
            calling.spawn(async move {
                let mut told = Told::default();
                while !stop.load(Ordering::SeqCst) {
                    let began = Instant::now();
                    match timeout(patience, come_and_go(&store, number)).await {
                        Ok(Ok(())) => {
                            told.answers += 1;
                            *answered[number].lock().unwrap() = began;
                        }
                        Ok(Err(error)) => {
                            assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
                            told.failures += 1;
                            sleep(Duration::from_millis(5)).await;
                        }
                        Err(_) => told.failures += 1,
                    }
                }
                told
            });
        }
        Self { stop, answered, calling }
    }

    /// Waits until each of them has got an answer to something that it asked after this moment.
    async fn all_answered_since(&self, moment: Instant, round: usize) -> Duration {
        loop {
            let silent =
                self.answered.iter().filter(|began| *began.lock().unwrap() < moment).count();
            if silent == 0 {
                return moment.elapsed();
            }
            let waited = moment.elapsed();
            assert!(waited < RECOVERY, "round {round}: {silent} callers wait for {waited:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn leave(self) -> Told {
        self.stop.store(true, Ordering::SeqCst);
        let told = self.calling.join_all().await;
        told.into_iter().fold(Told::default(), |all, one| Told {
            answers: all.answers + one.answers,
            failures: all.failures + one.failures,
        })
    }
}

/// Logs in and out. Whatever is answered is true.
async fn come_and_go(store: &RedisStore<Visitor>, number: usize) -> Result<(), StoreError> {
    let data = Visitor { name: format!("visitor{number}"), visits: 0 };
    let placement = store.placement(&data).expect("it has a subject");
    let mut new: NewSession<Visitor> = session_of(data);
    new.id = new.id.placed(placement);
    store.create(new.clone()).await?;
    let load = store.load(new.id).await?;
    assert!(matches!(load, Load::Live(_)), "after a login: {load:?}");
    // Sent a second time, it finds nothing that is live.
    let ending = store.revoke(new.id, Some(new.lasting), EndReason::Logout).await?;
    assert!(matches!(ending, Ending::Ended | Ending::NotLive), "a logout: {ending:?}");
    let load = store.load(new.id).await?;
    assert!(!matches!(load, Load::Live(_)), "after a logout: {load:?}");
    Ok(())
}

fn rounds() -> usize {
    let rounds = std::env::var("ANCHOR_KILL_CYCLES").ok();
    rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// Drops every connection of a client, on all servers.
async fn drop_connections(servers: &Killable) {
    for url in servers.url().split(',') {
        cluster::on::<i64>(url, &["CLIENT", "KILL", "TYPE", "normal"]).await;
    }
}

/// Loses connections in each round, under load, and returns what callers were told.
async fn lose(
    servers: &mut Killable,
    store: &RedisStore<Visitor>,
    patience: Duration,
    mut lose: impl AsyncFnMut(&mut Killable, usize),
) -> Told {
    let callers = Callers::gather(store, patience);
    let mut longest = Duration::ZERO;
    for round in 0..rounds() {
        sleep(BUSY).await;
        lose(servers, round).await;
        longest = longest.max(callers.all_answered_since(Instant::now(), round).await);
    }
    let told = callers.leave().await;
    println!("{} rounds, everybody had answers again after {longest:?}: {told:?}", rounds());
    told
}

async fn started(options: &[&str]) -> Option<(Killable, RedisStore<Visitor>)> {
    let servers = block_in_place(|| Killable::redis_cluster(3, 0, "5000", options))?;
    let store = RedisStore::connect_cluster(servers.url().split(',')).await.unwrap();
    Some((servers, store))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_wait_get_answers_again() {
    let Some((mut servers, store)) = started(&IN_MEMORY).await else { return };
    let dropping = async |servers: &mut Killable, _| drop_connections(servers).await;
    let told = lose(&mut servers, &store, RECOVERY, dropping).await;
    assert!(told.answers > rounds() * CALLERS, "no load: {told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_soon_give_up_get_answers_again() {
    let Some((mut servers, store)) = started(&IN_MEMORY).await else { return };
    let dropping = async |servers: &mut Killable, _| drop_connections(servers).await;
    lose(&mut servers, &store, Duration::from_millis(300), dropping).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logouts_are_confirmed_again() {
    let Some((mut servers, store)) = started(&IN_MEMORY).await else { return };
    // There are none, so that each end is confirmed at once.
    let confirmed = Durability::Replicas { replicas: 0, within: Duration::from_millis(500) };
    let store = store.durability(confirmed).await.unwrap();
    let dropping = async |servers: &mut Killable, _| drop_connections(servers).await;
    lose(&mut servers, &store, RECOVERY, dropping).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_started_again_is_found_again() {
    let Some((mut servers, store)) = started(&ON_DISK).await else { return };
    let killing = async |servers: &mut Killable, round: usize| {
        let victim = round % 3;
        block_in_place(|| servers.kill_one(victim));
        sleep(BUSY).await;
        block_in_place(|| servers.restart_one(victim));
    };
    lose(&mut servers, &store, Duration::from_secs(3), killing).await;
}
