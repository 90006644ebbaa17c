//! Guards whose types do not fit: at the user's expression or type.

use anchor::prelude::*;

#[derive(Clone, SessionData)]
struct UserSession {
    admin: bool,
}

impl UserSession {
    fn level(&self) -> u8 {
        self.admin.into()
    }
}

struct NotAPolicy;

struct NotASession;

#[require_session(UserSession, when = UserSession::level)]
async fn no_boolean() {}

#[require_session(UserSession, when = |session| session.owner)]
async fn no_such_field() {}

#[require_session(UserSession, when = |session, request| true)]
async fn two_parameters() {}

#[require_session(UserSession, policy = NotAPolicy)]
async fn no_policy() {}

#[require_session(NotASession)]
async fn no_session() {}

#[logout(NotASession)]
async fn no_session_to_end() {}

fn main() {}
