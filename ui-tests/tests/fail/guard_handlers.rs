//! Items that `#[require_session]` and `#[logout]` cannot guard.

use anchor::prelude::*;

#[derive(Clone, SessionData)]
struct UserSession {
    name: String,
}

#[derive(Clone, SessionData)]
struct AdminSession {
    name: String,
}

#[require_session]
struct NotAFunction;

struct Handlers;

impl Handlers {
    #[require_session]
    async fn method(&self) {}

    #[logout]
    async fn logout_method(self) {}
}

#[require_session]
fn not_async() -> &'static str {
    ""
}

#[logout]
fn logout_not_async() {}

#[require_session]
#[require_session]
async fn twice() {}

#[logout]
#[anchor::logout]
async fn logout_twice() {}

#[require_session]
#[logout]
async fn both() {}

#[logout]
#[require_session]
async fn both_the_other_way() {}

#[require_session]
async fn two_types(_: Session<UserSession>, _: Session<AdminSession>) {}

#[logout]
mod module {}

fn main() {}
