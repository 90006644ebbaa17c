//! An API on `api.example.com` for a front end on `app.example.com`.
//!
//! Two things let the front end's pages in, and both name its origin: CORS, so that its scripts may
//! read responses to requests with cookies, and the trusted origin, so that they may change
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

/// The sessions, for one front end.
///
/// # Errors
///
/// When the environment has mistakes, or the front end's origin is not one.
pub fn sessions(
    front_end: &str,
    environment: Environment,
) -> Result<SessionManager<UserSession>, ConfigError> {
    SessionManager::builder(MemoryStore::new())
        .environment(environment)
        .trusted_origin(front_end)
        .build()
}

/// The application, for one front end.
///
/// # Errors
///
/// When the front end's origin cannot be a header.
pub fn app(front_end: &str, sessions: &SessionManager<UserSession>) -> Result<Router, ConfigError> {
    let cors = CorsLayer::new()
        // Never `Any`, nor whatever `Origin` a request brings: with credentials that would let
        // every page read as its visitor.
        .allow_origin(front_end.parse::<HeaderValue>().map_err(ConfigError::new)?)
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE]);
    Ok(Router::new()
        .route("/login", post(login))
        .route("/me", get(me))
        .route("/logout", post(logout))
        .layer(sessions.layer())
        // Outside, so that the front end can read refusals too.
        .layer(cors))
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

/// A real application checks a password here, as the quickstart does.
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
