//! `session.update(..)`: compare-and-set, and never for an ended session.

use anchor::prelude::*;
use anchor_tests::{Backend, Hold, Verb, Watched};
use axum::Router;
use axum::routing::post;
use http::StatusCode;

use crate::application::{Application, Changes, UserSession};
use crate::tokens::id_of;

on_every_store![
    an_update_is_seen_by_the_next_request_and_sets_no_cookie,
    two_requests_that_change_different_fields_both_win,
    an_update_is_seen_by_the_rest_of_its_request,
    an_end_that_an_update_finds_holds_for_the_rest_of_its_request,
    an_update_does_not_hand_the_session_to_another_subject,
    an_update_of_an_ended_session_writes_nothing_and_is_401,
    an_update_of_an_ended_session_sends_no_token_signed_again,
    an_update_of_a_session_that_its_request_replaced_leaves_the_new_one_alone,
    a_counter_incremented_1000_times_by_32_tasks_ends_at_1000,
];

async fn payload(app: &Application, cookie: &str) -> UserSession {
    let me = app.me(cookie).await.expect(StatusCode::OK);
    serde_json::from_slice(&me.body).unwrap()
}

async fn an_update_is_seen_by_the_next_request_and_sets_no_cookie(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    let change = Changes { theme: Some("dark".into()), cart: Some(Vec::new()), visits: 1 };
    app.store.reset();
    let answer = app.post("/update").cookie(&cookie).json(&change).send().await;
    let answer = answer.expect(StatusCode::OK);
    assert_eq!((app.store.calls(Verb::Update), app.store.all_calls()), (1, 2));
    assert!(answer.set_cookies().is_empty());
    let expected = UserSession {
        theme: Some("dark".into()),
        cart: Vec::new(),
        visits: 8,
        ..UserSession::of("ferris")
    };
    assert_eq!(serde_json::from_slice::<UserSession>(&answer.body).unwrap(), expected);
    assert_eq!(payload(&app, &cookie).await, expected);
}

async fn an_update_is_seen_by_the_rest_of_its_request(backend: Backend) {
    let change = async |mut session: Session<UserSession>, auth: Auth<UserSession>| {
        session.update(|user| user.visits = 1_000).await?;
        let again = auth.session().await?;
        Ok::<_, anchor::Error>(again.map_or(0, |session| session.visits).to_string())
    };
    let routes = Router::new().route("/change", post(change));
    let app = Application::with_routes(&backend, routes).await;
    let cookie = app.log_in("ferris").await;
    app.store.reset();
    let answer = app.post("/change").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!(answer.text(), "1000");
    assert_eq!(app.store.calls(Verb::Load), 1);
}

async fn an_end_that_an_update_finds_holds_for_the_rest_of_its_request(backend: Backend) {
    let hold = Hold::default();
    let change = {
        let hold = hold.clone();
        async move |mut session: Session<UserSession>, auth: Auth<UserSession>| {
            hold.pass().await;
            let updated = session.update(|user| user.visits += 1).await;
            let again = auth.session().await?;
            Ok::<_, anchor::Error>(format!("{} {}", updated.is_ok(), again.is_some()))
        }
    };
    let routes = Router::new().route("/change", post(change));
    let app = Application::with_routes(&backend, routes).await;
    let cookie = app.log_in("ferris").await;
    let change = app.post("/change").cookie(&cookie).send();
    let revoke = async {
        hold.reached().await;
        assert!(app.sessions.revoke(id_of(&cookie)).await.unwrap());
        hold.release();
    };
    let (change, ()) = tokio::join!(change, revoke);
    assert_eq!(change.expect(StatusCode::OK).text(), "false false");
}

/// Limits and watchers go by the subject: another one begins with a login.
async fn an_update_does_not_hand_the_session_to_another_subject(backend: Backend) {
    let become_corro = async |mut session: Session<UserSession>| {
        session.update(|user| user.name = "corro".into()).await
    };
    let routes = Router::new().route("/become", post(become_corro));
    let app = Application::with_routes(&backend, routes).await;
    let cookie = app.log_in("ferris").await;
    app.store.reset();
    let refused = app.post("/become").cookie(&cookie).send().await;
    refused.expect(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(app.store.calls(Verb::Update), 0);
    assert_eq!(payload(&app, &cookie).await.name, "ferris");
}

/// Both have loaded the session before either writes.
async fn two_requests_that_change_different_fields_both_win(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    let hold = app.store.hold(Verb::Update);
    let theme = Changes { theme: Some("dark".into()), ..Changes::default() };
    let cart = Changes { cart: Some(vec!["sail".into()]), ..Changes::default() };
    let first = app.post("/update").cookie(&cookie).json(&theme).send();
    let second = app.post("/update").cookie(&cookie).json(&cart).send();
    let meeting = async {
        hold.reached().await;
        hold.reached().await;
        hold.release();
    };
    let (first, second, ()) = tokio::join!(first, second, meeting);
    first.expect(StatusCode::OK);
    second.expect(StatusCode::OK);
    assert!(app.store.calls(Verb::Update) >= 3, "one of them met a conflict");
    let session = payload(&app, &cookie).await;
    assert_eq!(session.theme.as_deref(), Some("dark"));
    assert_eq!(session.cart, ["sail"]);
}

async fn an_update_of_an_ended_session_writes_nothing_and_is_401(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    let hold = app.store.hold(Verb::Update);
    let update = app.post("/update").cookie(&cookie);
    let update = update.json(&Changes { visits: 1, ..Changes::default() }).send();
    let logout = async {
        hold.reached().await;
        app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
        hold.release();
    };
    let (update, ()) = tokio::join!(update, logout);
    let update = update.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(update.text(), "{\"error\":\"unauthenticated\"}");
    assert!(update.set_cookies().is_empty(), "{update:?}");
    assert!(!app.is_live(id_of(&cookie)).await, "the update has not brought it back");
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
    assert!(app.sessions.list(&"ferris".to_owned()).await.unwrap().is_empty());
}

async fn an_update_of_an_ended_session_sends_no_token_signed_again(backend: Backend) {
    let hold = Hold::default();
    let update = {
        let hold = hold.clone();
        post(async move |mut session: Session<UserSession>| {
            hold.pass().await;
            // A handler that does not care.
            let _ = session.update(|user| user.visits += 1).await;
        })
    };
    let before = Application::start(&backend).await;
    let cookie = before.log_in("ferris").await;
    let keys = KeyRing::new([[3; 32], crate::application::KEY]).unwrap();
    let store: Watched<UserSession> = before.store.clone();
    let routes = Router::new().route("/careless", update);
    let app = Application::assemble(store, |sessions| sessions.keys(keys), routes).await;
    let update = app.post("/careless").cookie(&cookie).send();
    let revoke = async {
        hold.reached().await;
        assert!(app.sessions.revoke(id_of(&cookie)).await.unwrap());
        hold.release();
    };
    let (update, ()) = tokio::join!(update, revoke);
    let update = update.expect(StatusCode::OK);
    assert!(update.set_cookies().is_empty(), "{update:?}");
}

async fn an_update_of_a_session_that_its_request_replaced_leaves_the_new_one_alone(
    backend: Backend,
) {
    let change = async |mut session: Session<UserSession>, auth: Auth<UserSession>| {
        auth.login(UserSession::of("corro")).await?;
        let updated = session.update(|user| user.visits += 1).await;
        Ok::<_, anchor::Error>(matches!(updated, Err(anchor::Error::Ended { .. })).to_string())
    };
    let routes = Router::new().route("/change", post(change));
    let app = Application::with_routes(&backend, routes).await;
    let cookie = app.log_in("ferris").await;
    app.store.reset();
    let changed = app.post("/change").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!((changed.text(), app.store.calls(Verb::Update)), ("true", 0));
    assert_eq!(payload(&app, &changed.cookie()).await, UserSession::of("corro"));
}

async fn a_counter_incremented_1000_times_by_32_tasks_ends_at_1000(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    let app = std::sync::Arc::new(app);
    let started = payload(&app, &cookie).await.visits;
    let tasks: Vec<_> = (0..32)
        .map(|task| {
            let (app, cookie) = (std::sync::Arc::clone(&app), cookie.clone());
            tokio::spawn(async move {
                // 8 tasks of 32 and 24 tasks of 31 make 1000.
                for _ in 0..(if task < 8 { 32 } else { 31 }) {
                    let change = Changes { visits: 1, ..Changes::default() };
                    let answer = app.post("/update").cookie(&cookie).json(&change).send().await;
                    answer.expect(StatusCode::OK);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(payload(&app, &cookie).await.visits - started, 1000);
}
