//! Uses that are recorded after the response: when, how often, and when not.

use std::time::Duration;

use anchor::SessionId;
use anchor::prelude::*;
use anchor::store::{Load, Record, RecordUses, StoreFuture, Use};
use anchor_tests::{Backend, Verb, Watched};
use axum::Router;
use axum::routing::post;
use http::StatusCode;
use tokio::time::{Instant, sleep, timeout};

use crate::application::{Application, UserSession};
use crate::tokens::id_of;

on_every_store![
    a_use_is_written_soon_after_the_response_with_the_time_of_the_request,
    uses_of_several_sessions_are_written_together_and_once_each,
    a_shutdown_writes_the_uses_that_wait,
    a_shutdown_does_not_wait_for_the_delay,
    a_use_that_waits_revives_no_session_that_has_ended,
    a_use_that_waits_keeps_no_response_waiting,
    a_use_that_was_not_written_is_recorded_by_the_next_request,
    a_session_that_expires_soon_is_touched_in_the_request,
    a_rotation_is_settled_in_the_request,
    a_rotation_is_settled_in_the_request_if_other_uses_wait,
    a_touch_of_the_application_is_written_at_once,
    of_two_nodes_the_later_use_counts,
];

const PATIENCE: Duration = Duration::from_secs(10);

/// Records every use. `None` if the store records uses in the request.
async fn application(backend: &Backend) -> Option<Application> {
    let application =
        Application::configured(backend, |it| it.touch_interval(Duration::ZERO)).await;
    application.store.uses_recorder().is_some().then_some(application)
}

impl Application {
    async fn record(&self, cookie: &str) -> Record<UserSession> {
        self.sessions.get(id_of(cookie)).await.unwrap().expect("it is live")
    }

    /// Waits until uses were written this many times.
    async fn recorded(&self, count: usize) {
        let recorded = async {
            while self.store.calls(Verb::RecordUses) < count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, recorded).await.expect("the use is recorded");
        // The call has begun, and must have ended as well.
        sleep(Duration::from_millis(100)).await;
    }
}

async fn a_use_is_written_soon_after_the_response_with_the_time_of_the_request(backend: Backend) {
    let Some(app) = application(&backend).await else { return };
    let cookie = app.log_in("ferris").await;
    let before = app.record(&cookie).await;
    sleep(Duration::from_millis(20)).await;
    let hold = app.store.hold(Verb::RecordUses);
    app.me(&cookie).await.expect(StatusCode::OK);
    let Load::Live(loaded) = app.store.inner().load(id_of(&cookie)).await.unwrap() else {
        panic!("it is live")
    };
    assert_eq!(loaded.record.last_seen_at, before.last_seen_at, "the response did not wait");
    timeout(PATIENCE, hold.reached()).await.expect("it is written");
    sleep(Duration::from_millis(20)).await;
    hold.release();
    app.recorded(1).await;
    let after = app.record(&cookie).await;
    assert!(after.last_seen_at > before.last_seen_at);
    assert!(after.last_seen_at <= loaded.now, "it counts from the write, not from the request");
    assert_eq!(after.expires_at, after.last_seen_at.saturating_add(UserSession::IDLE));
    assert_eq!(app.store.calls(Verb::Touch), 0);
}

async fn uses_of_several_sessions_are_written_together_and_once_each(backend: Backend) {
    let Some(app) = application(&backend).await else { return };
    let first = app.log_in("gray").await;
    let cookies = [app.log_in("ferris").await, app.log_in("corro").await];
    let hold = app.store.hold(Verb::RecordUses);
    app.me(&first).await.expect(StatusCode::OK);
    hold.reached().await;
    // What comes while a write is under way waits for the next one.
    for _ in 0..5 {
        for cookie in &cookies {
            app.me(cookie).await.expect(StatusCode::OK);
        }
    }
    hold.release();
    app.recorded(2).await;
    sleep(Duration::from_millis(700)).await;
    assert_eq!(app.store.recordings(), 2, "one call for all, and none after it");
    for cookie in &cookies {
        let record = app.record(cookie).await;
        assert!(record.last_seen_at > record.created_at);
    }
}

async fn a_shutdown_writes_the_uses_that_wait(backend: Backend) {
    let Some(app) = application(&backend).await else { return };
    let cookie = app.log_in("ferris").await;
    let before = app.record(&cookie).await.last_seen_at;
    sleep(Duration::from_millis(20)).await;
    app.me(&cookie).await.expect(StatusCode::OK);
    let hold = app.store.hold(Verb::RecordUses);
    let sessions = app.sessions.clone();
    let shutdown = tokio::spawn(async move { sessions.shutdown().await });
    timeout(PATIENCE, hold.reached()).await.expect("the shutdown writes it");
    sleep(Duration::from_millis(50)).await;
    assert!(!shutdown.is_finished(), "the shutdown waits for the write");
    hold.release();
    assert_eq!(timeout(PATIENCE, shutdown).await.expect("in time").unwrap(), 0);
    let first = app.record(&cookie).await.last_seen_at;
    assert!(first > before);
    // Requests are still served, and their uses recorded.
    sleep(Duration::from_millis(20)).await;
    app.me(&cookie).await.expect(StatusCode::OK);
    assert_eq!(app.sessions.shutdown().await, 0);
    assert!(app.record(&cookie).await.last_seen_at > first);
}

/// The machine may be busy, so one of several attempts has to be faster than the delay.
async fn a_shutdown_does_not_wait_for_the_delay(backend: Backend) {
    let mut took = Vec::new();
    for _ in 0..5 {
        let Some(app) = application(&backend).await else { return };
        let cookie = app.log_in("ferris").await;
        app.me(&cookie).await.expect(StatusCode::OK);
        let waits = app.store.recordings() == 0;
        let began = Instant::now();
        assert_eq!(app.sessions.shutdown().await, 0);
        assert_eq!(app.store.recordings(), 1);
        took.push(began.elapsed());
        if waits && began.elapsed() < Duration::from_millis(250) {
            return;
        }
    }
    panic!("{took:?}");
}

async fn a_use_that_waits_revives_no_session_that_has_ended(backend: Backend) {
    let Some(app) = application(&backend).await else { return };
    let cookie = app.log_in("ferris").await;
    app.me(&cookie).await.expect(StatusCode::OK);
    app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
    app.recorded(1).await;
    assert!(!app.is_live(id_of(&cookie)).await);
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}

async fn a_use_that_waits_keeps_no_response_waiting(backend: Backend) {
    let Some(app) = application(&backend).await else { return };
    let cookie = app.log_in("ferris").await;
    let hold = app.store.hold(Verb::RecordUses);
    app.me(&cookie).await.expect(StatusCode::OK);
    hold.reached().await;
    timeout(PATIENCE, app.me(&cookie)).await.expect("at once").expect(StatusCode::OK);
    hold.release();
}

async fn a_use_that_was_not_written_is_recorded_by_the_next_request(backend: Backend) {
    // Long enough for the second request to come within it.
    let interval = Duration::from_millis(1_500);
    let app = Application::configured(&backend, |it| it.touch_interval(interval)).await;
    if app.store.uses_recorder().is_none() {
        return;
    }
    let cookie = app.log_in("ferris").await;
    let before = app.record(&cookie).await.last_seen_at;
    sleep(interval + Duration::from_millis(50)).await;
    app.store.fail(Verb::RecordUses, true);
    app.me(&cookie).await.expect(StatusCode::OK);
    app.recorded(1).await;
    assert_eq!(app.record(&cookie).await.last_seen_at, before);
    app.store.fail(Verb::RecordUses, false);
    app.me(&cookie).await.expect(StatusCode::OK);
    app.recorded(2).await;
    assert!(app.record(&cookie).await.last_seen_at > before);
    // This one is throttled.
    app.me(&cookie).await.expect(StatusCode::OK);
    assert_eq!(app.sessions.shutdown().await, 0);
    assert_eq!(app.store.recordings(), 2);
}

async fn a_session_that_expires_soon_is_touched_in_the_request(backend: Backend) {
    let app = Application::configured(&backend, |it| {
        it.idle(Duration::from_secs(20)).touch_interval(Duration::ZERO)
    })
    .await;
    let cookie = app.log_in("ferris").await;
    app.me(&cookie).await.expect(StatusCode::OK);
    assert_eq!((app.store.calls(Verb::Touch), app.store.recordings()), (1, 1));
}

async fn a_rotation_is_settled_in_the_request(backend: Backend) {
    let rotate = async |session: Session<UserSession>| session.rotate().await.map(drop);
    let app =
        Application::with_routes(&backend, Router::new().route("/rotate", post(rotate))).await;
    let cookie = app.log_in("ferris").await;
    let rotated = app.post("/rotate").cookie(&cookie).send().await.expect(StatusCode::OK).cookie();
    app.store.reset();
    app.me(&rotated).await.expect(StatusCode::OK);
    assert_eq!((app.store.calls(Verb::Touch), app.store.recordings()), (1, 1));
}

/// A recorder that every store can have.
struct Recorder;

impl RecordUses for Recorder {
    fn record_uses(&self, _: Vec<Use>) -> StoreFuture<'_, Vec<SessionId>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

async fn a_rotation_is_settled_in_the_request_if_other_uses_wait(backend: Backend) {
    let rotate = async |session: Session<UserSession>| session.rotate().await.map(drop);
    let app = Application::assemble(
        Watched::new(backend.store().await).recording_uses_with(Recorder),
        |it| it.touch_interval(Duration::ZERO),
        Router::new().route("/rotate", post(rotate)),
    )
    .await;
    let cookie = app.log_in("ferris").await;
    let rotated = app.post("/rotate").cookie(&cookie).send().await.expect(StatusCode::OK).cookie();
    app.store.reset();
    app.me(&rotated).await.expect(StatusCode::OK);
    assert_eq!(app.store.calls(Verb::Touch), 1, "it is settled before the response");
    app.me(&rotated).await.expect(StatusCode::OK);
    assert_eq!(app.store.calls(Verb::Touch), 1, "another use is recorded later");
}

async fn a_touch_of_the_application_is_written_at_once(backend: Backend) {
    let touch = async |session: Session<UserSession>| session.touch().await.map(drop);
    let app = Application::with_routes(&backend, Router::new().route("/touch", post(touch))).await;
    let cookie = app.log_in("ferris").await;
    let before = app.record(&cookie).await.last_seen_at;
    sleep(Duration::from_millis(20)).await;
    app.post("/touch").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert!(app.record(&cookie).await.last_seen_at > before);
    assert_eq!((app.store.calls(Verb::Touch), app.store.recordings()), (1, 1));
}

async fn of_two_nodes_the_later_use_counts(backend: Backend) {
    let Some(one) = application(&backend).await else { return };
    let other = Application::assemble(
        Watched::new(one.store.shared()),
        |it| it.touch_interval(Duration::ZERO),
        Router::new(),
    )
    .await;
    let cookie = one.log_in("ferris").await;
    sleep(Duration::from_millis(20)).await;
    one.me(&cookie).await.expect(StatusCode::OK);
    sleep(Duration::from_millis(20)).await;
    other.me(&cookie).await.expect(StatusCode::OK);
    assert_eq!(other.sessions.shutdown().await, 0);
    let later = one.record(&cookie).await;
    assert_eq!(one.sessions.shutdown().await, 0);
    assert_eq!(one.store.calls(Verb::RecordUses), 1);
    let after = one.record(&cookie).await;
    assert_eq!((after.last_seen_at, after.expires_at), (later.last_seen_at, later.expires_at));
}
