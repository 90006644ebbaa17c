//! What counts as a use of a session: writes do, and `touch`, however long the request lasts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor::prelude::*;
use anchor::{Error, Rejection, Timestamp};
use anchor_tests::{Backend, Verb, Watched};
use axum::Router;
use axum::extract::Path;
use axum::routing::post;
use http::StatusCode;
use tokio::time::sleep;

use crate::application::{Application, UserSession};
use crate::tokens::id_of;

on_every_store![
    a_request_that_goes_on_writing_outlives_the_idle_timeout,
    a_kept_handle_that_is_touched_outlives_the_idle_timeout,
    a_touch_says_when_the_session_ends_and_is_one_call,
    a_touch_of_an_ended_session_is_401_and_revives_nothing,
    a_touch_that_fails_is_503,
];

/// The idle timeout of these applications. A request that lasts longer writes this often meanwhile.
const IDLE: Duration = Duration::from_secs(2);
const OFTEN: Duration = Duration::from_millis(500);
const TIMES: usize = 6;

type Kept = Arc<Mutex<Vec<Session<UserSession>>>>;

async fn application(backend: &Backend, idle: Duration) -> (Application, Kept) {
    let kept = Kept::default();
    let keep = {
        let kept = Arc::clone(&kept);
        post(async move |session: Session<UserSession>| kept.lock().unwrap().push(session))
    };
    let store = Watched::new(backend.store().await);
    let routes = Router::new()
        .route("/keep", keep)
        .route("/touch", post(touch))
        .route("/write/{how}", post(write));
    (Application::assemble(store, |it| it.idle(idle), routes).await, kept)
}

async fn touch(session: Session<UserSession>) -> Result<String, Error> {
    Ok(session.touch().await?.to_string())
}

/// Writes until long after the idle timeout.
async fn write(
    Path(how): Path<String>,
    mut session: Session<UserSession>,
) -> Result<(), Rejection> {
    for _ in 0..TIMES {
        sleep(OFTEN).await;
        match how.as_str() {
            "update" => session.update(|user| user.visits += 1).await?,
            "update-nothing" => session.update(|_| {}).await?,
            "rotate" => drop(session.rotate_now().await?),
            "reauthenticate" => drop(session.reauthenticated().await?),
            "nothing" => {}
            other => unreachable!("{other}"),
        }
    }
    Ok(())
}

async fn a_request_that_goes_on_writing_outlives_the_idle_timeout(backend: Backend) {
    let (app, _) = application(&backend, IDLE).await;
    let (app, mut requests) = (&app, Vec::new());
    for how in ["update", "update-nothing", "rotate", "reauthenticate", "nothing"] {
        requests.push(async move {
            let cookie = app.log_in(how).await;
            let answer = app.post(&format!("/write/{how}")).cookie(&cookie).send().await;
            answer.expect(StatusCode::OK);
            (how, app.is_live(id_of(&cookie)).await)
        });
    }
    let [a, b, c, d, e] = requests.try_into().ok().unwrap();
    let (a, b, c, d, e) = tokio::join!(a, b, c, d, e);
    for (how, lives) in [a, b, c, d, e] {
        assert_eq!(lives, how != "nothing", "{how}");
    }
}

async fn a_kept_handle_that_is_touched_outlives_the_idle_timeout(backend: Backend) {
    let (app, kept) = application(&backend, IDLE).await;
    let [touched, left] = [app.log_in("ferris").await, app.log_in("corro").await];
    for cookie in [&touched, &left] {
        app.post("/keep").cookie(cookie).send().await.expect(StatusCode::OK);
    }
    let session = kept.lock().unwrap().remove(0);
    for _ in 0..TIMES {
        sleep(OFTEN).await;
        session.touch().await.unwrap();
    }
    assert!(app.is_live(id_of(&touched)).await);
    assert!(!app.is_live(id_of(&left)).await);
}

async fn a_touch_says_when_the_session_ends_and_is_one_call(backend: Backend) {
    let (app, kept) = application(&backend, Duration::from_secs(3600)).await;
    let cookie = app.log_in("ferris").await;
    app.post("/keep").cookie(&cookie).send().await.expect(StatusCode::OK);
    let session = kept.lock().unwrap().remove(0);
    app.store.reset();
    let until: Timestamp = session.touch().await.unwrap();
    assert_eq!((app.store.calls(Verb::Touch), app.store.all_calls()), (1, 1));
    let record = app.sessions.get(id_of(&cookie)).await.unwrap().expect("it is live");
    assert_eq!(until, record.expires_at);
    assert_eq!(until, record.last_seen_at.saturating_add(Duration::from_secs(3600)));
    assert!(until > session.record().expires_at);
    app.post("/touch").cookie(&cookie).send().await.expect(StatusCode::OK);
}

async fn a_touch_of_an_ended_session_is_401_and_revives_nothing(backend: Backend) {
    let (app, kept) = application(&backend, Duration::from_secs(3600)).await;
    let cookie = app.log_in("ferris").await;
    app.post("/keep").cookie(&cookie).send().await.expect(StatusCode::OK);
    app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
    let session = kept.lock().unwrap().remove(0);
    let error = session.touch().await.unwrap_err();
    assert!(matches!(error, Error::Ended { id } if id == session.id()), "{error}");
    assert_eq!(Rejection::from(error).status(), StatusCode::UNAUTHORIZED);
    assert!(!app.is_live(session.id()).await);
}

async fn a_touch_that_fails_is_503(backend: Backend) {
    let (app, _) = application(&backend, Duration::from_secs(3600)).await;
    let cookie = app.log_in("ferris").await;
    app.store.fail(Verb::Touch, true);
    let answer = app.post("/touch").cookie(&cookie).send().await;
    answer.expect(StatusCode::SERVICE_UNAVAILABLE);
}
