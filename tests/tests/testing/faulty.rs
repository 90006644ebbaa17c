//! A store that fails, stalls or holds what the test names.

use std::time::Duration;

use anchor::testing::{Faulty, Verb};
use anchor::{MemoryStore, SessionManager};
use anchor_tests::Backend;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Method, Request, StatusCode};
use tokio::time::Instant;
use tower::ServiceExt;

use crate::application::{UserSession, app, builder, me};

on_every_store![a_store_that_fails_is_503_and_nothing_has_happened];

mod keeps_the_contract {
    anchor::conformance!(async || anchor::testing::Faulty::new(anchor::MemoryStore::new()));
}

/// Every verb of the contract is one that can fail.
mod keeps_the_contract_on_sqlite {
    anchor::conformance!(async || {
        let store = anchor::SqliteStore::new(anchor_tests::databases::sqlite().await);
        store.migrate().await.expect("SQLite makes the table");
        anchor::testing::Faulty::new(store)
    });
}

async fn ask(
    sessions: &SessionManager<UserSession>,
    method: Method,
    request: (&str, Option<&anchor::testing::TestSession<UserSession>>),
) -> Response {
    let (path, session) = request;
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let request = match session {
        Some(session) => session.apply(request),
        None => request,
    };
    app(sessions).oneshot(request).await.unwrap()
}

async fn a_store_that_fails_is_503_and_nothing_has_happened(backend: Backend) {
    let store = Faulty::new(backend.store().await);
    let sessions = builder(store.clone()).build().unwrap();
    let ferris = sessions.test_session(UserSession::of("ferris")).await;

    store.fail(Verb::Load);
    let read = ask(&sessions, Method::GET, ("/me", Some(&ferris))).await;
    assert_eq!(read.status(), StatusCode::SERVICE_UNAVAILABLE);
    let optional = ask(&sessions, Method::GET, ("/", Some(&ferris))).await;
    assert_eq!(optional.status(), StatusCode::SERVICE_UNAVAILABLE, "not a visitor");
    store.heal(Verb::Load);

    store.fail([Verb::Create, Verb::Revoke]);
    let login = ask(&sessions, Method::POST, ("/login/corro", None)).await;
    assert_eq!(login.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(sessions.session_set_by(&login).is_none());
    let logout = ask(&sessions, Method::POST, ("/logout", Some(&ferris))).await;
    assert_eq!(logout.status(), StatusCode::SERVICE_UNAVAILABLE);
    let read = ask(&sessions, Method::GET, ("/me", Some(&ferris))).await;
    assert_eq!(read.status(), StatusCode::OK, "the session lives");

    store.heal(Verb::ALL);
    let logout = ask(&sessions, Method::POST, ("/logout", Some(&ferris))).await;
    sessions.assert_session_removed(&logout);
}

#[tokio::test]
async fn every_verb_can_fail_and_says_who_made_it() {
    let store = Faulty::new(MemoryStore::<UserSession>::new());
    let sessions = builder(store.clone()).build().unwrap();
    let ferris = sessions.test_session(UserSession::of("ferris")).await;
    store.fail(Verb::ALL);
    let subject = "ferris".to_owned();
    for (verb, failed) in [
        (Verb::List, sessions.list(&subject).await.map(drop)),
        (Verb::History, sessions.history(&subject).await.map(drop)),
        (Verb::Load, sessions.get(ferris.id()).await.map(drop)),
        (Verb::Revoke, sessions.revoke(ferris.id()).await.map(drop)),
        (Verb::RevokeSubject, sessions.revoke_subject(&subject).await.map(drop)),
        (Verb::RevokeOthers, sessions.revoke_others(&subject, ferris.id()).await.map(drop)),
        (Verb::RevokeEveryone, sessions.revoke_everyone().await.map(drop)),
        (Verb::Sweep, sessions.sweep(1).await.map(drop)),
    ] {
        let message = failed.unwrap_err().to_string();
        let expected =
            format!("the session store did not answer: `Faulty` lets `{}` fail", verb.name());
        assert_eq!(message, expected);
        assert_eq!(store.calls(verb), 1, "{verb:?}");
    }
    let refused = ferris.check(me).await.unwrap_err();
    assert_eq!(
        (refused.status(), refused.code()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("store_unavailable"))
    );
    assert!(
        format!("{store:?}").starts_with("Faulty { fail: [Create, Load, Update, "),
        "{store:?}"
    );
    store.heal(Verb::ALL);
    assert_eq!(format!("{store:?}"), "Faulty { fail: [], wait: [], .. }");
    store.reset_calls();
    assert!(ferris.check(me).await.is_ok());
    assert_eq!(store.calls(Verb::ALL), 1, "a guarded request is one load");
}

#[tokio::test(start_paused = true)]
async fn a_stall_ends_by_itself_or_by_the_managers_limit_or_when_it_is_healed() {
    let store = Faulty::new(MemoryStore::<UserSession>::new());
    let sessions = builder(store.clone()).store_timeout(Duration::from_secs(5)).build().unwrap();
    let ferris = sessions.test_session(UserSession::of("ferris")).await;
    let began = Instant::now();
    store.stall(Verb::Load, Duration::from_secs(3));
    ferris.check(me).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 3);
    store.stall(Verb::Load, Duration::MAX);
    assert_eq!(ferris.check(me).await.unwrap_err().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(began.elapsed().as_secs(), 8);
    let waiting = tokio::spawn(async move { ferris.check(me).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    store.heal(Verb::Load);
    waiting.await.unwrap().unwrap();
    assert_eq!(began.elapsed().as_secs(), 9);
}

#[tokio::test]
async fn a_held_call_waits_for_the_test() {
    let store = Faulty::new(MemoryStore::<UserSession>::new());
    let sessions = builder(store.clone()).build().unwrap();
    let ferris = sessions.test_session(UserSession::of("ferris")).await;
    let hold = store.hold(Verb::Load);
    let reading = tokio::spawn({
        let ferris = ferris.clone();
        async move { ferris.check(me).await }
    });
    hold.reached().await;
    // The logout is answered before the read reaches the store.
    assert!(sessions.revoke(ferris.id()).await.unwrap());
    hold.release();
    let refused = reading.await.unwrap().unwrap_err();
    assert_eq!(refused.into_response().status(), StatusCode::UNAUTHORIZED);
}
