//! A server that is cut off from the others, or killed.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anchor::conformance::Extended;
use anchor::store::{EndReason, Ending, Load, NewSession, SessionStore};
use anchor::{MySqlStore, SessionId, StoreErrorKind};
use anchor_tests::databases;
use anchor_tests::servers::Killable;
use sqlx::{Executor, MySqlPool};
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{Instant, sleep, timeout};

use super::{new_uuid, session_of, stores_on};

type Store = MySqlStore<Extended<0>>;

/// As the manager's, after which a request is answered with 503.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the servers may take to find out that one is gone, and to take it back.
const AGREEMENT: Duration = Duration::from_secs(60);

/// How many requests wait for a server that is frozen, each on its own connection.
const REQUESTS: usize = 6;

/// How many logouts are answered before the server is killed.
const BEFORE: usize = 60;
const SESSIONS: usize = 600;

fn new() -> NewSession<Extended<0>> {
    session_of(Extended { user_id: new_uuid(), visits: 0 })
}

/// Whether the session is live; `None` for what is answered with 503.
async fn is_live(store: &Store, id: SessionId) -> Option<bool> {
    match timeout(STORE_TIMEOUT, store.load(id)).await {
        Ok(Ok(load)) => Some(matches!(load, Load::Live(_))),
        Ok(Err(error)) => {
            assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
            None
        }
        Err(_) => None,
    }
}

/// Asks until there is an answer.
async fn is_live_at_last(store: &Store, id: SessionId) -> bool {
    let began = Instant::now();
    loop {
        if let Some(is_live) = is_live(store, id).await {
            return is_live;
        }
        assert!(began.elapsed() < AGREEMENT, "it does not answer again");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn set(pool: &MySqlPool, setting: &'static str) {
    pool.execute(setting).await.unwrap();
}

/// One test, because only one server can be lost at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_holds_when_a_server_is_lost() {
    let Some(mut cluster) = block_in_place(Killable::galera) else { return };
    a_server_that_is_cut_off_from_the_others_answers_no_request(&cluster).await;
    a_server_that_was_frozen_answers_with_nothing_from_before(&cluster).await;
    logouts_that_were_answered_stay_when_a_server_is_killed(&mut cluster).await;
}

async fn a_server_that_is_cut_off_from_the_others_answers_no_request(cluster: &Killable) {
    let pools = databases::galera_at(cluster.url()).await;
    let [one, ..] = stores_on::<Extended<0>>(pools.clone()).await;
    // Who connects after this, and does not say otherwise, is answered by a server that is cut off.
    set(&pools[2], "SET GLOBAL wsrep_dirty_reads = ON").await;
    let dirty = MySqlPool::connect_lazy_with((*pools[2].connect_options()).clone());
    let other = Store::new(dirty.clone());
    let (leaving, staying) = (new(), new());
    for new in [&leaving, &staying] {
        one.create(new.clone()).await.unwrap();
        assert_eq!(is_live(&other, new.id).await, Some(true));
    }
    set(&pools[2], "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=1'").await;
    let logout = one.revoke(leaving.id, Some(leaving.lasting), EndReason::Logout);
    assert_eq!(timeout(AGREEMENT, logout).await.unwrap().unwrap(), Ending::Ended);
    for _ in 0..10 {
        assert_ne!(is_live(&other, leaving.id).await, Some(true), "after its logout");
    }
    assert_eq!(is_live(&other, staying.id).await, None, "by a server that is cut off");
    let logout = other.revoke(staying.id, Some(staying.lasting), EndReason::Logout);
    assert!(!matches!(timeout(STORE_TIMEOUT, logout).await, Ok(Ok(_))), "a logout that is not one");
    let plain = "SELECT COUNT(*) FROM anchor_conformance_extended";
    let found: i64 = sqlx::query_scalar(plain).fetch_one(&dirty).await.unwrap();
    assert_eq!(found, 2, "the server itself would have answered with the session");

    set(&dirty, "SET GLOBAL wsrep_provider_options = 'gmcast.isolate=0'").await;
    set(&dirty, "SET GLOBAL wsrep_dirty_reads = OFF").await;
    assert!(!is_live_at_last(&other, leaving.id).await);
    assert!(is_live_at_last(&other, staying.id).await);
}

/// It is frozen until the others go on without it.
async fn a_server_that_was_frozen_answers_with_nothing_from_before(cluster: &Killable) {
    let pools = databases::galera_at(cluster.url()).await;
    let [one, _, other] = stores_on::<Extended<0>>(pools.clone()).await;
    let new = new();
    one.create(new.clone()).await.unwrap();
    let others = [(); REQUESTS].map(|()| Store::new(pools[2].clone()));
    for other in &others {
        assert_eq!(is_live(other, new.id).await, Some(true));
    }
    block_in_place(|| cluster.freeze_one(2));
    let logout = one.revoke(new.id, Some(new.lasting), EndReason::Logout);
    assert_eq!(timeout(AGREEMENT, logout).await.unwrap().unwrap(), Ending::Ended);
    // They have arrived when the server goes on: it answers them before it knows anything.
    let mut requests = JoinSet::new();
    for other in others {
        requests.spawn(async move { is_live(&other, new.id).await });
    }
    sleep(Duration::from_millis(200)).await;
    block_in_place(|| cluster.thaw_one(2));
    for answer in requests.join_all().await {
        assert_ne!(answer, Some(true), "after its logout");
    }
    assert!(!is_live_at_last(&other, new.id).await);
}

async fn logouts_that_were_answered_stay_when_a_server_is_killed(cluster: &mut Killable) {
    let pools = databases::galera_at(cluster.url()).await;
    let stores = stores_on::<Extended<0>>(pools.clone()).await;
    let mut sessions: Vec<_> = (0..SESSIONS).map(|_| new()).collect();
    for new in &sessions {
        stores[0].create(new.clone()).await.unwrap();
    }
    let answered = Arc::new(AtomicUsize::new(0));
    let mut users = JoinSet::new();
    for (at, store) in stores.iter().chain(&stores).enumerate() {
        let share = sessions.split_off(sessions.len() - SESSIONS / 6);
        users.spawn(log_out(store.clone(), at % 3 < 2, share, Arc::clone(&answered)));
    }
    while answered.load(Ordering::SeqCst) < BEFORE {
        tokio::task::yield_now().await;
    }
    block_in_place(|| cluster.kill_one(2));
    let mut ended = HashSet::new();
    for told in users.join_all().await {
        ended.extend(told);
    }
    assert!(ended.len() > SESSIONS / 2, "the others go on: {}", ended.len());
    for id in &ended {
        assert!(!is_live_at_last(&stores[1], *id).await, "an answered logout is undone");
    }
    block_in_place(|| cluster.restart_one(2));
    for id in &ended {
        assert!(!is_live_at_last(&stores[2], *id).await, "the server that was killed serves it");
    }
}

/// Logs these sessions out, one after the other, and returns those that this was answered for. On a
/// server that does not stay, until one is not answered.
async fn log_out(
    store: Store,
    stays: bool,
    share: Vec<NewSession<Extended<0>>>,
    answered: Arc<AtomicUsize>,
) -> Vec<SessionId> {
    let mut ended = Vec::new();
    for new in share {
        let logout = store.revoke(new.id, Some(new.lasting), EndReason::Logout);
        match timeout(STORE_TIMEOUT, logout).await {
            Ok(Ok(ending)) => {
                assert_eq!(ending, Ending::Ended);
                answered.fetch_add(1, Ordering::SeqCst);
                ended.push(new.id);
                continue;
            }
            Ok(Err(error)) => assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}"),
            Err(_) => {}
        }
        if !stays {
            break;
        }
    }
    ended
}
