//! [`Router`]: axum's router for handlers that declare a policy, with a table of what they
//! declared.

use std::convert::Infallible;
use std::fmt;

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::IntoResponse;
use axum::routing::Route as AxumRoute;
use tower_layer::Layer;
use tower_service::Service;

use super::check::check;
use super::declared::{Declaration, DeclaredPolicy, FirstArgument};
use super::group::DeclaredRoutes;
use super::method_router::{DeclaredHandlers, MethodRouter};
use super::public_service::DeclaredService;
use super::route::{Route, layers_in};
use super::route_table::{RouteMethod, RoutePolicies};
use crate::error::ConfigError;
use crate::manager::SessionManager;
use crate::payload::SessionData;
use crate::request::applied::{Applied, Manager, applied_by};

/// axum's [`Router`](axum::Router), but it only accepts handlers that declare a policy. Otherwise
/// it does what axum's router does, at no cost per request.
///
/// [`build`](Self::build) checks it and returns the axum router inside, which `axum::serve` and
/// [`axum::Router::merge`] accept, and which has the methods that are not repeated here. Without
/// it, the router does not serve requests:
///
/// ```compile_fail
/// # async fn start(listener: tokio::net::TcpListener) {
/// let app: anchor::routing::Router = anchor::routing::Router::new();
/// axum::serve(listener, app).await;
/// # }
/// ```
///
/// See the [module](super) for an example.
#[must_use = "a router serves requests once it is built: `.build()?`"]
pub struct Router<S = ()> {
    pub(super) inner: axum::Router<S>,
    pub(super) routes: Vec<Route>,
    /// The managers whose layers or guards it has somewhere.
    pub(super) managers: Vec<Manager>,
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// Creates a router without routes.
    pub fn new() -> Self {
        Self { inner: axum::Router::new(), routes: Vec::new(), managers: Vec::new() }
    }

    /// Adds the handlers of a path, like [`axum::Router::route`].
    ///
    /// # Panics
    ///
    /// Panics if axum does not accept the path, or if it overlaps with another route.
    #[track_caller]
    pub fn route(mut self, path: &str, handlers: impl DeclaredHandlers<S>) -> Self {
        let MethodRouter { inner, routes } = handlers.into_method_router();
        self.routes.extend(routes.into_iter().map(|route| route.at(path)));
        Self { inner: self.inner.route(path, inner), ..self }
    }

    /// Adds a service that is declared open or guarded, like [`axum::Router::route_service`].
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`route`](Self::route).
    #[track_caller]
    pub fn route_service(self, path: &str, service: impl DeclaredService) -> Self {
        let route = service_route(&service).at(path);
        self.with(route, |router| router.route_service(path, service.into_service()))
    }

    /// Adds the routes of another router below a path, like [`axum::Router::nest`].
    ///
    /// A router under a guard, `sessions.require().layer(router)`, can also be a router of axum.
    /// Then the guard covers everything below the path: a path without a route is 404 only for a
    /// request that the guard lets in. (As in axum, `/admin/` itself is not below `/admin`. It is
    /// 404, unless this router has a route for it.)
    ///
    /// # Panics
    ///
    /// Panics if the path is `/` or empty, or if a route overlaps with another. Also panics if an
    /// axum router under a guard has a fallback: give it its state, and write
    /// [`nest_service`](Self::nest_service).
    #[track_caller]
    pub fn nest(self, path: &str, routes: impl DeclaredRoutes<S>) -> Self {
        routes.nest_into(path, self)
    }

    /// Adds a service that is declared open or guarded below a path, like
    /// [`axum::Router::nest_service`].
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`nest`](Self::nest).
    #[track_caller]
    pub fn nest_service(self, path: &str, service: impl DeclaredService) -> Self {
        let route = service_route(&service).at(joined(path, "/*"));
        self.with(route, |router| router.nest_service(path, service.into_service()))
    }

    /// Adds the routes of another router, like [`axum::Router::merge`].
    ///
    /// A router under a guard, `sessions.require().layer(router)`, can also be a router of axum.
    /// Then the guard covers its routes, other methods on their paths, and its fallback if it has
    /// one.
    ///
    /// # Panics
    ///
    /// Panics if a route overlaps with another, or if both routers have a fallback.
    #[track_caller]
    pub fn merge(self, routes: impl DeclaredRoutes<S>) -> Self {
        routes.merge_into(self)
    }

    /// Adds the routes of an axum router, whose handlers do not declare anything. Only their author
    /// knows whether each of them is guarded. In the table, these routes are one line, `UNCHECKED`.
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`merge`](Self::merge).
    #[track_caller]
    pub fn merge_unchecked(self, other: axum::Router<S>) -> Self {
        let route = Route::new(RouteMethod::Any, DeclaredPolicy::Unchecked).at("/*");
        self.with(route, |router| router.merge(other))
    }

    /// Gives sessions to the routes that were added before, and to the fallback: it adds the
    /// manager's layer, [`sessions.layer()`](crate::SessionManager::layer), around them.
    ///
    /// Several payloads stack, each with its own call. A router that is nested or merged can have
    /// sessions of its own. The same manager may be given twice; two managers of one payload around
    /// a route that needs it are an error of [`build`](Self::build).
    pub fn sessions<T: SessionData>(self, sessions: &SessionManager<T>) -> Self {
        self.layer(sessions.layer())
    }

    /// Adds a layer around the routes that were added before, and around the fallback, like
    /// [`axum::Router::layer`].
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<AxumRoute> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.surround(&layers_in(&layer), |_| true);
        Self { inner: self.inner.layer(layer), ..self }
    }

    /// Adds a layer around the routes that were added before, but not around the fallback, like
    /// [`axum::Router::route_layer`].
    ///
    /// # Panics
    ///
    /// Panics if there is no route yet.
    #[track_caller]
    pub fn route_layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<AxumRoute> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.surround(&layers_in(&layer), |route| !route.is_fallback);
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
        let route = Route::of::<H, T, M>(RouteMethod::Any);
        self.with_fallback(route, |router| router.fallback(handler))
    }

    /// Uses a service that is declared open or guarded for requests that match no route, like
    /// [`axum::Router::fallback_service`].
    pub fn fallback_service(self, service: impl DeclaredService) -> Self {
        let route = service_route(&service);
        self.with_fallback(route, |router| router.fallback_service(service.into_service()))
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
            self.routes
                .iter()
                .any(|route| route.path == path && !matches!(route.method, RouteMethod::Only(_)))
        };
        let mut open: Vec<_> =
            self.routes.iter().map(|route| &route.path).filter(|path| !is_answered(path)).collect();
        open.sort();
        open.dedup();
        let route = Route::of::<H, T, M>(RouteMethod::Other);
        let added: Vec<_> = open.into_iter().map(|path| route.clone().at(path)).collect();
        self.routes.extend(added);
        Self { inner: self.inner.method_not_allowed_fallback(handler), ..self }
    }

    /// Answers requests that match no route with 404 again, like [`axum::Router::reset_fallback`].
    pub fn reset_fallback(mut self) -> Self {
        self.routes.retain(|route| !route.is_fallback);
        Self { inner: self.inner.reset_fallback(), ..self }
    }

    /// Gives the handlers their state, like [`axum::Router::with_state`].
    pub fn with_state<S2>(self, state: S) -> Router<S2> {
        Router { inner: self.inner.with_state(state), routes: self.routes, managers: self.managers }
    }

    /// Returns every route with its policy, sorted by path. Print it for a review, or compare it in
    /// a test.
    #[must_use]
    pub fn policies(&self) -> RoutePolicies {
        RoutePolicies::new(self.routes.iter().cloned().map(Route::into_policy).collect())
    }

    /// Checks that every route has the sessions that it needs, and returns the axum router inside.
    ///
    /// A handler needs those that `#[require_session]`, `#[logout]` and its arguments `Session<T>`,
    /// `Option<Session<T>>`, `T`, `Option<T>` and `Auth<T>` name, and a guard those of its manager.
    /// For the arguments, some route of the router must have the sessions of that payload. What is
    /// inside a router of axum is not known.
    ///
    /// # Errors
    ///
    /// Returns an error that lists all mistakes, each with its route and handler and with what to
    /// write:
    ///
    /// - a route without the session layer that it needs. A request would be answered with 500.
    /// - a guard outside of its session layer, or that of another manager. A request would be
    ///   answered with 500.
    /// - a route with the sessions of two managers of the payload that it needs. A request would be
    ///   answered with 500.
    pub fn build(self) -> Result<axum::Router<S>, ConfigError> {
        check(&self.routes, &self.managers)?;
        Ok(self.inner)
    }

    /// Returns the axum router inside, without the checks of [`build`](Self::build): for routes
    /// that get their session layer from a router of axum.
    pub fn into_axum_unchecked(self) -> axum::Router<S> {
        self.inner
    }

    /// Records what a layer consists of, around the routes that it covers.
    fn surround(&mut self, applied: &[Applied], covers: impl Fn(&Route) -> bool) {
        self.managers.extend(applied.iter().map(|applied| applied.manager().clone()));
        let routes = self.routes.iter_mut().filter(|route| covers(route));
        routes.for_each(|route| route.surround(applied));
    }

    /// Returns whether the router has a fallback of its own.
    pub(super) fn has_fallback(&self) -> bool {
        self.routes.iter().any(|route| route.is_fallback && route.path == "/*")
    }

    fn with(mut self, route: Route, add: impl FnOnce(axum::Router<S>) -> axum::Router<S>) -> Self {
        self.routes.push(route);
        Self { inner: add(self.inner), ..self }
    }

    fn with_fallback(
        mut self,
        route: Route,
        add: impl FnOnce(axum::Router<S>) -> axum::Router<S>,
    ) -> Self {
        self.routes.retain(|route| !(route.is_fallback && route.path == "/*"));
        self.with(Route { is_fallback: true, ..route.at("/*") }, add)
    }
}

/// Returns the route of a service, with the guard around it.
fn service_route(service: &impl DeclaredService) -> Route {
    let mut route = Route::new(RouteMethod::Any, DeclaredPolicy::PublicService);
    route.surround(&applied_by(|| service.note()));
    route
}

/// Returns the path of a route below another path, joined as axum joins them.
pub(super) fn joined(outer: &str, inner: &str) -> String {
    match (outer.strip_suffix('/'), inner) {
        (Some(outer), _) => format!("{outer}{inner}"),
        (None, "/") => outer.to_owned(),
        (None, _) => format!("{outer}{inner}"),
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Router<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            routes: self.routes.clone(),
            managers: self.managers.clone(),
        }
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("routes", &self.routes).finish_non_exhaustive()
    }
}
