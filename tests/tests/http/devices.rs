//! A subject's sessions on several devices: listed, ended together, ended but for one; and those
//! who wait for an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anchor::manager::{Event, SessionManagerBuilder};
use anchor::prelude::*;
use anchor_tests::http::Answer;
use anchor_tests::{Backend, Verb, Watched};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;

use crate::application::{Application, UserSession};
use crate::tokens::id_of;

on_every_store![
    siblings_are_the_subjects_live_sessions_newest_first,
    a_logout_everywhere_ends_every_session_of_the_subject_and_of_nobody_else,
    a_logout_everywhere_without_a_live_session_ends_nothing_and_claims_nothing,
    a_logout_elsewhere_keeps_the_own_session_and_needs_one,
    a_logout_everywhere_that_fails_is_503_and_removes_no_cookie,
    the_manager_ends_a_session_a_subject_or_all_others,
    a_session_that_is_waited_for_is_noticed_at_once_on_this_node,
    a_session_that_is_waited_for_is_noticed_within_the_poll_on_another_node,
    a_session_that_is_waited_for_is_noticed_when_it_expires,
    waiting_goes_on_while_the_store_cannot_answer,
    the_sweeper_removes_ended_rows_survives_errors_and_stops_when_dropped,
    a_list_comes_in_pages_and_its_cursor_travels_as_text,
];

#[logout(UserSession, all)]
async fn logout_all() -> StatusCode {
    StatusCode::NO_CONTENT
}

#[logout(UserSession, others)]
async fn logout_others() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn siblings(session: Session<UserSession>) -> Result<Json<Vec<String>>, anchor::Error> {
    Ok(Json(session.siblings().await?.iter().map(|record| record.id.to_string()).collect()))
}

/// Answers when the session has ended, as an event stream or a WebSocket would close.
async fn wait(session: Session<UserSession>) -> &'static str {
    session.wait_until_ended().await;
    "ended"
}

fn routes() -> Router {
    Router::new()
        .route("/logout-all", post(logout_all))
        .route("/logout-others", post(logout_others))
        .route("/siblings", get(siblings))
        .route("/wait", get(wait))
}

type Builder = SessionManagerBuilder<UserSession>;

async fn application(backend: &Backend, configure: impl FnOnce(Builder) -> Builder) -> Application {
    Application::assemble(Watched::new(backend.store().await), configure, routes()).await
}

async fn siblings_are_the_subjects_live_sessions_newest_first(backend: Backend) {
    let app = application(&backend, |sessions| sessions).await;
    let mut own = Vec::new();
    for _ in 0..3 {
        own.push(app.log_in("ferris").await);
    }
    app.log_in("corro").await;
    app.log_out(&own[1]).await;
    let listed = app.get("/siblings").cookie(&own[0]).send().await.expect(StatusCode::OK);
    let listed: Vec<String> = serde_json::from_slice(&listed.body).unwrap();
    assert_eq!(listed, [&own[2], &own[0]].map(|cookie| id_of(cookie).to_string()));
}

async fn a_logout_everywhere_ends_every_session_of_the_subject_and_of_nobody_else(
    backend: Backend,
) {
    let app = application(&backend, |sessions| sessions).await;
    let (desk, phone) = (app.log_in("ferris").await, app.log_in("ferris").await);
    let other = app.log_in("corro").await;
    let logout = app.post("/logout-all").cookie(&desk).send().await.expect(StatusCode::NO_CONTENT);
    assert!(logout.set_cookie().contains("Max-Age=0"));
    for ended in [&desk, &phone] {
        app.me(ended).await.expect(StatusCode::UNAUTHORIZED);
    }
    app.me(&other).await.expect(StatusCode::OK);
}

async fn a_logout_everywhere_without_a_live_session_ends_nothing_and_claims_nothing(
    backend: Backend,
) {
    let app = application(&backend, |sessions| sessions).await;
    let (gone, alive) = (app.log_in("ferris").await, app.log_in("ferris").await);
    app.log_out(&gone).await;
    app.post("/logout-all").send().await.expect(StatusCode::NO_CONTENT);
    // Nobody knows any more whose sessions were to end, and others of theirs may live.
    let refused = app.post("/logout-all").cookie(&gone).send().await;
    assert!(refused.expect(StatusCode::UNAUTHORIZED).set_cookies().is_empty());
    // Nor beside the token of somebody's live session, which ends.
    let other = app.log_in("corro").await;
    let both = app.post("/logout-all").cookie(format!("{gone}; {other}")).send().await;
    both.expect(StatusCode::UNAUTHORIZED);
    app.me(&other).await.expect(StatusCode::UNAUTHORIZED);
    app.me(&alive).await.expect(StatusCode::OK);
}

async fn a_logout_elsewhere_keeps_the_own_session_and_needs_one(backend: Backend) {
    let app = application(&backend, |sessions| sessions).await;
    let (desk, phone) = (app.log_in("ferris").await, app.log_in("ferris").await);
    app.post("/logout-others").send().await.expect(StatusCode::UNAUTHORIZED);
    let logout =
        app.post("/logout-others").cookie(&desk).send().await.expect(StatusCode::NO_CONTENT);
    assert!(logout.set_cookies().is_empty());
    app.me(&desk).await.expect(StatusCode::OK);
    app.me(&phone).await.expect(StatusCode::UNAUTHORIZED);
}

async fn a_logout_everywhere_that_fails_is_503_and_removes_no_cookie(backend: Backend) {
    let app = application(&backend, |sessions| sessions).await;
    let cookie = app.log_in("ferris").await;
    for verb in [Verb::Load, Verb::RevokeSubject] {
        app.store.fail(verb, true);
        let failed = app.post("/logout-all").cookie(&cookie).send().await;
        assert!(failed.expect(StatusCode::SERVICE_UNAVAILABLE).set_cookies().is_empty());
        app.store.fail(verb, false);
    }
    app.me(&cookie).await.expect(StatusCode::OK);
}

async fn the_manager_ends_a_session_a_subject_or_all_others(backend: Backend) {
    let app = application(&backend, |sessions| sessions).await;
    let sessions = &app.sessions;
    let ferris = "ferris".to_owned();
    let mut own = Vec::new();
    for _ in 0..4 {
        own.push(app.log_in("ferris").await);
    }
    assert!(sessions.revoke(id_of(&own[0])).await.unwrap());
    assert!(!sessions.revoke(id_of(&own[0])).await.unwrap(), "it had ended");
    assert!(sessions.get(id_of(&own[0])).await.unwrap().is_none());
    assert_eq!(sessions.get(id_of(&own[1])).await.unwrap().unwrap().data.name, "ferris");
    assert_eq!(sessions.revoke_others(&ferris, id_of(&own[1])).await.unwrap(), 2);
    assert_eq!(sessions.list(&ferris).await.unwrap().len(), 1);
    assert_eq!(sessions.revoke_subject(&ferris).await.unwrap(), 1);
    assert!(sessions.list(&ferris).await.unwrap().is_empty());
}

/// Ends what waits, and says how long the wait went on after that.
async fn wait_for(app: &Application, cookie: &str, end: impl AsyncFnOnce()) -> (Answer, Duration) {
    let looked = app.store.calls(Verb::Load);
    let waiting = app.get("/wait").cookie(cookie).send();
    let ending = async {
        // The extractor's load, then the first look of the wait itself.
        while app.store.calls(Verb::Load) < looked + 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        end().await;
        Instant::now()
    };
    let both = async { tokio::join!(waiting, ending) };
    let noticed = tokio::time::timeout(Duration::from_secs(30), both).await;
    let (answer, ended) = noticed.expect("the end is noticed");
    (answer, ended.elapsed())
}

const NEVER: Duration = Duration::from_secs(3600);

async fn a_session_that_is_waited_for_is_noticed_at_once_on_this_node(backend: Backend) {
    let app = application(&backend, |sessions| sessions.revocation_poll(NEVER)).await;
    let by_logout = app.log_in("ferris").await;
    let (answer, _) =
        wait_for(&app, &by_logout, async || drop(app.log_out(&by_logout).await)).await;
    assert_eq!(answer.text(), "ended");
    let by_subject = app.log_in("ferris").await;
    let revoke = async || {
        app.sessions.revoke_subject(&"ferris".to_owned()).await.unwrap();
    };
    assert_eq!(wait_for(&app, &by_subject, revoke).await.0.text(), "ended");
    let by_login = app.log_in("ferris").await;
    let login = async || drop(app.log_in_over("ferris", &by_login).await);
    assert_eq!(wait_for(&app, &by_login, login).await.0.text(), "ended");
}

async fn a_session_that_is_waited_for_is_noticed_within_the_poll_on_another_node(backend: Backend) {
    let poll = Duration::from_millis(200);
    let store = Watched::new(backend.store().await);
    let configure = |sessions: Builder| sessions.revocation_poll(poll);
    let here = Application::assemble(store.clone(), configure, routes()).await;
    let there = Application::assemble(store, configure, routes()).await;
    let cookie = here.log_in("ferris").await;
    let (answer, _) = wait_for(&here, &cookie, async || drop(there.log_out(&cookie).await)).await;
    assert_eq!(answer.text(), "ended");
}

async fn a_session_that_is_waited_for_is_noticed_when_it_expires(backend: Backend) {
    let app = application(&backend, |sessions| {
        let idle = Duration::from_millis(800);
        sessions.idle(idle).revocation_poll(Duration::from_millis(100))
    })
    .await;
    let cookie = app.log_in("ferris").await;
    // Waiting is no use of the session, or it would never expire.
    let (answer, _) = wait_for(&app, &cookie, async || {}).await;
    assert_eq!(answer.text(), "ended");
    assert!(!app.is_live(id_of(&cookie)).await);
}

async fn waiting_goes_on_while_the_store_cannot_answer(backend: Backend) {
    let app =
        application(&backend, |sessions| sessions.revocation_poll(Duration::from_millis(20))).await;
    let cookie = app.log_in("ferris").await;
    let (answer, after) = wait_for(&app, &cookie, async || {
        app.store.fail(Verb::Load, true);
        tokio::time::sleep(Duration::from_millis(200)).await;
        app.store.fail(Verb::Load, false);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(app.is_live(id_of(&cookie)).await);
        app.sessions.revoke(id_of(&cookie)).await.unwrap();
    })
    .await;
    assert_eq!(answer.text(), "ended");
    assert!(after < Duration::from_secs(60), "not before the end, and soon after: {after:?}");
}

async fn the_sweeper_removes_ended_rows_survives_errors_and_stops_when_dropped(backend: Backend) {
    let removed = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&removed);
    let app = application(&backend, |sessions| {
        sessions.idle(Duration::from_millis(50)).on_event(move |event| {
            if let Event::Expired { count } = event {
                counted.fetch_add(*count, Ordering::SeqCst);
            }
        })
    })
    .await;
    app.store.fail(Verb::Sweep, true);
    let sweeper = app.sessions.run_sweeper(Duration::from_millis(20));
    app.log_in("ferris").await;
    let swept = async |times: usize| {
        let before = app.store.calls(Verb::Sweep);
        while app.store.calls(Verb::Sweep) < before + times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    swept(2).await;
    app.store.fail(Verb::Sweep, false);
    if !backend.removes_expired_rows() {
        while removed.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(removed.load(Ordering::SeqCst), 1);
    }

    drop(sweeper);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let calls = app.store.calls(Verb::Sweep);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(app.store.calls(Verb::Sweep), calls, "the task has stopped");
}

async fn a_list_comes_in_pages_and_its_cursor_travels_as_text(backend: Backend) {
    let app = Application::start(&backend).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(id_of(&app.log_in("ferris").await));
    }
    let ferris = "ferris".to_owned();
    let whole = app.sessions.list(&ferris).await.unwrap();
    assert_eq!((whole.len(), whole.next), (5, None));
    let mut walked = Vec::new();
    let mut page = app.sessions.list(&ferris).limit(2).await.unwrap();
    loop {
        walked.push(page.iter().map(|record| record.id).collect::<Vec<_>>());
        let Some(next) = page.next else { break };
        let next: anchor::store::Cursor = next.to_string().parse().unwrap();
        page = app.sessions.list(&ferris).after(next).limit(2).await.unwrap();
    }
    assert_eq!(walked.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    let mut walked = walked.concat();
    walked.sort_unstable();
    ids.sort_unstable();
    assert_eq!(walked, ids);
}
