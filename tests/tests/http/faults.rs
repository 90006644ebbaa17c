//! A store that cannot answer: 503, never anonymous, never 401, never a logout that did not happen.

use anchor::Rejection;
use anchor::store::SessionStore;
use anchor_tests::{Backend, Verb, logs};
use axum::Router;
use axum::routing::get;
use http::StatusCode;

use crate::application::{Application, OPTIONAL, REQUIRING, UserSession};
use crate::tokens::id_of;

on_every_store![
    a_load_that_fails_is_503_for_every_extractor_and_removes_no_cookie,
    an_update_that_fails_is_503_and_removes_no_cookie,
    a_touch_that_fails_leaves_the_answer_as_it_is_and_is_logged,
    the_managers_verbs_that_fail_say_so,
];

async fn a_load_that_fails_is_503_for_every_extractor_and_removes_no_cookie(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    app.store.fail(Verb::Load, true);
    for path in REQUIRING.into_iter().chain(OPTIONAL) {
        let answer = app.get(path).cookie(&cookie).send().await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(answer.text(), "{\"error\":\"store_unavailable\"}", "{path}");
        assert!(answer.set_cookies().is_empty(), "{path}: {answer:?}");
    }
    app.store.fail(Verb::Load, false);
    app.me(&cookie).await.expect(StatusCode::OK);
}

async fn an_update_that_fails_is_503_and_removes_no_cookie(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    app.store.fail(Verb::Update, true);
    let change = crate::application::Changes { visits: 1, ..Default::default() };
    let answer = app.post("/update").cookie(&cookie).json(&change).send().await;
    let answer = answer.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.set_cookies().is_empty(), "{answer:?}");
    let me = app.me(&cookie).await.expect(StatusCode::OK);
    assert_eq!(serde_json::from_slice::<UserSession>(&me.body).unwrap().visits, 7);
}

/// The request was admitted and its handler has run: what it did stands, so its answer does.
async fn a_touch_that_fails_leaves_the_answer_as_it_is_and_is_logged(backend: Backend) {
    logs::keep();
    let app = Application::configured(&backend, |sessions| {
        sessions.touch_interval(std::time::Duration::ZERO)
    })
    .await;
    let cookie = app.log_in("ferris").await;
    let in_request = app.store.uses_recorder().is_none();
    app.store.fail(Verb::Touch, true);
    app.store.fail(Verb::RecordUses, true);
    let answer = app.me(&cookie).await.expect(StatusCode::OK);
    assert_eq!(app.sessions.shutdown().await, 0);
    assert_eq!(app.store.recordings(), 1);
    assert!(answer.set_cookies().is_empty(), "{answer:?}");
    let lines = if in_request {
        logs::lines_with(&id_of(&cookie).to_string())
    } else {
        logs::lines_with("lets `record_uses` fail")
    };
    assert!(lines.iter().any(|line| line.contains("WARN") && line.contains("not recorded")));
}

async fn the_managers_verbs_that_fail_say_so(backend: Backend) {
    let administration = |app: &Application| {
        let sessions = app.sessions.clone();
        Router::new().route(
            "/end-all",
            get(async move || {
                sessions.revoke_subject(&"ferris".to_owned()).await.map(|ended| ended.to_string())
            }),
        )
    };
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    let served = anchor_tests::http::Served::start(administration(&app)).await;
    let ferris = "ferris".to_owned();
    let id = id_of(&cookie);
    for verb in
        [Verb::Load, Verb::Revoke, Verb::RevokeSubject, Verb::RevokeOthers, Verb::List, Verb::Sweep]
    {
        app.store.fail(verb, true);
    }
    let sessions = &app.sessions;
    assert!(sessions.get(id).await.is_err());
    assert!(sessions.revoke(id).await.is_err());
    assert!(sessions.revoke_subject(&ferris).await.is_err());
    assert!(sessions.revoke_others(&ferris, id).await.is_err());
    assert!(sessions.list(&ferris).await.is_err());
    assert!(sessions.sweep(1).await.is_err());
    let rejection = Rejection::from(sessions.get(id).await.unwrap_err());
    assert_eq!(rejection.status(), StatusCode::SERVICE_UNAVAILABLE);
    served.get("/end-all").send().await.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(app.is_live(id).await);

    app.store.fail(Verb::RevokeSubject, false);
    assert_eq!(served.get("/end-all").send().await.text(), "1");
    assert!(!app.is_live(id).await);
}
