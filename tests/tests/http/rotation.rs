//! `session.rotate()`: a new secret for the same session, and what becomes of the old one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor::Error;
use anchor::guard::CurrentSecret;
use anchor::manager::Event;
use anchor::prelude::*;
use anchor_tests::{Backend, Hold, Verb, Watched};
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
    a_request_that_was_held_open_learns_nothing_of_what_came_after_its_secret,
    a_handle_that_is_kept_writes_and_ends_nothing_after_its_session_or_its_secret,
    a_request_from_before_the_rotation_that_asks_late_is_not_suspected,
    a_rotation_whose_response_took_too_long_sends_no_dead_token,
    a_rotation_that_no_response_can_carry_says_so,
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

/// A request's arrival is told by this process's clock, and a grace ends by the store's: between a
/// rotation and a replay passes more than the store takes to answer.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(300)).await;
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
    a_while().await;
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
    a_while().await;
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

/// A thief's request with a copy of the token is let in and waits for its body; meanwhile the owner
/// gives the session more, and rotates without grace.
async fn a_request_that_was_held_open_learns_nothing_of_what_came_after_its_secret(
    backend: Backend,
) {
    let hold = Hold::default();
    let held = {
        let hold = hold.clone();
        post(async move |mut session: Session<UserSession>| {
            hold.pass().await;
            let written = session.update(|user| user.visits += 1).await;
            let seen = session.theme.clone().unwrap_or_default();
            assert!(matches!(written, Err(Error::SecretReplaced { .. })), "{written:?}");
            seen
        })
    };
    let elevate = async |mut session: Session<UserSession>| {
        session.update(|user| user.theme = Some("privileged".into())).await?;
        session.rotate_now().await.map(drop)
    };
    let routes = Router::new().route("/held", held).route("/elevate", post(elevate));
    let app = Application::with_routes(&backend, routes).await;
    let copied = app.log_in("ferris").await;
    let thiefs = app.post("/held").cookie(&copied).send();
    let owner = async {
        hold.reached().await;
        let new = app.post("/elevate").cookie(&copied).send().await.expect(StatusCode::OK).cookie();
        hold.release();
        new
    };
    let (thiefs, new) = tokio::join!(thiefs, owner);
    assert_eq!(thiefs.expect(StatusCode::OK).text(), "");
    let me = app.me(&new).await.expect(StatusCode::OK);
    let me: UserSession = serde_json::from_slice(&me.body).unwrap();
    assert_eq!((me.theme.as_deref(), me.visits), (Some("privileged"), 7));
}

async fn a_handle_that_is_kept_writes_and_ends_nothing_after_its_session_or_its_secret(
    backend: Backend,
) {
    let kept: Arc<Mutex<Option<Session<UserSession>>>> = Arc::default();
    let keeper = Arc::clone(&kept);
    let keep = move |session: Session<UserSession>| async move {
        *keeper.lock().unwrap() = Some(session);
    };
    let routes = Router::new().route("/keep", post(keep)).route("/rotate-now", post(rotate_now));
    let app = Application::with_routes(&backend, routes).await;
    let other = app.log_in("ferris").await;
    for end in ["logout", "rotate_now"] {
        let own = app.log_in("ferris").await;
        app.post("/keep").cookie(&own).send().await.expect(StatusCode::OK);
        match end {
            "logout" => app.log_out(&own).await.expect(StatusCode::NO_CONTENT),
            _ => app.post("/rotate-now").cookie(&own).send().await.expect(StatusCode::OK),
        };
        let mut handle = kept.lock().unwrap().take().unwrap();
        let is_refusal =
            |error| matches!(error, Some(Error::Ended { .. } | Error::SecretReplaced { .. }));
        assert!(is_refusal(handle.update(|user| user.visits += 1).await.err()), "{end}");
        assert!(is_refusal(handle.siblings().await.err()), "{end}");
        assert!(is_refusal(handle.revoke_others().await.err()), "{end}");
        app.me(&other).await.expect(StatusCode::OK);
    }
}

/// A slow upload, whose handler asks for the session when the upload is there.
async fn a_request_from_before_the_rotation_that_asks_late_is_not_suspected(backend: Backend) {
    let hold = Hold::default();
    let upload = {
        let hold = hold.clone();
        post(async move |auth: Auth<UserSession>| {
            hold.pass().await;
            auth.session().await.map(|session| session.is_some().to_string())
        })
    };
    let theft = Arc::new(Mutex::new(0));
    let heard = Arc::clone(&theft);
    let app = Application::assemble(
        Watched::new(backend.store().await),
        |sessions| {
            sessions.rotation_grace(Duration::ZERO).on_event(move |event| {
                if let Event::TheftSuspected { .. } = event {
                    *heard.lock().unwrap() += 1;
                }
            })
        },
        Router::new().route("/rotate", post(rotate)).route("/upload", upload),
    )
    .await;
    let old = app.log_in("ferris").await;
    let upload = app.post("/upload").cookie(&old).send();
    let owner = async {
        hold.reached().await;
        let new = app.post("/rotate").cookie(&old).send().await.cookie();
        app.me(&new).await.expect(StatusCode::OK);
        // The store's clock and this one are compared, and a busy machine is slow to answer.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        hold.release();
        new
    };
    let (upload, new) = tokio::join!(upload, owner);
    assert_eq!(upload.expect(StatusCode::OK).text(), "false");
    app.me(&new).await.expect(StatusCode::OK);
    assert_eq!(*theft.lock().unwrap(), 0);
    // Sent after it, the same token is what it looks like.
    app.me(&old).await.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(*theft.lock().unwrap(), 1);
}

/// The handler rotates and goes on working; meanwhile the client is given another token, and uses
/// it.
async fn a_rotation_whose_response_took_too_long_sends_no_dead_token(backend: Backend) {
    let hold = Hold::default();
    let slow = {
        let hold = hold.clone();
        post(async move |session: Session<UserSession>| {
            session.rotate().await.unwrap().expect("it rotates");
            hold.pass().await;
        })
    };
    let app = Application::assemble(
        Watched::new(backend.store().await),
        |sessions| sessions.rotation_grace(Duration::from_millis(400)),
        Router::new().route("/slow", slow),
    )
    .await;
    let old = app.log_in("ferris").await;
    let slow = app.post("/slow").cookie(&old).send();
    let others = async {
        hold.reached().await;
        tokio::time::sleep(Duration::from_millis(450)).await;
        let offered = app.me(&old).await.expect(StatusCode::OK).cookie();
        app.me(&offered).await.expect(StatusCode::OK);
        hold.release();
        offered
    };
    let (slow, offered) = tokio::join!(slow, others);
    assert!(slow.expect(StatusCode::OK).set_cookies().is_empty());
    app.me(&offered).await.expect(StatusCode::OK);
}

/// The handler leaves the rotation to a task, which nobody waits for.
async fn a_rotation_that_no_response_can_carry_says_so(backend: Backend) {
    let held: Arc<Mutex<Option<Hold>>> = Arc::default();
    let (rotated, mut told) = tokio::sync::mpsc::unbounded_channel();
    let background = {
        let held = Arc::clone(&held);
        post(async move |session: Session<UserSession>| {
            tokio::spawn(async move { rotated.send(session.rotate().await) });
            let hold = held.lock().unwrap().clone().unwrap();
            hold.reached().await;
        })
    };
    let app =
        Application::with_routes(&backend, Router::new().route("/background", background)).await;
    let cookie = app.log_in("ferris").await;
    let hold = app.store.hold(Verb::Rotate);
    *held.lock().unwrap() = Some(hold.clone());
    let answer = app.post("/background").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert!(answer.set_cookies().is_empty());
    hold.release();
    let rotated = told.recv().await.unwrap();
    assert!(matches!(rotated, Err(Error::ResponseBegun)));
}
