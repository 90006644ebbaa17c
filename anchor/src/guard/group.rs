//! [`RequireSession`]: the guard of a whole router, or of a tower service, as a layer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::Request;
use http::request::Parts;
use tower_layer::Layer;
use tower_service::Service;

use crate::column::Column;
use crate::guard::demands::{AllOf, Demands, FreshFor, OfPolicy, RoleIs, When};
use crate::guard::login_page::Refusal;
use crate::guard::next::safe_next;
use crate::guard::policy::{Authoritative, HasRole, Policy};
use crate::guard::required::admit;
use crate::manager::SessionManager;
use crate::manager::sessions::Sessions;
use crate::payload::SessionData;
use crate::request::applied::{Applied, AppliedGuard, Manager, note};
use crate::request::scope::Scope;
use crate::type_name::short;

/// A guard for everything in a router or a tower service, returned by
/// [`SessionManager::require`](crate::SessionManager::require). It is a tower layer.
///
/// It lets a request in, or refuses it, as `#[require_session]` with the same arguments does on a
/// handler. The handlers inside need no attribute. They can have one, which is then checked as
/// well, and they can take the session as an argument, which costs no second lookup.
///
/// ```
/// use std::time::Duration;
///
/// use anchor::prelude::*;
/// use axum::Router;
/// use axum::routing::get;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { name: String, admin: bool }
/// # fn demo(sessions: SessionManager<UserSession>) -> Router {
///
/// async fn stats(user: Session<UserSession>) -> String {
///     format!("42, {}", user.name)
/// }
///
/// let admin = Router::new().route("/stats", get(stats)).layer(
///     sessions
///         .require()
///         .when(|user| user.admin)
///         .fresh(Duration::from_mins(10))
///         .redirect("/login"),
/// );
/// Router::new().nest("/admin", admin).layer(sessions.layer())
/// # }
/// ```
///
/// # What it covers
///
/// | written | guards |
/// | --- | --- |
/// | `.layer(guard)` on a nested router | its routes, other methods on their paths (405), and its fallback. A path that matches none of its routes is its fallback's; without one, it is the outer router's, which answers 404 without asking for a session |
/// | `.layer(guard)` on the outermost router | everything, including 404 |
/// | `.route_layer(guard)` | the routes that were added before, and other methods on their paths, but no fallback: 404 needs no session |
/// | `guard.layer(service)` | every request of the service, such as `ServeDir` |
/// | `guard.layer(router)`, nested in an [`anchor::routing::Router`](crate::routing::Router) | the path and everything below it, including 404, whatever parameters and wildcards are around it |
///
/// In a router of axum, a route of the outer router that also matches a path of the group, such as
/// `/{*page}`, answers what the group has no route for, outside of the guard.
///
/// The session layer has to be outside of the guard: add `.layer(sessions.layer())` after it, since
/// axum runs the layer that was added last first. Otherwise, each request is answered with 500 and
/// the message says so. This also happens if the session layer is that of another manager.
/// [`anchor::routing::Router::build`](crate::routing::Router::build) finds both at the start.
///
/// A `#[logout]` inside the group is refused, like everything else, if the session has already
/// ended. Route it outside.
#[must_use = "a guard guards nothing until it is a layer: `.layer(sessions.require())`"]
pub struct RequireSession<T: SessionData> {
    sessions: Arc<Sessions<T>>,
    demands: AllOf<T>,
    login_page: Option<&'static str>,
}

impl<T: SessionData> SessionManager<T> {
    /// Returns the guard of a group of routes, or of a tower service: it requires a live session.
    /// The methods of [`RequireSession`] require more.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # async fn stats() {}
    /// # fn example(sessions: SessionManager<UserSession>) {
    /// use axum::Router;
    /// use axum::routing::get;
    ///
    /// let admin: Router = Router::new()
    ///     .route("/stats", get(stats))
    ///     .layer(sessions.require())
    ///     .layer(sessions.layer());
    /// # }
    /// ```
    pub fn require(&self) -> RequireSession<T> {
        RequireSession {
            sessions: Arc::clone(&self.inner),
            demands: AllOf::none(),
            login_page: None,
        }
    }
}

impl<T: SessionData> RequireSession<T> {
    /// Also requires that the predicate returns `true`: 403 otherwise.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, PartialEq, Column)]
    /// # enum Role { Member, Admin }
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, #[session(role)] role: Role }
    /// # fn example(sessions: SessionManager<UserSession>, admin: axum::Router) {
    /// let admin = admin.route_layer(sessions.require().when(|user| user.role == Role::Admin));
    /// # }
    /// ```
    pub fn when(self, predicate: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        self.and(When(predicate))
    }

    /// Also requires that the field marked `#[session(role)]` has this value: 403 otherwise. The
    /// table of routes shows the value as its column stores it.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, PartialEq, Column)]
    /// # enum Role { Member, Admin }
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, #[session(role)] role: Role }
    /// # fn example(sessions: SessionManager<UserSession>, admin: axum::Router) {
    /// let admin = admin.route_layer(sessions.require().role(Role::Admin));
    /// # }
    /// ```
    pub fn role(self, role: T::Role) -> Self
    where
        T: HasRole<Role: Column + Send + Sync + 'static>,
    {
        self.and(RoleIs(role))
    }

    /// Also requires that the policy allows the request: `.policy::<Admin>()`. A tuple of policies
    /// requires all of them.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, PartialEq, Column)]
    /// # enum Role { Member, Admin }
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, #[session(role)] role: Role }
    /// # fn example(sessions: SessionManager<UserSession>, admin: axum::Router) {
    /// use anchor::guard::CurrentSecret;
    ///
    /// let admin = admin.route_layer(sessions.require().policy::<CurrentSecret>());
    /// # }
    /// ```
    pub fn policy<P: Policy<T>>(self) -> Self {
        self.and(OfPolicy::<P>::new())
    }

    /// Also requires that the subject proved who they are at most this long ago: 403 with the code
    /// `reauthentication_required` otherwise.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, PartialEq, Column)]
    /// # enum Role { Member, Admin }
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, #[session(role)] role: Role }
    /// # fn example(sessions: SessionManager<UserSession>, admin: axum::Router) {
    /// use std::time::Duration;
    ///
    /// let admin = admin.route_layer(sessions.require().fresh(Duration::from_secs(600)));
    /// # }
    /// ```
    pub fn fresh(self, max_age: Duration) -> Self {
        self.and(FreshFor(max_age))
    }

    /// Reads the session from the store, even if the manager has a cache. See [`Authoritative`].
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, PartialEq, Column)]
    /// # enum Role { Member, Admin }
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, #[session(role)] role: Role }
    /// # fn example(sessions: SessionManager<UserSession>, admin: axum::Router) {
    /// let admin = admin.route_layer(sessions.require().authoritative());
    /// # }
    /// ```
    pub fn authoritative(self) -> Self {
        self.and(OfPolicy::<Authoritative>::new())
    }

    /// Sends a browser without a session to this page of the application, as `redirect` of
    /// [`macro@crate::require_session`] does. The page itself must be outside of the group.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, PartialEq, Column)]
    /// # enum Role { Member, Admin }
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, #[session(role)] role: Role }
    /// # fn example(sessions: SessionManager<UserSession>, admin: axum::Router) {
    /// let admin = admin.route_layer(sessions.require().redirect("/login"));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if this is not the path of a page, as [`safe_next`] defines it.
    #[track_caller]
    pub fn redirect(self, page: &'static str) -> Self {
        assert!(
            safe_next(page).is_some(),
            "`.redirect({page:?})` is not the path of a page of this application, which begins \
             with one `/`: write `.redirect(\"/login\")`"
        );
        Self { login_page: Some(page), ..self }
    }

    /// Puts the guard around a tower service, or around a router or handlers for
    /// [`anchor::routing`](crate::routing).
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
    /// use anchor::routing::Router;
    ///
    /// let files = axum::routing::any(|| async { "a file" });
    /// let app: Router = Router::new().nest_service("/files", sessions.require().layer(files));
    /// assert_eq!(app.policies().to_string(), "any  /files/*  session UserSession\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn layer<I>(&self, inner: I) -> Guarded<I, T> {
        self.note();
        Guarded { guard: Arc::new(self.clone()), inner }
    }

    fn and(self, demand: impl Demands<T> + 'static) -> Self {
        Self { demands: self.demands.and(demand), ..self }
    }

    fn note(&self) {
        note(|| Applied::Guard(self.applied()));
    }

    /// Returns what a router or a document knows of the guard.
    pub(crate) fn applied(&self) -> AppliedGuard {
        AppliedGuard {
            manager: Manager::of(&self.sessions),
            payload: short::<T>(),
            demands: self.demands.describe(),
            #[cfg(feature = "_openapi")]
            requirements: self.demands.requirements(),
            login_page: self.login_page,
        }
    }

    async fn admit(&self, request: &Parts) -> Result<(), Refusal> {
        let scope = Scope::<T>::of_manager(&self.sessions, request)?;
        admit(&scope, request, &self.demands, self.login_page).await
    }
}

impl<T: SessionData> Clone for RequireSession<T> {
    fn clone(&self) -> Self {
        Self {
            sessions: Arc::clone(&self.sessions),
            demands: self.demands.clone(),
            login_page: self.login_page,
        }
    }
}

impl<T: SessionData> fmt::Debug for RequireSession<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireSession")
            .field("payload", &short::<T>())
            .field("demands", &self.demands.describe())
            .field("redirect", &self.login_page)
            .finish_non_exhaustive()
    }
}

impl<I, T: SessionData> Layer<I> for RequireSession<T> {
    type Service = Guarded<I, T>;

    fn layer(&self, inner: I) -> Self::Service {
        RequireSession::layer(self, inner)
    }
}

/// A service, a router or handlers under a guard, made by [`RequireSession::layer`].
///
/// Around a tower service, it is a tower service. An
/// [`anchor::routing::Router`](crate::routing::Router) also accepts it around routers and handlers
/// of axum, although their handlers declare nothing.
#[must_use = "route it: `.nest_service(\"/files\", sessions.require().layer(service))`"]
pub struct Guarded<I, T: SessionData> {
    guard: Arc<RequireSession<T>>,
    inner: I,
}

impl<I, T: SessionData> Guarded<I, T> {
    /// Returns the guard and what is under it.
    pub(crate) fn into_parts(self) -> (RequireSession<T>, I) {
        (Arc::unwrap_or_clone(self.guard), self.inner)
    }

    /// Puts the guard around something else.
    pub(crate) fn map<J>(self, convert: impl FnOnce(I) -> J) -> Guarded<J, T> {
        Guarded { guard: self.guard, inner: convert(self.inner) }
    }
}

/// A clone is noted, so that a router which clones a service learns all guards in it.
impl<I: Clone, T: SessionData> Clone for Guarded<I, T> {
    fn clone(&self) -> Self {
        let inner = self.inner.clone();
        self.guard.note();
        Self { guard: Arc::clone(&self.guard), inner }
    }
}

impl<I, T: SessionData> fmt::Debug for Guarded<I, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("guard", &self.guard).finish_non_exhaustive()
    }
}

impl<I, T, B> Service<Request<B>> for Guarded<I, T>
where
    I: Service<Request<B>> + Clone + Send + 'static,
    I::Response: IntoResponse,
    I::Future: Send,
    T: SessionData,
    B: Send + 'static,
{
    type Response = Response;
    type Error = I::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, I::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let guard = Arc::clone(&self.guard);
        // The clone may not be ready, so the service that was asked takes the request.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let (request, body) = request.into_parts();
            match guard.admit(&request).await {
                Ok(()) => {
                    let answer = inner.call(Request::from_parts(request, body)).await;
                    answer.map(IntoResponse::into_response)
                }
                Err(refusal) => Ok(refusal.into_response()),
            }
        })
    }
}
