//! `#[require_session]`: before every other extractor, before the body.

use anchor::guard::{Decision, Policy};
use anchor::prelude::*;
use anchor_tests::Backend;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::application::{Application, Role, UserSession};

on_every_store![
    a_guard_refuses_before_a_broken_body_is_looked_at,
    a_guard_refuses_without_reading_the_body,
    a_guard_lets_a_live_session_in_and_the_body_is_then_judged,
    a_policy_that_says_no_is_403_and_the_session_lives_on,
    a_session_too_long_authenticated_is_403_with_a_reason_of_its_own,
    a_guard_and_an_extractor_load_the_session_once,
];

#[require_session(UserSession)]
async fn typed(Json(text): Json<String>) -> String {
    text
}

#[require_session]
async fn by_argument(session: Session<UserSession>, Json(text): Json<String>) -> String {
    format!("{} {text}", session.name)
}

fn guarded_bodies() -> Router {
    Router::new().route("/typed", post(typed)).route("/by-argument", post(by_argument))
}

const BODIES: [&str; 2] = ["/typed", "/by-argument"];

async fn a_guard_refuses_before_a_broken_body_is_looked_at(backend: Backend) {
    let app = Application::with_routes(&backend, guarded_bodies()).await;
    for path in BODIES {
        let post = app.post(path).header(CONTENT_TYPE, "application/json").body("\"broken");
        post.send().await.expect(StatusCode::UNAUTHORIZED);
        let without_type = app.post(path).body("text").send().await;
        without_type.expect(StatusCode::UNAUTHORIZED);
    }
}

/// A client that waits with its body until the server asks for it (RFC 9110 section 10.1.1) is
/// refused, and never asked.
async fn a_guard_refuses_without_reading_the_body(backend: Backend) {
    let app = Application::with_routes(&backend, guarded_bodies()).await;
    let cookie = app.log_in("ferris").await;
    let answer_to = async |path: &str, cookie: &str| {
        let mut client = TcpStream::connect(app.address()).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: 1000000\r\nExpect: 100-continue\r\nCookie: {cookie}\r\n\r\n"
        );
        client.write_all(head.as_bytes()).await.unwrap();
        let mut line = [0; 12];
        client.read_exact(&mut line).await.unwrap();
        String::from_utf8(line.to_vec()).unwrap()
    };
    for path in BODIES {
        assert_eq!(answer_to(path, "a=b").await, "HTTP/1.1 401");
        assert_eq!(answer_to(path, &cookie).await, "HTTP/1.1 100", "a good session's body is read");
    }
}

async fn a_guard_lets_a_live_session_in_and_the_body_is_then_judged(backend: Backend) {
    let app = Application::with_routes(&backend, guarded_bodies()).await;
    let cookie = app.log_in("ferris").await;
    for path in BODIES {
        let broken = app.post(path).cookie(&cookie).header(CONTENT_TYPE, "application/json");
        broken.body("\"broken").send().await.expect(StatusCode::BAD_REQUEST);
        let good = app.post(path).cookie(&cookie).json(&"text").send().await;
        assert!(good.expect(StatusCode::OK).text().ends_with("text"));
    }
}

struct Admin;

impl Policy<UserSession> for Admin {
    fn check(session: &Session<UserSession>) -> Decision {
        if session.role == Role::Admin { Decision::Allow } else { Decision::Deny }
    }
}

#[require_session(UserSession, policy = Admin)]
async fn for_admins() -> &'static str {
    "welcome"
}

#[require_session(UserSession, when = |user: &UserSession| user.role == Role::Admin)]
async fn when_admin() -> &'static str {
    "welcome"
}

#[require_session(UserSession, fresh = "1h")]
async fn fresh() -> &'static str {
    "welcome"
}

/// So that no session is ever fresh enough.
#[require_session(UserSession, policy = anchor::guard::Fresh<0>)]
async fn never_fresh() -> &'static str {
    "welcome"
}

async fn a_policy_that_says_no_is_403_and_the_session_lives_on(backend: Backend) {
    let routes = Router::new().route("/policy", get(for_admins)).route("/when", get(when_admin));
    let app = Application::with_routes(&backend, routes).await;
    let member = app.log_in("ferris").await;
    let admin = UserSession { role: Role::Admin, ..UserSession::of("corro") };
    let admin = app.post("/login").json(&admin).send().await.cookie();
    for path in ["/policy", "/when"] {
        app.get(path).send().await.expect(StatusCode::UNAUTHORIZED);
        let refused = app.get(path).cookie(&member).send().await.expect(StatusCode::FORBIDDEN);
        assert_eq!(refused.text(), "{\"error\":\"forbidden\"}");
        assert!(refused.set_cookies().is_empty());
        app.get(path).cookie(&admin).send().await.expect(StatusCode::OK);
    }
    app.me(&member).await.expect(StatusCode::OK);
}

async fn a_session_too_long_authenticated_is_403_with_a_reason_of_its_own(backend: Backend) {
    let routes = Router::new().route("/fresh", get(fresh)).route("/never", get(never_fresh));
    let app = Application::with_routes(&backend, routes).await;
    let cookie = app.log_in("ferris").await;
    app.get("/fresh").cookie(&cookie).send().await.expect(StatusCode::OK);
    let refused = app.get("/never").cookie(&cookie).send().await.expect(StatusCode::FORBIDDEN);
    assert_eq!(refused.text(), "{\"error\":\"reauthentication_required\"}");
    app.get("/never").send().await.expect(StatusCode::UNAUTHORIZED);
}

#[require_session]
async fn greedy(
    session: Session<UserSession>,
    user: UserSession,
    optional: Option<Session<UserSession>>,
    auth: Auth<UserSession>,
) -> Result<(), anchor::Rejection> {
    let again = auth.session().await?;
    assert_eq!(Some(session.id()), optional.map(|session| session.id()));
    assert_eq!(Some(session.id()), again.map(|session| session.id()));
    assert_eq!(user, *session);
    Ok(())
}

async fn a_guard_and_an_extractor_load_the_session_once(backend: Backend) {
    let app = Application::with_routes(&backend, Router::new().route("/greedy", get(greedy))).await;
    let cookie = app.log_in("ferris").await;
    app.store.reset();
    app.get("/greedy").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!(app.store.all_calls(), 1);
    app.store.fail(anchor_tests::Verb::Load, true);
    app.store.reset();
    app.get("/greedy").cookie(&cookie).send().await.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(app.store.all_calls(), 1);
}
