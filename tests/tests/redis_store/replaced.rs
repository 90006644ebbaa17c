//! A connection that is lost or seems to be dead, and the one that takes its place.

use std::time::Duration;

use anchor::RedisStore;
use anchor::payload::{LimitExceeded, SubjectLimit};
use anchor::store::{Load, SessionStore, Verified, VerifyError};
use anchor_tests::{Direction, Loss, Proxy, databases};
use tokio::time::{Instant, sleep, timeout};

use super::{UserSession, create, is_live, login, user};

/// How long the caller waits for an answer.
const BOUND: Duration = Duration::from_millis(400);

async fn behind_a_proxy(server: &databases::Redis) -> (RedisStore<UserSession>, Proxy) {
    let proxy = Proxy::before(server.address());
    (connected_through(&proxy, server).await, proxy)
}

async fn connected_through(proxy: &Proxy, server: &databases::Redis) -> RedisStore<UserSession> {
    let url = format!("redis://{}", proxy.address());
    RedisStore::connect(&url).await.unwrap().prefix(&server.prefix)
}

/// One answer comes too late for its caller. From then on, each comes in time, but connecting and
/// asking together would not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_slow_for_a_while_is_not_asked_for_one_connection_after_the_other() {
    let Some(server) = databases::redis().await else { return };
    let (store, proxy) = behind_a_proxy(&server).await;
    let id = create(&store, user("ferris")).await;
    assert!(is_live(&store, id).await);
    let before = proxy.connections();
    proxy.delay(Duration::from_secs(1));
    timeout(BOUND, store.load(id)).await.expect_err("it is too slow");
    proxy.delay(Duration::from_millis(300));
    let mut answered = 0;
    for _ in 0..10 {
        if let Ok(load) = timeout(BOUND, store.load(id)).await {
            assert!(matches!(load, Ok(Load::Live(_))), "{load:?}");
            answered += 1;
        }
    }
    let made = proxy.connections() - before;
    assert!(answered >= 5, "{answered} of 10 calls were answered, over {made} more connections");
    assert!(made <= 2, "{made} more connections");
}

/// The network holds the call that creates a session back, until long after the login has failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_has_failed_begins_no_session_when_it_arrives_late() {
    let Some(own) = databases::own_redis() else { return };
    let (store, proxy) = behind_a_proxy(&own).await;
    let direct = own.store::<UserSession>().await;
    let calls = async || {
        let info: String = own.run(&["INFO", "commandstats"]).await;
        let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    };
    let limited = || {
        let mut new = login(&store, user("ferris"));
        new.limit = Some(SubjectLimit::new(5, LimitExceeded::EndOldest));
        new
    };
    // The scripts are loaded.
    store.create(limited()).await.unwrap();
    let new = limited();
    proxy.lose(Direction::ToServer, 0, Loss::OneIsLate);
    store.create(new.clone()).await.map(drop).unwrap_err();
    assert!(proxy.has_lost(), "nothing was held back");
    let before: u32 = calls().await;
    proxy.heal();
    let began = Instant::now();
    while calls().await == before {
        assert!(began.elapsed() < Duration::from_secs(10), "it never arrives");
        sleep(Duration::from_millis(10)).await;
    }
    assert!(matches!(direct.load(new.id).await, Ok(Load::Absent)));
    // What has been left there is removed by itself.
    let key = own.key(super::TABLE, new.id, &format!("session:{}", new.id));
    let left: i64 = own.run(&["PTTL", &key]).await;
    assert!(left > 0 && left <= 3_600_001, "{left} ms");
}

/// What `verify` says when one answer after the other is lost like this.
async fn verify_whatever_is_lost(loss: Loss) -> Vec<Result<Verified, VerifyError>> {
    let Some(server) = databases::redis().await else { return Vec::new() };
    let (store, proxy) = behind_a_proxy(&server).await;
    create(&store, user("ferris")).await;
    let undisturbed = store.verify().await.unwrap();
    let mut said = Vec::new();
    loop {
        let store = connected_through(&proxy, &server).await;
        proxy.lose(Direction::ToClient, said.len(), loss);
        let verified = store.verify().await;
        if !proxy.heal() {
            break;
        }
        if let Ok(verified) = &verified {
            // Such as what a restart of the server undoes, and not that it does not show it.
            assert_eq!(verified.warnings, undisturbed.warnings, "{loss:?} of {}", said.len());
        }
        said.push(verified);
    }
    assert!(said.len() > 3, "only {} answers of one verification", said.len());
    said
}

#[tokio::test]
async fn an_answer_that_ends_in_the_middle_is_asked_for_again() {
    for verified in verify_whatever_is_lost(Loss::OneInTheMiddle).await {
        verified.unwrap();
    }
}

#[tokio::test]
async fn a_setting_whose_answer_is_lost_is_not_one_that_the_server_hides() {
    // The client connects twice before it fails.
    for more in 1..6 {
        verify_whatever_is_lost(Loss::OneAndTheNext(more)).await;
    }
}

#[tokio::test]
async fn a_setting_that_the_server_refuses_to_show_is_one_that_it_hides() {
    let Some(server) = databases::own_redis() else { return };
    let rules = ["on", "nopass", "~*", "&*", "+@all", "-config"];
    let user = ["ACL", "SETUSER", "limited"].into_iter().chain(rules).collect::<Vec<_>>();
    server.run::<String>(&user).await;
    server.run::<String>(&["CONFIG", "SET", "appendonly", "yes"]).await;
    let url = server.url.replace("redis://", "redis://limited:any@");
    let store = RedisStore::<UserSession>::connect(&url).await.unwrap();
    let warnings = store.verify().await.unwrap().warnings;
    assert!(warnings.iter().any(|it| it.contains("this server does not show")), "{warnings:?}");
}
