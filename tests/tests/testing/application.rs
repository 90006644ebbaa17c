//! The application that is tested: users and administrators, each with a session of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use anchor::manager::SessionManagerBuilder;
use anchor::prelude::*;
use axum::extract::{Path, State};
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "test_users", idle = "2h", absolute = "14d", cookie = "__Host-test-user")]
pub(crate) struct UserSession {
    #[session(subject)]
    pub(crate) name: String,
    pub(crate) verified: bool,
    pub(crate) visits: i64,
}

impl UserSession {
    pub(crate) fn of(name: &str) -> Self {
        Self { name: name.into(), verified: true, visits: 0 }
    }
}

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "test_admins", cookie = "__Host-test-admin", cut_off)]
pub(crate) struct AdminSession {
    #[session(subject)]
    pub(crate) name: String,
}

pub(crate) fn builder<T: SessionData>(store: impl SessionStore<T>) -> SessionManagerBuilder<T> {
    SessionManager::builder(store).keys(KeyRing::new([[7; 32]]).unwrap())
}

pub(crate) fn in_memory() -> SessionManager<UserSession> {
    builder(MemoryStore::new()).build().unwrap()
}

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) name: &'static str,
}

#[require_session(UserSession)]
pub(crate) async fn me(session: Session<UserSession>) -> String {
    session.name.clone()
}

#[require_session(UserSession, when = |user| user.verified, fresh = "10m")]
pub(crate) async fn order(
    State(shop): State<Shop>,
    Path(item): Path<u32>,
    mut session: Session<UserSession>,
    Json(count): Json<i64>,
) -> Result<String, anchor::Error> {
    session.update(|user| user.visits += count).await?;
    Ok(format!("{count} of {item} from {} for {}", shop.name, session.name))
}

#[require_session(UserSession, redirect = "/login")]
pub(crate) async fn page() -> &'static str {
    "page"
}

#[require_session(AdminSession)]
pub(crate) async fn ban<S: Into<String>>(name: S) -> String {
    name.into()
}

/// An administrator looks at a user's page: two payloads in one handler.
#[require_session(AdminSession)]
pub(crate) async fn impersonate(
    admin: Session<AdminSession>,
    user: Session<UserSession>,
) -> String {
    format!("{} as {}", admin.name, user.name)
}

#[public]
pub(crate) async fn home(session: Option<Session<UserSession>>) -> String {
    session.map_or_else(|| "nobody".into(), |session| session.name.clone())
}

pub(crate) async fn login(
    auth: Auth<UserSession>,
    Path(name): Path<String>,
) -> Result<Redirect, StatusCode> {
    if name == "mallory" {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let login = auth.login(UserSession::of(&name)).await;
    login.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(Redirect::to("/"))
}

#[logout(UserSession)]
pub(crate) async fn logout() -> Redirect {
    Redirect::to("/")
}

#[logout(UserSession, all)]
pub(crate) async fn logout_all() -> Redirect {
    Redirect::to("/")
}

pub(crate) fn app(sessions: &SessionManager<UserSession>) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/me", get(me))
        .route("/login/{name}", post(login))
        .route("/logout", post(logout))
        .layer(sessions.layer())
}

/// Returns the message with which this panics.
pub(crate) fn message_of_panic(panics: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(panics)).expect_err("it panics");
    *panic.downcast::<String>().unwrap()
}
