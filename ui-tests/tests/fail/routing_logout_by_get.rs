//! A logout that a link could ask for: `get` and its like do not take it, and say what to write.

use anchor::prelude::*;
use anchor::routing::{Router, get, head, options, post, trace};

#[derive(Clone, SessionData)]
struct UserSession {
    admin: bool,
}

#[logout(UserSession)]
async fn logout() {}

#[logout(UserSession, all)]
async fn logout_everywhere() {}

#[require_session(UserSession)]
async fn me() {}

fn main() {
    let _: Router = Router::new()
        .route("/0", get(logout))
        .route("/1", head(logout))
        .route("/2", options(logout))
        .route("/3", trace(logout_everywhere))
        .route("/4", post(logout).get(logout))
        .route("/5", get(me).head(logout))
        .route("/6", get(me).options(logout))
        .route("/7", get(me).trace(logout));
}
