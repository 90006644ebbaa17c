//! An API on `api.example.com` for a front end on `app.example.com`.
//!
//! The pages of the front end need two settings, and both name its origin. CORS allows their
//! scripts to read responses to requests with cookies. The trusted origin allows them to change
//! something. Other pages get neither.

use anchor::prelude::*;
use anchor::routing::{Router, get, post};
use anchor::{ConfigError, Environment};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::{Form, Json};
use serde::{Deserialize, Serialize};
use tower_http::cors::CorsLayer;

/// The session of a user.
#[derive(Clone, Serialize, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d")]
pub struct UserSession {
    #[session(subject)]
    name: String,
}

/// Creates the session manager, for one front end.
///
/// # Errors
///
/// Returns an error if the environment has mistakes, or if `front_end` is not an origin.
pub fn sessions(
    front_end: &str,
    environment: Environment,
) -> Result<SessionManager<UserSession>, ConfigError> {
    SessionManager::builder(MemoryStore::new())
        .environment(environment)
        .trusted_origin(front_end)
        .build()
}

/// Creates the application, for one front end.
///
/// # Errors
///
/// Returns an error if `front_end` cannot be the value of a header.
pub fn app(front_end: &str, sessions: &SessionManager<UserSession>) -> Result<Router, ConfigError> {
    let cors = CorsLayer::new()
        // Never `Any`, and never the `Origin` of each request: with credentials, every page could
        // then read with the session of its visitor.
        .allow_origin(front_end.parse::<HeaderValue>().map_err(ConfigError::new)?)
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE]);
    Ok(Router::new()
        .route("/login", post(login))
        .route("/me", get(me))
        .route("/logout", post(logout))
        .sessions(sessions)
        // This layer is outside, so that the front end can also read refusals.
        .layer(cors))
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

/// Logs in. A real application checks a password here, like the quickstart.
#[public]
async fn login(
    auth: Auth<UserSession>,
    Form(form): Form<Login>,
) -> Result<StatusCode, anchor::Error> {
    auth.login(UserSession { name: form.name }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[require_session(UserSession)]
async fn me(user: Session<UserSession>) -> Json<UserSession> {
    Json(user.data().clone())
}

#[logout(UserSession)]
async fn logout() -> StatusCode {
    StatusCode::NO_CONTENT
}
