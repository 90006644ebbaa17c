//! `#[logout]` by a method that a link, an image or a prefetch on another site makes a browser
//! send: it ends nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anchor::prelude::*;
use anchor_tests::{Backend, Watched};
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{any, get};
use axum::{Router, body::Body};
use http::header::{ALLOW, LOCATION};
use http::{HeaderName, Method, StatusCode};

use crate::application::{Application, UserSession};
use crate::tokens::id_of;

on_every_store![
    a_logout_by_a_safe_method_is_405_and_ends_nothing,
    a_logout_by_any_other_method_ends_the_session,
    a_logout_by_a_safe_method_is_the_applications_to_answer,
];

const SAFE: [Method; 4] = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE];
const UNSAFE: [Method; 4] = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
const LOGOUTS: [&str; 4] = ["/any/this", "/any/all", "/any/others", "/get"];

/// How often a handler ran.
type Runs = Arc<AtomicUsize>;

#[logout(UserSession)]
async fn this(State(runs): State<Runs>) {
    runs.fetch_add(1, Ordering::SeqCst);
}

#[logout(UserSession, all)]
async fn all(State(runs): State<Runs>) {
    runs.fetch_add(1, Ordering::SeqCst);
}

#[logout(UserSession, others)]
async fn others(State(runs): State<Runs>) {
    runs.fetch_add(1, Ordering::SeqCst);
}

fn routes(runs: &Runs) -> Router {
    Router::new()
        .route("/any/this", any(this))
        .route("/any/all", any(all))
        .route("/any/others", any(others))
        .route("/get", get(this).options(this).trace(this))
        .with_state(Arc::clone(runs))
}

async fn a_logout_by_a_safe_method_is_405_and_ends_nothing(backend: Backend) {
    let runs = Runs::default();
    let app = Application::with_routes(&backend, routes(&runs)).await;
    let (desk, phone) = (app.log_in("ferris").await, app.log_in("ferris").await);
    app.store.reset();
    for path in LOGOUTS {
        for method in SAFE {
            // As a link on another site has it sent: cross-origin protection lets it through, but
            // for `TRACE`, which browsers do not send.
            let site = if method == Method::TRACE { "none" } else { "cross-site" };
            let call = app.call(method.clone(), path).cookie(&desk);
            let refused = call.header(HeaderName::from_static("sec-fetch-site"), site).send().await;
            let refused = refused.expect(StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(refused.header(ALLOW), Some("POST, PUT, PATCH, DELETE"), "{method} {path}");
            assert!(refused.set_cookies().is_empty(), "{method} {path}");
            if method != Method::HEAD {
                let expected = format!(
                    "{{\"error\":\"logout_by_safe_method\",\"message\":\"`{method}` does not log \
                     out, because a link on another site could send it: route `#[logout]` with \
                     `post(..)`, and send `POST`, as a form with `method=\\\"post\\\"` does\"}}"
                );
                assert_eq!(refused.text(), expected);
            }
        }
    }
    assert_eq!((app.store.all_calls(), runs.load(Ordering::SeqCst)), (0, 0));
    for cookie in [&desk, &phone] {
        assert!(app.is_live(id_of(cookie)).await);
        app.me(cookie).await.expect(StatusCode::OK);
    }
}

async fn a_logout_by_any_other_method_ends_the_session(backend: Backend) {
    let app = Application::with_routes(&backend, routes(&Runs::default())).await;
    for method in UNSAFE {
        let cookie = app.log_in("ferris").await;
        let logout = app.call(method, "/any/this").cookie(&cookie).send().await;
        assert!(logout.expect(StatusCode::OK).set_cookie().contains("Max-Age=0"));
        assert!(!app.is_live(id_of(&cookie)).await);
    }
}

async fn a_logout_by_a_safe_method_is_the_applications_to_answer(backend: Backend) {
    let store = Watched::new(backend.store().await);
    let app = Application::assemble(
        store,
        |sessions| {
            sessions.on_reject(|rejection, _| {
                assert_eq!(rejection.code(), "logout_by_safe_method");
                (StatusCode::SEE_OTHER, [(LOCATION, "/goodbye")], Body::empty()).into_response()
            })
        },
        routes(&Runs::default()),
    )
    .await;
    let cookie = app.log_in("ferris").await;
    let asked = app.get("/any/this").cookie(&cookie).send().await.expect(StatusCode::SEE_OTHER);
    assert_eq!(asked.header(LOCATION), Some("/goodbye"));
    app.me(&cookie).await.expect(StatusCode::OK);
}
