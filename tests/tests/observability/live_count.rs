//! The number of live sessions, on demand.

use std::time::Duration;

use anchor::metrics::{OPERATIONS_FAILED, SESSIONS_LIVE};
use anchor::prelude::*;
use anchor::testing::{Faulty, Verb};
use anchor_tests::Backend;

use crate::application::{Recording, TABLE, UserSession, builder};

#[derive(Clone, SessionData)]
#[session(table = "cut_off_sessions", cookie = "__Host-cut-off", keep_ended = "30d", cut_off)]
struct CutOffSession {
    #[session(subject)]
    name: String,
}

on_stores![the_live_sessions_are_counted: memory, sqlite, postgres, mysql];

async fn the_live_sessions_are_counted(backend: Backend) {
    let recording = Recording::new();
    let _recorded = recording.begin();
    let sessions = builder(backend.store().await).build().unwrap();
    let gauge = |table| recording.exposition().sum(SESSIONS_LIVE, &[("table", table)]);
    assert_eq!(sessions.record_live_count().await.unwrap(), Some(0));
    assert_eq!(gauge(TABLE), Some(0.0));

    let ended = sessions.test_session(UserSession::of("ferris")).await;
    for name in ["ferris", "corro", "corro"] {
        sessions.test_session(UserSession::of(name)).await;
    }
    let unused = Duration::from_secs(3 * 3600);
    sessions.test_session(UserSession::of("late")).unused_for(unused).await;
    assert!(sessions.revoke(ended.id()).await.unwrap());
    assert_eq!(gauge(TABLE), Some(0.0), "only on demand");
    assert_eq!(sessions.record_live_count().await.unwrap(), Some(3));
    assert_eq!(gauge(TABLE), Some(3.0));

    // Rows that stay in the table after their end.
    let sessions = builder(backend.store().await).build().unwrap();
    let corro = || CutOffSession { name: "corro".to_owned() };
    let late = sessions.test_request(http::Request::new(()));
    let late_login = late.auth().await.unwrap();
    let ended = sessions.test_session(corro()).await;
    sessions.test_session(corro()).await;
    sessions.test_session(CutOffSession { name: "ferris".to_owned() }).await;
    assert_eq!(sessions.record_live_count().await.unwrap(), Some(3));
    sessions.revoke(ended.id()).await.unwrap();
    assert_eq!(sessions.record_live_count().await.unwrap(), Some(2));
    sessions.cut_off(&"corro".to_owned()).await.unwrap();
    // This login began before the cut-off.
    late_login.login(corro()).await.unwrap();
    assert_eq!(sessions.record_live_count().await.unwrap(), Some(1));
    assert_eq!(gauge("cut_off_sessions"), Some(1.0));
    assert_eq!(gauge(TABLE), Some(3.0));
}

#[tokio::test]
async fn redis_does_not_count() {
    let Some(backend) = Backend::redis().await else { return };
    let recording = Recording::new();
    let _recorded = recording.begin();
    let sessions = builder(backend.store().await).build().unwrap();
    sessions.test_session(UserSession::of("ferris")).await;
    assert_eq!(sessions.record_live_count().await.unwrap(), None);
    assert_eq!(recording.exposition().sum(SESSIONS_LIVE, &[]), None);
}

#[tokio::test]
async fn a_count_that_fails_leaves_the_gauge_as_it_is() {
    let recording = Recording::new();
    let _recorded = recording.begin();
    let store = Faulty::new(Backend::sqlite().await.unwrap().store::<UserSession>().await);
    let sessions = builder(store.clone()).build().unwrap();
    sessions.test_session(UserSession::of("ferris")).await;
    assert_eq!(sessions.record_live_count().await.unwrap(), Some(1));
    store.fail(Verb::ALL);
    // `Faulty` passes it on: it is not a verb of the contract.
    assert_eq!(sessions.record_live_count().await.unwrap(), Some(1));

    let Backend::Sqlite(pool) = Backend::sqlite().await.unwrap() else { unreachable!() };
    let unmigrated = builder(SqliteStore::<UserSession>::new(pool)).build().unwrap();
    unmigrated.record_live_count().await.unwrap_err();
    assert_eq!(recording.reason(OPERATIONS_FAILED, "store_not_migrated"), Some(1.0));
    assert_eq!(recording.calls("live_count", "error"), Some(1.0));
    assert_eq!(recording.exposition().sum(SESSIONS_LIVE, &[]), Some(1.0));
}
