//! A guarded handler that a test calls like a function.

use anchor::prelude::*;
use anchor::testing::TestSession;

#[derive(Clone, SessionData)]
struct UserSession {
    name: String,
}

#[derive(Clone, SessionData)]
#[session(table = "admin_sessions", cookie = "__Host-admin")]
struct AdminSession {
    name: String,
}

#[require_session(UserSession)]
async fn me(session: Session<UserSession>) -> String {
    session.name.clone()
}

#[require_session(AdminSession)]
async fn ban() {}

async fn open(_: Session<UserSession>) {}

async fn without_the_guard(user: TestSession<UserSession>) {
    me(user.session().await.unwrap()).await;
}

async fn past_the_guard() {
    ban(anchor::guard::Require(std::marker::PhantomData)).await;
}

async fn with_a_guard_of_another_type(user: TestSession<UserSession>) {
    ban(user.guard().await.unwrap()).await;
    user.check(ban).await.unwrap();
}

async fn with_a_guard_for_a_session(user: TestSession<UserSession>) {
    open(user.guard().await.unwrap()).await;
    user.check(open).await.unwrap();
}

async fn not_a_function(user: TestSession<UserSession>) {
    user.check("me").await.unwrap();
}

fn main() {}
