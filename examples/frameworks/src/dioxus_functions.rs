//! Dioxus: server functions name extractors in their attribute.
//!
//! - `user: Session<UserSession>` in the attribute is the guard of one function: without a session,
//!   the request is refused before the function is called.
//! - `#[require_session]` does not go on a server function, and so `anchor::routing` knows nothing
//!   about them: [`merge_unchecked`](anchor::routing::Router::merge_unchecked) says so in the table
//!   of routes. A guard around all of them is `sessions.require().layer(functions)`.

use anchor::prelude::*;
use anchor::routing::Router;
use dioxus::prelude::*;
use dioxus::server::{DioxusRouterExt, FullstackState};

use crate::UserSession;

/// Logs in. A real application checks a password here, like the quickstart.
#[post("/functions/login", auth: Auth<UserSession>)]
pub async fn login(name: String) -> Result<()> {
    auth.login(UserSession { name }).await?;
    Ok(())
}

/// Returns the user's name.
#[get("/functions/me", user: Session<UserSession>)]
pub async fn me() -> Result<String> {
    Ok(user.name.clone())
}

/// Logs out.
#[post("/functions/logout", auth: Auth<UserSession>)]
pub async fn logout() -> Result<()> {
    auth.logout().await?;
    Ok(())
}

/// Creates the application.
pub fn app(sessions: &SessionManager<UserSession>) -> Router {
    let functions = axum::Router::new().register_server_functions();
    let functions = functions.with_state(FullstackState::headless());
    Router::new().merge_unchecked(functions).sessions(sessions)
}
