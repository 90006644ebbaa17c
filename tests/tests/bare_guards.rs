//! `#[require_session]` and `#[logout]` without a type, in an application of one payload.
//!
//! A binary of its own, with one payload: as soon as a process has two, these guards refuse every
//! request (`lost_layer.rs`).

use anchor::manager::{BoxError, SessionManagerBuilder, Verdict, Verifier};
use anchor::prelude::*;
use anchor::store::Record;
use anchor_tests::http::Served;
use anchor_tests::{Backend, Verb, Watched, on_every_store};
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{Method, StatusCode};

on_every_store![
    a_bare_guard_lets_a_live_session_in_and_nobody_else,
    a_bare_guard_refuses_before_the_body_is_looked_at,
    a_bare_guard_sends_a_browser_to_log_in,
    a_bare_logout_ends_the_session_before_the_handler_runs,
    a_bare_logout_reaches_as_far_as_it_says,
    a_bare_logout_that_the_store_cannot_carry_out_is_503_and_keeps_the_cookie,
    a_bare_logout_by_a_safe_method_is_405_and_ends_nothing,
    a_bare_guard_without_a_layer_is_500_that_says_so,
    a_bare_guard_under_two_managers_is_500_that_says_so,
    a_refusal_of_a_bare_guard_is_the_applications_to_answer,
    a_test_runs_a_bare_guard,
];

#[derive(Clone, SessionData)]
#[session(table = "bare_sessions")]
struct UserSession {
    #[session(subject)]
    name: String,
}

async fn login(auth: Auth<UserSession>) -> Result<(), anchor::Error> {
    auth.login(UserSession { name: "ferris".into() }).await.map(drop)
}

#[require_session]
async fn guarded() -> &'static str {
    "guarded"
}

#[require_session(redirect = "/login")]
async fn page() -> &'static str {
    "page"
}

#[require_session]
async fn body(Json(text): Json<String>) -> String {
    text
}

#[logout]
async fn logout() -> StatusCode {
    StatusCode::NO_CONTENT
}

#[logout(all)]
async fn logout_all() -> StatusCode {
    StatusCode::NO_CONTENT
}

#[logout(others)]
async fn logout_others() -> StatusCode {
    StatusCode::NO_CONTENT
}

fn routes() -> Router {
    Router::new()
        .route("/login", post(login))
        .route("/guarded", get(guarded))
        .route("/page", get(page))
        .route("/body", post(body))
        .route("/logout", any(logout))
        .route("/logout-all", any(logout_all))
        .route("/logout-others", any(logout_others))
}

struct Application {
    store: Watched<UserSession>,
    sessions: SessionManager<UserSession>,
    served: Served,
}

type Builder = SessionManagerBuilder<UserSession>;

impl Application {
    async fn start(backend: &Backend, configure: impl FnOnce(Builder) -> Builder) -> Self {
        let store = Watched::new(backend.store().await);
        let builder = SessionManager::builder(store.clone()).keys(KeyRing::new([[7; 32]]).unwrap());
        let sessions = configure(builder).build().unwrap();
        let served = Served::start(routes().layer(sessions.layer())).await;
        Self { store, sessions, served }
    }

    async fn log_in(&self) -> String {
        self.served.post("/login").send().await.expect(StatusCode::OK).cookie()
    }

    async fn status(&self, path: &str, cookie: &str) -> StatusCode {
        self.served.get(path).cookie(cookie).send().await.status
    }
}

async fn a_bare_guard_lets_a_live_session_in_and_nobody_else(backend: Backend) {
    let app = Application::start(&backend, |sessions| sessions).await;
    let (live, ended) = (app.log_in().await, app.log_in().await);
    app.served.post("/logout").cookie(&ended).send().await.expect(StatusCode::NO_CONTENT);
    assert_eq!(app.status("/guarded", &live).await, StatusCode::OK);
    for cookie in ["", "__Host-id=forged", &ended, &format!("{live}; __Host-id=planted")] {
        assert_eq!(app.status("/guarded", cookie).await, StatusCode::UNAUTHORIZED, "{cookie}");
    }
    app.store.fail(Verb::Load, true);
    assert_eq!(app.status("/guarded", &live).await, StatusCode::SERVICE_UNAVAILABLE);
}

async fn a_bare_guard_refuses_before_the_body_is_looked_at(backend: Backend) {
    let app = Application::start(&backend, |sessions| sessions).await;
    let broken = |cookie: &str| {
        let call = app.served.post("/body").cookie(cookie);
        call.header(CONTENT_TYPE, "application/json").body("\"broken").send()
    };
    broken("").await.expect(StatusCode::UNAUTHORIZED);
    broken(&app.log_in().await).await.expect(StatusCode::BAD_REQUEST);
}

async fn a_bare_guard_sends_a_browser_to_log_in(backend: Backend) {
    let app = Application::start(&backend, |sessions| sessions).await;
    let sent = app.served.get("/page").header(ACCEPT, "text/html").send().await;
    assert_eq!(sent.expect(StatusCode::SEE_OTHER).header(LOCATION), Some("/login?next=/page"));
    assert_eq!(app.status("/page", &app.log_in().await).await, StatusCode::OK);
}

async fn a_bare_logout_ends_the_session_before_the_handler_runs(backend: Backend) {
    let app = Application::start(&backend, |sessions| sessions).await;
    let cookie = app.log_in().await;
    for _ in 0..2 {
        let logout = app.served.post("/logout").cookie(&cookie).send().await;
        assert!(logout.expect(StatusCode::NO_CONTENT).set_cookie().contains("Max-Age=0"));
        assert_eq!(app.status("/guarded", &cookie).await, StatusCode::UNAUTHORIZED);
    }
    assert!(app.sessions.list(&"ferris".to_owned()).await.unwrap().is_empty());
}

async fn a_bare_logout_reaches_as_far_as_it_says(backend: Backend) {
    let app = Application::start(&backend, |sessions| sessions).await;
    let (desk, phone) = (app.log_in().await, app.log_in().await);
    app.served.post("/logout-others").send().await.expect(StatusCode::UNAUTHORIZED);
    let others = app.served.post("/logout-others").cookie(&desk).send().await;
    others.expect(StatusCode::NO_CONTENT);
    assert_eq!(app.status("/guarded", &desk).await, StatusCode::OK);
    assert_eq!(app.status("/guarded", &phone).await, StatusCode::UNAUTHORIZED);
    let phone = app.log_in().await;
    app.served.post("/logout-all").cookie(&desk).send().await.expect(StatusCode::NO_CONTENT);
    for cookie in [desk, phone] {
        assert_eq!(app.status("/guarded", &cookie).await, StatusCode::UNAUTHORIZED);
    }
}

async fn a_bare_logout_that_the_store_cannot_carry_out_is_503_and_keeps_the_cookie(
    backend: Backend,
) {
    let app = Application::start(&backend, |sessions| sessions).await;
    let cookie = app.log_in().await;
    app.store.fail(Verb::Revoke, true);
    let logout = app.served.post("/logout").cookie(&cookie).send().await;
    assert!(logout.expect(StatusCode::SERVICE_UNAVAILABLE).set_cookies().is_empty());
    assert_eq!(app.status("/guarded", &cookie).await, StatusCode::OK);
}

async fn a_bare_logout_by_a_safe_method_is_405_and_ends_nothing(backend: Backend) {
    let app = Application::start(&backend, |sessions| sessions).await;
    let cookie = app.log_in().await;
    app.store.reset();
    for path in ["/logout", "/logout-all", "/logout-others"] {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
            let refused = app.served.call(method, path).cookie(&cookie).send().await;
            let refused = refused.expect(StatusCode::METHOD_NOT_ALLOWED);
            assert!(refused.set_cookies().is_empty(), "{path}");
        }
    }
    assert_eq!(app.store.all_calls(), 0);
    assert_eq!(app.status("/guarded", &cookie).await, StatusCode::OK);
}

async fn a_bare_guard_without_a_layer_is_500_that_says_so(_: Backend) {
    let served = Served::start(routes()).await;
    for call in [served.get("/guarded"), served.post("/logout")] {
        let answer = call.send().await.expect(StatusCode::INTERNAL_SERVER_ERROR);
        assert!(answer.text().starts_with("{\"error\":\"missing_layer\","), "{answer:?}");
        assert!(answer.text().contains("`.layer(sessions.layer())`"), "{answer:?}");
    }
}

/// Lets nobody in.
struct Suspended;

impl Verifier<UserSession> for Suspended {
    async fn verify(&self, _: &Record<UserSession>, _: &Parts) -> Result<Verdict, BoxError> {
        Ok(Verdict::Refuse)
    }
}

async fn a_bare_guard_under_two_managers_is_500_that_says_so(backend: Backend) {
    let inner = Application::start(&backend, |sessions| sessions).await;
    let outer = Application::start(&backend, |sessions| sessions.verifier(Suspended)).await;
    let cookie = inner.log_in().await;
    let router = routes().layer(inner.sessions.layer()).layer(outer.sessions.layer());
    let served = Served::start(router).await;
    inner.store.reset();
    for call in [served.get("/guarded"), served.post("/logout"), served.post("/logout-all")] {
        let answer = call.cookie(&cookie).send().await.expect(StatusCode::INTERNAL_SERVER_ERROR);
        assert!(answer.text().starts_with("{\"error\":\"several_managers\","), "{answer:?}");
        assert!(answer.set_cookies().is_empty());
    }
    assert_eq!(inner.store.all_calls(), 0);
    // The same manager twice is one.
    let router = routes().layer(inner.sessions.layer()).layer(inner.sessions.clone().layer());
    let served = Served::start(router).await;
    served.get("/guarded").cookie(&cookie).send().await.expect(StatusCode::OK);
    served.post("/logout").cookie(&cookie).send().await.expect(StatusCode::NO_CONTENT);
}

async fn a_refusal_of_a_bare_guard_is_the_applications_to_answer(backend: Backend) {
    let app = Application::start(&backend, |sessions| {
        sessions.on_reject(|rejection, _| (StatusCode::GONE, rejection.code()).into_response())
    })
    .await;
    for (call, code) in [
        (app.served.get("/guarded"), "no_session"),
        (app.served.get("/logout"), "logout_by_safe_method"),
    ] {
        assert_eq!(call.send().await.expect(StatusCode::GONE).text(), code);
    }
}

async fn a_test_runs_a_bare_guard(backend: Backend) {
    let app = Application::start(&backend, |sessions| sessions).await;
    let ferris = app.sessions.test_session(UserSession { name: "ferris".into() }).await;
    assert_eq!(guarded(ferris.guard().await.unwrap()).await, "guarded");
    assert_eq!(logout(ferris.guard().await.unwrap()).await, StatusCode::NO_CONTENT);
    for refused in [ferris.check(guarded).await, ferris.check(page).await] {
        assert_eq!(refused.unwrap_err().status(), StatusCode::UNAUTHORIZED);
    }
}
