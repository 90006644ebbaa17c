//! [`resolve`]: puts the sessions of a manager into a document: its security schemes, and what the
//! operations that use them need and answer.

use http::Method;
use serde_json::{Value, json};

use super::document::Alternative;
use super::response::response;
use super::session_use::{ANY, set_uses, uses_of};
use super::{Document, Operation};
use crate::error::ConfigError;
use crate::frontend::TokenScheme;
use crate::request::applied::Manager;

/// Returns the names of a manager's security schemes.
pub(crate) fn schemes_of(manager: &Manager) -> impl Iterator<Item = String> + '_ {
    let is_only = manager.answers.schemes.len() == 1;
    let payload = manager.scheme_name();
    manager.answers.schemes.iter().map(move |(channel, _)| match is_only {
        true => payload.clone(),
        false => {
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            let channel: String =
                channel.chars().map(|c| if is_allowed(c) { c } else { '.' }).collect();
            format!("{payload}.{channel}")
        }
    })
}

/// Puts the sessions of a manager into a document. The operations say which of them use the
/// sessions. Returns the mistakes.
pub(crate) fn resolve(document: &mut impl Document, manager: &Manager) -> Vec<String> {
    add_schemes(document, manager).err().unwrap_or_else(|| complete(document, manager))
}

fn add_schemes(document: &mut impl Document, manager: &Manager) -> Result<(), Vec<String>> {
    let unwritten = |error: serde_json::Error| vec![unwritten(&error)];
    let payload = manager.scheme_name();
    let present = document.schemes().map_err(unwritten)?;
    let mut mistakes = Vec::new();
    let mut schemes = Vec::new();
    for (name, (channel, scheme)) in schemes_of(manager).zip(&manager.answers.schemes) {
        match scheme {
            Some(scheme) => schemes.push((name, json_of(scheme))),
            None => mistakes.push(format!(
                "the frontend `{channel}` does not say where a request has its token: implement \
                 `Frontend::scheme`"
            )),
        }
    }
    let of_payload = |name: &str| {
        name.strip_prefix(&payload).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    for (name, scheme) in present.iter().filter(|(name, _)| of_payload(name)) {
        if !schemes.iter().any(|(own, value)| own == name && value == scheme) {
            mistakes.push(format!(
                "the document already has another security scheme `{name}`: remove it if it was \
                 written by hand; if it is that of another payload, or of another manager, give \
                 the struct `{payload}` another name, or describe each in a document of its own"
            ));
        }
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    for (name, scheme) in schemes {
        document.set_scheme(&name, scheme).map_err(unwritten)?;
    }
    Ok(())
}

/// Completes the operations that use the sessions.
fn complete(document: &mut impl Document, manager: &Manager) -> Vec<String> {
    let schemes: Vec<_> = schemes_of(manager).collect();
    let mut mistakes = Vec::new();
    for located in document.operations() {
        if let Err(error) = complete_one(located.operation, &located.method, manager, &schemes) {
            mistakes.push(unwritten(&error));
        }
    }
    mistakes
}

fn complete_one(
    operation: &mut impl Operation,
    method: &Method,
    manager: &Manager,
    schemes: &[String],
) -> serde_json::Result<()> {
    let payload = manager.scheme_name();
    let mut uses = uses_of(operation);
    let mut own = Vec::new();
    for used in uses.iter_mut().filter(|used| used.session == payload || used.session == ANY) {
        used.session.clone_from(&payload);
        own.push(used.clone());
    }
    if own.is_empty() {
        return Ok(());
    }
    set_uses(operation, &uses)?;
    let is_required = own.iter().any(|used| used.is_required());
    operation.set_security(with(operation.security(), &payload, schemes, is_required));
    let is_checked = manager.answers.refuses_cross_origin && !method.is_safe();
    let statuses = [
        (401, is_required),
        (403, is_checked || own.iter().any(|used| used.may_refuse())),
        (503, true),
    ];
    for (status, _) in statuses.iter().filter(|(_, is_answered)| *is_answered) {
        if !operation.has_response(*status) {
            operation.add_response(*status, response(*status, manager.answers.are_replaced))?;
        }
    }
    Ok(())
}

/// Returns the security requirements of an operation that also needs one of these schemes.
fn with(
    security: Option<Vec<Alternative>>,
    payload: &str,
    schemes: &[String],
    is_required: bool,
) -> Vec<Alternative> {
    let is_own = |name: &String| name == payload || name == ANY || schemes.contains(name);
    let mut others: Vec<Alternative> = Vec::new();
    for one in security.unwrap_or_default() {
        let other = one.into_iter().filter(|(name, _)| !is_own(name)).collect();
        if !others.contains(&other) {
            others.push(other);
        }
    }
    if others.is_empty() {
        others.push(Alternative::new());
    }
    let mut all = Vec::new();
    for other in others {
        for scheme in schemes {
            let mut one = other.clone();
            one.insert(scheme.clone(), Vec::new());
            all.push(one);
        }
        if !is_required {
            all.push(other);
        }
    }
    all
}

fn json_of(scheme: &TokenScheme) -> Value {
    match scheme {
        TokenScheme::Cookie { name } => json!({ "type": "apiKey", "in": "cookie", "name": name }),
        TokenScheme::Bearer => json!({ "type": "http", "scheme": "bearer" }),
        TokenScheme::Header { name } => {
            json!({ "type": "apiKey", "in": "header", "name": name.as_str() })
        }
    }
}

fn unwritten(error: &serde_json::Error) -> String {
    format!("the document does not accept what OpenAPI defines: {error}")
}

/// Returns why a document cannot be completed as a whole.
pub(crate) fn mistakes_of(document: &impl Document) -> Vec<String> {
    let mut mistakes = Vec::new();
    if document.requires_security() {
        mistakes.push(
            "the document has a security requirement for all operations, also for those that are \
             open: remove `security(..)` from the document itself; each operation gets its own"
                .to_owned(),
        );
    }
    for path in document.references() {
        mistakes.push(format!(
            "`{path}` is a reference, and what it refers to cannot be completed: write its \
             operations there"
        ));
    }
    mistakes
}

/// Returns an error with all mistakes, if there are any.
pub(crate) fn result_of(mistakes: &[String]) -> Result<(), ConfigError> {
    ConfigError::of_all(mistakes, "the OpenAPI document")
}
