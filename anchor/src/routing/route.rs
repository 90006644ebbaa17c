//! [`Route`]: a route as a router knows it, with its policy and what is applied around it.

use std::any::{TypeId, type_name};
use std::convert::Infallible;
use std::fmt;

use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, Route as AxumRoute};
use tower_layer::Layer;
use tower_service::Service;

use super::declared::{Declaration, DeclaredPolicy, FirstArgument};
use super::route_table::{RouteMethod, RoutePolicy};
use crate::request::applied::{Applied, applied_by};
#[cfg(feature = "_openapi")]
use crate::request::requirement::Requirement;

/// A route of a router. Its path is empty until it has one.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) method: RouteMethod,
    pub(super) path: String,
    pub(super) policy: DeclaredPolicy,
    pub(super) extent: Extent,
    /// Whether the path of a route that also answers below it ends with a slash before the `/*`.
    pub(super) at_slash: bool,
    pub(super) handler: Option<Handler>,
    /// What is applied around the route, the innermost first.
    pub(super) around: Vec<Applied>,
    /// Whether it replaces the guarded answer to other methods by one without the guard.
    pub(super) replaces_guard: bool,
}

/// What a route answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Its path.
    Path,
    /// Some methods of its path: those of handlers of axum, which are not known.
    SomeMethods,
    /// Its path, which is written with `/*`, and everything below it.
    Below,
    /// What no route at its path and below it matches: the fallback of a group under a guard.
    Remainder,
    /// Some paths below it: those of a router of axum, which are not known.
    SomeBelow,
    /// What no route matches: the fallback of a router.
    Fallback,
}

/// What is known about a handler.
#[derive(Debug, Clone)]
pub(super) struct Handler {
    /// The handler's name, with its path.
    pub(super) name: &'static str,
    /// The payload that its guard names.
    pub(super) payload: Option<(TypeId, &'static str)>,
    pub(super) arguments: Vec<TypeId>,
    #[cfg(feature = "_openapi")]
    pub(super) declared: DeclaredPolicy,
    #[cfg(feature = "_openapi")]
    pub(super) requirements: Vec<Requirement>,
}

impl Route {
    pub(super) fn new(method: RouteMethod, policy: DeclaredPolicy) -> Self {
        let (path, around) = (String::new(), Vec::new());
        let extent = Extent::Path;
        let (handler, at_slash, replaces_guard) = (None, false, false);
        Self { method, path, policy, extent, at_slash, handler, around, replaces_guard }
    }

    /// Makes the route of a handler `H` with the arguments `T`.
    pub(super) fn of<H, T, M>(method: RouteMethod) -> Self
    where
        T: FirstArgument<First: Declaration<M>>,
    {
        let handler = Handler {
            name: type_name::<H>(),
            payload: T::First::payload(),
            arguments: T::all(),
            #[cfg(feature = "_openapi")]
            declared: T::First::policy(),
            #[cfg(feature = "_openapi")]
            requirements: T::First::requirements(),
        };
        Self { handler: Some(handler), ..Self::new(method, T::First::policy()) }
    }

    pub(super) fn at(self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self }
    }

    /// Returns the route below a path at which its router is nested.
    pub(super) fn below(self, outer: &str) -> Self {
        let at_slash = if self.path == "/*" { outer.ends_with('/') } else { self.at_slash };
        Self { path: joined(outer, &self.path), at_slash, ..self }
    }

    /// Returns whether this is the fallback of its router, and not that of a nested one.
    pub(super) fn is_own_fallback(&self) -> bool {
        self.extent == Extent::Fallback && self.path == "/*"
    }

    /// Records that routes answer in place of the fallback, if this is one.
    pub(super) fn answers_by_itself(&mut self) {
        if self.extent == Extent::Fallback {
            self.extent = Extent::Remainder;
        }
    }

    /// Returns whether a group's guard is around it.
    pub(super) fn is_under_guard(&self) -> bool {
        !matches!(self.policy, DeclaredPolicy::PublicService)
            && self.around.iter().any(|applied| matches!(applied, Applied::Guard(_)))
    }

    /// Records what is applied around the route, the innermost first.
    pub(super) fn surround(&mut self, applied: &[Applied]) {
        for layer in applied {
            self.around.push(layer.clone());
            let Applied::Guard(guard) = layer else { continue };
            let guard = DeclaredPolicy::Session {
                payload: guard.payload.clone(),
                demands: guard.demands.clone(),
                redirect: guard.login_page,
            };
            let own = std::mem::replace(&mut self.policy, DeclaredPolicy::Public);
            self.policy = own.under(guard);
        }
    }

    pub(super) fn into_policy(self) -> RoutePolicy {
        RoutePolicy { method: self.method, path: self.path, policy: self.policy }
    }
}

/// Returns the path of a route below another path, joined as axum joins them.
fn joined(outer: &str, inner: &str) -> String {
    match (outer.strip_suffix('/'), inner) {
        (Some(outer), _) => format!("{outer}{inner}"),
        (None, "/") => outer.to_owned(),
        (None, _) => format!("{outer}{inner}"),
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{} {}`", self.method.as_str(), self.path)?;
        self.handler.as_ref().map_or(Ok(()), |handler| write!(f, " (`{}`)", handler.name))
    }
}

/// Returns which of anchor's layers a layer consists of, the innermost first.
pub(super) fn layers_in<L>(layer: &L) -> Vec<Applied>
where
    L: Layer<AxumRoute> + Clone + Send + Sync + 'static,
    L::Service: Service<Request> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request>>::Response: IntoResponse + 'static,
    <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
    <L::Service as Service<Request>>::Future: Send + 'static,
{
    applied_by(|| {
        // A router without handlers has one route, its fallback, to which the layer is applied.
        let _: MethodRouter = MethodRouter::<(), Infallible>::new().layer(layer.clone());
    })
}
