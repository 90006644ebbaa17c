//! [`Router`]: axum's router for handlers that declare a policy, with a table of what they
//! declared.

use std::convert::Infallible;
use std::fmt;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::IntoResponse;
use axum::routing::{IntoMakeService, Route};
use tower_layer::Layer;
use tower_service::Service;

use super::declared::{Declaration, DeclaredPolicy, FirstArgument};
use super::method_router::{DeclaredHandlers, MethodRouter};
use super::public_service::PublicService;
use super::route_table::{RouteMethod, RoutePolicies, RoutePolicy};

/// axum's [`Router`](axum::Router), but it only accepts handlers that declare a policy. Otherwise
/// it does what axum's router does, at no cost per request.
///
/// `axum::serve(listener, router)` and [`axum::Router::merge`] accept it.
/// [`into_axum`](Self::into_axum) returns the axum router inside, which has the methods that are
/// not repeated here.
///
/// See the [module](super) for an example.
#[must_use]
pub struct Router<S = ()> {
    inner: axum::Router<S>,
    policies: Vec<RoutePolicy>,
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// Creates a router without routes.
    pub fn new() -> Self {
        Self { inner: axum::Router::new(), policies: Vec::new() }
    }

    /// Adds the handlers of a path, like [`axum::Router::route`].
    ///
    /// # Panics
    ///
    /// Panics if axum does not accept the path, or if it overlaps with another route.
    #[track_caller]
    pub fn route(mut self, path: &str, handlers: impl DeclaredHandlers<S>) -> Self {
        let MethodRouter { inner, policies } = handlers.into_method_router();
        let routes =
            policies.into_iter().map(|(method, policy)| RoutePolicy::new(method, path, policy));
        self.policies.extend(routes);
        Self { inner: self.inner.route(path, inner), ..self }
    }

    /// Adds a service that is declared open, like [`axum::Router::route_service`].
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`route`](Self::route).
    #[track_caller]
    pub fn route_service<T>(self, path: &str, service: PublicService<T>) -> Self
    where
        T: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        T::Response: IntoResponse,
        T::Future: Send + 'static,
    {
        let route = RoutePolicy::new(RouteMethod::Any, path, DeclaredPolicy::PublicService);
        self.with(route, |router| router.route_service(path, service.0))
    }

    /// Adds the routes of another router below a path, like [`axum::Router::nest`].
    ///
    /// # Panics
    ///
    /// Panics if the path is `/` or empty, or if a route overlaps with another.
    #[track_caller]
    pub fn nest(mut self, path: &str, router: Self) -> Self {
        let nested = router
            .policies
            .into_iter()
            .map(|route| RoutePolicy { path: joined(path, &route.path), ..route });
        self.policies.extend(nested);
        Self { inner: self.inner.nest(path, router.inner), ..self }
    }

    /// Adds a service that is declared open below a path, like [`axum::Router::nest_service`].
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`nest`](Self::nest).
    #[track_caller]
    pub fn nest_service<T>(self, path: &str, service: PublicService<T>) -> Self
    where
        T: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        T::Response: IntoResponse,
        T::Future: Send + 'static,
    {
        let below = joined(path, "/*");
        let route = RoutePolicy::new(RouteMethod::Any, below, DeclaredPolicy::PublicService);
        self.with(route, |router| router.nest_service(path, service.0))
    }

    /// Adds the routes of another router, like [`axum::Router::merge`].
    ///
    /// # Panics
    ///
    /// Panics if a route overlaps with another, or if both routers have a fallback.
    #[track_caller]
    pub fn merge(mut self, other: Self) -> Self {
        self.policies.extend(other.policies);
        Self { inner: self.inner.merge(other.inner), ..self }
    }

    /// Adds the routes of an axum router, whose handlers do not declare anything. Only their author
    /// knows whether each of them is guarded. In the table, these routes are one line, `UNCHECKED`.
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`merge`](Self::merge).
    #[track_caller]
    pub fn merge_unchecked(self, other: axum::Router<S>) -> Self {
        let route = RoutePolicy::new(RouteMethod::Any, "/*", DeclaredPolicy::Unchecked);
        self.with(route, |router| router.merge(other))
    }

    /// Adds a layer around the routes that were added before, and around the fallback, like
    /// [`axum::Router::layer`].
    pub fn layer<L>(self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        Self { inner: self.inner.layer(layer), ..self }
    }

    /// Adds a layer around the routes that were added before, but not around the fallback, like
    /// [`axum::Router::route_layer`].
    ///
    /// # Panics
    ///
    /// Panics if there is no route yet.
    #[track_caller]
    pub fn route_layer<L>(self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        Self { inner: self.inner.route_layer(layer), ..self }
    }

    /// Uses a handler that declares a policy for requests that match no route, like
    /// [`axum::Router::fallback`].
    #[track_caller]
    pub fn fallback<H, T, M>(self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: FirstArgument<First: Declaration<M>> + 'static,
    {
        self.with_fallback(T::First::policy(), |router| router.fallback(handler))
    }

    /// Uses a service that is declared open for requests that match no route, like
    /// [`axum::Router::fallback_service`].
    pub fn fallback_service<T>(self, service: PublicService<T>) -> Self
    where
        T: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        T::Response: IntoResponse,
        T::Future: Send + 'static,
    {
        self.with_fallback(DeclaredPolicy::PublicService, |router| {
            router.fallback_service(service.0)
        })
    }

    /// Uses a handler that declares a policy for requests whose path has a route, but not for their
    /// method, like [`axum::Router::method_not_allowed_fallback`]. It applies to the routes that
    /// were added before.
    pub fn method_not_allowed_fallback<H, T, M>(mut self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: FirstArgument<First: Declaration<M>> + 'static,
    {
        let is_answered = |path: &str| {
            self.policies
                .iter()
                .any(|route| route.path == path && !matches!(route.method, RouteMethod::Only(_)))
        };
        let mut open: Vec<_> = self
            .policies
            .iter()
            .map(|route| &route.path)
            .filter(|path| !is_answered(path))
            .collect();
        open.sort();
        open.dedup();
        let policy = T::First::policy();
        let added: Vec<_> = open
            .into_iter()
            .map(|path| RoutePolicy::new(RouteMethod::Other, path, policy.clone()))
            .collect();
        self.policies.extend(added);
        Self { inner: self.inner.method_not_allowed_fallback(handler), ..self }
    }

    /// Answers requests that match no route with 404 again, like [`axum::Router::reset_fallback`].
    pub fn reset_fallback(mut self) -> Self {
        self.policies.retain(|route| !route.fallback);
        Self { inner: self.inner.reset_fallback(), ..self }
    }

    /// Gives the handlers their state, like [`axum::Router::with_state`].
    pub fn with_state<S2>(self, state: S) -> Router<S2> {
        Router { inner: self.inner.with_state(state), policies: self.policies }
    }

    /// Returns every route with its policy, sorted by path. Print it for a review, or compare it in
    /// a test.
    #[must_use]
    pub fn policies(&self) -> RoutePolicies {
        RoutePolicies::new(self.policies.clone())
    }

    /// Returns the axum router inside.
    pub fn into_axum(self) -> axum::Router<S> {
        self.inner
    }

    fn with(
        mut self,
        route: RoutePolicy,
        add: impl FnOnce(axum::Router<S>) -> axum::Router<S>,
    ) -> Self {
        self.policies.push(route);
        Self { inner: add(self.inner), ..self }
    }

    fn with_fallback(
        mut self,
        policy: DeclaredPolicy,
        add: impl FnOnce(axum::Router<S>) -> axum::Router<S>,
    ) -> Self {
        self.policies.retain(|route| !(route.fallback && route.path == "/*"));
        let route = RoutePolicy::new(RouteMethod::Any, "/*", policy);
        self.with(RoutePolicy { fallback: true, ..route }, add)
    }
}

impl Router {
    /// Converts the router to what `axum::serve` takes, like [`axum::Router::into_make_service`].
    #[must_use]
    pub fn into_make_service(self) -> IntoMakeService<axum::Router> {
        self.inner.into_make_service()
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

impl<S> From<Router<S>> for axum::Router<S> {
    fn from(router: Router<S>) -> Self {
        router.inner
    }
}

/// The router is the same service as axum's router, for requests and for `axum::serve`.
impl<R> Service<R> for Router
where
    axum::Router: Service<R>,
{
    type Response = <axum::Router as Service<R>>::Response;
    type Error = <axum::Router as Service<R>>::Error;
    type Future = <axum::Router as Service<R>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.inner.call(request)
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Router<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), policies: self.policies.clone() }
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("policies", &self.policies).finish_non_exhaustive()
    }
}
