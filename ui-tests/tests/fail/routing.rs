//! Handlers that declare no policy: `anchor::routing` does not take them, and says what to add.

use anchor::prelude::*;
use anchor::routing::{Router, any, get, post, public_service};
use axum::extract::{Path, State};
use axum::handler::Handler;

#[derive(Clone, SessionData)]
struct UserSession {
    admin: bool,
}

async fn no_arguments() {}

async fn one_argument(_: State<u8>) {}

async fn a_session_is_an_argument(_: Session<UserSession>) {}

async fn several(_: Path<u8>, _: Option<UserSession>, _: String) {}

struct NotAnExtractor;

#[public]
async fn no_handler(_: NotAnExtractor) {}

fn main() {
    let _: Router<u8> = Router::new()
        .route("/0", get(no_arguments))
        .route("/1", post(one_argument))
        .route("/2", any(a_session_is_an_argument))
        .route("/3", get(several))
        .route("/4", get(|| async {}))
        .route("/5", get(|_: Path<u8>| async {}))
        .route("/6", get("a value"))
        .route("/7", axum::routing::get(no_arguments))
        .route("/8", get(no_handler))
        .fallback(no_arguments)
        .method_not_allowed_fallback(one_argument);
    let _: Router<u8> = Router::new().route_service("/", no_arguments.with_state(()));
    let _: Router<u8> = Router::new().merge(axum::Router::new());
    let _: Router<u8> = Router::new().nest_service("/", public_service(5));
}
