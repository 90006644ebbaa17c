//! `session.rotate()`: a new secret for the same session, and what becomes of the old one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor::prelude::*;
use anchor::{CurrentSecret, Event};
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
    a_token_from_several_rotations_ago_is_theft_once_a_newer_one_was_used,
    a_lost_response_logs_nobody_out_and_the_rotation_is_offered_again,
    a_straggler_during_several_rotations_is_refused_and_not_suspected,
    a_rotation_without_grace_refuses_the_old_secret_at_once,
    a_handler_may_demand_the_current_secret,
];

async fn rotate(session: Session<UserSession>) -> Result<&'static str, anchor::Error> {
    Ok(match session.rotate().await? {
        Some(_) => "rotated",
        None => "rotated already",
    })
}

async fn rotate_now(session: Session<UserSession>) -> Result<(), anchor::Error> {
    session.rotate_now().await.map(drop)
}

#[require_session(UserSession, policy = CurrentSecret)]
async fn privileged() {}

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
        Router::new()
            .route("/rotate", post(rotate))
            .route("/rotate-now", post(rotate_now))
            .route("/privileged", post(privileged)),
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

async fn a_token_from_several_rotations_ago_is_theft_once_a_newer_one_was_used(backend: Backend) {
    let (app, events) = application(&backend, Duration::ZERO).await;
    let copied = app.log_in("ferris").await;
    let mut newest = copied.clone();
    for _ in 0..3 {
        newest = app.post("/rotate").cookie(&newest).send().await.cookie();
        app.me(&newest).await.expect(StatusCode::OK);
    }
    events.lock().unwrap().clear();
    app.me(&copied).await.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(*events.lock().unwrap(), [format!("theft {}", id_of(&copied))]);
    app.me(&newest).await.expect(StatusCode::UNAUTHORIZED);
}

async fn a_lost_response_logs_nobody_out_and_the_rotation_is_offered_again(backend: Backend) {
    let (app, events) = application(&backend, Duration::from_millis(200)).await;
    let kept = app.log_in("ferris").await;
    let lost = app.post("/rotate").cookie(&kept).send().await.cookie();
    // The client never got it. Within the grace nothing is offered: its response may be under way.
    let early = app.me(&kept).await.expect(StatusCode::OK);
    assert!(early.set_cookies().is_empty(), "{early:?}");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let offered = app.me(&kept).await.expect(StatusCode::OK).cookie();
    assert_eq!(id_of(&offered), id_of(&kept));
    assert!(offered != kept && offered != lost);
    // That one is lost, too: the same again.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let offered = app.me(&kept).await.expect(StatusCode::OK).cookie();
    app.me(&offered).await.expect(StatusCode::OK);
    // What was lost is not good beside it.
    app.me(&lost).await.expect(StatusCode::UNAUTHORIZED);
    assert!(events.lock().unwrap().iter().all(|event| event.starts_with("rotated")));
    // Its owner has it now, so a copy of the old one is theft once the grace is over.
    tokio::time::sleep(Duration::from_millis(300)).await;
    app.me(&kept).await.expect(StatusCode::UNAUTHORIZED);
    app.me(&offered).await.expect(StatusCode::UNAUTHORIZED);
    assert!(events.lock().unwrap().iter().any(|event| event.starts_with("theft")));
}

async fn a_straggler_during_several_rotations_is_refused_and_not_suspected(backend: Backend) {
    let (app, events) = application(&backend, LONG).await;
    let first = app.log_in("ferris").await;
    let second = app.post("/rotate").cookie(&first).send().await.cookie();
    let third = app.post("/rotate").cookie(&second).send().await.cookie();
    app.me(&third).await.expect(StatusCode::OK);
    app.me(&first).await.expect(StatusCode::UNAUTHORIZED);
    app.me(&third).await.expect(StatusCode::OK);
    assert!(events.lock().unwrap().iter().all(|event| event.starts_with("rotated")));
}

async fn a_rotation_without_grace_refuses_the_old_secret_at_once(backend: Backend) {
    let (app, events) = application(&backend, LONG).await;
    let old = app.log_in("ferris").await;
    let new = app.post("/rotate-now").cookie(&old).send().await.cookie();
    for _ in 0..2 {
        let refused = app.me(&old).await.expect(StatusCode::UNAUTHORIZED);
        assert!(refused.set_cookies().is_empty(), "{refused:?}");
        // A request that was in flight is no theft.
        app.me(&new).await.expect(StatusCode::OK);
    }
    assert_eq!(*events.lock().unwrap(), [format!("rotated {}", id_of(&old))]);
}

async fn a_handler_may_demand_the_current_secret(backend: Backend) {
    let (app, _) = application(&backend, LONG).await;
    let old = app.log_in("ferris").await;
    let privileged = async |cookie: &str| app.post("/privileged").cookie(cookie).send().await;
    privileged(&old).await.expect(StatusCode::OK);
    let new = app.post("/rotate").cookie(&old).send().await.cookie();
    app.me(&old).await.expect(StatusCode::OK);
    privileged(&old).await.expect(StatusCode::FORBIDDEN);
    privileged(&new).await.expect(StatusCode::OK);
}
