//! An application whose sessions are observed: what it counts and measures is shown to Prometheus.
//!
//! `grafana-dashboard.json` shows it to people.

use anchor::metrics::{
    STORE_BATCH_SIZE, STORE_BATCH_SIZE_BUCKETS, STORE_CALL_DURATION, STORE_CALL_DURATION_BUCKETS,
};
use anchor::prelude::*;
use anchor::{ConfigError, Environment};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Form, Router};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use serde::Deserialize;

/// The session of a user.
#[derive(Clone, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d")]
pub struct UserSession {
    #[session(subject)]
    name: String,
    admin: bool,
}

/// Creates the recorder. Without buckets, durations would be summaries, which cannot be added up
/// over several nodes.
///
/// # Errors
///
/// Returns an error if a metric has no buckets, which these have.
pub fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let full = |name: &str| Matcher::Full(name.to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(full(STORE_CALL_DURATION), &STORE_CALL_DURATION_BUCKETS)?
        .set_buckets_for_metric(full(STORE_BATCH_SIZE), &STORE_BATCH_SIZE_BUCKETS)?
        .build_recorder();
    Ok(recorder)
}

/// Creates the session manager. Install the recorder before that, so that it learns what each
/// metric means.
///
/// # Errors
///
/// Returns an error if the environment has mistakes.
pub fn sessions(
    store: SqliteStore<UserSession>,
    environment: Environment,
) -> Result<SessionManager<UserSession>, ConfigError> {
    SessionManager::builder(store).environment(environment).build()
}

/// Creates the application, for the public.
pub fn app(sessions: &SessionManager<UserSession>) -> Router {
    Router::new()
        .route("/login", post(login))
        .route("/me", get(me))
        .route("/admin", get(admin))
        .route("/logout", post(logout))
        .layer(sessions.layer())
}

/// Creates the endpoint for Prometheus. It is not part of the application: serve it on an address
/// that the public does not reach.
pub fn endpoint(handle: PrometheusHandle) -> Router {
    Router::new().route("/metrics", get(exposition)).with_state(handle)
}

async fn exposition(State(handle): State<PrometheusHandle>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render())
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

/// Logs in. A real application checks a password here, like the quickstart.
async fn login(
    auth: Auth<UserSession>,
    Form(form): Form<Login>,
) -> Result<StatusCode, anchor::Error> {
    let admin = form.name == "ferris";
    auth.login(UserSession { name: form.name, admin }).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[require_session(UserSession)]
async fn me(session: Session<UserSession>) -> String {
    session.name.clone()
}

#[require_session(UserSession, when = |user| user.admin)]
async fn admin() -> &'static str {
    "the administrator's page"
}

#[logout(UserSession)]
async fn logout() -> StatusCode {
    StatusCode::NO_CONTENT
}
