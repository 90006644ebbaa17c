//! What is served without the store, and until when.

use std::time::Duration;

use anchor_tests::{Backend, Watched};
use http::StatusCode;
use tokio::time::{Instant, sleep};

use crate::application::{LONG, Node};

on_every_store![
    a_hit_makes_no_statement,
    a_lease_that_is_over_reads_again,
    a_lease_counts_from_before_the_load,
    without_a_cache_every_request_reads,
    uses_are_recorded_once_per_interval_and_keep_the_session_alive,
    no_more_sessions_are_kept_than_fit,
    after_a_shutdown_requests_are_served_as_before,
];

async fn a_hit_makes_no_statement(backend: Backend) {
    let node = Node::cached(&backend).await;
    let cookie = node.log_in_warm("ferris").await;
    node.store.reset();
    for _ in 0..20 {
        node.me(&cookie).await.expect(StatusCode::OK);
    }
    assert_eq!(node.store.all_calls(), 0);
}

async fn a_lease_that_is_over_reads_again(backend: Backend) {
    let lease = Duration::from_millis(300);
    let store = Watched::new(backend.store().await);
    let node = Node::over(store, |sessions| sessions.cache(lease)).await;
    let cookie = node.log_in_warm("ferris").await;
    let other = node.silent_neighbour().await;
    other.log_out(&cookie).await;
    let ended = Instant::now();
    while node.me(&cookie).await.status == StatusCode::OK {
        assert!(ended.elapsed() < lease + Duration::from_secs(1), "the lease is over");
    }
}

/// A load that takes longer than the lease leaves nothing.
async fn a_lease_counts_from_before_the_load(backend: Backend) {
    let lease = Duration::from_millis(300);
    let store = Watched::new(backend.store().await);
    let node = Node::over(store, |sessions| sessions.cache(lease)).await.ready().await;
    let cookie = node.log_in("ferris").await;
    let hold = node.store.hold_answer_of_next_load();
    let (answer, ()) = tokio::join!(node.me(&cookie), async {
        hold.reached().await;
        sleep(lease).await;
        hold.release();
    });
    answer.expect(StatusCode::OK);
    assert_eq!(node.loads_for("/me", &cookie, StatusCode::OK).await, 1);
}

async fn without_a_cache_every_request_reads(backend: Backend) {
    let node = Node::over(Watched::new(backend.store().await), |sessions| sessions).await;
    let cookie = node.log_in("ferris").await;
    for _ in 0..3 {
        assert_eq!(node.loads_for("/me", &cookie, StatusCode::OK).await, 1);
        assert_eq!(node.loads_for("/authoritative", &cookie, StatusCode::OK).await, 1);
    }
}

async fn uses_are_recorded_once_per_interval_and_keep_the_session_alive(backend: Backend) {
    let idle = Duration::from_millis(1_500);
    let store = Watched::new(backend.store().await);
    let node = Node::over(store, |sessions| {
        sessions.idle(idle).touch_interval(Duration::from_millis(500)).cache(idle)
    })
    .await
    .ready()
    .await;
    let cookie = node.log_in("ferris").await;
    node.store.reset();
    let began = Instant::now();
    let mut requests = 0;
    while began.elapsed() < 2 * idle {
        node.me(&cookie).await.expect(StatusCode::OK);
        requests += 1;
        sleep(Duration::from_millis(20)).await;
    }
    let recordings = node.store.recordings();
    assert!((1..=8).contains(&recordings), "{recordings} of {requests}");
}

async fn no_more_sessions_are_kept_than_fit(backend: Backend) {
    let store = Watched::new(backend.store().await);
    let node = Node::over(store, |it| it.cache(LONG).cache_capacity(32)).await.ready().await;
    let mut cookies = Vec::new();
    for user in 0..100 {
        cookies.push(node.log_in(&format!("user{user}")).await);
    }
    let mut loads = 0;
    for _ in 0..2 {
        loads = 0;
        for cookie in &cookies {
            loads += node.loads_for("/me", cookie, StatusCode::OK).await;
        }
    }
    assert!(loads >= 60, "{loads} loads for 100 sessions");
}

async fn after_a_shutdown_requests_are_served_as_before(backend: Backend) {
    let node = Node::cached(&backend).await;
    let cookie = node.log_in_warm("ferris").await;
    assert_eq!(node.sessions.shutdown().await, 0);
    node.me(&cookie).await.expect(StatusCode::OK);
    node.log_out(&cookie).await;
    node.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}
