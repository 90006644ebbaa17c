//! [`PublicService`]: a tower service whose author declares it open.

/// A tower service that anyone may call. [`public_service`] returns it.
#[derive(Debug, Clone, Copy)]
pub struct PublicService<T>(pub(super) T);

/// Declares a tower service open, so that a [`Router`](super::Router) accepts it. A service has no
/// arguments that could declare a policy.
///
/// Nothing checks the requests that the service gets. For files that require a login, put a guard
/// in front of it: `axum::middleware::from_extractor::<Session<UserSession>>()`.
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
