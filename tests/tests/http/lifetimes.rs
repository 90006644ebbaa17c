//! Idle and absolute timeouts, and the uses that are recorded.

use std::time::Duration;

use anchor::prelude::*;
use anchor::store::Load;
use anchor_tests::{Backend, Verb, Watched};
use axum::Router;
use axum::routing::get;
use http::StatusCode;
use tokio::time::sleep;

use crate::application::{Application, UserSession};
use crate::tokens::id_of;

on_every_store![
    a_session_ends_when_it_is_idle_for_too_long,
    a_session_that_is_used_outlives_its_idle_timeout,
    a_session_ends_at_its_deadline_however_much_it_is_used,
    the_boundaries_are_those_that_were_configured,
    reads_within_the_interval_write_nothing_and_the_first_after_it_writes_once,
    a_request_that_outlasts_the_idle_time_counts_from_its_beginning,
    an_expired_row_is_not_given_out_and_is_left_to_the_sweep,
];

const MILLISECOND: Duration = Duration::from_millis(1);

async fn a_session_ends_when_it_is_idle_for_too_long(backend: Backend) {
    let app = Application::configured(&backend, |sessions| sessions.idle(1000 * MILLISECOND)).await;
    let cookie = app.log_in("ferris").await;
    app.me(&cookie).await.expect(StatusCode::OK);
    sleep(1100 * MILLISECOND).await;
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}

async fn a_session_that_is_used_outlives_its_idle_timeout(backend: Backend) {
    let app = Application::configured(&backend, |sessions| {
        sessions.idle(1200 * MILLISECOND).touch_interval(100 * MILLISECOND)
    })
    .await;
    let cookie = app.log_in("ferris").await;
    for _ in 0..3 {
        sleep(500 * MILLISECOND).await;
        app.me(&cookie).await.expect(StatusCode::OK);
    }
}

async fn a_session_ends_at_its_deadline_however_much_it_is_used(backend: Backend) {
    let app = Application::configured(&backend, |sessions| {
        let lifetime = 1500 * MILLISECOND;
        sessions.idle(lifetime).absolute(lifetime).touch_interval(Duration::ZERO)
    })
    .await;
    let cookie = app.log_in("ferris").await;
    for _ in 0..3 {
        app.me(&cookie).await.expect(StatusCode::OK);
        sleep(250 * MILLISECOND).await;
    }
    assert!(app.store.calls(Verb::Touch) >= 3, "each use was recorded");
    sleep(900 * MILLISECOND).await;
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}

/// To the microsecond, by the store's own clock: half-open, as `now < expires_at` says.
async fn the_boundaries_are_those_that_were_configured(backend: Backend) {
    let (idle, absolute) = (Duration::from_secs(100), Duration::from_secs(250));
    let app = Application::configured(&backend, |sessions| {
        sessions.idle(idle).absolute(absolute).touch_interval(Duration::ZERO)
    })
    .await;
    let login = app.log_in("ferris").await;
    let record = app.sessions.get(id_of(&login)).await.unwrap().unwrap();
    assert_eq!(record.expires_at.saturating_since(record.created_at), idle);
    assert_eq!(record.deadline.saturating_since(record.created_at), absolute);
    sleep(20 * MILLISECOND).await;
    app.me(&login).await.expect(StatusCode::OK);
    assert_eq!(app.sessions.shutdown().await, 0);
    let touched = app.sessions.get(id_of(&login)).await.unwrap().unwrap();
    assert!(touched.last_seen_at > record.last_seen_at);
    assert_eq!(touched.expires_at.saturating_since(touched.last_seen_at), idle);
    assert_eq!(touched.deadline, record.deadline);

    let brief = Application::configured(&backend, |sessions| {
        sessions.idle(idle).absolute(idle).touch_interval(Duration::ZERO)
    })
    .await;
    let login = brief.log_in("ferris").await;
    sleep(20 * MILLISECOND).await;
    brief.me(&login).await.expect(StatusCode::OK);
    assert_eq!(brief.sessions.shutdown().await, 0);
    let touched = brief.sessions.get(id_of(&login)).await.unwrap().unwrap();
    assert_eq!(touched.expires_at, touched.deadline, "a use never extends past the deadline");
}

async fn reads_within_the_interval_write_nothing_and_the_first_after_it_writes_once(
    backend: Backend,
) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    app.store.reset();
    for _ in 0..20 {
        app.me(&cookie).await.expect(StatusCode::OK);
    }
    assert_eq!((app.store.calls(Verb::Load), app.store.all_calls()), (20, 20));

    let app =
        Application::configured(&backend, |sessions| sessions.touch_interval(600 * MILLISECOND))
            .await;
    let cookie = app.log_in("ferris").await;
    app.me(&cookie).await.expect(StatusCode::OK);
    assert_eq!(app.store.recordings(), 0);
    sleep(650 * MILLISECOND).await;
    for _ in 0..5 {
        app.me(&cookie).await.expect(StatusCode::OK);
    }
    assert_eq!(app.sessions.shutdown().await, 0);
    assert_eq!(app.store.recordings(), 1);
    // A request that asks for no session is no use of it.
    sleep(650 * MILLISECOND).await;
    app.get("/open").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!(app.sessions.shutdown().await, 0);
    assert_eq!(app.store.recordings(), 1);
}

async fn a_request_that_outlasts_the_idle_time_counts_from_its_beginning(backend: Backend) {
    let slow = async |_: Session<UserSession>| sleep(700 * MILLISECOND).await;
    let app = Application::assemble(
        Watched::new(backend.store().await),
        |sessions| sessions.idle(1000 * MILLISECOND).touch_interval(Duration::ZERO),
        Router::new().route("/slow", get(slow)),
    )
    .await;
    let cookie = app.log_in("ferris").await;
    sleep(600 * MILLISECOND).await;
    // It ends 1300 ms after the login: its beginning is what counts.
    app.get("/slow").cookie(&cookie).send().await.expect(StatusCode::OK);
    app.me(&cookie).await.expect(StatusCode::OK);
}

async fn an_expired_row_is_not_given_out_and_is_left_to_the_sweep(backend: Backend) {
    let app = Application::configured(&backend, |sessions| sessions.idle(300 * MILLISECOND)).await;
    let id = id_of(&app.log_in("ferris").await);
    let cookie = app.log_in("ferris").await;
    sleep(400 * MILLISECOND).await;
    for path in crate::application::REQUIRING {
        app.get(path).cookie(&cookie).send().await.expect(StatusCode::UNAUTHORIZED);
    }
    assert!(app.sessions.get(id).await.unwrap().is_none());
    assert!(app.sessions.list(&"ferris".to_owned()).await.unwrap().is_empty());
    if !backend.removes_expired_rows() {
        let is_ended = async |id| matches!(app.store.inner().load(id).await, Ok(Load::Ended));
        assert!(is_ended(id).await && is_ended(id_of(&cookie)).await, "the rows are still there");
        assert_eq!(app.sessions.sweep(1).await.unwrap(), 1, "a batch is as large as was asked for");
        assert_eq!(app.sessions.sweep(10).await.unwrap(), 1);
    }
    assert_eq!(app.sessions.sweep(10).await.unwrap(), 0);
    assert!(matches!(app.store.inner().load(id).await, Ok(Load::Absent)));
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}
