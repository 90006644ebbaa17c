//! Mistakes with `#[public]`.

use anchor::prelude::*;

#[derive(Clone, SessionData)]
struct UserSession {
    admin: bool,
}

#[public(UserSession)]
async fn a_type() {}

#[public(when = |_| true)]
async fn a_policy() {}

#[public]
fn not_async() {}

#[public]
struct NotAFunction;

#[public]
#[public]
async fn twice() {}

#[public]
#[require_session]
async fn guarded() {}

#[require_session]
#[public]
async fn guarded_the_other_way() {}

#[public]
#[logout]
async fn a_logout() {}

#[logout]
#[public]
async fn a_logout_the_other_way() {}

struct Handlers;

impl Handlers {
    #[public]
    async fn method(&self) {}
}

fn main() {}
