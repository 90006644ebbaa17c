//! [`RoutePolicies`]: the table of all routes and what they require, for reviews and snapshot
//! tests.

use std::fmt;
use std::ops::Deref;

use http::Method;

use super::declared::DeclaredPolicy;

/// All routes of a router with their policies, sorted by path.
/// [`Router::policies`](super::Router::policies) returns it.
///
/// It dereferences to a slice of [`RoutePolicy`]. `Display` prints it as a table, with one line per
/// route.
///
/// ```
/// use anchor::prelude::*;
/// use anchor::routing::{DeclaredPolicy, Router, get};
///
/// #[public]
/// async fn home() {}
///
/// let app: Router = Router::new().route("/", get(home));
/// let open: Vec<_> = app
///     .policies()
///     .iter()
///     .filter(|route| route.policy == DeclaredPolicy::Public)
///     .map(|route| route.path.clone())
///     .collect();
/// assert_eq!(open, ["/"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePolicies(Vec<RoutePolicy>);

impl RoutePolicies {
    pub(super) fn new(mut routes: Vec<RoutePolicy>) -> Self {
        routes.sort_by(|a, b| (&a.path, a.method.rank()).cmp(&(&b.path, b.method.rank())));
        Self(routes)
    }
}

impl Deref for RoutePolicies {
    type Target = [RoutePolicy];

    fn deref(&self) -> &[RoutePolicy] {
        &self.0
    }
}

impl fmt::Display for RoutePolicies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: fn(&RoutePolicy) -> &str| {
            self.iter().map(|route| text(route).chars().count()).max().unwrap_or(0)
        };
        let method = width(|route| route.method.as_str());
        let path = width(|route| &route.path);
        for route in self.iter() {
            writeln!(
                f,
                "{:method$}  {:path$}  {}",
                route.method.as_str(),
                route.path,
                route.policy
            )?;
        }
        Ok(())
    }
}

/// A route and its policy: a line of [`RoutePolicies`].
///
/// ```
/// use anchor::public;
/// use anchor::routing::{Router, get};
///
/// #[public]
/// async fn home() {}
///
/// let app: Router = Router::new().route("/", get(home));
/// for route in app.policies().iter() {
///     println!("{} {}: {}", route.method.as_str(), route.path, route.policy);
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoutePolicy {
    /// The methods that the route answers.
    pub method: RouteMethod,
    /// The path from the root of the outermost router. The path of a fallback, of a nested service
    /// or of an axum router ends with `/*`.
    pub path: String,
    /// What the route requires.
    pub policy: DeclaredPolicy,
}

/// The methods that a route answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteMethod {
    /// This method. `GET` answers `HEAD` too, unless the path has a handler for `HEAD`.
    Only(Method),
    /// The methods for which the path has no handler.
    Other,
    /// All methods.
    Any,
}

impl RouteMethod {
    /// Returns the method's name, `other` or `any`.
    ///
    /// ```
    /// use anchor::routing::RouteMethod;
    /// use axum::http::Method;
    ///
    /// assert_eq!(RouteMethod::Only(Method::GET).as_str(), "GET");
    /// assert_eq!(RouteMethod::Any.as_str(), "any");
    /// ```
    pub fn as_str(&self) -> &str {
        match self {
            RouteMethod::Only(method) => method.as_str(),
            RouteMethod::Other => "other",
            RouteMethod::Any => "any",
        }
    }

    fn rank(&self) -> (u8, &str) {
        match self {
            RouteMethod::Only(method) => (0, method.as_str()),
            RouteMethod::Other => (1, ""),
            RouteMethod::Any => (2, ""),
        }
    }
}
