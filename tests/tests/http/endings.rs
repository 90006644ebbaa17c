//! Ends that meet something in their way.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor::manager::{BoxError, Event, Verdict, Verifier};
use anchor::prelude::*;
use anchor::store::Record;
use anchor_tests::{Backend, Verb, Watched};
use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;
use http::request::Parts;
use tokio::sync::Notify;

use crate::application::{Application, KEY, UserSession};
use crate::tokens::id_of;

on_every_store![
    the_hook_may_ask_for_the_session_of_the_request_that_it_is_told_of,
    a_token_is_not_signed_again_after_a_logout_that_the_handler_left_running,
    a_logout_that_another_tables_row_prevents_is_503_and_keeps_the_cookie,
    a_logout_everywhere_does_not_depend_on_the_verifier,
    a_logout_everywhere_reaches_the_subjects_of_conflicting_cookies,
    a_login_that_cannot_end_what_is_presented_leaves_no_session_behind,
];

/// Polls once.
fn poll<F: Future>(future: F) {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let _ = std::pin::pin!(future).as_mut().poll(&mut context);
}

async fn the_hook_may_ask_for_the_session_of_the_request_that_it_is_told_of(backend: Backend) {
    let asked: Arc<Mutex<Option<Auth<UserSession>>>> = Arc::default();
    let answered = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let (asked, answered) = (Arc::clone(&asked), Arc::clone(&answered));
        move |event: &Event<'_, UserSession>| {
            let Event::Refused { .. } = event else { return };
            let Some(auth) = asked.lock().unwrap().take() else { return };
            let (done, waiting) = mpsc::channel();
            // On a thread of its own, so that a lock that is held fails the test in place of
            // hanging it.
            std::thread::spawn(move || {
                poll(auth.session());
                let _ = done.send(());
            });
            let in_time = waiting.recv_timeout(Duration::from_secs(2)).is_ok();
            answered.lock().unwrap().push(in_time);
        }
    };
    let logout = async move |auth: Auth<UserSession>| {
        *asked.lock().unwrap() = Some(auth.clone());
        auth.logout().await.map(|_| ())
    };
    let app = Application::assemble(
        Watched::new(backend.store().await),
        |sessions| sessions.on_event(hook),
        Router::new().route("/asking", post(logout)),
    )
    .await;
    let huge = format!("x={}", "x".repeat(64 * 1024));
    app.post("/asking").cookie(huge).send().await.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(*answered.lock().unwrap(), [true]);
}

async fn a_token_is_not_signed_again_after_a_logout_that_the_handler_left_running(
    backend: Backend,
) {
    let before = Application::start(&backend).await;
    let old = before.log_in("ferris").await;

    let rotated = Arc::new(Notify::new());
    let (done, logged_out) = mpsc::channel();
    let leaving = {
        let rotated = Arc::clone(&rotated);
        get(async move |auth: Auth<UserSession>, _: Session<UserSession>| {
            tokio::spawn(async move {
                rotated.notified().await;
                auth.logout().await.unwrap();
                done.send(()).unwrap();
            });
        })
    };
    let logged_out = Mutex::new(logged_out);
    let keys = KeyRing::new([*b"the key that replaces the former", KEY]).unwrap();
    let after = Application::assemble(
        before.store.clone(),
        |sessions| {
            // The session has a new secret, and the response is still to be written.
            sessions.keys(keys).on_event(move |event| {
                if let Event::Rotated { .. } = event {
                    rotated.notify_one();
                    tokio::task::block_in_place(|| logged_out.lock().unwrap().recv().unwrap());
                }
            })
        },
        Router::new().route("/leaving", leaving),
    )
    .await;
    let answer = after.get("/leaving").cookie(&old).send().await.expect(StatusCode::OK);
    assert!(!after.is_live(id_of(&old)).await);
    assert!(answer.set_cookie().contains("Max-Age=0"), "{answer:?}");
}

async fn a_logout_that_another_tables_row_prevents_is_503_and_keeps_the_cookie(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    let id = match backend {
        Backend::MySql(_) => "BINARY(16)",
        Backend::Postgres(_) => "UUID",
        _ => "BLOB",
    };
    let table = format!(
        "CREATE TABLE audit (session {id} NOT NULL, FOREIGN KEY (session) REFERENCES user_sessions \
         (id))"
    );
    if backend.execute(&table).await.is_none() {
        return;
    }
    backend.execute("INSERT INTO audit SELECT id FROM user_sessions").await;
    for path in ["/logout", "/logout-by-auth"] {
        let logout = app.post(path).cookie(&cookie).send().await;
        let logout = logout.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert!(logout.set_cookies().is_empty(), "{logout:?}");
    }
    app.me(&cookie).await.expect(StatusCode::OK);
}

#[logout(UserSession, all)]
async fn logout_all() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Lets nobody in.
struct Suspended;

impl Verifier<UserSession> for Suspended {
    async fn verify(&self, _: &Record<UserSession>, _: &Parts) -> Result<Verdict, BoxError> {
        Ok(Verdict::Refuse)
    }
}

async fn a_logout_everywhere_does_not_depend_on_the_verifier(backend: Backend) {
    let app = Application::assemble(
        Watched::new(backend.store().await),
        |sessions| sessions.verifier(Suspended),
        Router::new().route("/logout-all", post(logout_all)),
    )
    .await;
    let (desk, phone) = (app.log_in("ferris").await, app.log_in("ferris").await);
    let other = app.log_in("corro").await;
    app.post("/logout-all").cookie(&desk).send().await.expect(StatusCode::NO_CONTENT);
    assert!(!app.is_live(id_of(&desk)).await && !app.is_live(id_of(&phone)).await);
    assert!(app.is_live(id_of(&other)).await);
}

async fn a_logout_everywhere_reaches_the_subjects_of_conflicting_cookies(backend: Backend) {
    let app =
        Application::with_routes(&backend, Router::new().route("/logout-all", post(logout_all)))
            .await;
    let (desk, phone) = (app.log_in("ferris").await, app.log_in("ferris").await);
    let conflicting = format!("{desk}; __Host-id=planted");
    let logout = app.post("/logout-all").cookie(conflicting).send().await;
    // What was planted cannot be judged, so nothing more is claimed than was done.
    assert!(logout.expect(StatusCode::UNAUTHORIZED).set_cookies().is_empty());
    assert!(!app.is_live(id_of(&desk)).await && !app.is_live(id_of(&phone)).await);
}

async fn a_login_that_cannot_end_what_is_presented_leaves_no_session_behind(backend: Backend) {
    let app = Application::start(&backend).await;
    let (one, other) = (app.log_in("ferris").await, app.log_in("ferris").await);
    app.store.fail(Verb::Revoke, true);
    let login = app.post("/login").cookie(format!("{one}; {other}"));
    let login = login.json(&UserSession::of("corro")).send().await;
    assert!(login.expect(StatusCode::SERVICE_UNAVAILABLE).set_cookies().is_empty());
    let corro = "corro".to_owned();
    assert_eq!(app.sessions.list(&corro).await.unwrap().len(), 0, "nobody has its token");
    app.store.fail(Verb::Revoke, false);
    app.log_in_over("corro", &format!("{one}; {other}")).await;
    assert!(!app.is_live(id_of(&one)).await && !app.is_live(id_of(&other)).await);
    assert_eq!(app.sessions.list(&corro).await.unwrap().len(), 1);
}
