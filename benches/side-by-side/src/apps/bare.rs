//! axum without sessions.

use axum::Router;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post};

use super::open;

pub(super) fn router() -> Router {
    Router::new()
        .route("/open", get(open))
        .route("/me", get(open))
        .route("/touch", get(open))
        .route("/login", post(login))
        .route("/logout", post(logout))
}

pub(super) fn under_an_empty_layer() -> Router {
    router().layer(tower_layer::layer_fn(|route: axum::routing::Route| route))
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
