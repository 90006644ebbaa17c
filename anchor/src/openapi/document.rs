//! [`Document`]: what the documents of utoipa and aide have in common. Parts whose shape OpenAPI
//! itself defines are passed as JSON.

use std::collections::BTreeMap;

use http::Method;
use serde_json::Value;

/// An OpenAPI document: `utoipa::openapi::OpenApi`, with the feature `utoipa`, or
/// `aide::openapi::OpenApi`, with the feature `aide`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an OpenAPI document that anchor can complete",
    label = "this is not `utoipa::openapi::OpenApi` or `aide::openapi::OpenApi`",
    note = "`utoipa` needs the feature of this name, and its release 6; `aide` needs the feature \
        of this name, and its release 0.15: `cargo tree -d` lists other releases"
)]
pub trait OpenApiDocument: Document {}

/// Names of security schemes with their scopes, all of which a request has to satisfy.
pub(super) type Alternative = BTreeMap<String, Vec<String>>;

/// An OpenAPI document. It is public so that a bound can name it, but its module is not, so that
/// only this crate implements it.
pub trait Document {
    /// An operation of the document.
    type Operation: Operation;

    /// Returns whether there is a security requirement for operations that have none of their own.
    fn requires_security(&self) -> bool;

    /// Returns the paths that are references to elsewhere.
    fn references(&self) -> Vec<String>;

    /// Returns the operations, with where they are.
    fn operations(&mut self) -> Vec<Located<'_, Self::Operation>>;

    /// Returns the security schemes by name, as JSON.
    fn schemes(&self) -> serde_json::Result<BTreeMap<String, Value>>;

    /// Adds or replaces a security scheme.
    fn set_scheme(&mut self, name: &str, scheme: Value) -> serde_json::Result<()>;
}

/// An operation, with where it is.
pub struct Located<'d, O> {
    /// The addresses of the servers. Empty if the document has none.
    pub servers: Vec<String>,
    /// The path below a server's address.
    pub path: String,
    /// The method.
    pub method: Method,
    /// The operation.
    pub operation: &'d mut O,
}

/// An operation of a document.
pub trait Operation {
    /// Returns the security requirements, or `None` if it has none of its own.
    fn security(&self) -> Option<Vec<Alternative>>;

    /// Replaces the security requirements.
    fn set_security(&mut self, security: Vec<Alternative>);

    /// Returns whether the response with this status is described.
    fn has_response(&self, status: u16) -> bool;

    /// Adds the response with this status.
    fn add_response(&mut self, status: u16, response: Value) -> serde_json::Result<()>;

    /// Returns the value of an extension.
    fn extension(&self, name: &str) -> Option<&Value>;

    /// Adds or replaces an extension.
    fn set_extension(&mut self, name: &str, value: Value);
}
