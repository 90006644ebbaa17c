//! The responses of a refused request, as OpenAPI describes them.

use serde_json::{Value, json};

/// Returns the response with a status, with the JSON in which anchor answers, unless the
/// application replaces it.
pub(super) fn response(status: u16, is_replaced: bool) -> Value {
    let (description, codes): (_, &[&str]) = match status {
        401 => ("There is no live session.", &["unauthenticated"]),
        403 => (
            "The session is not allowed to do this (`forbidden`), its subject has to prove again \
             who they are (`reauthentication_required`), or a page of another site has sent the \
             request (`cross_origin`).",
            &["forbidden", "reauthentication_required", "cross_origin"],
        ),
        _ => ("The sessions cannot be read or changed at the moment.", &[]),
    };
    let mut error = json!({ "type": "string" });
    if !codes.is_empty() {
        error["enum"] = json!(codes);
    }
    let mut response = json!({ "description": description });
    if !is_replaced {
        let schema = json!({
            "type": "object",
            "required": ["error"],
            "properties": { "error": error },
        });
        response["content"] = json!({ "application/json": { "schema": schema } });
    }
    response
}
