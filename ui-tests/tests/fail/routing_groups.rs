//! Routers, handlers and services without a guard, and guards that require what the session does not
//! have.

use anchor::prelude::*;
use anchor::routing::Router;
use axum::handler::Handler;

#[derive(Clone, SessionData)]
struct UserSession {
    admin: bool,
}

async fn plain() {}

fn with_state() -> axum::Router<u8> {
    axum::Router::new()
}

struct NotAPolicy;

fn groups(sessions: &SessionManager<UserSession>) {
    let plain_router = || axum::Router::new().route("/", axum::routing::get(plain));
    let _: Router = Router::new().nest("/0", plain_router());
    let _: Router = Router::new().merge(plain_router());
    let _: Router = Router::new().route("/2", axum::routing::get(plain));
    let _: Router = Router::new().nest_service("/3", plain.with_state(()));
    let _: Router = Router::new().fallback_service(plain_router());
    let _: Router<u8> = Router::new().nest("/4", sessions.require().layer(with_state()));
    // What is under a guard may be plain.
    let _: Router = Router::new()
        .nest("/5", sessions.require().layer(plain_router()))
        .route("/6", sessions.require().layer(axum::routing::get(plain)))
        .nest_service("/7", sessions.require().layer(plain.with_state(())));
    let _ = sessions.require().policy::<NotAPolicy>();
    let _ = sessions.require().role(true);
    let _ = sessions.require().when(|user| user.is_admin);
}

fn main() {}
