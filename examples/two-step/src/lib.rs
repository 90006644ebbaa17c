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

pub mod oidc;
pub mod passkeys;
pub mod totp;
pub mod users;

use anchor::ConfigError;
use anchor::prelude::*;
use anchor::routing::{Router, get, post};
use axum::http::StatusCode;

/// The session of a user who has done both steps.
#[derive(Clone, SessionData)]
#[session(table = "sessions")]
pub struct UserSession {
    #[session(subject)]
    user_id: i64,
}

/// Creates the application.
///
/// # Errors
///
/// Returns an error if the settings of a manager cannot work, or a route lacks its sessions.
pub fn app(
    users: users::Users,
    provider: oidc::Provider,
    passkeys: passkeys::RelyingParty,
    keys: &KeyRing,
) -> Result<axum::Router, ConfigError> {
    Router::new()
        .merge(totp::routes(users.clone(), keys)?)
        .merge(oidc::routes(users.clone(), provider, keys)?)
        .merge(passkeys::routes(users, passkeys, keys)?)
        .route("/me", get(me))
        .route("/logout", post(logout))
        .sessions(&manager::<UserSession>(keys)?)
        // Checks that every route has the sessions that it needs.
        .build()
}

/// Creates the manager of one kind of session. The key of its tokens is derived for its cookie and
/// its table, so one key ring serves all.
fn manager<T: SessionData>(keys: &KeyRing) -> Result<SessionManager<T>, ConfigError> {
    SessionManager::builder(MemoryStore::new()).keys(keys.clone()).build()
}

#[require_session(UserSession)]
async fn me(user: UserSession) -> String {
    user.user_id.to_string()
}

#[logout(UserSession)]
async fn logout() -> StatusCode {
    StatusCode::NO_CONTENT
}
