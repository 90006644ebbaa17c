//! A session's payload changes by `update` alone.

use anchor::prelude::*;

#[derive(Clone, SessionData)]
struct UserSession {
    name: String,
}

async fn rename(mut session: Session<UserSession>) {
    session.name = "Ferris".into();
}

fn main() {}
