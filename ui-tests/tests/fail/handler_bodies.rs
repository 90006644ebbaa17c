//! What reads the request's body comes last: `#[debug_handler]`, below the guard, says so.

use anchor::prelude::*;

#[derive(Clone, SessionData)]
struct UserSession {
    admin: bool,
}

#[axum::debug_handler]
async fn without_guard(_: String, _: Session<UserSession>) {}

#[require_session(UserSession)]
#[axum::debug_handler]
async fn with_guard(_: String, _: Session<UserSession>) {}

fn main() {}
