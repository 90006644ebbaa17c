//! `sessions.update_subject(..)`: a change of all sessions of a subject.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use anchor::manager::Event;
use anchor::prelude::*;
use anchor::{Error, Rejection};
use anchor_tests::{Backend, Verb, Watched};
use axum::Router;
use axum::routing::post;
use http::StatusCode;

use crate::application::{Application, Changes, Role, UserSession};
use crate::tokens::id_of;

on_every_store![
    each_session_of_the_subject_is_changed_and_no_other,
    a_change_that_changes_nothing_writes_nothing,
    more_sessions_than_a_page_has_are_all_changed,
    a_session_that_logs_out_meanwhile_is_skipped_and_stays_ended,
    a_change_by_the_owner_at_the_same_time_is_kept,
    a_session_with_a_new_secret_is_changed_too,
    an_error_says_how_many_were_changed_and_a_repetition_changes_the_rest,
    a_session_whose_new_payload_is_refused_does_not_protect_the_others,
    a_change_that_panics_says_how_many_were_changed,
    a_change_of_the_subject_is_refused,
    a_change_goes_on_without_its_caller,
];

static FERRIS: LazyLock<String> = LazyLock::new(|| "ferris".to_owned());

fn promote(user: &mut UserSession) {
    user.role = Role::Admin;
}

async fn role(app: &Application, cookie: &str) -> Role {
    session(app, cookie).await.role
}

async fn session(app: &Application, cookie: &str) -> UserSession {
    let me = app.me(cookie).await.expect(StatusCode::OK);
    serde_json::from_slice(&me.body).unwrap()
}

async fn log_in_times(app: &Application, times: usize) -> Vec<String> {
    let mut cookies = Vec::new();
    for _ in 0..times {
        cookies.push(app.log_in("ferris").await);
    }
    cookies
}

async fn each_session_of_the_subject_is_changed_and_no_other(backend: Backend) {
    let events = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&events);
    let app = Application::configured(&backend, |sessions| {
        sessions.on_event(move |event| {
            if let Event::Updated { session } = event {
                assert_eq!(session.data.role, Role::Admin);
                count.fetch_add(1, Ordering::SeqCst);
            }
        })
    })
    .await;
    let cookies = log_in_times(&app, 3).await;
    let other = app.log_in("corro").await;
    assert_eq!(app.sessions.update_subject(&FERRIS, promote).await.unwrap(), 3);
    for cookie in &cookies {
        assert_eq!(session(&app, cookie).await, UserSession { role: Role::Admin, ..of_ferris() });
    }
    assert_eq!(role(&app, &other).await, Role::Member);
    assert_eq!(events.load(Ordering::SeqCst), 3);
}

fn of_ferris() -> UserSession {
    UserSession::of("ferris")
}

async fn a_change_that_changes_nothing_writes_nothing(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookies = log_in_times(&app, 2).await;
    app.sessions.update_subject(&FERRIS, promote).await.unwrap();
    let version = app.sessions.get(id_of(&cookies[0])).await.unwrap().unwrap().version;
    app.store.reset();
    assert_eq!(app.sessions.update_subject(&FERRIS, promote).await.unwrap(), 0);
    assert_eq!((app.store.calls(Verb::List), app.store.all_calls()), (1, 1));
    let again = app.sessions.get(id_of(&cookies[0])).await.unwrap().unwrap();
    assert_eq!(again.version, version);
}

async fn more_sessions_than_a_page_has_are_all_changed(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookies = log_in_times(&app, 103).await;
    assert_eq!(app.sessions.update_subject(&FERRIS, promote).await.unwrap(), 103);
    assert_eq!(app.store.calls(Verb::List), 2);
    assert_eq!(role(&app, &cookies[0]).await, Role::Admin);
    assert_eq!(role(&app, &cookies[102]).await, Role::Admin);
}

async fn a_session_that_logs_out_meanwhile_is_skipped_and_stays_ended(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookies = log_in_times(&app, 2).await;
    for held in [Verb::Load, Verb::Update] {
        app.sessions.update_subject(&FERRIS, |user| user.role = Role::Member).await.unwrap();
        let leaving = app.log_in("ferris").await;
        let hold = app.store.hold(held);
        // The newest session is the first one.
        let update = app.sessions.update_subject(&FERRIS, promote);
        let logout = async {
            hold.reached().await;
            assert!(app.sessions.revoke(id_of(&leaving)).await.unwrap());
            hold.release();
        };
        let (updated, ()) = tokio::join!(update, logout);
        assert_eq!(updated.unwrap(), 2, "{held:?}");
        assert!(!app.is_live(id_of(&leaving)).await, "{held:?}");
        app.me(&leaving).await.expect(StatusCode::UNAUTHORIZED);
        assert_eq!(role(&app, &cookies[0]).await, Role::Admin);
    }
}

async fn a_change_by_the_owner_at_the_same_time_is_kept(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    let hold = app.store.hold_answer_of_next_load();
    let update = app.sessions.update_subject(&FERRIS, promote);
    let visit = async {
        hold.reached().await;
        let visit = Changes { visits: 1, ..Changes::default() };
        app.post("/update").cookie(&cookie).json(&visit).send().await.expect(StatusCode::OK);
        hold.release();
    };
    let (updated, ()) = tokio::join!(update, visit);
    assert_eq!(updated.unwrap(), 1);
    let expected = UserSession { role: Role::Admin, visits: 8, ..of_ferris() };
    assert_eq!(session(&app, &cookie).await, expected);
}

async fn a_session_with_a_new_secret_is_changed_too(backend: Backend) {
    let rotate = async |session: Session<UserSession>| session.rotate_now().await.map(drop);
    let routes = Router::new().route("/rotate", post(rotate));
    let app = Application::with_routes(&backend, routes).await;
    let cookie = app.log_in("ferris").await;
    let hold = app.store.hold_answer_of_next_load();
    let update = app.sessions.update_subject(&FERRIS, promote);
    let rotate = async {
        hold.reached().await;
        let rotated = app.post("/rotate").cookie(&cookie).send().await.expect(StatusCode::OK);
        hold.release();
        rotated.cookie()
    };
    let (updated, rotated) = tokio::join!(update, rotate);
    assert_eq!(updated.unwrap(), 1);
    assert_eq!(role(&app, &rotated).await, Role::Admin);
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}

async fn an_error_says_how_many_were_changed_and_a_repetition_changes_the_rest(backend: Backend) {
    let store = Watched::new(backend.store().await);
    let failing = store.clone();
    let configure = |sessions: anchor::manager::SessionManagerBuilder<UserSession>| {
        sessions.on_event(move |event| {
            if matches!(event, Event::Updated { .. }) {
                failing.fail(Verb::Update, true);
            }
        })
    };
    let app = Application::assemble(store, configure, Router::new()).await;
    let cookies = log_in_times(&app, 3).await;
    let failed = app.sessions.update_subject(&FERRIS, promote).await.unwrap_err();
    let Error::SubjectPartlyUpdated { updated: 1, error } = &failed else { panic!("{failed}") };
    assert!(matches!(**error, Error::Store(_)), "{error}");
    assert!(failed.to_string().starts_with("1 sessions of the subject were updated"), "{failed}");
    assert_eq!(Rejection::from(failed).status(), StatusCode::SERVICE_UNAVAILABLE);
    for expected in [1, 1] {
        app.store.fail(Verb::Update, false);
        // The hook makes the next one fail again.
        let again = app.sessions.update_subject(&FERRIS, promote).await;
        let updated = match again {
            Ok(updated) => updated,
            Err(Error::SubjectPartlyUpdated { updated, .. }) => updated,
            Err(other) => panic!("{other}"),
        };
        assert_eq!(updated, expected);
    }
    for cookie in &cookies {
        assert_eq!(role(&app, cookie).await, Role::Admin);
    }
}

/// The payload of one session does not fit its column.
async fn a_session_whose_new_payload_is_refused_does_not_protect_the_others(backend: Backend) {
    if !matches!(backend, Backend::Postgres(_)) {
        return;
    }
    let app = Application::start(&backend).await;
    let cookies = log_in_times(&app, 3).await;
    let theme = Changes { theme: Some("dark".into()), ..Changes::default() };
    app.post("/update").cookie(&cookies[1]).json(&theme).send().await.expect(StatusCode::OK);
    // PostgreSQL's texts have no NUL.
    let change = |user: &mut UserSession| {
        promote(user);
        user.theme = user.theme.take().map(|_| "\0".to_owned());
    };
    let failed = app.sessions.update_subject(&FERRIS, change).await.unwrap_err();
    let Error::SubjectPartlyUpdated { updated: 2, .. } = &failed else { panic!("{failed}") };
    assert_eq!(Rejection::from(failed).status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(role(&app, &cookies[0]).await, Role::Admin);
    assert_eq!(role(&app, &cookies[1]).await, Role::Member);
    assert_eq!(role(&app, &cookies[2]).await, Role::Admin);
}

async fn a_change_that_panics_says_how_many_were_changed(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookies = log_in_times(&app, 3).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    // Twice for each session: once as it was listed, and once as it is.
    let change = move |user: &mut UserSession| {
        promote(user);
        assert!(counted.fetch_add(1, Ordering::Relaxed) < 3, "the application's mistake");
    };
    let failed = app.sessions.update_subject(&FERRIS, change).await.unwrap_err();
    let Error::SubjectPartlyUpdated { updated: 1, error } = &failed else { panic!("{failed}") };
    assert!(matches!(**error, Error::Callback { callback: "update_subject" }), "{error}");
    let mut admins = 0;
    for cookie in &cookies {
        admins += usize::from(role(&app, cookie).await == Role::Admin);
    }
    assert_eq!(admins, 1);
}

async fn a_change_of_the_subject_is_refused(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    let refused = app.sessions.update_subject(&FERRIS, |user| user.name = "corro".into()).await;
    let refused = refused.unwrap_err();
    let Error::SubjectPartlyUpdated { updated: 0, error } = &refused else { panic!("{refused}") };
    assert!(matches!(**error, Error::SubjectChanged { .. }), "{error}");
    assert_eq!(Rejection::from(refused).status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(session(&app, &cookie).await, of_ferris());
    assert_eq!(app.store.calls(Verb::Update), 0);
}

async fn a_change_goes_on_without_its_caller(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookies = log_in_times(&app, 3).await;
    let hold = app.store.hold(Verb::Update);
    let sessions = app.sessions.clone();
    let caller = tokio::spawn(async move { sessions.update_subject(&FERRIS, promote).await });
    hold.reached().await;
    // As when the client of an administrator's request disconnects.
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    hold.release();
    assert_eq!(app.sessions.shutdown().await, 0);
    for cookie in &cookies {
        assert_eq!(role(&app, cookie).await, Role::Admin);
    }
}
