//! Logout that is real: the row is gone before the answer, whatever happens to handler, client and
//! connection.

use std::sync::Arc;

use anchor::prelude::*;
use anchor_tests::{Backend, Hold, Verb, Watched};
use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::routing::{get, post};
use http::StatusCode;
use http::header::{CACHE_CONTROL, VARY};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tower_http::catch_panic::CatchPanicLayer;

use crate::application::{Application, UserSession};
use crate::tokens::id_of;

const LOGOUTS: [&str; 2] = ["/logout", "/logout-by-auth"];
const REMOVAL: &str = "__Host-id=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0";

on_every_store![
    logout_ends_the_row_and_removes_the_cookie_and_a_replay_is_refused,
    logout_twice_is_idempotent,
    logout_without_a_session_succeeds_and_sets_nothing,
    logout_with_a_token_that_is_none_of_ours_does_not_claim_success,
    logout_with_two_different_cookies_ends_both_sessions,
    logout_with_more_tokens_than_a_browser_has_costs_nothing_and_claims_nothing,
    logout_that_cannot_see_the_cookie_does_not_claim_success,
    logout_leaves_the_users_other_sessions_alone,
    a_logout_that_the_store_cannot_carry_out_is_503_and_keeps_the_cookie,
    a_handler_that_fails_after_the_logout_does_not_undo_it,
    a_handler_that_panics_after_the_logout_does_not_undo_it,
    a_client_that_leaves_while_the_logout_is_in_flight_is_logged_out,
    login_after_a_logout_in_one_request_stands,
    logout_after_a_login_in_one_request_ends_it,
    after_a_logout_in_one_request_there_is_no_session,
    a_request_admitted_before_a_logout_sends_no_cookie_and_writes_nothing,
];

async fn logout_ends_the_row_and_removes_the_cookie_and_a_replay_is_refused(backend: Backend) {
    let app = Application::start(&backend).await;
    for path in LOGOUTS {
        let cookie = app.log_in("ferris").await;
        let logout = app.post(path).cookie(&cookie).send().await;
        assert!(logout.status.is_success(), "{logout:?}");
        assert_eq!(logout.set_cookie(), REMOVAL);
        assert_eq!(logout.header(CACHE_CONTROL), Some("no-store"));
        assert_eq!(logout.header(VARY), Some("cookie"));
        assert!(!app.is_live(id_of(&cookie)).await, "{path}");
        app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
    }
    assert!(app.sessions.list(&"ferris".to_owned()).await.unwrap().is_empty());
}

async fn logout_twice_is_idempotent(backend: Backend) {
    let app = Application::start(&backend).await;
    for path in LOGOUTS {
        let cookie = app.log_in("ferris").await;
        for ended in ["true", "false", "false"] {
            let logout = app.post(path).cookie(&cookie).send().await;
            assert!(logout.status.is_success(), "{logout:?}");
            assert_eq!(logout.set_cookie(), REMOVAL);
            assert!(logout.text().is_empty() || logout.text() == ended, "{logout:?}");
        }
    }
}

async fn logout_without_a_session_succeeds_and_sets_nothing(backend: Backend) {
    let app = Application::start(&backend).await;
    app.store.reset();
    for path in LOGOUTS {
        let logout = app.post(path).send().await;
        assert!(logout.status.is_success(), "{logout:?}");
        assert!(logout.set_cookies().is_empty(), "{logout:?}");
    }
    assert_eq!(app.store.all_calls(), 0);
}

async fn logout_with_a_token_that_is_none_of_ours_does_not_claim_success(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    let mut bytes = crate::tokens::bytes_of(&cookie);
    bytes[20] ^= 1;
    let forged = crate::tokens::with_bytes(&cookie, &bytes);
    app.store.reset();
    for path in LOGOUTS {
        let padded = format!("{cookie}=");
        let (name, token) = crate::tokens::split(&cookie);
        let quoted = format!("{name}=\"{token}\"");
        for unjudged in [&forged, &padded, &quoted] {
            let logout = app.post(path).cookie(unjudged).send().await;
            let logout = logout.expect(StatusCode::UNAUTHORIZED);
            assert!(logout.set_cookies().is_empty(), "{logout:?}");
        }
    }
    assert_eq!(app.store.all_calls(), 0);
    app.me(&cookie).await.expect(StatusCode::OK);
}

async fn logout_with_two_different_cookies_ends_both_sessions(backend: Backend) {
    let app = Application::start(&backend).await;
    for path in LOGOUTS {
        let (one, other) = (app.log_in("ferris").await, app.log_in("corro").await);
        let logout = app.post(path).cookie(format!("{one}; {other}; {one}")).send().await;
        assert!(logout.status.is_success(), "{logout:?}");
        assert_eq!(logout.set_cookie(), REMOVAL);
        app.me(&one).await.expect(StatusCode::UNAUTHORIZED);
        app.me(&other).await.expect(StatusCode::UNAUTHORIZED);
    }
}

/// A token stays genuine after its logout, so an outsider can collect any number of them.
async fn logout_with_more_tokens_than_a_browser_has_costs_nothing_and_claims_nothing(
    backend: Backend,
) {
    let app = Application::start(&backend).await;
    let mut dead = Vec::new();
    for _ in 0..9 {
        let cookie = app.log_in("ferris").await;
        app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
        dead.push(cookie);
    }
    for path in LOGOUTS {
        app.store.reset();
        let refused = app.post(path).cookie(dead.join("; ")).send().await;
        refused.expect(StatusCode::UNAUTHORIZED);
        assert_eq!(app.store.all_calls(), 0);
        let few = app.post(path).cookie(dead[..8].join("; ")).send().await;
        assert!(few.status.is_success(), "{few:?}");
        assert_eq!(app.store.all_calls(), 8);
    }
}

async fn logout_that_cannot_see_the_cookie_does_not_claim_success(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    for path in LOGOUTS {
        let huge = format!("{cookie}; x={}", "x".repeat(64 * 1024));
        let logout = app.post(path).cookie(huge).send().await.expect(StatusCode::UNAUTHORIZED);
        assert!(logout.set_cookies().is_empty(), "{logout:?}");
    }
}

async fn logout_leaves_the_users_other_sessions_alone(backend: Backend) {
    let app = Application::start(&backend).await;
    let (here, there) = (app.log_in("ferris").await, app.log_in("ferris").await);
    app.log_out(&here).await.expect(StatusCode::NO_CONTENT);
    app.me(&there).await.expect(StatusCode::OK);
}

async fn a_logout_that_the_store_cannot_carry_out_is_503_and_keeps_the_cookie(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    app.store.fail(Verb::Revoke, true);
    for path in LOGOUTS {
        let logout = app.post(path).cookie(&cookie).send().await;
        let logout = logout.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert!(logout.set_cookies().is_empty(), "{logout:?}");
    }
    app.me(&cookie).await.expect(StatusCode::OK);
    app.store.fail(Verb::Revoke, false);
    app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}

#[logout(UserSession)]
async fn failing_logout() -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}

#[logout(UserSession)]
async fn panicking_logout() -> StatusCode {
    panic!("on purpose, after the logout")
}

async fn a_handler_that_fails_after_the_logout_does_not_undo_it(backend: Backend) {
    let routes = Router::new().route("/failing", post(failing_logout));
    let app = Application::with_routes(&backend, routes).await;
    let cookie = app.log_in("ferris").await;
    let logout = app.post("/failing").cookie(&cookie).send().await;
    let logout = logout.expect(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(logout.set_cookie(), REMOVAL, "the session is gone, so its cookie goes as well");
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}

async fn a_handler_that_panics_after_the_logout_does_not_undo_it(backend: Backend) {
    let routes = Router::new()
        .route("/panicking", post(panicking_logout))
        .route("/caught", post(panicking_logout).layer(CatchPanicLayer::new()));
    let app = Application::with_routes(&backend, routes).await;

    let cookie = app.log_in("ferris").await;
    assert!(app.post("/panicking").cookie(&cookie).try_send().await.is_none(), "no answer");
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);

    let cookie = app.log_in("ferris").await;
    let logout = app.post("/caught").cookie(&cookie).send().await;
    let logout = logout.expect(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(logout.set_cookie(), REMOVAL);
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}

/// Tells when a request's future has been dropped.
struct Dropped(Arc<Notify>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[logout(UserSession)]
async fn watched_logout() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn a_client_that_leaves_while_the_logout_is_in_flight_is_logged_out(backend: Backend) {
    for path in ["/watched", "/watched-by-auth"] {
        let gone = Arc::new(Notify::new());
        let notify = Arc::clone(&gone);
        let watch = middleware::from_fn(move |request: Request, next: Next| {
            let dropped = Dropped(Arc::clone(&notify));
            async move {
                let response = next.run(request).await;
                drop(dropped);
                response
            }
        });
        let by_auth = async |auth: Auth<UserSession>| auth.logout().await.map(|_| ());
        let routes = Router::new()
            .route("/watched", post(watched_logout))
            .route("/watched-by-auth", post(by_auth))
            .layer(watch);
        let app = Application::with_routes(&backend, routes).await;
        let cookie = app.log_in("ferris").await;

        let hold = app.store.hold(Verb::Revoke);
        let mut client = TcpStream::connect(app.address()).await.unwrap();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nCookie: \
             {cookie}\r\n\r\n"
        );
        client.write_all(request.as_bytes()).await.unwrap();
        hold.reached().await;
        drop(client);
        // The server has noticed, and has dropped the request half way.
        gone.notified().await;
        assert!(app.is_live(id_of(&cookie)).await, "the logout has not happened yet");
        hold.release();
        eventually(async || !app.is_live(id_of(&cookie)).await).await;
        app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
    }
}

/// Waits until `condition` holds.
async fn eventually(condition: impl AsyncFn() -> bool) {
    let patience = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while !condition().await {
        assert!(tokio::time::Instant::now() < patience, "it never came true");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[logout(UserSession)]
async fn switch_user(auth: Auth<UserSession>) -> Result<(), anchor::Error> {
    auth.login(UserSession::of("corro")).await?;
    Ok(())
}

async fn login_after_a_logout_in_one_request_stands(backend: Backend) {
    let app =
        Application::with_routes(&backend, Router::new().route("/switch", post(switch_user))).await;
    let old = app.log_in("ferris").await;
    let switch = app.post("/switch").cookie(&old).send().await.expect(StatusCode::OK);
    app.me(&old).await.expect(StatusCode::UNAUTHORIZED);
    let me = app.me(switch.cookie()).await.expect(StatusCode::OK);
    assert_eq!(serde_json::from_slice::<UserSession>(&me.body).unwrap().name, "corro");
}

async fn logout_after_a_login_in_one_request_ends_it(backend: Backend) {
    let both = async |auth: Auth<UserSession>| {
        let id = auth.login(UserSession::of("brief")).await?.id();
        assert!(auth.logout().await?);
        Ok::<_, anchor::Rejection>(id.to_string())
    };
    let app = Application::with_routes(&backend, Router::new().route("/both", post(both))).await;
    let answer = app.post("/both").send().await.expect(StatusCode::OK);
    assert_eq!(answer.set_cookie(), REMOVAL, "no live token is sent");
    assert!(!app.is_live(answer.text().parse().unwrap()).await);
}

#[logout(UserSession)]
async fn who_is_left(session: Option<Session<UserSession>>) -> &'static str {
    if session.is_some() { "somebody" } else { "nobody" }
}

async fn after_a_logout_in_one_request_there_is_no_session(backend: Backend) {
    let app =
        Application::with_routes(&backend, Router::new().route("/left", post(who_is_left))).await;
    let cookie = app.log_in("ferris").await;
    let answer = app.post("/left").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!(answer.text(), "nobody");
}

/// A request is admitted and waits; a logout is answered; the request goes on, and tries all that
/// it can.
async fn a_request_admitted_before_a_logout_sends_no_cookie_and_writes_nothing(backend: Backend) {
    let hold = Hold::default();
    let slow = {
        let hold = hold.clone();
        get(async move |mut session: Session<UserSession>| {
            hold.pass().await;
            match session.update(|user| user.visits += 1).await {
                Err(anchor::Error::Ended { .. }) => "the session has ended",
                Ok(()) => "updated",
                Err(_) => "failed",
            }
        })
    };
    let idle = {
        let hold = hold.clone();
        get(async move |_: Session<UserSession>| hold.pass().await)
    };
    let store = Watched::new(backend.store().await);
    // Every use is recorded, so that the way out has something to write.
    let app = Application::assemble(
        store,
        |sessions| sessions.touch_interval(std::time::Duration::ZERO),
        Router::new().route("/slow", slow).route("/idle", idle),
    )
    .await;
    let cookie = app.log_in("ferris").await;
    let id = id_of(&cookie);
    let updating = app.get("/slow").cookie(&cookie).send();
    let idling = app.get("/idle").cookie(&cookie).send();
    let logging_out = async {
        hold.reached().await;
        hold.reached().await;
        app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
        hold.release();
    };
    let (updated, idled, ()) = tokio::join!(updating, idling, logging_out);
    assert_eq!(updated.expect(StatusCode::OK).text(), "the session has ended");
    let idled = idled.expect(StatusCode::OK);
    assert!(idled.set_cookies().is_empty(), "{idled:?}");
    assert!(!app.is_live(id).await, "nothing has brought it back");
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}
