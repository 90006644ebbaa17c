//! `Session::end_sibling`: a user ends one of their own sessions by its id, and nobody else's.

use std::sync::{Arc, Mutex};

use anchor::manager::{Event, RevokedSessions};
use anchor::prelude::*;
use anchor::store::EndReason;
use anchor::{Error, SessionId};
use anchor_tests::{Backend, Verb, Watched};
use axum::extract::Path;
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use uuid::Uuid;

use crate::application::{Application, UserSession};
use crate::tokens::id_of;

on_every_store![
    a_user_ends_another_session_of_theirs_with_one_call,
    the_id_of_another_subjects_session_ends_nothing,
    ending_the_own_session_is_a_logout,
    ending_the_own_session_says_whether_it_was_live,
    a_sibling_that_could_not_be_ended_is_503,
    a_kept_handle_ends_nothing_once_its_own_session_has_ended,
];

type Kept = Arc<Mutex<Vec<Session<UserSession>>>>;
type Told = Arc<Mutex<Vec<(RevokedSessions, EndReason)>>>;

async fn end(Path(id): Path<Uuid>, session: Session<UserSession>) -> Result<Json<bool>, Error> {
    Ok(Json(session.end_sibling(SessionId::from_uuid(id)).await?))
}

/// Ends its own session twice, and says each time whether it was live.
async fn end_itself(session: Session<UserSession>) -> Result<Json<[bool; 2]>, Error> {
    let own = session.id();
    Ok(Json([session.end_sibling(own).await?, session.end_sibling(own).await?]))
}

async fn application(backend: &Backend) -> (Application, Kept, Told) {
    let (kept, told) = (Kept::default(), Told::default());
    let keep = {
        let kept = Arc::clone(&kept);
        post(async move |session: Session<UserSession>| kept.lock().unwrap().push(session))
    };
    let routes = Router::new()
        .route("/end/{id}", post(end))
        .route("/end-itself", post(end_itself))
        .route("/keep", keep);
    let store = Watched::new(backend.store().await);
    let tell = Arc::clone(&told);
    let app = Application::assemble(
        store,
        |sessions| {
            sessions.on_event(move |event| {
                if let Event::Revoked { which, reason, .. } = event {
                    tell.lock().unwrap().push((*which, *reason));
                }
            })
        },
        routes,
    );
    (app.await, kept, told)
}

async fn end_by(app: &Application, cookie: &str, id: SessionId) -> anchor_tests::http::Answer {
    app.post(&format!("/end/{id}")).cookie(cookie).send().await
}

async fn a_user_ends_another_session_of_theirs_with_one_call(backend: Backend) {
    let (app, _, told) = application(&backend).await;
    let [own, other, third] =
        [app.log_in("ferris").await, app.log_in("ferris").await, app.log_in("ferris").await];
    app.store.reset();
    let answer = end_by(&app, &own, id_of(&other)).await.expect(StatusCode::OK);
    assert_eq!(answer.text(), "true");
    assert!(answer.set_cookies().is_empty(), "{answer:?}");
    assert_eq!(app.store.calls(Verb::RevokeOf), 1);
    assert_eq!(app.store.all_calls(), 2, "besides the load that let the request in");
    let expected = (RevokedSessions::One(id_of(&other)), EndReason::LogoutOthers);
    assert_eq!(*told.lock().unwrap(), [expected]);
    app.me(&other).await.expect(StatusCode::UNAUTHORIZED);
    app.me(&own).await.expect(StatusCode::OK);
    app.me(&third).await.expect(StatusCode::OK);
    assert_eq!(end_by(&app, &own, id_of(&other)).await.text(), "false");
    assert_eq!(told.lock().unwrap().len(), 1, "an end that did not happen is no event");
}

async fn the_id_of_another_subjects_session_ends_nothing(backend: Backend) {
    let (app, _, told) = application(&backend).await;
    let [thief, victim] = [app.log_in("mallory").await, app.log_in("ferris").await];
    let answer = end_by(&app, &thief, id_of(&victim)).await.expect(StatusCode::OK);
    assert_eq!(answer.text(), "false", "as for an id that never was");
    app.me(&victim).await.expect(StatusCode::OK);
    assert!(told.lock().unwrap().is_empty());
}

async fn ending_the_own_session_is_a_logout(backend: Backend) {
    let (app, _, _) = application(&backend).await;
    let cookie = app.log_in("ferris").await;
    let answer = end_by(&app, &cookie, id_of(&cookie)).await.expect(StatusCode::OK);
    assert_eq!(answer.text(), "true");
    assert!(answer.set_cookies()[0].contains("Max-Age=0"), "{answer:?}");
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}

async fn ending_the_own_session_says_whether_it_was_live(backend: Backend) {
    let (app, ..) = application(&backend).await;
    let cookie = app.log_in("ferris").await;
    let answer = app.post("/end-itself").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!(answer.text(), "[true,false]");
}

async fn a_sibling_that_could_not_be_ended_is_503(backend: Backend) {
    let (app, _, _) = application(&backend).await;
    let [own, other] = [app.log_in("ferris").await, app.log_in("ferris").await];
    app.store.fail(Verb::RevokeOf, true);
    end_by(&app, &own, id_of(&other)).await.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(app.is_live(id_of(&other)).await);
}

async fn a_kept_handle_ends_nothing_once_its_own_session_has_ended(backend: Backend) {
    let (app, kept, _) = application(&backend).await;
    let [own, other] = [app.log_in("ferris").await, app.log_in("ferris").await];
    app.post("/keep").cookie(&own).send().await.expect(StatusCode::OK);
    app.log_out(&own).await.expect(StatusCode::NO_CONTENT);
    let session = kept.lock().unwrap().remove(0);
    let error = session.end_sibling(id_of(&other)).await.unwrap_err();
    assert!(matches!(error, Error::Ended { .. }), "{error}");
    app.me(&other).await.expect(StatusCode::OK);
}
