//! How long calls take, and for how many callers a statement is run.

use anchor::metrics::STORE_BATCH_SIZE;
use anchor::{MemoryStore, SessionId};
use anchor_tests::Backend;
use http::StatusCode;

use crate::application::{Application, Recording, TABLE, UserSession, builder, give_back};

/// The number of statements of a verb, and that of their callers.
fn statements(recording: &Recording, verb: &str) -> (Option<f64>, Option<f64>) {
    let exposition = recording.exposition();
    let labels = [("table", TABLE), ("verb", verb)];
    let part = |part: &str| exposition.sum(&format!("{STORE_BATCH_SIZE}_{part}"), &labels);
    (part("count"), part("sum"))
}

on_stores![each_call_is_measured_and_each_statement_counts_its_callers: sqlite, postgres, mysql];

async fn each_call_is_measured_and_each_statement_counts_its_callers(backend: Backend) {
    let store = backend.store().await;
    let recording = Recording::new();
    let _recorded = recording.begin();
    let sessions = builder(store).build().unwrap();
    let session = sessions.test_session(UserSession::of("ferris")).await;
    assert_eq!(recording.calls("create", "ok"), Some(1.0));
    assert_eq!(statements(&recording, "create"), (Some(1.0), Some(1.0)));

    // The first one runs alone. Those that come while it runs share the next statement.
    let id = session.id();
    let get = || async { assert!(sessions.get(id).await.unwrap().is_some()) };
    let taken = backend.take_every_connection().await;
    tokio::join!(get(), get(), get(), get(), get(), give_back(taken));
    assert_eq!(recording.calls("load", "ok"), Some(5.0));
    assert_eq!(statements(&recording, "load"), (Some(2.0), Some(5.0)));
}

#[tokio::test]
async fn a_request_with_its_row_in_memory_records_nothing() {
    let recording = Recording::new();
    let app = Application::on(builder(MemoryStore::new())).await;
    let (cookie, _) = app.log_in("ferris", "").await;
    let _recorded = recording.begin();
    assert_eq!(app.get("/me", &cookie).await, StatusCode::OK);
    assert!(recording.exposition().samples().is_empty(), "{}", recording.text());
    // The other verbs are measured there, too.
    assert!(!app.sessions.revoke(SessionId::from_uuid(uuid::Uuid::nil())).await.unwrap());
    assert_eq!(recording.calls("revoke", "ok"), Some(1.0));
}
