//! [`PublicService`]: a tower service whose author declares it open. [`DeclaredService`]: the
//! services that a router accepts.

use std::convert::Infallible;

use axum::extract::Request;
use axum::response::IntoResponse;
use tower_service::Service;

use crate::guard::Guarded;
use crate::payload::SessionData;

/// A tower service that anyone may call. [`public_service`] returns it.
///
/// ```
/// use anchor::routing::{PublicService, public_service};
/// use axum::routing::{MethodRouter, any};
///
/// let assets: MethodRouter = any(|| async { "body {}" });
/// let open: PublicService<MethodRouter> = public_service(assets);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct PublicService<T>(pub(super) T);

/// Declares a tower service open, so that a [`Router`](super::Router) accepts it. A service has no
/// arguments that could declare a policy.
///
/// Nothing checks the requests that the service gets. For files that require a login, write
/// `sessions.require().layer(service)` instead: see
/// [`RequireSession`](crate::guard::RequireSession).
///
/// ```
/// use anchor::routing::{Router, public_service};
/// # use std::convert::Infallible;
/// # use axum::{extract::Request, response::Response};
/// # let assets = axum::routing::any(|| async { "body {}" });
///
/// let app: Router = Router::new().nest_service("/assets", public_service(assets));
/// assert_eq!(app.policies().to_string(), "any  /assets/*  public service\n");
/// ```
pub fn public_service<T>(service: T) -> PublicService<T> {
    PublicService(service)
}

/// The argument of [`Router::route_service`](super::Router::route_service),
/// [`nest_service`](super::Router::nest_service) and
/// [`fallback_service`](super::Router::fallback_service): a [`PublicService`], or a service under a
/// [guard](crate::guard::RequireSession).
#[diagnostic::on_unimplemented(
    message = "this service does not say who may call it: write \
        `sessions.require().layer(service)` or `anchor::routing::public_service(service)`",
    label = "this is a tower service without a policy"
)]
pub trait DeclaredService {
    /// The tower service.
    type Service: Service<Request, Response: IntoResponse, Error = Infallible>
        + Service<Request, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static;

    /// Whether anyone may call it.
    #[doc(hidden)]
    const IS_PUBLIC: bool;

    /// Returns the service.
    #[doc(hidden)]
    fn into_service(self) -> Self::Service;
}

impl<T> DeclaredService for PublicService<T>
where
    T: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
    T::Response: IntoResponse,
    T::Future: Send + 'static,
{
    type Service = T;

    const IS_PUBLIC: bool = true;

    fn into_service(self) -> T {
        self.0
    }
}

impl<I, T> DeclaredService for Guarded<I, T>
where
    I: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
    I::Response: IntoResponse,
    I::Future: Send + 'static,
    T: SessionData,
{
    type Service = Self;

    const IS_PUBLIC: bool = false;

    fn into_service(self) -> Self {
        self
    }
}
