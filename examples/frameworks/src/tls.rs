//! axum-server: TLS without a reverse proxy, and with HTTP/2.
//!
//! The cookie has the name `__Host-..` and the attribute `Secure` by default, so nothing has to be
//! set for TLS. The origin of a request that changes something is compared with its `Host`.

use std::net::TcpListener;

use anchor::ConfigError;
use anchor::prelude::*;
use anchor::routing::{Router, get, post};
use axum::Form;
use axum::http::StatusCode;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use serde::Deserialize;

use crate::UserSession;

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
async fn me(user: Session<UserSession>) -> String {
    user.name.clone()
}

#[logout(UserSession)]
async fn logout() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Creates the application.
///
/// # Errors
///
/// Returns an error if the routes have mistakes.
pub fn app(sessions: &SessionManager<UserSession>) -> Result<axum::Router, ConfigError> {
    Router::new()
        .route("/login", post(login))
        .route("/me", get(me))
        .route("/logout", post(logout))
        .sessions(sessions)
        .build()
}

/// Serves the application until `handle` is shut down, and then waits for logouts whose clients
/// have disconnected.
///
/// # Errors
///
/// Returns an error if the routes have mistakes, or if the listener fails.
pub async fn serve(
    listener: TcpListener,
    certificate: RustlsConfig,
    sessions: SessionManager<UserSession>,
    handle: Handle<std::net::SocketAddr>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let app = app(&sessions)?;
    axum_server::from_tcp_rustls(listener, certificate)?
        .handle(handle)
        .serve(app.into_make_service())
        .await?;
    sessions.shutdown().await;
    Ok(())
}
