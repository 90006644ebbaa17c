//! A store that fails, stalls, or whose caller leaves.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use anchor::MemoryStore;
use anchor::metrics::{OPERATIONS_FAILED, SESSIONS_CREATED, SESSIONS_ENDED, SESSIONS_REFUSED};
use anchor::testing::{Faulty, Verb};
use http::StatusCode;

use crate::application::{Application, Recording, UserSession, builder};

#[tokio::test]
async fn a_store_that_fails_counts_as_an_error() {
    let recording = Recording::new();
    let _recorded = recording.begin();
    let store = Faulty::new(MemoryStore::new());
    let app = Application::on(builder(store.clone())).await;
    let (cookie, _) = app.log_in("ferris", "").await;

    store.fail(Verb::Load);
    assert_eq!(app.get("/me", &cookie).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(recording.calls("load", "error"), Some(1.0));
    assert_eq!(recording.reason(SESSIONS_REFUSED, "store_unavailable"), Some(1.0));
    assert_eq!(recording.calls("load", "ok"), None);

    store.heal(Verb::Load);
    assert_eq!(app.get("/me", &cookie).await, StatusCode::OK);
    assert_eq!(recording.calls("load", "ok"), Some(1.0));
    assert_eq!(recording.calls("load", "error"), Some(1.0));

    // The login is not refused. It fails, and the application learns it.
    store.fail(Verb::Create);
    let login = app.try_log_in("corro", "").await;
    assert_eq!(login.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(recording.calls("create", "error"), Some(1.0));
    assert_eq!(recording.reason(OPERATIONS_FAILED, "store_unavailable"), Some(1.0));
    assert_eq!(recording.reason(SESSIONS_REFUSED, "store_unavailable"), Some(1.0));
    assert_eq!(recording.exposition().sum(SESSIONS_CREATED, &[]), Some(1.0));

    // No end is counted that did not happen.
    store.fail(Verb::Revoke);
    assert_eq!(app.post("/logout", &cookie).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(recording.calls("revoke", "error"), Some(1.0));
    assert_eq!(recording.exposition().sum(SESSIONS_ENDED, &[]), None);
}

#[tokio::test]
async fn a_store_that_stalls_counts_as_a_timeout() {
    let recording = Recording::new();
    let _recorded = recording.begin();
    let store = Faulty::new(MemoryStore::new());
    let timeout = Duration::from_millis(50);
    let app = Application::on(builder(store.clone()).store_timeout(timeout)).await;
    let (cookie, _) = app.log_in("ferris", "").await;

    store.stall(Verb::Load, Duration::MAX);
    assert_eq!(app.get("/me", &cookie).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(recording.calls("load", "timeout"), Some(1.0));
    assert_eq!(recording.calls("load", "error"), None);
    let took = format!("{}_sum", anchor::metrics::STORE_CALL_DURATION);
    let took = recording.exposition().sum(&took, &[("outcome", "timeout")]).unwrap();
    assert!((0.05..5.0).contains(&took), "in seconds: {took}");
}

#[tokio::test]
async fn a_call_whose_caller_leaves_counts_as_cancelled() {
    let recording = Recording::new();
    let _recorded = recording.begin();
    let store = Faulty::new(MemoryStore::new());
    let sessions = builder(store.clone()).build().unwrap();
    let session = sessions.test_session(UserSession::of("ferris")).await;
    let hold = store.hold(Verb::Load);
    {
        let mut loading = pin!(sessions.get(session.id()));
        tokio::select! {
            biased;
            _ = &mut loading => panic!("the load is held"),
            () = hold.reached() => {}
        }
        assert_eq!(recording.calls("load", "cancelled"), None, "it is under way");
    }
    assert_eq!(recording.calls("load", "cancelled"), Some(1.0));
    hold.release();
    assert!(sessions.get(session.id()).await.unwrap().is_some());
    assert_eq!(recording.calls("load", "ok"), Some(1.0));
    assert_eq!(recording.calls("load", "cancelled"), Some(1.0));
    assert_send(sessions.get(session.id()));
}

/// What observes a call may not keep its future on one thread.
fn assert_send(_: impl Future + Send) {}
