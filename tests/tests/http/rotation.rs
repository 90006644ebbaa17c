//! `session.rotate()`: a new secret for the same session, and what becomes of the old one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor::Event;
use anchor::prelude::*;
use anchor_tests::{Backend, Verb, Watched};
use axum::Router;
use axum::routing::post;
use http::StatusCode;

use crate::application::{Application, UserSession};
use crate::tokens::id_of;

on_every_store![
    a_rotation_keeps_the_id_and_sets_a_cookie_with_a_new_secret,
    requests_in_flight_are_admitted_within_the_grace_and_cannot_rotate_again,
    of_rotations_at_once_one_wins_and_nobody_is_logged_out,
    a_replay_after_the_grace_ends_the_session_and_is_told_as_theft,
    a_rotation_of_an_ended_session_is_401_and_sets_no_cookie,
    a_logout_with_the_old_secret_ends_the_rotated_session,
];

async fn rotate(session: Session<UserSession>) -> Result<&'static str, anchor::Error> {
    Ok(match session.rotate().await? {
        Some(_) => "rotated",
        None => "rotated already",
    })
}

async fn application(backend: &Backend, grace: Duration) -> (Application, Arc<Mutex<Vec<String>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let app = Application::assemble(
        Watched::new(backend.store().await),
        |sessions| {
            sessions.rotation_grace(grace).on_event(move |event| match event {
                Event::TheftSuspected { id } => heard.lock().unwrap().push(format!("theft {id}")),
                Event::Rotated { id } => heard.lock().unwrap().push(format!("rotated {id}")),
                _ => {}
            })
        },
        Router::new().route("/rotate", post(rotate)),
    )
    .await;
    (app, events)
}

const LONG: Duration = Duration::from_secs(600);

async fn a_rotation_keeps_the_id_and_sets_a_cookie_with_a_new_secret(backend: Backend) {
    let (app, events) = application(&backend, LONG).await;
    let old = app.log_in("ferris").await;
    app.store.reset();
    let new = app.post("/rotate").cookie(&old).send().await.expect(StatusCode::OK).cookie();
    assert_eq!((app.store.calls(Verb::Rotate), app.store.all_calls()), (1, 2), "one write");
    assert_ne!(new, old);
    assert_eq!(id_of(&new), id_of(&old));
    app.me(&new).await.expect(StatusCode::OK);
    assert_eq!(*events.lock().unwrap(), [format!("rotated {}", id_of(&old))]);
}

async fn requests_in_flight_are_admitted_within_the_grace_and_cannot_rotate_again(
    backend: Backend,
) {
    let (app, _) = application(&backend, LONG).await;
    let old = app.log_in("ferris").await;
    let new = app.post("/rotate").cookie(&old).send().await.cookie();
    app.me(&old).await.expect(StatusCode::OK);
    let again = app.post("/rotate").cookie(&old).send().await.expect(StatusCode::OK);
    assert_eq!((again.text(), again.set_cookies().len()), ("rotated already", 0));
    app.me(&new).await.expect(StatusCode::OK);
}

async fn of_rotations_at_once_one_wins_and_nobody_is_logged_out(backend: Backend) {
    let (app, _) = application(&backend, LONG).await;
    let old = app.log_in("ferris").await;
    let hold = app.store.hold(Verb::Rotate);
    let first = app.post("/rotate").cookie(&old).send();
    let second = app.post("/rotate").cookie(&old).send();
    let meeting = async {
        hold.reached().await;
        hold.reached().await;
        hold.release();
    };
    let (first, second, ()) = tokio::join!(first, second, meeting);
    let cookies = first.set_cookies().len() + second.set_cookies().len();
    assert_eq!((first.status, second.status, cookies), (StatusCode::OK, StatusCode::OK, 1));
    let winner = if first.set_cookies().is_empty() { second } else { first };
    app.me(winner.cookie()).await.expect(StatusCode::OK);
    app.me(&old).await.expect(StatusCode::OK);
}

async fn a_replay_after_the_grace_ends_the_session_and_is_told_as_theft(backend: Backend) {
    let (app, events) = application(&backend, Duration::ZERO).await;
    let old = app.log_in("ferris").await;
    let new = app.post("/rotate").cookie(&old).send().await.cookie();
    app.me(&new).await.expect(StatusCode::OK);
    app.me(&old).await.expect(StatusCode::UNAUTHORIZED);
    app.me(&new).await.expect(StatusCode::UNAUTHORIZED);
    let id = id_of(&old);
    assert_eq!(*events.lock().unwrap(), [format!("rotated {id}"), format!("theft {id}")]);
}

async fn a_rotation_of_an_ended_session_is_401_and_sets_no_cookie(backend: Backend) {
    let (app, _) = application(&backend, LONG).await;
    let cookie = app.log_in("ferris").await;
    let hold = app.store.hold(Verb::Rotate);
    let rotation = app.post("/rotate").cookie(&cookie).send();
    let logout = async {
        hold.reached().await;
        app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
        hold.release();
    };
    let (rotation, ()) = tokio::join!(rotation, logout);
    assert_eq!(rotation.expect(StatusCode::UNAUTHORIZED).set_cookies().len(), 0);
    assert!(!app.is_live(id_of(&cookie)).await);
}

async fn a_logout_with_the_old_secret_ends_the_rotated_session(backend: Backend) {
    let (app, _) = application(&backend, LONG).await;
    let old = app.log_in("ferris").await;
    let new = app.post("/rotate").cookie(&old).send().await.cookie();
    app.log_out(&old).await.expect(StatusCode::NO_CONTENT);
    app.me(&new).await.expect(StatusCode::UNAUTHORIZED);
}
