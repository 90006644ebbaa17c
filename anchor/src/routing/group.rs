//! [`DeclaredRoutes`]: what a router can nest and merge. This is another router of this module, or
//! any router under a [guard](crate::guard::RequireSession).

use axum::http::StatusCode;

use super::declared::DeclaredPolicy;
use super::route::Route;
use super::route_table::RouteMethod;
use super::router::{Router, joined};
use crate::guard::Guarded;
use crate::payload::SessionData;

/// The argument of [`Router::nest`] and [`Router::merge`].
#[diagnostic::on_unimplemented(
    message = "these routes do not say who may call them: `{Self}` is not from `anchor::routing`",
    label = "this is not a `Router` of `anchor::routing`",
    note = "`sessions.require().layer(router)` guards all routes of a router of axum",
    note = "`.merge_unchecked(router)` adds a router of axum, unchecked"
)]
pub trait DeclaredRoutes<S> {
    /// Adds the routes below a path of this router.
    #[doc(hidden)]
    fn nest_into(self, path: &str, router: Router<S>) -> Router<S>;

    /// Adds the routes to this router.
    #[doc(hidden)]
    fn merge_into(self, router: Router<S>) -> Router<S>;
}

impl<S: Clone + Send + Sync + 'static> DeclaredRoutes<S> for Router<S> {
    #[track_caller]
    fn nest_into(self, path: &str, router: Router<S>) -> Router<S> {
        let nested =
            self.routes.into_iter().map(|route| Route { path: joined(path, &route.path), ..route });
        let Router { inner, mut routes, mut managers } = router;
        routes.extend(nested);
        managers.extend(self.managers);
        Router { inner: inner.nest(path, self.inner), routes, managers }
    }

    #[track_caller]
    fn merge_into(self, router: Router<S>) -> Router<S> {
        let Router { inner, mut routes, mut managers } = router;
        routes.extend(self.routes);
        managers.extend(self.managers);
        Router { inner: inner.merge(self.inner), routes, managers }
    }
}

impl<S, T> DeclaredRoutes<S> for Guarded<Router<S>, T>
where
    S: Clone + Send + Sync + 'static,
    T: SessionData,
{
    #[track_caller]
    fn nest_into(self, path: &str, router: Router<S>) -> Router<S> {
        let (guard, mut group) = self.into_parts();
        if !group.has_fallback() {
            // Without a fallback of its own, the paths that it does not have would be answered by
            // the outer router, outside of the guard.
            group.inner = axum::Router::new().fallback(not_found).merge(group.inner);
            if !group.routes.iter().any(|route| route.path == "/*") {
                group.routes.push(Route {
                    is_fallback: true,
                    ..Route::new(RouteMethod::Any, DeclaredPolicy::Public).at("/*")
                });
            }
        }
        group.layer(guard).nest_into(path, router)
    }

    #[track_caller]
    fn merge_into(self, router: Router<S>) -> Router<S> {
        let (guard, group) = self.into_parts();
        let group = group.layer(guard);
        let Router { inner, mut routes, mut managers } = router;
        routes.extend(group.routes);
        managers.extend(group.managers);
        // If neither has a fallback, axum keeps the argument's answer of 404. The group's is
        // guarded, and the paths that neither has are not the group's.
        Router { inner: group.inner.merge(inner), routes, managers }
    }
}

impl<S, T> DeclaredRoutes<S> for Guarded<axum::Router<S>, T>
where
    S: Clone + Send + Sync + 'static,
    T: SessionData,
{
    #[track_caller]
    fn nest_into(self, path: &str, router: Router<S>) -> Router<S> {
        self.map(undeclared).nest_into(path, router)
    }

    #[track_caller]
    fn merge_into(self, router: Router<S>) -> Router<S> {
        self.map(undeclared).merge_into(router)
    }
}

fn undeclared<S: Clone + Send + Sync + 'static>(router: axum::Router<S>) -> Router<S> {
    Router::new().merge_unchecked(router)
}

async fn not_found() -> StatusCode {
    StatusCode::NOT_FOUND
}
