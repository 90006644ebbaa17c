//! [`MethodRouter`]: the handlers of one path, by method, each with its policy.

use std::convert::Infallible;
use std::fmt;

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, Route as AxumRoute};
use http::Method;
use tower_layer::Layer;
use tower_service::Service;

use super::declared::{Declaration, DeclaredPolicy, FirstArgument, IncludeSafe};
use super::route::{Extent, Route, layers_in};
use super::route_table::RouteMethod;
use crate::guard::Guarded;
use crate::payload::SessionData;

/// axum's [`MethodRouter`](axum::routing::MethodRouter) for handlers that declare a policy.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// use anchor::routing::{MethodFilter, MethodRouter, Router, delete, get, on};
///
/// #[require_session(UserSession)]
/// async fn read() {}
///
/// #[require_session(UserSession)]
/// async fn write() {}
///
/// let item: MethodRouter = get(read).put(write).patch(write).delete(write);
/// let items: MethodRouter = get(read).post(write);
/// // Several methods at once.
/// let draft: MethodRouter = on(MethodFilter::PUT.or(MethodFilter::POST), write).get(read);
///
/// let app: Router = Router::new()
///     .route("/items", items)
///     .route("/items/{id}", item)
///     .route("/draft", draft)
///     .route("/cache", delete(write));
/// assert_eq!(app.policies().len(), 10);
/// ```
#[must_use]
pub struct MethodRouter<S = ()> {
    pub(super) inner: axum::routing::MethodRouter<S>,
    pub(super) routes: Vec<Route>,
}

/// The argument of [`Router::route`](super::Router::route): the [`MethodRouter`] that this module's
/// `get(..)`, `post(..)` and the other functions return.
#[diagnostic::on_unimplemented(
    message = "these handlers do not say who may call them: `{Self}` is not from `anchor::routing`",
    label = "this is not a `MethodRouter` of `anchor::routing`",
    note = "write `use anchor::routing::{{get, post}};` instead of `use axum::routing::{{get, \
        post}};`",
    note = "`sessions.require().layer(handlers)` guards all handlers of a path",
    note = "`.merge_unchecked(router)` adds a whole axum router, unchecked"
)]
pub trait DeclaredHandlers<S> {
    /// Returns the handlers.
    fn into_method_router(self) -> MethodRouter<S>;
}

impl<S> DeclaredHandlers<S> for MethodRouter<S> {
    fn into_method_router(self) -> Self {
        self
    }
}

/// The guard covers all handlers of the path, and the answer to a method without a handler.
impl<S, T> DeclaredHandlers<S> for Guarded<axum::routing::MethodRouter<S>, T>
where
    S: Clone + Send + Sync + 'static,
    T: SessionData,
{
    fn into_method_router(self) -> MethodRouter<S> {
        let (guard, inner) = self.into_parts();
        let route = Route::new(RouteMethod::Any, DeclaredPolicy::Unchecked);
        let routes = vec![Route { extent: Extent::SomeMethods, ..route }];
        MethodRouter { inner, routes }.layer(guard)
    }
}

macro_rules! route_functions {
    ($($name:ident $method:ident $(: $methods:ident)?)*) => {
        const METHODS: &[(MethodFilter, Method)] =
            &[$((MethodFilter::$method, Method::$method)),*];

        $(
            #[doc = concat!("Routes `", stringify!($method), "` requests to a handler that \
                declares a policy.")]
            pub fn $name<H, T, S, M>(handler: H) -> MethodRouter<S>
            where
                H: Handler<T, S>,
                T: FirstArgument<First: Declaration<M>> + 'static,
                $(M: $methods,)?
                S: Clone + Send + Sync + 'static,
            {
                on(MethodFilter::$method, handler)
            }
        )*

        impl<S: Clone + Send + Sync + 'static> MethodRouter<S> {
            $(
                #[doc = concat!("Also routes `", stringify!($method), "` requests to a handler \
                    that declares a policy.")]
                ///
                /// # Panics
                ///
                /// Panics if the method already has a handler.
                #[track_caller]
                pub fn $name<H, T, M>(self, handler: H) -> Self
                where
                    H: Handler<T, S>,
                    T: FirstArgument<First: Declaration<M>> + 'static,
                    $(M: $methods,)?
                {
                    self.on(MethodFilter::$method, handler)
                }
            )*
        }
    };
}

route_functions! {
    connect CONNECT
    delete DELETE
    get GET: IncludeSafe
    head HEAD: IncludeSafe
    options OPTIONS: IncludeSafe
    patch PATCH
    post POST
    put PUT
    trace TRACE: IncludeSafe
}

/// Routes requests with these methods to a handler that declares a policy.
///
/// A handler with `#[logout]` answers `GET`, `HEAD`, `OPTIONS` and `TRACE` with 405.
///
/// ```
/// use anchor::public;
/// use anchor::routing::{MethodFilter, Router, on};
///
/// #[public]
/// async fn hook() {}
///
/// let methods = MethodFilter::POST.or(MethodFilter::PUT);
/// let app: Router = Router::new().route("/hook", on(methods, hook));
/// assert_eq!(app.policies().to_string(), "\
/// POST  /hook  public
/// PUT   /hook  public
/// ");
/// ```
pub fn on<H, T, S, M>(filter: MethodFilter, handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: FirstArgument<First: Declaration<M>> + 'static,
    S: Clone + Send + Sync + 'static,
{
    MethodRouter::new().on(filter, handler)
}

/// Routes requests with any method to a handler that declares a policy.
///
/// A handler with `#[logout]` answers `GET`, `HEAD`, `OPTIONS` and `TRACE` with 405.
///
/// ```
/// use anchor::public;
/// use anchor::routing::{Router, any};
///
/// #[public]
/// async fn hook() {}
///
/// let app: Router = Router::new().route("/hook", any(hook));
/// assert_eq!(app.policies().to_string(), "any  /hook  public\n");
/// ```
pub fn any<H, T, S, M>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: FirstArgument<First: Declaration<M>> + 'static,
    S: Clone + Send + Sync + 'static,
{
    MethodRouter {
        inner: axum::routing::any(handler),
        routes: vec![Route::of::<H, T, M>(RouteMethod::Any)],
    }
}

impl<S: Clone + Send + Sync + 'static> MethodRouter<S> {
    /// Creates a router without handlers.
    ///
    /// ```
    /// use anchor::public;
    /// use anchor::routing::{MethodFilter, MethodRouter};
    ///
    /// #[public]
    /// async fn home() {}
    ///
    /// let home: MethodRouter = MethodRouter::new().on(MethodFilter::GET, home);
    /// ```
    pub fn new() -> Self {
        Self { inner: axum::routing::MethodRouter::new(), routes: Vec::new() }
    }

    /// Also routes requests with these methods to a handler that declares a policy.
    ///
    /// ```
    /// use anchor::public;
    /// use anchor::routing::{MethodFilter, MethodRouter, get};
    ///
    /// #[public]
    /// async fn read() {}
    ///
    /// #[public]
    /// async fn write() {}
    ///
    /// let both = MethodFilter::POST.or(MethodFilter::PUT);
    /// let handlers: MethodRouter = get(read).on(both, write);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if one of the methods already has a handler.
    #[track_caller]
    pub fn on<H, T, M>(self, filter: MethodFilter, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: FirstArgument<First: Declaration<M>> + 'static,
    {
        let mut routes = self.routes;
        routes.extend(
            methods_in(filter).map(|method| Route::of::<H, T, M>(RouteMethod::Only(method))),
        );
        Self { inner: self.inner.on(filter, handler), routes }
    }

    /// Routes requests with the methods that have no handler to this one, which declares a policy.
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
    /// let app: Router = Router::new().route("/", get(home).fallback(other_method));
    /// assert_eq!(app.policies().to_string(), "\
    /// GET    /  public
    /// other  /  public
    /// ");
    /// ```
    pub fn fallback<H, T, M>(mut self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: FirstArgument<First: Declaration<M>> + 'static,
    {
        let keeps = |route: &Route| {
            matches!(route.method, RouteMethod::Only(_)) || route.extent == Extent::SomeMethods
        };
        self.routes.retain(keeps);
        self.routes.push(Route::of::<H, T, M>(RouteMethod::Other));
        Self { inner: self.inner.fallback(handler), ..self }
    }

    /// Adds the handlers of another `MethodRouter`.
    ///
    /// ```
    /// use anchor::public;
    /// use anchor::routing::{MethodRouter, get, post};
    ///
    /// #[public]
    /// async fn read() {}
    ///
    /// #[public]
    /// async fn write() {}
    ///
    /// let handlers: MethodRouter = get(read).merge(post(write));
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if a method has a handler in both, or if both have a fallback.
    #[track_caller]
    pub fn merge(mut self, other: Self) -> Self {
        self.routes.extend(other.routes);
        Self { inner: self.inner.merge(other.inner), ..self }
    }

    /// Adds a layer around all handlers, including the fallback.
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
    /// let app: Router = Router::new().route("/stats", get(stats).layer(sessions.require()));
    /// assert_eq!(app.policies().to_string(), "GET  /stats  session UserSession\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<AxumRoute> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        let applied = layers_in(&layer);
        self.routes.iter_mut().for_each(|route| route.surround(&applied));
        Self { inner: self.inner.layer(layer), ..self }
    }

    /// Adds a layer around all handlers, but not around the answer to a method without a handler.
    /// axum's `route_layer` leaves out the handlers of `any(..)` and of `.fallback(..)`, too. This
    /// one does not: a guard would not guard them.
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
    /// // `POST /stats` stays 405 for everyone.
    /// let app: Router = Router::new().route("/stats", get(stats).route_layer(sessions.require()));
    /// assert_eq!(app.policies().to_string(), "GET  /stats  session UserSession\n");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if there is no handler yet.
    #[track_caller]
    pub fn route_layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<AxumRoute> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        if self.routes.iter().any(|route| !matches!(route.method, RouteMethod::Only(_))) {
            return self.layer(layer);
        }
        let applied = layers_in(&layer);
        self.routes.iter_mut().for_each(|route| route.surround(&applied));
        Self { inner: self.inner.route_layer(layer), ..self }
    }

    /// Gives the handlers their state.
    ///
    /// ```
    /// use anchor::public;
    /// use anchor::routing::{MethodRouter, get};
    /// use axum::extract::State;
    ///
    /// #[public]
    /// async fn name(State(name): State<String>) -> String {
    ///     name
    /// }
    ///
    /// let handlers: MethodRouter = get(name).with_state("shop".to_owned());
    /// ```
    pub fn with_state<S2>(self, state: S) -> MethodRouter<S2> {
        MethodRouter { inner: self.inner.with_state(state), routes: self.routes }
    }
}

/// Returns the methods of the filter.
fn methods_in(filter: MethodFilter) -> impl Iterator<Item = Method> {
    // Adding a method that the filter already has does not change it.
    METHODS
        .iter()
        .filter(move |(one, _)| filter.or(*one) == filter)
        .map(|(_, method)| method.clone())
}

impl<S: Clone + Send + Sync + 'static> Default for MethodRouter<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Clone for MethodRouter<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), routes: self.routes.clone() }
    }
}

impl<S> fmt::Debug for MethodRouter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MethodRouter").field("routes", &self.routes).finish_non_exhaustive()
    }
}
