//! A predicate needs a type beside the handler, which an `impl` has no place for. A policy is a type already.

use anchor::prelude::*;

#[derive(Clone, SessionData)]
struct UserSession {
    admin: bool,
}

struct Handlers;

impl Handlers {
    #[require_session(UserSession, when = |user| user.admin)]
    async fn with_predicate() {}

    #[require_session(UserSession, redirect = "/login")]
    async fn with_redirect() {}
}

fn main() {}
