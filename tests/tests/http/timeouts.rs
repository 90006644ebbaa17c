//! A store that takes a call and never answers: 503 within the bound, and nothing claimed.

use std::time::Duration;

use anchor::prelude::*;
use anchor_tests::{Backend, TableLock, Verb, Waiting, logs};
use http::StatusCode;
use tokio::time::Instant;

use crate::application::{Application, OPTIONAL, REQUIRING, UserSession};
use crate::tokens::id_of;

on_every_store![
    a_load_without_an_answer_is_503_within_the_bound,
    a_logout_without_an_answer_is_503_within_the_bound_and_keeps_the_cookie,
    a_database_that_hangs_is_503_within_the_bound_and_serves_again,
    a_bound_of_zero_is_refused_at_build,
];

const BOUND: Duration = Duration::from_millis(300);

/// Far more than the bound, far less than a pool's own.
const PATIENCE: Duration = Duration::from_secs(5);

async fn bounded(backend: &Backend) -> Application {
    Application::configured(backend, |sessions| sessions.store_timeout(BOUND)).await
}

async fn a_load_without_an_answer_is_503_within_the_bound(backend: Backend) {
    logs::keep();
    let app = bounded(&backend).await;
    let cookie = app.log_in("ferris").await;
    let hold = app.store.hold(Verb::Load);
    for path in REQUIRING.into_iter().chain(OPTIONAL) {
        let asked = Instant::now();
        let answer = app.get(path).cookie(&cookie).send().await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(answer.text(), "{\"error\":\"store_unavailable\"}", "{path}");
        assert!(answer.set_cookies().is_empty(), "{path}: {answer:?}");
        assert!(asked.elapsed() < PATIENCE, "{path}: {:?}", asked.elapsed());
    }
    let lines = logs::lines_with("`load` took longer than the 300ms of `store_timeout`");
    assert!(!lines.is_empty(), "the log says why");
    hold.release();
    app.me(&cookie).await.expect(StatusCode::OK);
}

async fn a_logout_without_an_answer_is_503_within_the_bound_and_keeps_the_cookie(backend: Backend) {
    let app = bounded(&backend).await;
    let cookie = app.log_in("ferris").await;
    let hold = app.store.hold(Verb::Revoke);
    for path in ["/logout", "/logout-by-auth"] {
        let asked = Instant::now();
        let answer = app.post(path).cookie(&cookie).send().await;
        let answer = answer.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.set_cookies().is_empty(), "{path}: {answer:?}");
        assert!(asked.elapsed() < PATIENCE, "{path}: {:?}", asked.elapsed());
    }
    hold.release();
    app.me(&cookie).await.expect(StatusCode::OK);
    app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}

async fn a_database_that_hangs_is_503_within_the_bound_and_serves_again(backend: Backend) {
    let app = bounded(&backend).await;
    let cookie = app.log_in("ferris").await;
    let Some(lock) = TableLock::of(&backend, "user_sessions", Waiting::Everyone).await else {
        return;
    };
    let asked = Instant::now();
    let me = app.me(&cookie).await.expect(StatusCode::SERVICE_UNAVAILABLE);
    let logout = app.log_out(&cookie).await.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(asked.elapsed() < PATIENCE, "{:?}", asked.elapsed());
    for answer in [me, logout] {
        assert!(answer.set_cookies().is_empty(), "{answer:?}");
    }
    lock.release().await;
    // The database may carry the logout out now, as its client was told nothing else; the next
    // answer is true.
    app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
    assert!(!app.is_live(id_of(&cookie)).await);
    app.me(app.log_in("corro").await).await.expect(StatusCode::OK);
}

async fn a_bound_of_zero_is_refused_at_build(backend: Backend) {
    let refused = SessionManager::<UserSession>::builder(backend.store().await)
        .keys(KeyRing::generate().unwrap())
        .store_timeout(Duration::ZERO)
        .build()
        .unwrap_err();
    assert!(refused.to_string().contains("`store_timeout` is zero"), "{refused}");
}
