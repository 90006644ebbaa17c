//! The tests that docs/test.md shows to users, as they stand there. README.md shows the first.

use anchor::prelude::*;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::post;
use axum::{Router, body::Body};

#[derive(Clone, SessionData)]
#[session(table = "sessions", migrations = false)]
struct UserSession {
    #[session(subject)]
    user_id: i64,
    admin: bool,
}

#[require_session(UserSession, when = |user| user.admin, fresh = "10m")]
async fn ban(Path(_): Path<i64>) -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn login(auth: Auth<UserSession>) -> Result<Redirect, anchor::Error> {
    auth.login(UserSession { user_id: 1, admin: false }).await?;
    Ok(Redirect::to("/"))
}

#[logout(UserSession)]
async fn logout() -> Redirect {
    Redirect::to("/")
}

fn manager(store: impl SessionStore<UserSession>) -> SessionManager<UserSession> {
    SessionManager::builder(store).keys(KeyRing::generate().unwrap()).build().unwrap()
}

fn app(sessions: &SessionManager<UserSession>) -> Router {
    Router::new()
        .route("/ban/{id}", post(ban))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .layer(sessions.layer())
}

// In docs/test.md:
use std::time::Duration;

use anchor::testing::{Clock, Faulty, Verb};
use axum::http::Request;
use tower::ServiceExt;

#[tokio::test]
async fn only_administrators_ban() -> Result<(), Box<dyn std::error::Error>> {
    let clock = Clock::new();
    let sessions = manager(MemoryStore::with_clock(&clock));
    let admin = sessions.test_session(UserSession { user_id: 1, admin: true }).await;
    let user = sessions.test_session(UserSession { user_id: 2, admin: false }).await;

    // `guard()` runs the handler's guard, and is the argument that `#[require_session]` inserts.
    assert_eq!(ban(admin.guard().await?, Path(2)).await, StatusCode::NO_CONTENT);
    assert_eq!(user.check(ban).await.unwrap_err().status(), StatusCode::FORBIDDEN);

    // The handler has `fresh = "10m"`.
    clock.advance(Duration::from_secs(601));
    let refused = admin.check(ban).await.unwrap_err();
    assert_eq!(refused.code(), Some("reauthentication_required"));
    Ok(())
}

#[sqlx::test]
async fn a_logout_that_the_database_does_not_answer_is_503(pool: sqlx::SqlitePool) {
    let store = SqliteStore::new(pool);
    store.migrate().await.unwrap();
    let store = Faulty::new(store);
    let sessions = manager(store.clone());
    let app = app(&sessions);
    let post = |path| Request::post(path).body(Body::empty()).unwrap();

    let response = app.clone().oneshot(post("/login")).await.unwrap();
    let session = sessions.assert_session_set(&response);

    store.fail(Verb::ALL);
    let response = app.clone().oneshot(session.apply(post("/logout"))).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);

    store.heal(Verb::ALL);
    let response = app.oneshot(session.apply(post("/logout"))).await.unwrap();
    sessions.assert_session_removed(&response);
}
// The end.

#[test]
fn the_documents_show_these_tests() {
    let shown = include_str!("shown.rs").split_once("// In docs/test.md:\n").unwrap().1;
    let (shown, _) = shown.split_once("// The end.\n").unwrap();
    let chapter = include_str!("../../../docs/test.md");
    assert!(chapter.contains(&format!("```rust,ignore\n{shown}```\n")), "write there:\n{shown}");

    let first = shown.find("#[tokio::test]").unwrap()..shown.find("\n#[sqlx::test]").unwrap();
    let first = &shown[first];
    let readme = include_str!("../../../README.md");
    assert!(readme.contains(&format!("```rust,ignore\n{first}```\n")), "write there:\n{first}");
}
