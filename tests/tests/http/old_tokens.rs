//! Every genuine token of a session, however often it was rotated since, can end it; a token that
//! is not the session's can end nothing.

use std::sync::Arc;

use anchor::prelude::*;
use anchor::store::{Load, NewSession};
use anchor::token::{LastingHash, SecretHash};
use anchor_tests::{Backend, Verb};
use axum::Router;
use axum::routing::post;
use http::StatusCode;

use crate::application::{Application, UserSession};
use crate::tokens::id_of;

on_every_store![
    a_logout_with_any_older_token_ends_the_session,
    a_logout_that_races_with_rotations_ends_the_session,
    a_token_that_is_not_the_sessions_ends_nothing,
    a_logout_of_what_looks_expired_is_final_though_the_clock_is_set_back,
    a_login_over_what_looks_expired_is_final_though_the_clock_is_set_back,
];

async fn rotate(session: Session<UserSession>) -> Result<(), anchor::Error> {
    session.rotate().await.map(drop)
}

async fn rotate_now(session: Session<UserSession>) -> Result<(), anchor::Error> {
    session.rotate_now().await.map(drop)
}

#[logout(UserSession, all)]
async fn logout_all() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn application(backend: &Backend) -> Application {
    let routes = Router::new()
        .route("/rotate", post(rotate))
        .route("/rotate-now", post(rotate_now))
        .route("/logout-all", post(logout_all));
    Application::with_routes(backend, routes).await
}

const LOGOUTS: [&str; 3] = ["/logout", "/logout-by-auth", "/logout-all"];

async fn a_logout_with_any_older_token_ends_the_session(backend: Backend) {
    let app = application(&backend).await;
    for path in LOGOUTS {
        for age in 0..4 {
            let mut tokens = vec![app.log_in("ferris").await];
            for way in ["/rotate", "/rotate-now", "/rotate"] {
                let newest = tokens.last().unwrap();
                tokens.push(app.post(way).cookie(newest).send().await.cookie());
            }
            let newest = tokens.last().unwrap();
            app.me(newest).await.expect(StatusCode::OK);
            let logout = app.post(path).cookie(&tokens[3 - age]).send().await;
            assert!(logout.status.is_success(), "{path}, {age} rotations ago: {logout:?}");
            assert!(!app.is_live(id_of(newest)).await, "{path}, {age} rotations ago");
            app.me(newest).await.expect(StatusCode::UNAUTHORIZED);
        }
    }
}

async fn a_logout_that_races_with_rotations_ends_the_session(backend: Backend) {
    let app = application(&backend).await;
    for _ in 0..20 {
        let first = app.log_in("ferris").await;
        let rotations = async {
            let mut cookie = first.clone();
            for _ in 0..6 {
                let answer = app.post("/rotate").cookie(&cookie).send().await;
                if answer.status != StatusCode::OK || answer.set_cookies().is_empty() {
                    break;
                }
                cookie = answer.cookie();
            }
            cookie
        };
        let logout = async {
            tokio::time::sleep(std::time::Duration::from_millis(4)).await;
            app.log_out(&first).await
        };
        let (newest, logout) = tokio::join!(rotations, logout);
        logout.expect(StatusCode::NO_CONTENT);
        assert!(!app.is_live(id_of(&first)).await, "the logout said yes, and the session lives");
        app.me(&newest).await.expect(StatusCode::UNAUTHORIZED);
    }
}

/// A live session of the same id whose secrets are others: what a leaked signing key can name.
async fn usurped(app: &Application, backend: &Backend) -> String {
    let cookie = app.log_in("ferris").await;
    let id = id_of(&cookie);
    app.sessions.revoke(id).await.unwrap();
    if let Load::Ended = app.store.inner().load(id).await.unwrap() {
        backend.execute("DELETE FROM user_sessions").await;
    }
    backend.forget("user_sessions", id).await;
    let (lasting, secret) = (LastingHash::from_bytes([1; 32]), SecretHash::from_bytes([2; 32]));
    let victim = NewSession::new(id, lasting, secret, Arc::new(UserSession::of("victim")));
    app.store.inner().create(victim).await.unwrap();
    cookie
}

async fn a_token_that_is_not_the_sessions_ends_nothing(backend: Backend) {
    let app = application(&backend).await;
    let forged = usurped(&app, &backend).await;
    app.me(&forged).await.expect(StatusCode::UNAUTHORIZED);
    for path in LOGOUTS {
        let logout = app.post(path).cookie(&forged).send().await;
        let logout = logout.expect(StatusCode::UNAUTHORIZED);
        assert!(logout.set_cookies().is_empty(), "{path}: {logout:?}");
        assert!(app.is_live(id_of(&forged)).await, "{path}");
    }
    app.log_in_over("thief", &forged).await;
    assert!(app.is_live(id_of(&forged)).await, "a login ended a session without the proof");
    // Nor one of several that the login presents.
    let own = app.log_in("thief").await;
    app.log_in_over("thief", &format!("{own}; {forged}")).await;
    assert!(app.is_live(id_of(&forged)).await);
    assert!(!app.is_live(id_of(&own)).await);
}

/// The session's row as it looks when the clock has run ahead; `None` without SQL.
async fn looks_expired(app: &Application, backend: &Backend) -> Option<String> {
    let cookie = app.log_in("ferris").await;
    shift(backend, "-").await?;
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
    Some(cookie)
}

/// Moves every expiry by a day, as if the database's clock moved the other way.
async fn shift(backend: &Backend, sign: &str) -> Option<u64> {
    let day = match backend {
        Backend::Postgres(_) => "INTERVAL '30 days'",
        Backend::MySql(_) => "INTERVAL 30 DAY",
        _ => "(86400 * 1000000 * 30)",
    };
    backend
        .execute(&format!(
            "UPDATE user_sessions SET expires_at = expires_at {sign} {day}, \
             deadline = deadline {sign} {day}"
        ))
        .await
}

async fn a_logout_of_what_looks_expired_is_final_though_the_clock_is_set_back(backend: Backend) {
    let app = application(&backend).await;
    for path in ["/logout", "/logout-by-auth"] {
        let Some(cookie) = looks_expired(&app, &backend).await else { return };
        app.store.reset();
        let logout = app.post(path).cookie(&cookie).send().await;
        assert!(logout.status.is_success(), "{logout:?}");
        assert_eq!(app.store.calls(Verb::Revoke), 1);
        shift(&backend, "+").await;
        app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
    }
    for end in ["subject", "others", "everyone", "id"] {
        let Some(cookie) = looks_expired(&app, &backend).await else { return };
        let ferris = "ferris".to_owned();
        let other = anchor::SessionId::from_uuid(uuid::Uuid::nil());
        match end {
            "subject" => assert_eq!(app.sessions.revoke_subject(&ferris).await.unwrap(), 0),
            "others" => assert_eq!(app.sessions.revoke_others(&ferris, other).await.unwrap(), 0),
            "everyone" => assert_eq!(app.sessions.revoke_everyone().await.unwrap(), 0),
            _ => assert!(!app.sessions.revoke(id_of(&cookie)).await.unwrap()),
        }
        shift(&backend, "+").await;
        assert!(!app.is_live(id_of(&cookie)).await, "{end}");
    }
}

async fn a_login_over_what_looks_expired_is_final_though_the_clock_is_set_back(backend: Backend) {
    let app = application(&backend).await;
    let Some(cookie) = looks_expired(&app, &backend).await else { return };
    app.log_in_over("ferris", &cookie).await;
    shift(&backend, "+").await;
    assert!(!app.is_live(id_of(&cookie)).await);
}
