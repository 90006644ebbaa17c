//! Nodes whose clocks are wrong: the store's clock decides, and a node's own has no effect.
//!
//! Each node is a process of its own that sees a clock of its own (`libfaketime`). SQLite and
//! memory are in the application, and have no other clock than the machine's: for them, a clock
//! that jumps back is tested on one node.

use std::time::Duration;

use anchor_tests::http::Served;
use anchor_tests::{Backend, FakeClock};
use http::StatusCode;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::application::{LoggedIn, Times, log_in, me};
use crate::node::Node;

on_every_server![
    two_nodes_whose_clocks_are_ten_minutes_apart_agree,
    what_has_expired_stays_so_when_a_nodes_clock_jumps_back,
];

const MINUTE: Duration = Duration::from_secs(60);

/// How far apart two nodes read their clocks, one after the other.
const SLACK: Duration = Duration::from_secs(30);

async fn times(served: &Served, session: &LoggedIn) -> Times {
    let answer = served.get("/times").cookie(&session.cookie).send().await;
    serde_json::from_slice(&answer.expect(StatusCode::OK).body).unwrap()
}

async fn log_out(served: &Served, session: &LoggedIn) {
    let answer = served.post("/logout").cookie(&session.cookie).send().await;
    answer.expect(StatusCode::NO_CONTENT);
}

/// A session of each node lives on both, for as long as it should, and ends on both.
async fn assert_agree(right: &Served, wrong: &Served, idle: Duration) {
    for (here, there) in [(right, wrong), (wrong, right)] {
        let session = log_in(here, "ferris").await;
        for node in [here, there] {
            assert_eq!(me(node, &session).await, StatusCode::OK);
        }
        let times = times(right, &session).await;
        let left = Duration::from_micros((times.expires_at - times.node) as u64);
        assert!(left > idle - SLACK && left < idle + SLACK, "it expires in {left:?}");
        log_out(there, &session).await;
        for node in [here, there] {
            assert_eq!(me(node, &session).await, StatusCode::UNAUTHORIZED);
        }
    }
}

/// How far a node's clock is ahead of another one's, in seconds.
async fn ahead(wrong: &Served, right: &Served, session: &LoggedIn) -> i64 {
    let (wrong, right) = (times(wrong, session).await, times(right, session).await);
    (wrong.node - right.node) / 1_000_000
}

async fn two_nodes_whose_clocks_are_ten_minutes_apart_agree(backend: Backend) {
    let Some(clock) = FakeClock::at("+10m") else { return };
    // Half of what the clocks differ by: a node that used its own would be noticed.
    let idle = 5 * MINUTE;
    let store = backend.url();
    let (one, other) = block_in_place(|| {
        (Node::start(&store, idle, None), Node::start(&store, idle, Some(&clock)))
    });
    let (right, wrong) = (one.served(), other.served());
    let session = log_in(&right, "ferris").await;
    let seconds = ahead(&wrong, &right, &session).await;
    assert!((570..=630).contains(&seconds), "the clock is {seconds} seconds ahead");
    assert_agree(&right, &wrong, idle).await;
    // A handler that used the node's clock would have been noticed.
    for (node, status) in [(&right, StatusCode::OK), (&wrong, StatusCode::UNAUTHORIZED)] {
        let answer = node.get("/by-the-nodes-clock").cookie(&session.cookie).send().await;
        assert_eq!(answer.status, status);
    }

    clock.set("-10m");
    let seconds = ahead(&wrong, &right, &session).await;
    assert!((-630..=-570).contains(&seconds), "the clock is {seconds} seconds ahead");
    assert_agree(&right, &wrong, idle).await;
    log_out(&wrong, &session).await;
    for node in [&right, &wrong] {
        assert_eq!(me(node, &session).await, StatusCode::UNAUTHORIZED);
    }
}

async fn what_has_expired_stays_so_when_a_nodes_clock_jumps_back(backend: Backend) {
    let Some(clock) = FakeClock::at("+10m") else { return };
    let idle = Duration::from_secs(1);
    let node = block_in_place(|| Node::start(&backend.url(), idle, Some(&clock)));
    expires_for_good(&node, &clock, idle).await;
}

/// A session expires, and the clock jumps back by twenty minutes.
async fn expires_for_good(node: &Node, clock: &FakeClock, idle: Duration) {
    let node = node.served();
    let session = log_in(&node, "corro").await;
    assert_eq!(me(&node, &session).await, StatusCode::OK);
    sleep(idle + Duration::from_millis(300)).await;
    assert_eq!(me(&node, &session).await, StatusCode::UNAUTHORIZED);
    clock.set("-10m");
    assert_eq!(me(&node, &session).await, StatusCode::UNAUTHORIZED);
    let next = log_in(&node, "corro").await;
    assert_eq!(me(&node, &next).await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_memory_what_has_expired_stays_so_when_the_clock_jumps_back() {
    let Some(clock) = FakeClock::at("+10m") else { return };
    let idle = Duration::from_secs(1);
    let node = block_in_place(|| Node::start(&Backend::Memory.url(), idle, Some(&clock)));
    expires_for_good(&node, &clock, idle).await;
}

/// The clock of the machine is SQLite's: a session expires early when it jumps ahead, and what has
/// not been removed comes back when it jumps back. What was logged out does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_the_machines_clock_decides_and_a_logout_is_final() {
    let Some(clock) = FakeClock::at("+0s") else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", folder.path().join("sessions.db").display());
    let process = block_in_place(|| Node::start(&store, 5 * MINUTE, Some(&clock)));
    let node = process.served();
    let sessions = [log_in(&node, "ada").await, log_in(&node, "ada").await];
    let [left, stayed] = &sessions;
    log_out(&node, left).await;
    clock.set("+10m");
    assert_eq!(me(&node, stayed).await, StatusCode::UNAUTHORIZED, "it has expired");
    let late = log_in(&node, "ada").await;
    clock.set("-10m");
    for (session, status) in
        [(left, StatusCode::UNAUTHORIZED), (stayed, StatusCode::OK), (&late, StatusCode::OK)]
    {
        assert_eq!(me(&node, session).await, status);
    }
    // It looks expired when its user logs out, and stays ended when it no longer does.
    clock.set("+10m");
    assert_eq!(me(&node, stayed).await, StatusCode::UNAUTHORIZED);
    log_out(&node, stayed).await;
    clock.set("-10m");
    for session in [left, stayed] {
        assert_eq!(me(&node, session).await, StatusCode::UNAUTHORIZED);
    }
}
