//! What the tests of this folder share: a session, its manager, and requests sent to a router in
//! this process.

use anchor::prelude::*;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Path;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use tower::ServiceExt;

/// What a browser's navigation accepts.
pub(crate) const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[derive(Clone, PartialEq, Column)]
pub(crate) enum Role {
    Member,
    Admin,
}

#[derive(Clone, SessionData)]
#[session(cookie = "id")]
pub(crate) struct UserSession {
    #[session(subject)]
    pub(crate) user_id: i64,
    #[session(role)]
    pub(crate) role: Role,
}

pub(crate) fn sessions() -> SessionManager<UserSession> {
    let store = MemoryStore::new();
    SessionManager::builder(store).keys(KeyRing::generate().unwrap()).build().unwrap()
}

#[public]
pub(crate) async fn login(
    auth: Auth<UserSession>,
    Path(role): Path<String>,
) -> Result<(), anchor::Error> {
    let role = if role == "admin" { Role::Admin } else { Role::Member };
    auth.login(UserSession { user_id: 1, role }).await.map(drop)
}

/// Logs in at `/login/{role}` and gives the cookie.
pub(crate) async fn log_in(app: &Router, role: &str) -> String {
    let response = send(app, "POST", &format!("/login/{role}"), &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

pub(crate) async fn send(
    app: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Response {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

pub(crate) async fn body(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), 64 * 1024).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The address that the response sends a browser to.
pub(crate) fn location(response: &Response) -> Option<&str> {
    response.headers().get(header::LOCATION).map(|location| location.to_str().unwrap())
}
