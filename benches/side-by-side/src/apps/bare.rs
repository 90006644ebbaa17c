//! axum without sessions.

use axum::Router;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post};

use super::{NAME, open};

pub(super) fn router() -> Router {
    Router::new()
        .route("/open", get(open))
        .route("/me", get(me))
        .route("/touch", get(me))
        .route("/login", post(login))
        .route("/logout", post(logout))
}

pub(super) fn under_an_empty_layer() -> Router {
    router().layer(tower_layer::layer_fn(|route: axum::routing::Route| route))
}

/// Copies the name, as the handlers with a session do.
async fn me() -> String {
    NAME.to_owned()
}

async fn login() -> impl IntoResponse {
    // As long as the cookie of a session.
    let cookie = concat!(
        "id=AQB0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q",
        "; HttpOnly; SameSite=Lax; Path=/; Max-Age=1209600"
    );
    AppendHeaders([(SET_COOKIE, cookie)])
}

async fn logout() {}
