//! Logins in two steps.
//!
//! Between the two steps, the browser has a session of another type than that of a user, with its
//! own cookie, its own table and ten minutes to live. So a login that is half done reaches no
//! handler that asks for a `UserSession`. The second step consumes it: of two requests with the
//! same cookie, one logs in.
//!
//! | module | first step | second step |
//! | --- | --- | --- |
//! | [`totp`] | the password | a code of an authenticator app |
//! | [`oidc`] | the way to the provider | the way back |
//! | [`passkeys`] | the challenge | its signature |
//!
//! `cargo run -p two-step-example` serves the pages of the first one. The tests do all three, with
//! a provider and an authenticator of their own.

pub mod oidc;
mod page;
pub mod passkeys;
pub mod totp;
pub mod users;

use anchor::prelude::*;
use anchor::routing::{Router, get, post};
use anchor::{ConfigError, Environment};
use axum::response::{Html, Redirect};

/// The session of a user who has done both steps.
#[derive(Clone, SessionData)]
#[session(table = "sessions")]
pub struct UserSession {
    #[session(subject)]
    user_id: i64,
}

/// Creates the application. Without a provider, it has no routes to one.
///
/// # Errors
///
/// Returns an error if the settings of a manager cannot work, or a route lacks its sessions.
pub fn app(
    users: users::Users,
    provider: Option<oidc::Provider>,
    passkeys: passkeys::RelyingParty,
    environment: &Environment,
) -> Result<axum::Router, ConfigError> {
    let oidc = provider.map(|provider| oidc::routes(users.clone(), provider, environment));
    Router::new()
        .merge(totp::routes(users.clone(), environment)?)
        .merge(oidc.transpose()?.unwrap_or_default())
        .merge(passkeys::routes(users, passkeys, environment)?)
        .route("/", get(home))
        .route("/me", get(me))
        .route("/logout", post(logout))
        .sessions(&manager::<UserSession>(environment)?)
        // Checks that every route has the sessions that it needs.
        .build()
}

/// Creates the manager of one kind of session. The key of its tokens is derived for its cookie and
/// its table, so one key ring serves all.
fn manager<T: SessionData>(environment: &Environment) -> Result<SessionManager<T>, ConfigError> {
    SessionManager::builder(MemoryStore::new()).environment(environment.clone()).build()
}

#[public]
async fn home(user: Option<UserSession>) -> Html<String> {
    page::home(user.map(|user| user.user_id))
}

#[require_session(UserSession)]
async fn me(user: UserSession) -> String {
    user.user_id.to_string()
}

#[logout(UserSession)]
async fn logout() -> Redirect {
    Redirect::to("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new password, or a passkey that is removed, can end the logins that wait.
    #[test]
    fn a_login_that_waits_for_its_second_step_names_its_user() {
        assert!(totp::TotpLogin::schema().subject().is_some());
        assert!(passkeys::PasskeyLogin::schema().subject().is_some());
        assert!(passkeys::NewPasskey::schema().subject().is_some());
    }
}
