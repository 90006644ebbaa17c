//! Leptos: server functions get the session by `leptos_axum::extract`.
//!
//! - The guard stands at the handler of the functions. Each group of functions that needs the same
//!   guard has a prefix of its own. A refusal is then 401 before the function is called.
//! - Without a guard, a refused extractor is a `ServerFnError`, which Leptos answers with 500. Ask
//!   [`Auth::session`] in such a function, and answer `None` as it suits you.
//! - `#[require_session]` does not go on a server function itself: it guards handlers of axum.

use anchor::prelude::*;
use anchor::routing::{Router, post};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use leptos::prelude::*;
use leptos_axum::{extract, handle_server_fns};

use crate::UserSession;

/// Logs in. A real application checks a password here, like the quickstart.
#[server(prefix = "/functions/open", endpoint = "login")]
pub async fn login(name: String) -> Result<(), ServerFnError> {
    let auth: Auth<UserSession> = extract().await?;
    auth.login(UserSession { name }).await.map_err(failed)?;
    Ok(())
}

/// Returns the user's name, if the request has a session.
#[server(prefix = "/functions/open", endpoint = "visitor")]
pub async fn visitor() -> Result<Option<String>, ServerFnError> {
    let auth: Auth<UserSession> = extract().await?;
    let session = auth.session().await.map_err(failed)?;
    Ok(session.map(|session| session.name.clone()))
}

/// Returns the user's name.
#[server(prefix = "/functions/account", endpoint = "me")]
pub async fn me() -> Result<String, ServerFnError> {
    let session: Session<UserSession> = extract().await?;
    Ok(session.name.clone())
}

/// Logs out.
#[server(prefix = "/functions/account", endpoint = "logout")]
pub async fn logout() -> Result<(), ServerFnError> {
    let auth: Auth<UserSession> = extract().await?;
    auth.logout().await.map_err(failed)?;
    Ok(())
}

/// What a client learns about an error: its text is for the log.
fn failed(error: anchor::Error) -> ServerFnError {
    ServerFnError::new(anchor::Rejection::from(error).public_code())
}

#[public]
async fn open(request: Request) -> Response {
    handle_server_fns(request).await.into_response()
}

#[require_session(UserSession)]
async fn account(request: Request) -> Response {
    handle_server_fns(request).await.into_response()
}

/// Creates the application.
pub fn app(sessions: &SessionManager<UserSession>) -> Router {
    Router::new()
        .route("/functions/open/{*function}", post(open))
        .route("/functions/account/{*function}", post(account))
        .sessions(sessions)
}
