//! [`Router`]: axum's router for handlers that declare a policy, with a table of what they
//! declared.

use std::collections::BTreeMap;
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
use super::route::{Extent, Route, layers_in};
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
    /// What its fallback answers, if it has one, with the layers around it.
    pub(super) fallback: Option<axum::routing::MethodRouter<S>>,
    /// Routes that answer like the fallbacks of nested routers. They take the place of these
    /// fallbacks when this router's own is under a guard and becomes routes.
    pub(super) closing: axum::Router<S>,
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// Creates a router without routes.
    ///
    /// ```
    /// use anchor::routing::Router;
    ///
    /// let app: Router = Router::new();
    /// assert!(app.policies().is_empty());
    /// ```
    pub fn new() -> Self {
        Self {
            inner: axum::Router::new(),
            routes: Vec::new(),
            managers: Vec::new(),
            fallback: None,
            closing: axum::Router::new(),
        }
    }

    /// Adds the handlers of a path, like [`axum::Router::route`].
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// use anchor::routing::{Router, get};
    ///
    /// #[require_session(UserSession)]
    /// async fn read() {}
    ///
    /// #[require_session(UserSession, fresh = "10m")]
    /// async fn change() {}
    ///
    /// let app: Router = Router::new().route("/profile", get(read).post(change));
    /// assert_eq!(app.policies().to_string(), "\
    /// GET   /profile  session UserSession
    /// POST  /profile  session UserSession, fresh 10m
    /// ");
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if axum does not accept the path, or if it overlaps with another route.
    #[track_caller]
    pub fn route(mut self, path: &str, handlers: impl DeclaredHandlers<S>) -> Self {
        let MethodRouter { inner, routes } = handlers.into_method_router();
        let around = routes.iter().flat_map(|route| &route.around);
        self.managers.extend(around.map(|applied| applied.manager().clone()));
        self.routes.extend(routes.into_iter().map(|route| route.at(path)));
        Self { inner: self.inner.route(path, inner), ..self }
    }

    /// Adds a service that is declared open or guarded, like [`axum::Router::route_service`].
    ///
    /// ```
    /// use anchor::routing::{Router, public_service};
    /// # let icon = axum::routing::any(|| async { "an icon" });
    ///
    /// let app: Router = Router::new().route_service("/favicon.ico", public_service(icon));
    /// assert_eq!(app.policies().to_string(), "any  /favicon.ico  public service\n");
    /// ```
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`route`](Self::route).
    #[track_caller]
    pub fn route_service<D: DeclaredService>(self, path: &str, service: D) -> Self {
        let service = service.into_service();
        let route = service_route::<D>(&service).at(path);
        self.with(route, |router| router.route_service(path, service))
    }

    /// Adds the routes of another router below a path, like [`axum::Router::nest`].
    ///
    /// A router under a guard, `sessions.require().layer(router)`, can also be a router of axum
    /// that has its state. Its guard covers the path, with and without a slash at the end, and
    /// everything below it: a path without a route is 404 only for a request that the guard lets
    /// in. No fallback, parameter or wildcard of the routers around it answers there, such as
    /// `/{*page}`. Only a route that names the path itself does, such as `/admin/login`, or one
    /// that writes out a parameter of it, such as `/assets/{*file}` beside `/{tenant}/admin`.
    /// As in axum, what is nested at `/admin/` does not answer `/admin`.
    ///
    /// The same holds for any router whose fallback is under a guard. The fallback is then also a
    /// route, `/admin/{*guarded}`, and an extractor [`Path`](axum::extract::Path) in it sees that
    /// parameter.
    ///
    /// ```
    /// use anchor::public;
    /// use anchor::routing::{Router, get};
    ///
    /// #[public]
    /// async fn list() {}
    ///
    /// let api = Router::new().route("/items", get(list));
    /// let app: Router = Router::new().nest("/api", api);
    /// assert_eq!(app.policies().to_string(), "GET  /api/items  public\n");
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the path is `/` or empty, or if a route overlaps with another. A parameter or a
    /// wildcard directly below the path of a guarded router, such as `/admin/{*rest}`, overlaps
    /// with it. Also panics if a guarded router has routes that were added by
    /// [`merge_unchecked`](Self::merge_unchecked): nest that router by itself.
    #[track_caller]
    pub fn nest(self, path: &str, routes: impl DeclaredRoutes<S>) -> Self {
        routes.nest_into(path, self)
    }

    /// Adds a service that is declared open or guarded below a path, like
    /// [`axum::Router::nest_service`].
    ///
    /// ```
    /// use anchor::routing::{Router, public_service};
    /// # let styles = axum::routing::any(|| async { "body {}" });
    ///
    /// let app: Router = Router::new().nest_service("/styles", public_service(styles));
    /// assert_eq!(app.policies().to_string(), "any  /styles/*  public service\n");
    /// ```
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`nest`](Self::nest).
    #[track_caller]
    pub fn nest_service<D: DeclaredService>(self, path: &str, service: D) -> Self {
        let service = service.into_service();
        let route = service_route::<D>(&service).at("/*").below(path);
        let route = Route { extent: Extent::Below, ..route };
        self.with(route, |router| router.nest_service(path, service))
    }

    /// Adds the routes of another router, like [`axum::Router::merge`].
    ///
    /// A router under a guard, `sessions.require().layer(router)`, can also be a router of axum.
    /// Then the guard covers its routes, other methods on their paths, and its fallback if it has
    /// one.
    ///
    /// ```
    /// use anchor::public;
    /// use anchor::routing::{Router, get};
    ///
    /// #[public]
    /// async fn home() {}
    ///
    /// #[public]
    /// async fn about() {}
    ///
    /// let pages = Router::new().route("/about", get(about));
    /// let app: Router = Router::new().route("/", get(home)).merge(pages);
    /// assert_eq!(app.policies().len(), 2);
    /// ```
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
    /// ```
    /// use anchor::routing::Router;
    ///
    /// let metrics = axum::Router::new().route("/metrics", axum::routing::get(|| async { "" }));
    /// let app: Router = Router::new().merge_unchecked(metrics);
    /// assert_eq!(app.policies().to_string(), "any  /*  UNCHECKED\n");
    /// ```
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`merge`](Self::merge).
    #[track_caller]
    pub fn merge_unchecked(self, other: axum::Router<S>) -> Self {
        let route = Route::new(RouteMethod::Any, DeclaredPolicy::Unchecked).at("/*");
        let route = Route { extent: Extent::SomeBelow, ..route };
        self.with(route, |router| router.merge(other))
    }

    /// Gives sessions to the routes that were added before, and to the fallback: it adds the
    /// manager's layer, [`sessions.layer()`](crate::SessionManager::layer), around them.
    ///
    /// Several payloads stack, each with its own call. A router that is nested or merged can have
    /// sessions of its own. The same manager may be given twice; two managers of one payload around
    /// a route that needs it are an error of [`build`](Self::build).
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// use anchor::routing::{Router, get};
    ///
    /// #[require_session(UserSession)]
    /// async fn me() -> &'static str { "me" }
    ///
    /// # fn example(sessions: SessionManager<UserSession>) -> Result<(), anchor::ConfigError> {
    /// let app: axum::Router = Router::new().route("/me", get(me)).sessions(&sessions).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sessions<T: SessionData>(self, sessions: &SessionManager<T>) -> Self {
        self.layer(sessions.layer())
    }

    /// Adds a layer around the routes that were added before, and around the fallback, like
    /// [`axum::Router::layer`].
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # fn example(sessions: SessionManager<UserSession>) {
    /// use anchor::routing::{Router, get};
    ///
    /// #[public]
    /// async fn stats() {}
    ///
    /// // The guard of a group: `stats` is open by itself, and guarded here.
    /// let app: Router = Router::new().route("/stats", get(stats)).layer(sessions.require());
    /// assert_eq!(app.policies().to_string(), "GET  /stats  session UserSession\n");
    /// # }
    /// # let sessions = SessionManager::builder(MemoryStore::new()).keys(KeyRing::generate()?);
    /// # example(sessions.build()?);
    /// # Ok::<_, anchor::ConfigError>(())
    /// ```
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<AxumRoute> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.surround(&layers_in(&layer), |_| true);
        Self {
            fallback: self.fallback.map(|fallback| fallback.layer(layer.clone())),
            closing: self.closing.layer(layer.clone()),
            inner: self.inner.layer(layer),
            ..self
        }
    }

    /// Adds a layer around the routes that were added before, but not around the fallback, like
    /// [`axum::Router::route_layer`].
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build()?;
    /// use anchor::routing::{Router, get};
    ///
    /// #[public]
    /// async fn stats() {}
    ///
    /// #[public]
    /// async fn missing() {}
    ///
    /// let app: Router = Router::new()
    ///     .route("/stats", get(stats))
    ///     .fallback(missing)
    ///     .route_layer(sessions.require());
    /// assert_eq!(app.policies().to_string(), "\
    /// any  /*      public
    /// GET  /stats  session UserSession
    /// ");
    /// # Ok(())
    /// # }
    /// ```
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
        self.surround(&layers_in(&layer), |route| route.extent != Extent::Fallback);
        Self { inner: self.inner.route_layer(layer), ..self }
    }

    /// Uses a handler that declares a policy for requests that match no route, like
    /// [`axum::Router::fallback`].
    ///
    /// ```
    /// use anchor::public;
    /// use anchor::routing::Router;
    /// use axum::http::StatusCode;
    ///
    /// #[public]
    /// async fn missing() -> (StatusCode, &'static str) {
    ///     (StatusCode::NOT_FOUND, "no such page")
    /// }
    ///
    /// let app: Router = Router::new().fallback(missing);
    /// assert_eq!(app.policies().to_string(), "any  /*  public\n");
    /// ```
    #[track_caller]
    pub fn fallback<H, T, M>(self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: FirstArgument<First: Declaration<M>> + 'static,
    {
        self.with_fallback(Route::of::<H, T, M>(RouteMethod::Any), axum::routing::any(handler))
    }

    /// Uses a service that is declared open or guarded for requests that match no route, like
    /// [`axum::Router::fallback_service`].
    ///
    /// ```
    /// use anchor::routing::{Router, public_service};
    /// # let files = axum::routing::any(|| async { "a file" });
    ///
    /// let app: Router = Router::new().fallback_service(public_service(files));
    /// assert_eq!(app.policies().to_string(), "any  /*  public service\n");
    /// ```
    pub fn fallback_service<D: DeclaredService>(self, service: D) -> Self {
        let service = service.into_service();
        self.with_fallback(service_route::<D>(&service), axum::routing::any_service(service))
    }

    /// Uses a handler that declares a policy for requests whose path has a route, but not for their
    /// method, like [`axum::Router::method_not_allowed_fallback`]. It applies to the routes that
    /// were added before. It is an error of [`build`](Self::build) if some of them are guarded as a
    /// group: it would answer outside of the guard.
    ///
    /// ```
    /// use anchor::public;
    /// use anchor::routing::{Router, get};
    /// use axum::http::StatusCode;
    ///
    /// #[public]
    /// async fn home() {}
    ///
    /// #[public]
    /// async fn other_method() -> StatusCode {
    ///     StatusCode::METHOD_NOT_ALLOWED
    /// }
    ///
    /// let app: Router =
    ///     Router::new().route("/", get(home)).method_not_allowed_fallback(other_method);
    /// assert_eq!(app.policies().to_string(), "\
    /// GET    /  public
    /// other  /  public
    /// ");
    /// ```
    pub fn method_not_allowed_fallback<H, T, M>(mut self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: FirstArgument<First: Declaration<M>> + 'static,
    {
        let mut paths = BTreeMap::<_, Vec<_>>::new();
        for route in &self.routes {
            if matches!(route.extent, Extent::Path | Extent::SomeMethods | Extent::SomeBelow) {
                paths.entry(&*route.path).or_default().push(route);
            }
        }
        let is_open = |route: &&Route| match route.method {
            RouteMethod::Only(_) => true,
            RouteMethod::Other => false,
            // Handlers of axum, which may have some methods.
            RouteMethod::Any => route.extent != Extent::Path,
        };
        paths.retain(|_, routes| routes.iter().all(is_open));
        let added = paths.into_iter().map(|(path, routes)| {
            let is_below = routes.iter().any(|route| route.extent == Extent::SomeBelow);
            Route {
                replaces_guard: routes.iter().any(|route| route.is_under_guard()),
                extent: if is_below { Extent::SomeBelow } else { Extent::Path },
                ..Route::of::<H, T, M>(RouteMethod::Other).at(path)
            }
        });
        let added: Vec<_> = added.collect();
        self.routes.extend(added);
        Self { inner: self.inner.method_not_allowed_fallback(handler), ..self }
    }

    /// Answers requests that match no route with 404 again, like [`axum::Router::reset_fallback`].
    ///
    /// ```
    /// use anchor::public;
    /// use anchor::routing::Router;
    ///
    /// #[public]
    /// async fn missing() {}
    ///
    /// let app: Router = Router::new().fallback(missing).reset_fallback();
    /// assert!(app.policies().is_empty());
    /// ```
    pub fn reset_fallback(mut self) -> Self {
        self.routes.retain(|route| route.extent != Extent::Fallback);
        let closing = axum::Router::new();
        Self { inner: self.inner.reset_fallback(), fallback: None, closing, ..self }
    }

    /// Gives the handlers their state, like [`axum::Router::with_state`].
    ///
    /// ```
    /// use anchor::public;
    /// use anchor::routing::{Router, get};
    /// use axum::extract::State;
    ///
    /// #[public]
    /// async fn name(State(name): State<String>) -> String {
    ///     name
    /// }
    ///
    /// let app: Router = Router::new().route("/", get(name)).with_state("shop".to_owned());
    /// ```
    pub fn with_state<S2>(self, state: S) -> Router<S2> {
        Router {
            fallback: self.fallback.map(|fallback| fallback.with_state(state.clone())),
            closing: self.closing.with_state(state.clone()),
            inner: self.inner.with_state(state),
            routes: self.routes,
            managers: self.managers,
        }
    }

    /// Returns every route with its policy, sorted by path. Print it for a review, or compare it in
    /// a test.
    ///
    /// The guard of a layer is shown if the layer applied it when it was added. A layer of your own
    /// that applies a guard, and calls it only for some requests, is shown as if it always did. Of
    /// a service, the guard around it is shown, and none that is inside it. A fallback of a nested
    /// router is shown for its path, although a route around it may answer first.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// use anchor::routing::{Router, get};
    ///
    /// #[require_session(UserSession)]
    /// async fn me() -> &'static str { "me" }
    ///
    /// # fn example() {
    /// let app: Router = Router::new().route("/me", get(me));
    /// println!("{}", app.policies());
    /// # }
    /// ```
    #[must_use]
    pub fn policies(&self) -> RoutePolicies {
        RoutePolicies::new(self.routes.iter().cloned().map(Route::into_policy).collect())
    }

    /// Checks that every route has the sessions that it needs, and returns the axum router inside.
    ///
    /// A handler needs those that `#[require_session]`, `#[logout]` and its arguments `Session<T>`,
    /// `Option<Session<T>>`, `T`, `Option<T>` and `Auth<T>` name, and a guard those of its manager.
    /// For the arguments, some route of the router must have the sessions of that payload. What is
    /// inside a router of axum is not known, nor is a layer of a single handler: write
    /// `get(handler).layer(..)`, and not `get(handler.layer(..))`.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// use anchor::routing::{Router, get};
    ///
    /// #[require_session(UserSession)]
    /// async fn me() -> &'static str { "me" }
    ///
    /// // Without `.sessions(&sessions)`, the guard would have nothing to ask.
    /// let app: Router = Router::new().route("/me", get(me));
    /// let refusal = app.build().unwrap_err();
    /// assert!(refusal.to_string().contains("/me"));
    /// ```
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
    /// - a [`method_not_allowed_fallback`](Self::method_not_allowed_fallback) in place of a guarded
    ///   answer.
    pub fn build(self) -> Result<axum::Router<S>, ConfigError> {
        check(&self.routes, &self.managers)?;
        Ok(self.inner)
    }

    /// Returns the axum router inside, without the checks of [`build`](Self::build): for routes
    /// that get their session layer from a router of axum.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # fn example(sessions: SessionManager<UserSession>) {
    /// use anchor::routing::{Router, get};
    ///
    /// #[require_session(UserSession)]
    /// async fn me() {}
    ///
    /// let mine: axum::Router = Router::new().route("/me", get(me)).into_axum_unchecked();
    /// // The layer comes from the router around it.
    /// let app = axum::Router::new().merge(mine).layer(sessions.layer());
    /// # }
    /// ```
    pub fn into_axum_unchecked(self) -> axum::Router<S> {
        self.inner
    }

    /// Records what a layer consists of, around the routes that it covers.
    fn surround(&mut self, applied: &[Applied], covers: impl Fn(&Route) -> bool) {
        self.managers.extend(applied.iter().map(|applied| applied.manager().clone()));
        let routes = self.routes.iter_mut().filter(|route| covers(route));
        routes.for_each(|route| route.surround(applied));
    }

    fn with(mut self, route: Route, add: impl FnOnce(axum::Router<S>) -> axum::Router<S>) -> Self {
        self.managers.extend(route.around.iter().map(|applied| applied.manager().clone()));
        self.routes.push(route);
        Self { inner: add(self.inner), ..self }
    }

    pub(super) fn with_fallback(
        mut self,
        route: Route,
        answer: axum::routing::MethodRouter<S>,
    ) -> Self {
        self.routes.retain(|route| !route.is_own_fallback());
        self.fallback = Some(answer.clone());
        let route = Route { extent: Extent::Fallback, ..route.at("/*") };
        self.with(route, |router| router.fallback(answer))
    }
}

/// Returns the route of a service, with the guards and session layers inside: a clone of the
/// service clones each of them. The policy is that of the outermost guard, if the service is under
/// one: those inside may be asked for some requests only.
fn service_route<D: DeclaredService>(service: &D::Service) -> Route {
    let mut route = Route::new(RouteMethod::Any, DeclaredPolicy::PublicService);
    let applied = applied_by(|| drop(service.clone()));
    let is_guard = |applied: &Applied| matches!(applied, Applied::Guard(_));
    let outermost = applied.iter().rposition(is_guard).filter(|_| !D::IS_PUBLIC);
    let (inside, outside) = applied.split_at(outermost.unwrap_or(applied.len()));
    route.around.extend_from_slice(inside);
    route.surround(outside);
    route
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
            fallback: self.fallback.clone(),
            closing: self.closing.clone(),
        }
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router").field("routes", &self.routes).finish_non_exhaustive()
    }
}
