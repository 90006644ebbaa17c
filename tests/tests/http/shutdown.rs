//! The manager's shutdown: what it waits for, what it stops, and what goes on after it.

use std::time::Duration;

use anchor::SessionId;
use anchor::prelude::*;
use anchor::store::Load;
use anchor_tests::{Backend, Verb};
use axum::Router;
use axum::routing::get;
use http::StatusCode;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::application::{Application, UserSession, routes};
use crate::tokens::id_of;

on_every_store![
    a_shutdown_waits_for_a_logout_whose_client_has_left,
    a_shutdown_says_how_many_tasks_did_not_end_in_time,
    a_logout_after_the_shutdown_is_carried_out,
    a_shutdown_stops_the_sweeper,
    a_shutdown_lets_go_of_whoever_waits_for_the_end_of_a_session,
];

/// For what is to happen at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends `POST /logout` and leaves when the logout is at the store.
async fn log_out_and_leave(app: &Application, server: std::net::SocketAddr, cookie: &str) {
    let before = app.store.calls(Verb::Revoke);
    let mut client = TcpStream::connect(server).await.unwrap();
    let request = format!(
        "POST /logout HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nCookie: {cookie}\r\n\r\n"
    );
    client.write_all(request.as_bytes()).await.unwrap();
    while app.store.calls(Verb::Revoke) == before {
        sleep(Duration::from_millis(5)).await;
    }
}

async fn a_shutdown_waits_for_a_logout_whose_client_has_left(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    let hold = app.store.hold(Verb::Revoke);
    log_out_and_leave(&app, app.address(), &cookie).await;
    let sessions = app.sessions.clone();
    let shutdown = tokio::spawn(async move { sessions.shutdown().await });
    sleep(Duration::from_millis(100)).await;
    assert!(!shutdown.is_finished(), "the logout is still under way");
    hold.release();
    assert_eq!(timeout(PATIENCE, shutdown).await.expect("in time").unwrap(), 0);
    assert!(!app.is_live(id_of(&cookie)).await);
}

async fn a_shutdown_says_how_many_tasks_did_not_end_in_time(backend: Backend) {
    let app = Application::configured(&backend, |sessions| {
        sessions.shutdown_timeout(Duration::from_millis(100))
    })
    .await;
    let (one, other) = (app.log_in("ferris").await, app.log_in("corro").await);
    let hold = app.store.hold(Verb::Revoke);
    for cookie in [&one, &other] {
        log_out_and_leave(&app, app.address(), cookie).await;
    }
    assert_eq!(timeout(PATIENCE, app.sessions.shutdown()).await.expect("in time"), 2);
    hold.release();
    // It may be asked again, of any clone.
    while timeout(PATIENCE, app.sessions.clone().shutdown()).await.expect("in time") > 0 {}
    assert!(!app.is_live(id_of(&one)).await && !app.is_live(id_of(&other)).await);
}

async fn a_logout_after_the_shutdown_is_carried_out(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    assert_eq!(app.sessions.shutdown().await, 0);
    assert_eq!(app.sessions.shutdown().await, 0);
    app.me(&cookie).await.expect(StatusCode::OK);
    app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
    a_shutdown_waits_for_a_logout_whose_client_has_left(backend).await;
}

async fn a_shutdown_stops_the_sweeper(backend: Backend) {
    let app = Application::start(&backend).await;
    let _sweeper = app.sessions.run_sweeper(Duration::from_millis(1));
    let sweeps = || app.store.calls(Verb::Sweep);
    while sweeps() == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    // Also one that the store does not answer.
    let _hold = app.store.hold(Verb::Sweep);
    sleep(Duration::from_millis(20)).await;
    assert_eq!(timeout(PATIENCE, app.sessions.shutdown()).await.expect("in time"), 0);
    let before = sweeps();
    let _later = app.sessions.run_sweeper(Duration::from_millis(1));
    sleep(Duration::from_millis(50)).await;
    assert_eq!(sweeps(), before);
}

async fn a_shutdown_lets_go_of_whoever_waits_for_the_end_of_a_session(backend: Backend) {
    let wait = async |session: Session<UserSession>| session.wait_until_ended().await;
    let app = Application::with_routes(&backend, Router::new().route("/wait", get(wait))).await;
    let cookie = app.log_in("ferris").await;
    let waiting = app.get("/wait").cookie(&cookie).send();
    let shutdown = async {
        while app.store.calls(Verb::Load) < 2 {
            sleep(Duration::from_millis(5)).await;
        }
        sleep(Duration::from_millis(20)).await;
        app.sessions.shutdown().await
    };
    let both = async { tokio::join!(waiting, shutdown) };
    let (waited, unfinished) = timeout(PATIENCE, both).await.expect("in time");
    assert_eq!((waited.status, unfinished), (StatusCode::OK, 0));
    // Whoever begins to wait now does not wait.
    let waited = timeout(PATIENCE, app.get("/wait").cookie(&cookie).send()).await;
    waited.expect("at once").expect(StatusCode::OK);
    app.me(&cookie).await.expect(StatusCode::OK);
}

/// A logout waits for a connection of a busy pool, its client leaves, the server shuts down, and
/// the process ends. Says whether the session lives on; `None` when there is no such server.
fn lives_on(backend: impl AsyncFn() -> Option<Backend>, shuts_down: bool) -> Option<bool> {
    let runtime = Runtime::new().unwrap();
    let (database, id) = runtime.block_on(async {
        let backend = backend().await?;
        let app = Application::start(&backend).await;
        let cookie = app.log_in("ferris").await;

        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let server = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let router = routes().layer(app.sessions.layer());
        let serving = tokio::spawn(async {
            axum::serve(listener, router)
                .with_graceful_shutdown(async { drop(stopped.await) })
                .await
        });
        let busy = backend.take_every_connection().await;
        log_out_and_leave(&app, server, &cookie).await;
        stop.send(()).unwrap();
        timeout(PATIENCE, serving).await.expect("the server ends").unwrap().unwrap();
        if shuts_down {
            let sessions = app.sessions.clone();
            let shutdown = tokio::spawn(async move { sessions.shutdown().await });
            sleep(Duration::from_millis(100)).await;
            drop(busy);
            assert_eq!(shutdown.await.unwrap(), 0);
        } else {
            // As the end of the process does.
            std::mem::forget(busy);
        }
        Some((backend.reconnected(1), id_of(&cookie)))
    })?;
    drop(runtime);
    Some(Runtime::new().unwrap().block_on(is_live(database, id)))
}

async fn is_live(backend: Backend, id: SessionId) -> bool {
    // The pool has to be made in this runtime.
    let store = backend.reconnected(1).store::<UserSession>().await;
    matches!(store.load(id).await.unwrap(), Load::Live(_))
}

/// With the control: without the shutdown, or with a task that it does not know of, the logout dies
/// with the runtime.
fn the_shutdown_saves_the_logout(backend: impl AsyncFn() -> Option<Backend>) {
    if let Some(lives_on) = lives_on(&backend, true) {
        assert!(!lives_on, "the logout was carried out");
    }
    if let Some(lives_on) = self::lives_on(&backend, false) {
        assert!(lives_on, "the shutdown makes the difference");
    }
}

#[test]
fn a_logout_outlives_the_server_on_sqlite() {
    the_shutdown_saves_the_logout(Backend::sqlite);
}

#[test]
fn a_logout_outlives_the_server_on_postgres() {
    the_shutdown_saves_the_logout(Backend::postgres);
}

#[test]
fn a_logout_outlives_the_server_on_mysql() {
    the_shutdown_saves_the_logout(Backend::mysql);
}
