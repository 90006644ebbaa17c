//! Application nodes are processes that share nothing but the database: a logout on one of them is
//! seen by the next request on the other, also under load, and with a cache when its lease is over.

use std::time::Duration;

use anchor_tests::{Backend, on_every_server};
use tokio::time::sleep;

use crate::crowd::{Crowd, Habits, Told, USERS};
use crate::nodes::{Node, Setup};

on_every_server![
    a_logout_on_one_process_is_seen_by_the_next_request_on_the_other,
    with_a_cache_it_is_seen_when_the_lease_is_over,
    a_process_that_answers_before_the_end_is_found,
];

const LOAD: Duration = Duration::from_secs(1);

const LEASE: Duration = Duration::from_millis(200);

const LIMIT: Duration = Duration::from_secs(20);

/// Lets a crowd use two processes over the same rows.
async fn use_both(backend: &Backend, setup: Setup, habits: Habits) -> Told {
    let processes = Node::start_two(&backend.url(), setup);
    let nodes = processes.each_ref().map(Node::served);
    let crowd = Crowd::gather(&nodes, habits);
    sleep(LOAD).await;
    let told = crowd.leave().await;
    println!("{}", told.summary());
    assert_eq!(told.unavailable, 0, "nothing has failed");
    assert!(told.ended.len() >= USERS, "no load: {}", told.summary());
    assert_eq!(told.lost(&nodes[1], LIMIT).await, 0);
    told
}

async fn a_logout_on_one_process_is_seen_by_the_next_request_on_the_other(backend: Backend) {
    let told = use_both(&backend, Setup::default(), Habits::default()).await;
    assert_eq!(told.broken, [""; 0]);
}

async fn with_a_cache_it_is_seen_when_the_lease_is_over(backend: Backend) {
    let setup = Setup { lease: Some(LEASE), ..Setup::default() };
    let habits = Habits { lease: LEASE, ..Habits::default() };
    let told = use_both(&backend, setup, habits).await;
    assert_eq!(told.broken, [""; 0]);
}

async fn a_process_that_answers_before_the_end_is_found(backend: Backend) {
    let habits = Habits { logout: "/hasty-logout", ..Habits::default() };
    let told = use_both(&backend, Setup::default(), habits).await;
    assert!(!told.broken.is_empty(), "{}", told.summary());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_is_longer_than_promised_is_found() {
    let Some(backend) = Backend::redis().await else { return };
    let setup = Setup { lease: Some(100 * LEASE), ..Setup::default() };
    let habits = Habits { lease: LEASE, ..Habits::default() };
    let told = use_both(&backend, setup, habits).await;
    assert!(!told.broken.is_empty(), "{}", told.summary());
}
