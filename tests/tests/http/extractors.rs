//! The extractors: lazy, shared within a request, and a copy of what the store holds.

use std::sync::Arc;

use anchor::prelude::*;
use anchor_tests::Backend;
use axum::Router;
use axum::routing::get;
use http::StatusCode;
use http::header::{CACHE_CONTROL, SET_COOKIE, VARY};

use crate::application::{Application, UserSession};

on_every_store![
    a_request_that_asks_for_no_session_costs_no_store_call_and_no_header,
    every_extractor_gives_the_payload,
    changing_the_extracted_payload_changes_nothing_in_the_store,
    a_handlers_own_caching_headers_stand_where_the_session_is_only_read,
    concurrent_questions_in_one_request_load_once,
];

async fn a_request_that_asks_for_no_session_costs_no_store_call_and_no_header(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    app.store.reset();
    for cookie in [cookie.as_str(), "__Host-id=forged", ""] {
        let answer = app.get("/open").cookie(cookie).send().await.expect(StatusCode::OK);
        for header in [SET_COOKIE, CACHE_CONTROL, VARY] {
            assert_eq!(answer.header(header), None);
        }
    }
    assert_eq!(app.store.all_calls(), 0);
}

async fn every_extractor_gives_the_payload(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    for path in ["/me", "/payload"] {
        let answer = app.get(path).cookie(&cookie).send().await.expect(StatusCode::OK);
        let payload: UserSession = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(payload, UserSession::of("ferris"));
    }
    for path in ["/optional", "/optional-payload", "/auth"] {
        let answer = app.get(path).cookie(&cookie).send().await.expect(StatusCode::OK);
        assert_eq!(answer.text(), "ferris");
    }
}

async fn changing_the_extracted_payload_changes_nothing_in_the_store(backend: Backend) {
    let change = async |mut user: UserSession, session: Session<UserSession>| {
        user.name = "mallory".into();
        user.cart.clear();
        let mut copy = UserSession::clone(&session);
        copy.visits = -1;
        // What the memory store shares is shared for good: there is no way to it but a copy.
        let mut record = session.record().clone();
        Arc::make_mut(&mut record.data).name = "mallory".into();
        assert_eq!(*session, UserSession::of("ferris"));
    };
    let app = Application::with_routes(&backend, Router::new().route("/change", get(change))).await;
    let cookie = app.log_in("ferris").await;
    app.store.reset();
    app.get("/change").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!(app.store.all_calls(), 1, "one load and nothing else");
    let me = app.me(&cookie).await.expect(StatusCode::OK);
    assert_eq!(serde_json::from_slice::<UserSession>(&me.body).unwrap(), UserSession::of("ferris"));
}

async fn a_handlers_own_caching_headers_stand_where_the_session_is_only_read(backend: Backend) {
    let private = async |_: Session<UserSession>| {
        ([(CACHE_CONTROL, "private, max-age=60"), (VARY, "accept, Cookie")], "private")
    };
    let login = async |auth: Auth<UserSession>| {
        auth.login(UserSession::of("ferris")).await?;
        Ok::<_, anchor::Error>(([(CACHE_CONTROL, "public"), (VARY, "accept")], "welcome"))
    };
    let routes = Router::new().route("/private", get(private)).route("/careless-login", get(login));
    let app = Application::with_routes(&backend, routes).await;
    let login = app.get("/careless-login").send().await.expect(StatusCode::OK);
    assert_eq!(
        login.header(CACHE_CONTROL),
        Some("no-store"),
        "a response with a token is never kept"
    );
    let vary: Vec<_> = login.headers.get_all(VARY).iter().collect();
    assert_eq!(vary, ["accept", "cookie"]);
    let answer = app.get("/private").cookie(login.cookie()).send().await;
    assert_eq!(answer.header(CACHE_CONTROL), Some("private, max-age=60"));
    assert_eq!(answer.header(VARY), Some("accept, Cookie"));
}

async fn concurrent_questions_in_one_request_load_once(backend: Backend) {
    let many = async |auth: Auth<UserSession>| {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let auth = auth.clone();
                tokio::spawn(async move { auth.session().await.map(|session| session.is_some()) })
            })
            .collect();
        for task in tasks {
            assert!(task.await.unwrap().unwrap());
        }
    };
    let app = Application::with_routes(&backend, Router::new().route("/many", get(many))).await;
    let cookie = app.log_in("ferris").await;
    app.store.reset();
    app.get("/many").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!(app.store.all_calls(), 1);
}
