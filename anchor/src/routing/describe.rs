//! [`Router::describe_in`]: says in an OpenAPI document what the routes require.

use std::collections::BTreeSet;

use super::check::check;
use super::declared::DeclaredPolicy;
use super::matching::{base_path, find, is_same_path};
use super::route::{Extent, Handler, Route};
use super::route_table::{RouteMethod, RoutePolicies};
use super::router::Router;
use crate::error::ConfigError;
use crate::openapi::{
    Located, OpenApiDocument, Operation, SessionUse, add_use, mistakes_of, resolve, result_of,
    schemes_of,
};
use crate::request::applied::{Applied, Manager};

#[cfg_attr(docsrs, doc(cfg(any(feature = "aide", feature = "utoipa"))))]
impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// Completes an OpenAPI document: each operation gets the security schemes and the responses
    /// that follow from the policies of its route. Returns the routes that the document does not
    /// have, as a table.
    ///
    /// Call it on the outermost router, after `.sessions(&sessions)`. The paths of the document are
    /// those of the router, below the path of the document's servers if it has some. It does not
    /// matter in which order the attributes of a handler are.
    ///
    #[cfg_attr(feature = "utoipa", doc = "```")]
    #[cfg_attr(not(feature = "utoipa"), doc = "```ignore")]
    /// use anchor::prelude::*;
    /// use anchor::routing::{Router, get, post};
    /// use utoipa::OpenApi;
    /// # #[derive(Clone, SessionData)]
    /// # #[session(cookie = "__Host-openapi")]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    ///
    /// #[require_session(UserSession, fresh = "10m")]
    /// #[utoipa::path(delete, path = "/account")]
    /// async fn delete_account() {}
    ///
    /// #[utoipa::path(post, path = "/login")]
    /// #[public]
    /// async fn login() {}
    ///
    /// #[public]
    /// async fn page() {}
    ///
    /// #[derive(OpenApi)]
    /// #[openapi(paths(delete_account, login))]
    /// struct Document;
    ///
    /// # let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
    /// #     .keys(KeyRing::generate()?).build()?;
    /// let app: Router = Router::new()
    ///     .route("/account", anchor::routing::delete(delete_account))
    ///     .route("/login", post(login))
    ///     .route("/", get(page))
    ///     .sessions(&sessions);
    /// let mut document = Document::openapi();
    /// let undocumented = app.describe_in(&mut document)?;
    ///
    /// assert_eq!(undocumented.to_string(), "GET  /  public\n");
    /// let account = document.paths.paths["/account"].delete.as_ref().unwrap();
    /// assert!(account.responses.responses.contains_key("401"));
    /// # Ok::<_, anchor::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error that lists all mistakes. The document may be completed in part.
    ///
    /// - those of [`build`](Self::build).
    /// - an operation of the document that is not a route.
    /// - an operation whose route has a guard that is not anchor's, or may have one, and that does
    ///   not say by itself which security scheme it needs.
    /// - an operation that needs a session according to the document, on a route that does not.
    /// - a security requirement for all operations of the document.
    /// - a path of the document that is a reference.
    /// - another security scheme with a payload's name.
    /// - a [`Frontend`](crate::frontend::Frontend) of the application's own that does not say where
    ///   a request has its token.
    pub fn describe_in(
        &self,
        document: &mut impl OpenApiDocument,
    ) -> Result<RoutePolicies, ConfigError> {
        check(&self.routes, &self.managers)?;
        let managers = distinct(&self.managers);
        let schemes: BTreeSet<_> = managers.iter().flat_map(|it| schemes_of(it)).collect();
        let mut mistakes = mistakes_of(document);
        mistakes.extend(same_names(&managers));
        let mut described = BTreeSet::new();
        for located in document.operations() {
            let place = format!("`{} {}`", located.method, located.path);
            match self.describe(located, &schemes) {
                Ok(routes) => described.extend(routes),
                Err(mistake) => mistakes.push(format!("{place}: {mistake}")),
            }
        }
        for manager in managers {
            mistakes.extend(resolve(document, manager));
        }
        result_of(&mistakes)?;
        let is_absent = |(index, route): &(usize, &Route)| {
            !described.contains(index)
                && !matches!(route.extent, Extent::Fallback | Extent::Remainder)
                && route.method != RouteMethod::Other
        };
        let absent = self.routes.iter().enumerate().filter(is_absent);
        Ok(RoutePolicies::new(absent.map(|(_, route)| route.clone().into_policy()).collect()))
    }

    /// Says in an operation what its route requires. Returns the positions of the routes that may
    /// be its.
    fn describe(
        &self,
        located: Located<'_, impl Operation>,
        schemes: &BTreeSet<String>,
    ) -> Result<Vec<usize>, String> {
        let Located { servers, path, method, operation } = located;
        let path = format!("{}{path}", base_path(&servers)?);
        let found = find(&self.routes, &method, &path);
        let routes: Vec<_> = found.iter().map(|index| &self.routes[*index]).collect();
        let Some((route, others)) = routes.split_first() else { return Err(self.no_route(&path)) };
        let uses = uses_of(route, &self.managers);
        let is_like = |other: &&Route| uses_of(other, &self.managers) == uses;
        let are_alike = others.iter().all(is_like);
        let is_known = are_alike && !routes.iter().any(|route| has_unknown_guard(route));
        let own = operation.security();
        let policies = || {
            let policies = routes.iter().map(|route| format!("`{}`", route.policy));
            policies.collect::<Vec<_>>().join(" or ")
        };
        if !is_known && own.is_none() {
            return Err(format!(
                "its route is {}, so it is not known who may call it: give the operation a \
                 security requirement of its own, or an empty one if it is open",
                policies()
            ));
        }
        let mut named = own.iter().flatten().flat_map(|one| one.keys());
        if let Some(name) =
            named.find(|name| is_known && uses.is_empty() && schemes.contains(*name))
        {
            return Err(format!(
                "it has the security requirement `{name}`, and its route is {}: remove the \
                 requirement, or guard the handler",
                policies()
            ));
        }
        for used in uses.into_iter().filter(|_| are_alike) {
            add_use(operation, used).map_err(|error| error.to_string())?;
        }
        Ok(found)
    }

    fn no_route(&self, path: &str) -> String {
        let routes = || self.routes.iter().filter(|route| route.extent == Extent::Path);
        let list = |found: Vec<&Route>| {
            let found = found.iter().map(|it| format!("`{} {}`", it.method.as_str(), it.path));
            found.collect::<Vec<_>>().join(", ")
        };
        let same: Vec<_> = routes().filter(|route| is_same_path(&route.path, path)).collect();
        if !same.is_empty() {
            return format!("the path has other routes: {}", list(same));
        }
        let ends: Vec<_> = routes().filter(|route| route.path.ends_with(path)).collect();
        if !ends.is_empty() && path != "/" {
            return format!(
                "there is no such route: the document needs the path from the outermost router, as \
                 in {}",
                list(ends)
            );
        }
        "there is no such route: correct the operation's path, or add the route".to_owned()
    }
}

/// Returns each manager once.
fn distinct(managers: &[Manager]) -> Vec<&Manager> {
    let mut seen = BTreeSet::new();
    managers.iter().filter(|manager| seen.insert(manager.address)).collect()
}

/// Returns a mistake for two payloads that a document could not tell apart.
fn same_names(managers: &[&Manager]) -> Vec<String> {
    let mut mistakes = Vec::new();
    for (index, one) in managers.iter().enumerate() {
        for other in &managers[index + 1..] {
            if one.payload != other.payload && one.scheme_name() == other.scheme_name() {
                mistakes.push(format!(
                    "`{}` and `{}` would have one name in the document: rename one of the structs",
                    one.name, other.name
                ));
            }
        }
    }
    mistakes
}

/// Returns whether a route has a guard that is not anchor's, or may have one.
fn has_unknown_guard(route: &Route) -> bool {
    fn is_unknown(policy: &DeclaredPolicy) -> bool {
        match policy {
            DeclaredPolicy::Other(_) | DeclaredPolicy::Unchecked => true,
            DeclaredPolicy::All(policies) => policies.iter().any(is_unknown),
            _ => false,
        }
    }
    // An argument of the application's own may declare a session, but not which one.
    let is_foreign =
        |handler: &Handler| handler.payload.is_none() && handler.declared != DeclaredPolicy::Public;
    is_unknown(&route.policy) || route.handler.as_ref().is_some_and(is_foreign)
}

/// Returns how a route uses sessions: in the guards around it, and in its handler.
fn uses_of(route: &Route, managers: &[Manager]) -> Vec<SessionUse> {
    let guards = route.around.iter().rev().filter_map(|applied| match applied {
        Applied::Sessions(_) => None,
        Applied::Guard(guard) => Some(guard),
    });
    let guards = guards.map(|guard| {
        let requirements = guard.requirements.iter().cloned();
        SessionUse::guarded(guard.manager.name, requirements, guard.login_page)
    });
    let mut uses: Vec<_> = guards.collect();
    let Some(handler) = &route.handler else { return uses };
    match (handler.payload, &handler.declared) {
        (Some((_, payload)), DeclaredPolicy::Session { redirect, .. }) => {
            let requirements = handler.requirements.iter().cloned();
            uses.push(SessionUse::guarded(payload, requirements, *redirect));
        }
        (Some((_, payload)), DeclaredPolicy::Logout { reach, .. }) => {
            uses.push(SessionUse::logout(payload, *reach));
        }
        _ => {}
    }
    // A handler may be public, and need a session because of its arguments.
    let takes = managers.iter().filter(|manager| manager.is_required_by(&handler.arguments));
    uses.extend(takes.map(|manager| SessionUse::required(manager.name)));
    uses
}
