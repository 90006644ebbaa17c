//! anchor under frameworks that bring their own routes, and behind a server with TLS. One file
//! each: async-graphql ([`graphql`]), Leptos ([`leptos_functions`]), Dioxus
//! ([`dioxus_functions`]), axum-server ([`tls`]).
//!
//! Each of them calls the session layer's extractors, so the rules are the same everywhere. What
//! differs is said at the top of each file: how a refusal looks, and where a guard stands.

pub mod dioxus_functions;
pub mod graphql;
pub mod leptos_functions;
pub mod tls;

use anchor::prelude::*;
use anchor::{ConfigError, Environment};

/// The session of a user.
#[derive(Clone, Debug, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d")]
pub struct UserSession {
    /// The user.
    #[session(subject)]
    pub name: String,
}

/// Creates the session manager.
///
/// # Errors
///
/// Returns an error if the environment has mistakes.
pub fn sessions(environment: Environment) -> Result<SessionManager<UserSession>, ConfigError> {
    SessionManager::builder(MemoryStore::new()).environment(environment).build()
}
