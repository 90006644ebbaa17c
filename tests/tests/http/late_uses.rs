//! Uses that are recorded after the response: when, how often, and when not.

use std::time::Duration;

use anchor::prelude::*;
use anchor::store::Record;
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
    a_use_that_waits_revives_no_session_that_has_ended,
    a_use_that_waits_keeps_no_response_waiting,
    a_use_that_was_not_written_is_recorded_by_the_next_request,
    a_session_that_expires_soon_is_touched_in_the_request,
    a_rotation_is_settled_in_the_request,
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

    /// Waits until this many uses were written, and says how long that took.
    async fn recorded(&self, count: usize) -> Duration {
        let began = Instant::now();
        let recorded = async {
            while self.store.calls(Verb::RecordUses) < count {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, recorded).await.expect("the use is recorded");
        // The call has begun. A session that is read now may be older.
        sleep(Duration::from_millis(50)).await;
        began.elapsed()
    }
}

async fn a_use_is_written_soon_after_the_response_with_the_time_of_the_request(backend: Backend) {
    let Some(app) = application(&backend).await else { return };
    let cookie = app.log_in("ferris").await;
    let before = app.record(&cookie).await;
    sleep(Duration::from_millis(20)).await;
    app.me(&cookie).await.expect(StatusCode::OK);
    assert_eq!(app.store.recordings(), 0, "the response does not wait for it");
    assert_eq!(app.record(&cookie).await.last_seen_at, before.last_seen_at);
    assert!(app.recorded(1).await < Duration::from_secs(2), "the delay is bounded");
    assert_eq!(app.store.calls(Verb::Touch), 0);
    let after = app.record(&cookie).await;
    let used_after = after.last_seen_at.saturating_since(before.last_seen_at);
    // Not with the time at which it was written, half a second later.
    assert!(used_after > Duration::from_millis(15) && used_after < Duration::from_millis(400));
    assert_eq!(after.expires_at, after.last_seen_at.saturating_add(UserSession::IDLE));
}

async fn uses_of_several_sessions_are_written_together_and_once_each(backend: Backend) {
    let Some(app) = application(&backend).await else { return };
    let cookies = [app.log_in("ferris").await, app.log_in("corro").await];
    sleep(Duration::from_millis(20)).await;
    for _ in 0..5 {
        for cookie in &cookies {
            app.me(cookie).await.expect(StatusCode::OK);
        }
    }
    app.recorded(1).await;
    sleep(Duration::from_millis(700)).await;
    assert_eq!(app.store.recordings(), 1, "one statement, and none after it");
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
    assert_eq!(app.store.recordings(), 0);
    let hold = app.store.hold(Verb::RecordUses);
    let began = Instant::now();
    let sessions = app.sessions.clone();
    let shutdown = tokio::spawn(async move { sessions.shutdown().await });
    timeout(PATIENCE, hold.reached()).await.expect("the shutdown writes it");
    assert!(began.elapsed() < Duration::from_millis(400), "at once");
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
