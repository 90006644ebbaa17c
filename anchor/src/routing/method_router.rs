//! [`MethodRouter`]: the handlers of one path by method, each with its policy.

use std::convert::Infallible;
use std::fmt;

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, Route};
use http::Method;
use tower_layer::Layer;
use tower_service::Service;

use super::declared::{Declaration, DeclaredPolicy, FirstArgument, IncludeSafe};
use super::policies::RouteMethod;

/// axum's [`MethodRouter`](axum::routing::MethodRouter), for handlers that declare a policy.
#[must_use]
pub struct MethodRouter<S = ()> {
    pub(super) inner: axum::routing::MethodRouter<S>,
    pub(super) policies: Vec<(RouteMethod, DeclaredPolicy)>,
}

/// What [`Router::route`](super::Router::route) takes: the [`MethodRouter`] that this module's
/// `get(..)`, `post(..)` and the others give.
#[diagnostic::on_unimplemented(
    message = "these handlers do not say who may call them: `{Self}` is not from `anchor::routing`",
    label = "this is not a `MethodRouter` of `anchor::routing`",
    note = "write `use anchor::routing::{{get, post}};` in place of `use axum::routing::{{get, \
        post}};`",
    note = "a whole router of axum's is taken in, unchecked, by `.merge_unchecked(router)`"
)]
pub trait DeclaredHandlers<S> {
    /// The handlers.
    fn into_method_router(self) -> MethodRouter<S>;
}

impl<S> DeclaredHandlers<S> for MethodRouter<S> {
    fn into_method_router(self) -> Self {
        self
    }
}

const METHODS: [(MethodFilter, Method); 9] = [
    (MethodFilter::CONNECT, Method::CONNECT),
    (MethodFilter::DELETE, Method::DELETE),
    (MethodFilter::GET, Method::GET),
    (MethodFilter::HEAD, Method::HEAD),
    (MethodFilter::OPTIONS, Method::OPTIONS),
    (MethodFilter::PATCH, Method::PATCH),
    (MethodFilter::POST, Method::POST),
    (MethodFilter::PUT, Method::PUT),
    (MethodFilter::TRACE, Method::TRACE),
];

macro_rules! route_functions {
    ($($name:ident $method:ident $(: $methods:ident)?)*) => {
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
                #[doc = concat!("Routes `", stringify!($method), "` requests to a handler that \
                    declares a policy, too.")]
                ///
                /// # Panics
                ///
                /// When the method has a handler already.
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

/// Routes requests of these methods to a handler that declares a policy.
///
/// A `#[logout]` answers `GET`, `HEAD`, `OPTIONS` and `TRACE` with 405.
pub fn on<H, T, S, M>(filter: MethodFilter, handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: FirstArgument<First: Declaration<M>> + 'static,
    S: Clone + Send + Sync + 'static,
{
    MethodRouter::new().on(filter, handler)
}

/// Routes requests of every method to a handler that declares a policy.
///
/// A `#[logout]` answers `GET`, `HEAD`, `OPTIONS` and `TRACE` with 405.
pub fn any<H, T, S, M>(handler: H) -> MethodRouter<S>
where
    H: Handler<T, S>,
    T: FirstArgument<First: Declaration<M>> + 'static,
    S: Clone + Send + Sync + 'static,
{
    MethodRouter {
        inner: axum::routing::any(handler),
        policies: vec![(RouteMethod::Any, T::First::policy())],
    }
}

impl<S: Clone + Send + Sync + 'static> MethodRouter<S> {
    /// No handler yet.
    pub fn new() -> Self {
        Self { inner: axum::routing::MethodRouter::new(), policies: Vec::new() }
    }

    /// Routes requests of these methods to a handler that declares a policy, too.
    ///
    /// # Panics
    ///
    /// When one of the methods has a handler already.
    #[track_caller]
    pub fn on<H, T, M>(self, filter: MethodFilter, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: FirstArgument<First: Declaration<M>> + 'static,
    {
        let policies = added(self.policies, filter, &T::First::policy());
        Self { inner: self.inner.on(filter, handler), policies }
    }

    /// Routes requests of the methods that have no handler to this one, which declares a policy.
    pub fn fallback<H, T, M>(mut self, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: FirstArgument<First: Declaration<M>> + 'static,
    {
        self.policies.retain(|(method, _)| matches!(method, RouteMethod::Only(_)));
        self.policies.push((RouteMethod::Other, T::First::policy()));
        Self { inner: self.inner.fallback(handler), ..self }
    }

    /// Adds the handlers of another one.
    ///
    /// # Panics
    ///
    /// When a method has a handler in both, or both have a fallback.
    #[track_caller]
    pub fn merge(mut self, other: Self) -> Self {
        self.policies.extend(other.policies);
        Self { inner: self.inner.merge(other.inner), ..self }
    }

    /// Puts a layer around all its handlers, the fallback included.
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

    /// Puts a layer around all its handlers, but not around the answer to a method that has none.
    ///
    /// # Panics
    ///
    /// When it has no handler yet.
    #[track_caller]
    pub fn route_layer<L>(self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        Self { inner: self.inner.route_layer(layer), ..self }
    }

    /// Gives the handlers their state.
    pub fn with_state<S2>(self, state: S) -> MethodRouter<S2> {
        MethodRouter { inner: self.inner.with_state(state), policies: self.policies }
    }
}

/// The policies, and this one for each method of the filter.
fn added(
    mut policies: Vec<(RouteMethod, DeclaredPolicy)>,
    filter: MethodFilter,
    policy: &DeclaredPolicy,
) -> Vec<(RouteMethod, DeclaredPolicy)> {
    for (one, method) in METHODS {
        // Adding a method that the filter has changes nothing.
        if filter.or(one) == filter {
            policies.push((RouteMethod::Only(method), policy.clone()));
        }
    }
    policies
}

impl<S: Clone + Send + Sync + 'static> Default for MethodRouter<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Clone for MethodRouter<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), policies: self.policies.clone() }
    }
}

impl<S> fmt::Debug for MethodRouter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MethodRouter").field("policies", &self.policies).finish_non_exhaustive()
    }
}
