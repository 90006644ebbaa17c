//! The document of aide, and what the arguments of a handler say of its operation.
//!
//! An argument adds the use of the session and the security requirement. Without
//! `SessionManager::describe_in`, the requirement names a scheme that the document lacks, so that
//! nobody takes the operation for open.

use std::collections::BTreeMap;

use ::aide::axum::ApiRouter;
use ::aide::generate::GenContext;
use ::aide::openapi::{
    OpenApi, Operation as AideOperation, PathItem, ReferenceOr, Response, Server, StatusCode,
};
use ::aide::{OperationInput, OperationOutput};
use http::Method;
use serde_json::Value;

use super::document::{Alternative, Document, Located, OpenApiDocument, Operation};
use super::schemes::{mistakes_of, resolve, result_of};
use super::session_use::{ANY, SessionUse, add_use};
use crate::error::ConfigError;
use crate::guard::login_page::LoginPage;
use crate::guard::required::Reaches;
use crate::guard::{Next, Policy, Public, Require, RequireAny, RequireSession, Revoke, RevokeAny};
use crate::manager::SessionManager;
use crate::payload::SessionData;
use crate::rejection::{Error, Rejection};
use crate::request::applied::Manager;
use crate::request::{Auth, Session};

impl<T: SessionData> SessionManager<T> {
    /// Completes a document of aide: adds the manager's security schemes, and, to each operation
    /// that uses the sessions of `T`, what it answers without them. Call it for each manager, after
    /// `ApiRouter::finish_api`.
    ///
    /// ```
    /// use aide::axum::ApiRouter;
    /// use aide::axum::routing::get;
    /// use aide::openapi::OpenApi;
    /// use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # #[session(cookie = "__Host-described")]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    ///
    /// #[require_session(UserSession)]
    /// async fn me() -> &'static str { "me" }
    ///
    /// # let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
    /// #     .keys(KeyRing::generate()?).build()?;
    /// let mut document = OpenApi::default();
    /// let app = ApiRouter::new().api_route("/me", get(me)).finish_api(&mut document);
    /// sessions.describe_in(&mut document)?;
    /// let app: axum::Router = app.layer(sessions.layer());
    ///
    /// let me = document.operations().next().unwrap().2;
    /// assert!(me.security[0].contains_key("UserSession"));
    /// # Ok::<_, anchor::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error that lists all mistakes:
    ///
    /// - the document has a security requirement for all operations, also for the open ones.
    /// - a path of the document is a reference.
    /// - the document has another security scheme with the payload's name.
    /// - a [`Frontend`](crate::frontend::Frontend) of the application's own does not say where a
    ///   request has its token.
    pub fn describe_in(&self, document: &mut OpenApi) -> Result<(), ConfigError> {
        let mut mistakes = mistakes_of(document);
        mistakes.extend(resolve(document, &Manager::of(&self.inner)));
        result_of(&mistakes)
    }
}

impl<T: SessionData> RequireSession<T> {
    /// Puts the guard around the routes and the fallback of a router of aide, and says so in the
    /// operations that it has. `ApiRouter::layer` with the guard would not change its operations:
    /// they would look open.
    ///
    /// ```
    /// use aide::axum::ApiRouter;
    /// use aide::axum::routing::get;
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, admin: bool }
    /// # async fn stats() -> &'static str { "42" }
    /// # fn example(sessions: SessionManager<UserSession>) -> ApiRouter {
    /// let admin = ApiRouter::new().api_route("/stats", get(stats));
    /// let admin = sessions.require().when(|user| user.admin).layer_api(admin);
    /// ApiRouter::new().nest("/admin", admin)
    /// # }
    /// ```
    pub fn layer_api<S>(&self, router: ApiRouter<S>) -> ApiRouter<S>
    where
        S: Clone + Send + Sync + 'static,
    {
        let guard = self.applied();
        let (payload, page) = (guard.manager.name, guard.login_page);
        let used = SessionUse::guarded(payload, guard.requirements, page);
        let described = router.with_path_items(|mut item| {
            for (_, operation) in operations_of(item.inner_mut()) {
                mark(operation, used.clone());
            }
            item
        });
        described.layer(self.clone())
    }
}

/// Says in an operation that it uses a session.
fn mark(operation: &mut AideOperation, used: SessionUse) {
    let (name, is_required) = (used.session.clone(), used.is_required());
    // A use has only texts, numbers and lists, so it is always JSON.
    let added = add_use(operation, used);
    if added.is_err() || !is_required {
        return;
    }
    if operation.security.is_empty() {
        operation.security.push(Default::default());
    }
    for alternative in &mut operation.security {
        alternative.entry(name.clone()).or_default();
    }
}

impl<T: SessionData, P: Policy<T>, L: LoginPage> OperationInput for Require<T, P, L> {
    fn operation_input(_: &mut GenContext, operation: &mut AideOperation) {
        let payload = std::any::type_name::<T>();
        mark(operation, SessionUse::guarded(payload, P::requirements(), L::PATH));
    }
}

impl<L: LoginPage> OperationInput for RequireAny<L> {
    fn operation_input(_: &mut GenContext, operation: &mut AideOperation) {
        mark(operation, SessionUse::guarded(ANY, None, L::PATH));
    }
}

impl<T: SessionData, R: Reaches> OperationInput for Revoke<T, R> {
    fn operation_input(_: &mut GenContext, operation: &mut AideOperation) {
        mark(operation, SessionUse::logout(std::any::type_name::<T>(), R::REACH));
    }
}

impl<R: Reaches> OperationInput for RevokeAny<R> {
    fn operation_input(_: &mut GenContext, operation: &mut AideOperation) {
        mark(operation, SessionUse::logout(ANY, R::REACH));
    }
}

impl OperationInput for Public {}

impl<T: SessionData> OperationInput for Auth<T> {}

impl OperationInput for Next {}

/// Says that the handler needs a session, also without an attribute. Not in `operation_input`,
/// which aide also calls for `Option<Session<T>>`.
impl<T: SessionData> OperationInput for Session<T> {
    fn inferred_early_responses(
        _: &mut GenContext,
        operation: &mut AideOperation,
    ) -> Vec<(Option<u16>, Response)> {
        describe_extractor::<T>(operation)
    }
}

impl OperationOutput for Error {
    type Inner = Self;
}

impl OperationOutput for Rejection {
    type Inner = Self;
}

/// Says in an operation that its handler has an argument that needs a session. This is what the
/// derive calls for the payload itself.
pub fn describe_extractor<T: SessionData>(
    operation: &mut AideOperation,
) -> Vec<(Option<u16>, Response)> {
    mark(operation, SessionUse::required(std::any::type_name::<T>()));
    Vec::new()
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut AideOperation)> {
    let operations = [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::DELETE, &mut item.delete),
        (Method::OPTIONS, &mut item.options),
        (Method::HEAD, &mut item.head),
        (Method::PATCH, &mut item.patch),
        (Method::TRACE, &mut item.trace),
    ];
    operations.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

impl OpenApiDocument for OpenApi {}

impl Document for OpenApi {
    type Operation = AideOperation;

    fn requires_security(&self) -> bool {
        !self.security.is_empty()
    }

    fn references(&self) -> Vec<String> {
        let paths = self.paths.iter().flat_map(|paths| paths.iter());
        let is_reference = |item: &ReferenceOr<PathItem>| match item {
            ReferenceOr::Reference { .. } => true,
            ReferenceOr::Item(item) => item.reference.is_some(),
        };
        paths.filter(|(_, item)| is_reference(item)).map(|(path, _)| path.clone()).collect()
    }

    fn operations(&mut self) -> Vec<Located<'_, AideOperation>> {
        let mut found = Vec::new();
        let of_document = addresses(&self.servers);
        for (path, item) in self.paths.iter_mut().flat_map(|paths| &mut paths.paths) {
            let ReferenceOr::Item(item) = item else { continue };
            let of_path = addresses(&item.servers);
            for (method, operation) in operations_of(item) {
                let servers = [addresses(&operation.servers), of_path.clone(), of_document.clone()];
                let servers = servers.into_iter().find(|servers| !servers.is_empty());
                let servers = servers.unwrap_or_default();
                found.push(Located { servers, path: path.clone(), method, operation });
            }
        }
        found
    }

    fn schemes(&self) -> serde_json::Result<BTreeMap<String, Value>> {
        let Some(components) = &self.components else { return Ok(BTreeMap::new()) };
        let schemes = components.security_schemes.iter();
        schemes.map(|(name, scheme)| Ok((name.clone(), serde_json::to_value(scheme)?))).collect()
    }

    fn set_scheme(&mut self, name: &str, scheme: Value) -> serde_json::Result<()> {
        let scheme = ReferenceOr::Item(serde_json::from_value(scheme)?);
        let components = self.components.get_or_insert_default();
        components.security_schemes.insert(name.to_owned(), scheme);
        Ok(())
    }
}

fn addresses(servers: &[Server]) -> Vec<String> {
    servers.iter().map(|server| server.url.clone()).collect()
}

impl Operation for AideOperation {
    fn security(&self) -> Option<Vec<Alternative>> {
        let alternatives = self.security.iter().cloned();
        let alternatives: Vec<_> = alternatives.map(|one| one.into_iter().collect()).collect();
        Some(alternatives).filter(|alternatives| !alternatives.is_empty())
    }

    fn set_security(&mut self, security: Vec<Alternative>) {
        self.security = security.into_iter().map(|one| one.into_iter().collect()).collect();
    }

    fn has_response(&self, status: u16) -> bool {
        let status = StatusCode::Code(status);
        self.responses.as_ref().is_some_and(|all| all.responses.contains_key(&status))
    }

    fn add_response(&mut self, status: u16, response: Value) -> serde_json::Result<()> {
        let response = ReferenceOr::Item(serde_json::from_value(response)?);
        let responses = self.responses.get_or_insert_default();
        responses.responses.insert(StatusCode::Code(status), response);
        Ok(())
    }

    fn extension(&self, name: &str) -> Option<&Value> {
        self.extensions.get(name)
    }

    fn set_extension(&mut self, name: &str, value: Value) {
        self.extensions.insert(name.to_owned(), value);
    }
}
