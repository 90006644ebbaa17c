//! Tests of the handlers, called like functions, on an SQLite database in memory.

use anchor::testing::{Faulty, Verb};
use axum::http::Request;
use sqlx::sqlite::SqlitePoolOptions;

use super::*;

struct Site {
    pool: SqlitePool,
    store: Faulty<UserSession>,
    sessions: SessionManager<UserSession>,
}

async fn site() -> Site {
    // Each connection would have a database of its own.
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await;
    let pool = pool.unwrap();
    users::migrate(&pool).await.unwrap();
    let store = SqliteStore::new(pool.clone());
    store.migrate().await.unwrap();
    let store = Faulty::new(store);
    let keys = KeyRing::generate().unwrap();
    let sessions = SessionManager::builder(store.clone()).keys(keys).build().unwrap();
    Site { pool, store, sessions }
}

fn ferris() -> UserSession {
    UserSession { user_id: 1, username: "ferris".into() }
}

#[tokio::test]
async fn me_shows_the_sessions_user() {
    let Site { sessions, .. } = site().await;
    let session = sessions.test_session(ferris()).await;
    let Json(user) = me(session.guard().await.unwrap(), session.session().await.unwrap()).await;
    assert_eq!(user.username, "ferris");

    let visitor = sessions.test_request(Request::new(()));
    let refused = visitor.check(me).await.unwrap_err();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_login_sets_the_cookie_and_a_logout_removes_it() {
    let Site { pool, sessions, .. } = site().await;
    let log_in = async |password: &str| {
        let request = sessions.test_request(Request::new(()));
        let auth = request.auth().await.unwrap();
        let form = Credentials { username: "ferris".into(), password: password.into() };
        let answer = login(auth, State(pool.clone()), Form(form)).await;
        request.respond(answer).await
    };
    let refused = log_in("crab").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(sessions.session_set_by(&refused).is_none());

    let session = sessions.assert_session_set(&log_in("rustacean").await);
    let request = session.request();
    let answer = logout(request.guard().await.unwrap()).await;
    sessions.assert_session_removed(&request.respond(answer).await);
    assert!(session.check(me).await.is_err());
}

#[tokio::test]
async fn the_home_page_of_a_database_that_does_not_answer_is_503() {
    let Site { store, sessions, .. } = site().await;
    let session = sessions.test_session(ferris()).await;
    let page = home(session.session().await.ok()).await;
    assert!(page.is_ok_and(|Html(page)| page.contains("Hello, ferris")));

    let open = session.session().await.ok();
    store.fail(Verb::List);
    let page = home(open).await;
    assert_eq!(page.into_response().status(), StatusCode::SERVICE_UNAVAILABLE);
}
