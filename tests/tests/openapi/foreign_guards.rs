//! Guards that are not anchor's: their author says what the document shows.

use anchor::guard::Require;
use anchor::routing::{Declared, DeclaredPolicy, Router, get};
use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;
use serde_json::json;
use utoipa::OpenApi;

use crate::documents::{access, json_of, operation};
use crate::sessions::UserSession;

/// Says that it needs a session, but not which one.
struct SomeSession;

impl<S: Send + Sync> FromRequestParts<S> for SomeSession {
    type Rejection = StatusCode;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        Err(StatusCode::UNAUTHORIZED)
    }
}

impl Declared for SomeSession {
    fn policy() -> DeclaredPolicy {
        Require::<UserSession>::policy()
    }
}

#[utoipa::path(get, path = "/some")]
async fn some_session(_: SomeSession) {}

#[test]
fn an_argument_that_does_not_say_whose_session_it_needs_is_not_described_as_open() {
    #[derive(OpenApi)]
    #[openapi(paths(some_session))]
    struct Document;

    let app: Router = Router::new().route("/some", get(some_session));
    let refused = app.describe_in(&mut Document::openapi()).expect_err("a mistake").to_string();
    assert!(refused.contains("it is not known who may call it"), "{refused}");
}

struct ApiKey;

impl<S: Send + Sync> FromRequestParts<S> for ApiKey {
    type Rejection = StatusCode;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        request.headers.get("x-api-key").map(|_| ApiKey).ok_or(StatusCode::UNAUTHORIZED)
    }
}

impl Declared for ApiKey {
    fn policy() -> DeclaredPolicy {
        DeclaredPolicy::Other("API key".into())
    }
}

#[utoipa::path(get, path = "/export", security(("api_key" = [])))]
async fn export(_: ApiKey) {}

#[utoipa::path(get, path = "/unchecked", security(()))]
async fn unchecked() {}

#[test]
fn a_guard_that_is_not_anchors_is_described_by_its_author() {
    #[derive(OpenApi)]
    #[openapi(paths(export, unchecked))]
    struct Document;

    let axums = axum::Router::new().route("/unchecked", axum::routing::get(unchecked));
    let app: Router = Router::new().route("/export", get(export)).merge_unchecked(axums);
    let mut document = Document::openapi();
    app.describe_in(&mut document).expect("a description");
    let document = json_of(&document);
    let of = |path| access(operation(&document, "get", path));
    assert_eq!(of("/export"), json!([[{ "api_key": [] }], [], null]));
    assert_eq!(of("/unchecked"), json!([[{}], [], null]));
}
