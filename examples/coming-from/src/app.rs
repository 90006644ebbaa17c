//! The new application.

use std::time::Duration;

use anchor::guard::{Decision, Fresh, Policy};
use anchor::prelude::*;
use anchor::{ConfigError, Error, StoreError};
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::take_over::{OldSessions, TakeOver, take_over};
use crate::users;

/// The session of a user.
#[derive(Clone, Serialize, SessionData)]
#[session(table = "user_sessions", idle = "14d", absolute = "90d")]
pub struct UserSession {
    #[session(subject, references = "users(id)")]
    user_id: i64,
    /// Whether the session was taken over, and its user has proved nothing to this application.
    #[session(default = "FALSE")]
    taken_over: bool,
}

impl UserSession {
    /// Returns the session of a user who has just proved who they are.
    pub fn new(user_id: i64) -> Self {
        Self { user_id, taken_over: false }
    }

    /// Returns the session of a user who logged in to the old application.
    pub fn taken_over(user_id: i64) -> Self {
        Self { user_id, taken_over: true }
    }
}

/// Refuses a session that was taken over, until its user has proved who they are. `fresh` alone
/// would accept it: to anchor, a takeover is a login.
pub struct LoggedInHere;

impl Policy<UserSession> for LoggedInHere {
    fn check(session: &Session<UserSession>) -> Decision {
        if session.taken_over {
            Decision::Reauthenticate(Duration::from_mins(10))
        } else {
            Decision::Allow
        }
    }
}

#[derive(Clone, FromRef)]
struct App {
    pool: PgPool,
    sessions: SessionManager<UserSession>,
    store: PostgresStore<UserSession>,
}

/// Creates the application, which takes over the sessions of `old`.
///
/// # Errors
///
/// Returns an error if the settings cannot work.
pub fn app<O: OldSessions>(pool: PgPool, keys: KeyRing, old: O) -> Result<Router, ConfigError> {
    let store = PostgresStore::new(pool.clone());
    let sessions = SessionManager::builder(store.clone()).keys(keys).build()?;
    let old = TakeOver { old, sessions: sessions.clone(), store: store.clone() };
    Ok(Router::new()
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/logout-everywhere", post(logout_everywhere))
        .route("/me", get(me))
        .route("/confirm", post(confirm))
        .route("/email", post(change_email))
        .layer(from_fn_with_state(old, take_over::<O>))
        .layer(sessions.layer())
        .with_state(App { pool, sessions, store }))
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

async fn login(
    auth: Auth<UserSession>,
    State(pool): State<PgPool>,
    Form(form): Form<Credentials>,
) -> Result<StatusCode, Error> {
    let Some(user) = users::authenticate(&pool, &form.name, form.password).await? else {
        return Ok(StatusCode::UNAUTHORIZED);
    };
    auth.login(UserSession::new(user.id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[require_session(UserSession)]
async fn me(session: Session<UserSession>) -> Json<UserSession> {
    Json(session.data().clone())
}

#[logout(UserSession)]
async fn logout() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Ends every session of the user, and those that have not been taken over yet: all or nothing.
#[require_session(UserSession)]
async fn logout_everywhere(
    session: Session<UserSession>,
    auth: Auth<UserSession>,
    State(sessions): State<SessionManager<UserSession>>,
    State(store): State<PostgresStore<UserSession>>,
) -> Result<StatusCode, Error> {
    let mut transaction = sessions.begin(&store).await?;
    users::end_old_sessions(&mut transaction, session.user_id)
        .await
        .map_err(StoreError::unavailable)?;
    transaction.revoke_subject(&session.user_id).await?;
    transaction.commit().await?;
    // Removes the cookie.
    auth.logout().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Password {
    password: String,
}

/// Lets the user prove who they are.
#[require_session(UserSession)]
async fn confirm(
    mut session: Session<UserSession>,
    State(pool): State<PgPool>,
    Form(form): Form<Password>,
) -> Result<StatusCode, Error> {
    if !users::confirm(&pool, session.user_id, form.password).await? {
        return Ok(StatusCode::FORBIDDEN);
    }
    session.reauthenticated().await?;
    session.update(|user| user.taken_over = false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Needs a recent proof, which a takeover is not.
#[require_session(UserSession, policy = (LoggedInHere, Fresh<600>))]
async fn change_email() -> StatusCode {
    StatusCode::NO_CONTENT
}
