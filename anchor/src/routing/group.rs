//! [`DeclaredRoutes`]: what a router can nest and merge. This is another router of this module, or
//! any router under a [guard](crate::guard::RequireSession).

use axum::http::StatusCode;

use super::closing::gaps;
use super::declared::DeclaredPolicy;
use super::route::Route;
use super::route_table::RouteMethod;
use super::router::Router;
use crate::guard::Guarded;
use crate::payload::SessionData;

/// The argument of [`Router::nest`] and [`Router::merge`].
#[diagnostic::on_unimplemented(
    message = "these routes do not say who may call them: `{Self}` is not from `anchor::routing`",
    label = "this is not a `Router` of `anchor::routing`",
    note = "`sessions.require().layer(router)` guards all routes of a router of axum that has its \
        state: `router.with_state(state)`",
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
    fn nest_into(mut self, path: &str, mut router: Router<S>) -> Router<S> {
        let is_guarded = self.routes.iter().any(|it| it.is_own_fallback() && it.is_under_guard());
        let known = gaps(&self.routes);
        assert!(
            known.is_some() || !is_guarded,
            "`.nest({path:?}, ..)`: the guarded router has routes of a router of axum, so it is \
             not known on which paths below {path:?} it has none: nest the router of axum by \
             itself, with `.nest({path:?}, sessions.require().layer(router))`"
        );
        let mut closing = axum::Router::new();
        if let Some((answer, gaps)) = self.fallback.zip(known) {
            for gap in gaps {
                self.closing = self.closing.route(&gap, answer.clone());
            }
            // As a route of the nested router, `/` is the path without the slash.
            if !path.ends_with('/') {
                let itself = axum::Router::new().route("/", answer);
                closing = closing.nest(&format!("{path}/"), itself);
            }
        }
        closing = closing.nest(path, self.closing);
        if is_guarded {
            self.routes.iter_mut().for_each(Route::answers_by_itself);
            let nested = router.inner.nest(path, self.inner.reset_fallback());
            router.inner = closing.merge(nested);
        } else {
            router.inner = router.inner.nest(path, self.inner);
            router.closing = router.closing.merge(closing);
        }
        let nested = self.routes.into_iter();
        router.routes.extend(nested.map(|it| it.below(path)));
        router.managers.extend(self.managers);
        router
    }

    #[track_caller]
    fn merge_into(mut self, mut router: Router<S>) -> Router<S> {
        let inner = std::mem::take(&mut router.inner).merge(std::mem::take(&mut self.inner));
        Router { inner, ..beside(router, self) }
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
        if group.fallback.is_none() {
            // Without a fallback of its own, the paths that it does not have would be answered by
            // the outer router, outside of the guard.
            let route = Route::new(RouteMethod::Any, DeclaredPolicy::Public);
            group = group.with_fallback(route, axum::routing::any(not_found));
        }
        group.layer(guard).nest_into(path, router)
    }

    #[track_caller]
    fn merge_into(self, mut router: Router<S>) -> Router<S> {
        let (guard, group) = self.into_parts();
        let mut group = group.layer(guard);
        // If neither has a fallback, axum keeps the argument's answer of 404. The group's is
        // guarded, and the paths that neither has are not the group's.
        let inner = std::mem::take(&mut group.inner).merge(std::mem::take(&mut router.inner));
        Router { inner, ..beside(router, group) }
    }
}

impl<S, T> DeclaredRoutes<S> for Guarded<axum::Router, T>
where
    S: Clone + Send + Sync + 'static,
    T: SessionData,
{
    /// Nests the router as a service. It then answers everything below the path, whatever its
    /// routes are.
    #[track_caller]
    fn nest_into(self, path: &str, router: Router<S>) -> Router<S> {
        router.nest_service(path, self)
    }

    #[track_caller]
    fn merge_into(self, router: Router<S>) -> Router<S> {
        let undeclared = |group: axum::Router| Router::new().merge_unchecked(group.with_state(()));
        self.map(undeclared).merge_into(router)
    }
}

/// Merges two routers, except for the routers of axum inside.
fn beside<S>(one: Router<S>, other: Router<S>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router {
        inner: axum::Router::new(),
        routes: [one.routes, other.routes].concat(),
        managers: [one.managers, other.managers].concat(),
        fallback: one.fallback.or(other.fallback),
        closing: one.closing.merge(other.closing),
    }
}

async fn not_found() -> StatusCode {
    StatusCode::NOT_FOUND
}
