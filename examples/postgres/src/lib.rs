//! Users and sessions on PostgreSQL.
//!
//! The sessions table references the users table with `ON DELETE CASCADE`, so deleting a user logs
//! the user out everywhere. The session rows are deleted in the same transaction, and the next
//! request with any of that user's cookies gets 401.

mod users;

use anchor::frontend::SessionCookie;
use anchor::{ConfigError, prelude::*};
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Form, Json, Router};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

/// The session of a user.
#[derive(Clone, Serialize, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d")]
pub struct UserSession {
    #[session(subject, references = "users(id)")]
    user_id: Uuid,
    #[session(default = "'member'")]
    role: Role,
    theme: Option<String>,
}

/// What a user may do.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Column)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything that concerns their own account.
    Member,
    /// Everything.
    Admin,
}

impl UserSession {
    fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
}

#[derive(Clone, FromRef)]
struct App {
    pool: PgPool,
    sessions: SessionManager<UserSession>,
}

/// Creates the tables that are missing: the application's tables by its migrations, and the
/// sessions table from the struct.
///
/// # Errors
///
/// Returns an error if the database does.
pub async fn migrate(pool: &PgPool) -> Result<(), Box<dyn std::error::Error>> {
    sqlx::migrate!().run(pool).await?;
    PostgresStore::<UserSession>::new(pool.clone()).migrate().await?;
    Ok(())
}

/// Creates the session manager.
///
/// # Errors
///
/// Returns an error if the settings cannot work.
pub fn sessions(
    pool: PgPool,
    keys: KeyRing,
    cookie: SessionCookie,
) -> Result<SessionManager<UserSession>, ConfigError> {
    SessionManager::builder(PostgresStore::new(pool)).keys(keys).frontend(cookie).build()
}

/// Creates the application.
pub fn app(pool: PgPool, sessions: SessionManager<UserSession>) -> Router {
    Router::new()
        .route("/register", post(register))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .route("/me", get(me))
        .route("/theme", post(set_theme))
        .route("/account", delete(delete_account))
        .route("/sessions", get(list_sessions).delete(end_other_sessions))
        .route("/users", get(count_users))
        .layer(sessions.layer())
        .with_state(App { pool, sessions })
}

#[derive(Deserialize)]
struct Credentials {
    email: String,
    password: String,
}

async fn register(
    State(pool): State<PgPool>,
    Form(form): Form<Credentials>,
) -> Result<StatusCode, AppError> {
    let created = users::create(&pool, &form.email, form.password).await?;
    Ok(if created { StatusCode::CREATED } else { StatusCode::CONFLICT })
}

async fn login(
    auth: Auth<UserSession>,
    State(pool): State<PgPool>,
    Form(form): Form<Credentials>,
) -> Result<StatusCode, AppError> {
    let Some(user) = users::authenticate(&pool, &form.email, form.password).await? else {
        return Ok(StatusCode::UNAUTHORIZED);
    };
    auth.login(UserSession { user_id: user.id, role: user.role, theme: None }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[require_session(UserSession)]
async fn me(session: Session<UserSession>) -> Json<UserSession> {
    Json(session.data().clone())
}

#[derive(Deserialize)]
struct Theme {
    theme: String,
}

#[require_session(UserSession)]
async fn set_theme(
    mut session: Session<UserSession>,
    Form(form): Form<Theme>,
) -> Result<StatusCode, AppError> {
    session.update(|user| user.theme = Some(form.theme.clone())).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[require_session(UserSession)]
async fn list_sessions(
    session: Session<UserSession>,
    State(sessions): State<SessionManager<UserSession>>,
) -> Result<Json<Vec<String>>, AppError> {
    let all = sessions.list(&session.user_id).await?;
    Ok(Json(all.iter().map(|record| record.id.to_string()).collect()))
}

#[require_session(UserSession)]
async fn end_other_sessions(
    session: Session<UserSession>,
    State(sessions): State<SessionManager<UserSession>>,
) -> Result<StatusCode, AppError> {
    sessions.revoke_others(&session.user_id, session.id()).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[require_session(UserSession, when = UserSession::is_admin)]
async fn count_users(State(pool): State<PgPool>) -> Result<String, AppError> {
    Ok(users::count(&pool).await?.to_string())
}

/// Deletes the user. The foreign key deletes all their sessions in the same transaction.
#[require_session(UserSession)]
async fn delete_account(
    session: Session<UserSession>,
    State(pool): State<PgPool>,
) -> Result<StatusCode, AppError> {
    users::delete(&pool, session.user_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[logout(UserSession)]
async fn logout() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// The errors that a handler returns with `?`.
enum AppError {
    Session(anchor::Error),
    Users(users::UsersError),
}

impl From<anchor::Error> for AppError {
    fn from(error: anchor::Error) -> Self {
        Self::Session(error)
    }
}

impl From<users::UsersError> for AppError {
    fn from(error: users::UsersError) -> Self {
        Self::Users(error)
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        match self {
            Self::Session(error) => error.into_response(),
            Self::Users(error) => {
                eprintln!("users: {error}");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}
