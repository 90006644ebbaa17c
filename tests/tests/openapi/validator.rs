//! Documents as an application serves them, checked by `openapi-spec-validator`, which knows
//! nothing of anchor, utoipa and aide.
//!
//! Without the program the tests say so and pass, unless servers are required;
//! `ANCHOR_TEST_OPENAPI_VALIDATOR` names it.

use std::process::{Command, Output};

use anchor_tests::http::Served;
use axum::Json;
use axum::routing::get;
use http::StatusCode;
use serde_json::{Value, json};

use crate::documents::json_of;
use crate::{with_aide, with_utoipa};

fn program() -> Option<String> {
    let install = "pip install openapi-spec-validator==0.9.0";
    let variable = "ANCHOR_TEST_OPENAPI_VALIDATOR";
    anchor_tests::servers::program("openapi-spec-validator", variable, install)
}

fn validate(program: &str, document: &str) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, document).expect("a file");
    Command::new(program).arg("--errors").arg("all").arg(&file).output().expect("it runs")
}

async fn assert_valid(app: axum::Router, document: Value) {
    let Some(program) = program() else { return };
    let app = app.route("/openapi.json", get(move || async { Json(document) }));
    let served = Served::start(app).await;
    let answer = served.get("/openapi.json").send().await.expect(StatusCode::OK);
    let run = validate(&program, answer.text());
    assert!(run.status.success(), "{run:?}\n{}", answer.text());
}

#[tokio::test]
async fn a_served_document_of_utoipa_is_valid() {
    let (app, document) = with_utoipa::documented();
    assert_valid(app.build().expect("a router"), json_of(&document)).await;
}

#[tokio::test]
async fn a_served_document_of_aide_is_valid() {
    let (app, document) = with_aide::documented_app();
    assert_valid(app, json_of(&document)).await;
}

#[test]
fn the_validator_sees_what_is_wrong() {
    let Some(program) = program() else { return };
    let (_, document) = with_utoipa::documented();
    let document = json_of(&document);
    for (pointer, wrong) in [
        ("/components/securitySchemes/UserSession/in", json!("pocket")),
        ("/paths/~1me/get/security", json!({ "UserSession": [] })),
        ("/paths/~1me/get/responses/401", json!({ "content": 5 })),
    ] {
        let mut document = document.clone();
        *document.pointer_mut(pointer).expect(pointer) = wrong;
        assert!(!validate(&program, &document.to_string()).status.success(), "{pointer}");
    }
}
