//! The application's own yes or no.

use anchor::manager::{BoxError, Verdict, Verifier};
use anchor::prelude::*;
use anchor::store::Record;
use anchor_tests::{Backend, Verb, Watched, logs};
use axum::Router;
use axum::routing::post;
use http::request::Parts;
use http::{HeaderName, StatusCode};

use crate::application::{Application, OPTIONAL, REQUIRING, UserSession};
use crate::tokens::id_of;

on_every_store![
    the_verifiers_no_is_401_and_leaves_the_session_as_it_is,
    the_verifiers_error_is_503_for_every_extractor,
    the_verifier_is_asked_for_live_sessions_alone,
    login_and_logout_do_not_depend_on_the_verifier,
    a_logout_of_the_others_asks_the_verifier_about_its_request,
];

const VERDICT: HeaderName = HeaderName::from_static("x-verdict");

/// Says what the request's `x-verdict` asks for; it knows payload and request.
struct AsAsked;

impl Verifier<UserSession> for AsAsked {
    async fn verify(
        &self,
        session: &Record<UserSession>,
        request: &Parts,
    ) -> Result<Verdict, BoxError> {
        tokio::task::yield_now().await;
        assert_eq!(session.data.name, "ferris");
        match request.headers.get(VERDICT).map(|value| value.as_bytes()) {
            Some(b"no") => Ok(Verdict::Refuse),
            Some(b"error") => Err("the directory is down; password hunter2".into()),
            _ => Ok(Verdict::Accept),
        }
    }
}

/// Nobody may ask it.
struct Unasked;

impl Verifier<UserSession> for Unasked {
    async fn verify(&self, _: &Record<UserSession>, _: &Parts) -> Result<Verdict, BoxError> {
        panic!("there is no live session to judge")
    }
}

async fn the_verifiers_no_is_401_and_leaves_the_session_as_it_is(backend: Backend) {
    logs::keep();
    let app = Application::configured(&backend, |sessions| sessions.verifier(AsAsked)).await;
    let cookie = app.log_in("ferris").await;
    for path in REQUIRING {
        let answer = app.get(path).cookie(&cookie).header(VERDICT, "no").send().await;
        let answer = answer.expect(StatusCode::UNAUTHORIZED);
        assert_eq!(answer.text(), "{\"error\":\"unauthenticated\"}");
        assert!(answer.set_cookies().is_empty());
    }
    for path in OPTIONAL {
        let answer = app.get(path).cookie(&cookie).header(VERDICT, "no").send().await;
        assert_eq!(answer.expect(StatusCode::OK).text(), "none");
    }
    let lines = logs::lines_with(&id_of(&cookie).to_string());
    assert!(lines.iter().any(|line| line.contains("\"refused_by_verifier\"")), "{lines:?}");
    assert_eq!(app.store.calls(Verb::Revoke) + app.store.calls(Verb::Touch), 0);
    for path in REQUIRING {
        app.get(path).cookie(&cookie).send().await.expect(StatusCode::OK);
    }
}

async fn the_verifiers_error_is_503_for_every_extractor(backend: Backend) {
    let app = Application::configured(&backend, |sessions| sessions.verifier(AsAsked)).await;
    let cookie = app.log_in("ferris").await;
    for path in REQUIRING.into_iter().chain(OPTIONAL) {
        let answer = app.get(path).cookie(&cookie).header(VERDICT, "error").send().await;
        let answer = answer.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.text(), "{\"error\":\"verifier_failed\"}", "{path}");
        assert!(answer.set_cookies().is_empty());
    }
}

async fn the_verifier_is_asked_for_live_sessions_alone(backend: Backend) {
    let app = Application::configured(&backend, |sessions| sessions.verifier(Unasked)).await;
    let cookie = app.log_in("ferris").await;
    app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
    for path in REQUIRING {
        for cookie in [cookie.as_str(), "__Host-id=x", ""] {
            app.get(path).cookie(cookie).send().await.expect(StatusCode::UNAUTHORIZED);
        }
    }
}

async fn login_and_logout_do_not_depend_on_the_verifier(backend: Backend) {
    let app = Application::configured(&backend, |sessions| sessions.verifier(Unasked)).await;
    let cookie = app.log_in("ferris").await;
    let newer = app.log_in_over("ferris", &cookie).await;
    assert!(!app.is_live(id_of(&cookie)).await, "a login ends what was presented, verified or not");
    app.log_out(&newer).await.expect(StatusCode::NO_CONTENT);
    assert!(!app.is_live(id_of(&newer)).await);
}

#[logout(UserSession, others)]
async fn logout_others() {}

async fn a_logout_of_the_others_asks_the_verifier_about_its_request(backend: Backend) {
    let store = Watched::new(backend.store().await);
    let routes = Router::new().route("/logout-others", post(logout_others));
    let app = Application::assemble(store, |sessions| sessions.verifier(AsAsked), routes).await;
    let [own, other] = [app.log_in("ferris").await, app.log_in("ferris").await];
    let refused = app.post("/logout-others").cookie(&own).header(VERDICT, "no").send().await;
    refused.expect(StatusCode::UNAUTHORIZED);
    assert!(app.is_live(id_of(&other)).await);
    app.post("/logout-others").cookie(&own).send().await.expect(StatusCode::OK);
    assert!(app.is_live(id_of(&own)).await && !app.is_live(id_of(&other)).await);
}
