//! What a document says, as its readers see it: as JSON.

use serde::Serialize;
use serde_json::{Value, json};

pub(crate) fn json_of(document: &impl Serialize) -> Value {
    serde_json::to_value(document).expect("JSON")
}

/// The operation, with its path as in the document.
pub(crate) fn operation<'d>(document: &'d Value, method: &str, path: &str) -> &'d Value {
    let operation = &document["paths"][path][method];
    assert!(operation.is_object(), "{method} {path} of {document:#}");
    operation
}

/// What an operation says about who may call it: its security, the statuses from 400 on, and the
/// extension.
pub(crate) fn access(operation: &Value) -> Value {
    let responses = operation["responses"].as_object().cloned().unwrap_or_default();
    let mut refusals: Vec<_> = responses.into_iter().map(|(status, _)| status).collect();
    refusals.retain(|status| status.as_str() >= "400");
    refusals.sort();
    json!([operation["security"], refusals, operation["x-anchor-sessions"]])
}

/// Checks that each operation names only security schemes that the document has.
pub(crate) fn assert_schemes_exist(document: &Value) {
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let alternatives = operation["security"].as_array().into_iter().flatten();
            for name in alternatives.flat_map(|one| one.as_object().expect("names").keys()) {
                let scheme = &document["components"]["securitySchemes"][name];
                assert!(scheme.is_object(), "{method} {path}: {name}");
            }
        }
    }
}

pub(crate) fn open() -> Value {
    json!([null, [], null])
}
