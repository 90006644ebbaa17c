//! Documents agree with the application: an operation that needs no session is answered without
//! one, and every other one is refused.

use anchor_tests::http::Served;
use axum::Router;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::documents::json_of;
use crate::{with_aide, with_utoipa};

/// Returns whether the document says that the operation needs a session.
fn is_guarded(operation: &Value) -> bool {
    match operation["security"].as_array() {
        None => false,
        Some(alternatives) => !alternatives.contains(&json!({})),
    }
}

async fn assert_agrees(app: Router, document: &Value, operations: usize) {
    let served = Served::start(app).await;
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let method: Method = method.to_uppercase().parse().expect("a method");
            let answer = served.call(method.clone(), path).send().await;
            let is_refused = answer.status == StatusCode::UNAUTHORIZED;
            assert_eq!(is_refused, is_guarded(operation), "{method} {path}: {}", answer.status);
            let status = answer.status.as_str();
            let is_described =
                answer.status.is_success() || operation["responses"][status].is_object();
            assert!(is_described, "{method} {path}: {status}");
            asked += 1;
        }
    }
    assert_eq!(asked, operations);
}

#[tokio::test]
async fn a_request_without_a_session_is_refused_where_the_document_of_utoipa_says_so() {
    let (app, document) = with_utoipa::documented();
    assert_agrees(app.build().expect("a router"), &json_of(&document), 13).await;
}

#[tokio::test]
async fn a_request_without_a_session_is_refused_where_the_document_of_aide_says_so() {
    let (app, document) = with_aide::documented_app();
    assert_agrees(app, &json_of(&document), 11).await;
}
