//! Roles, freshness, redirects and cross-origin protection under a router that denies by default,
//! on every store.

use anchor::guard::{Decision, Policy};
use anchor::prelude::*;
use anchor::routing::{Router, get, post};
use anchor::{Error, Next};
use anchor_tests::Backend;
use anchor_tests::http::Served;
use axum::response::Redirect;
use http::header::{ACCEPT, LOCATION, ORIGIN};
use http::{HeaderName, StatusCode};

use crate::application::KEY;

on_every_store![
    a_role_a_policy_and_a_predicate_decide_together,
    a_browser_without_a_session_is_sent_to_log_in_and_back,
    another_sites_request_is_refused_before_the_store_is_asked,
];

#[derive(Clone, PartialEq, Column)]
enum Role {
    Member,
    Admin,
}

#[derive(Clone, SessionData)]
#[session(table = "policy_sessions", cookie = "__Host-visitor")]
struct Visitor {
    #[session(subject)]
    name: String,
    #[session(role)]
    role: Role,
}

struct Verified;

impl Policy<Visitor> for Verified {
    fn check(session: &Session<Visitor>) -> Decision {
        if session.name.ends_with("@example.com") { Decision::Allow } else { Decision::Deny }
    }
}

#[public]
async fn login(next: Next, auth: Auth<Visitor>, body: String) -> Result<Redirect, Error> {
    let role = if body.starts_with("admin") { Role::Admin } else { Role::Member };
    auth.login(Visitor { name: body, role }).await?;
    Ok(Redirect::to(next.or("/")))
}

#[require_session(Visitor, redirect = "/login")]
async fn orders() -> &'static str {
    "orders"
}

#[require_session(
    Visitor,
    role = Role::Admin,
    policy = Verified,
    fresh = "10m",
    when = |visitor| visitor.name.len() < 30
)]
async fn ban() {}

#[logout(Visitor)]
async fn logout() {}

fn router() -> Router {
    Router::new()
        .route("/login", post(login))
        .route("/orders", get(orders))
        .route("/ban", post(ban))
        .route("/logout", post(logout))
}

async fn served(backend: &Backend) -> Served {
    let sessions = SessionManager::<Visitor>::builder(backend.store().await)
        .keys(KeyRing::new([KEY]).unwrap())
        .build()
        .unwrap();
    Served::start(router().sessions(&sessions).build().unwrap()).await
}

async fn log_in(app: &Served, name: &'static str) -> String {
    app.post("/login").body(name).send().await.expect(StatusCode::SEE_OTHER).cookie()
}

async fn a_role_a_policy_and_a_predicate_decide_together(backend: Backend) {
    let app = served(&backend).await;
    let ban = async |cookie: &str| app.post("/ban").cookie(cookie).send().await.status;
    assert_eq!(ban("").await, StatusCode::UNAUTHORIZED);
    for (name, status) in [
        ("admin@example.com", StatusCode::OK),
        ("member@example.com", StatusCode::FORBIDDEN),
        ("admin@elsewhere.org", StatusCode::FORBIDDEN),
        ("admin.of.a.long.name@example.com", StatusCode::FORBIDDEN),
    ] {
        assert_eq!(ban(&log_in(&app, name).await).await, status, "{name}");
    }
}

async fn a_browser_without_a_session_is_sent_to_log_in_and_back(backend: Backend) {
    let app = served(&backend).await;
    let sent = app.get("/orders?page=2").header(ACCEPT, "text/html").send().await;
    let sent = sent.expect(StatusCode::SEE_OTHER);
    let to = sent.header(LOCATION).unwrap();
    assert_eq!(to, "/login?next=/orders%3Fpage%3D2");
    let login = app.post(to).body("member").send().await.expect(StatusCode::SEE_OTHER);
    assert_eq!(login.header(LOCATION), Some("/orders?page=2"));
    let orders = app.get("/orders?page=2").header(ACCEPT, "text/html").cookie(login.cookie());
    assert_eq!(orders.send().await.expect(StatusCode::OK).text(), "orders");
    // A script gets its 401.
    let script = app.get("/orders").header(ACCEPT, "application/json").send().await;
    script.expect(StatusCode::UNAUTHORIZED);
}

async fn another_sites_request_is_refused_before_the_store_is_asked(backend: Backend) {
    let app = served(&backend).await;
    let cookie = log_in(&app, "admin@example.com").await;
    for path in ["/login", "/ban", "/logout"] {
        let fetched = app.post(path).cookie(&cookie);
        let fetched = fetched.header(HeaderName::from_static("sec-fetch-site"), "cross-site");
        let refused = fetched.send().await.expect(StatusCode::FORBIDDEN);
        assert_eq!(refused.text(), r#"{"error":"cross_origin"}"#);
        let posted = app.post(path).cookie(&cookie).header(ORIGIN, "https://evil.example");
        posted.send().await.expect(StatusCode::FORBIDDEN);
    }
    app.get("/orders").cookie(&cookie).send().await.expect(StatusCode::OK);
}
