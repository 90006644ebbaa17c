//! Guards that do not name the session's type: `anchor::routing` does not take them, and says what
//! to write.

use anchor::prelude::*;
use anchor::routing::{Router, any, delete, get, on, post};

#[derive(Clone, SessionData)]
struct UserSession {
    admin: bool,
}

#[require_session]
async fn bare() {}

#[require_session(redirect = "/login")]
async fn bare_with_a_login_page() {}

#[logout]
async fn bare_logout() {}

#[logout(all)]
async fn bare_logout_everywhere() {}

/// This one takes its type from the argument.
#[require_session]
async fn typed_by_an_argument(_: Session<UserSession>) {}

fn main() {
    let _: Router = Router::new()
        .route("/0", get(bare))
        .route("/1", any(bare_with_a_login_page))
        .route("/2", post(bare_logout))
        .route("/3", delete(bare_logout_everywhere))
        .route("/4", on(anchor::routing::MethodFilter::POST, bare_logout))
        .route("/5", get(typed_by_an_argument).post(bare))
        .fallback(bare);
}
