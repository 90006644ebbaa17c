//! [`SessionLayer`]: opens a request's scope, and writes the session's headers into the response.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::response::{IntoResponse, Response};
use http::Request;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::manager::SessionManager;
use crate::manager::sessions::Sessions;
use crate::payload::SessionData;
use crate::request::applied::{Applied, Manager, note};
use crate::request::scope::{Closing, CurrentScope, Scope};

/// The tower layer that gives routes their sessions, returned by
/// [`SessionManager::layer`](crate::SessionManager::layer). The manager itself is such a layer as
/// well: `.layer(sessions)`.
///
/// A request that does not ask for a session costs one pointer in its extensions and one lookup of
/// the header that carries the token. That header is marked as sensitive: inside this layer,
/// `Debug` of the request does not print it. If browsers send the token by themselves, as they do
/// with cookies, an unsafe request (other than `GET`, `HEAD`, `OPTIONS`) or a WebSocket that
/// another origin caused is refused with 403 before any handler runs. This includes the requests of
/// logins and logouts.
/// [`SessionManagerBuilder::trusted_origin`](crate::manager::SessionManagerBuilder::trusted_origin)
/// names the exceptions.
///
/// Several payload types stack, each with its own layer. Each layer protects on its own: an origin
/// that is to be trusted, or a path at which other sites may `POST`, must be named to each manager
/// whose layer surrounds the route. The layers of two managers of one payload do not stack: a
/// handler that asks for the session is then answered 500, because the inner manager would replace
/// the outer manager's verifier.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// use axum::Router;
/// use axum::routing::get;
///
/// #[require_session(UserSession)]
/// async fn me(session: Session<UserSession>) -> String {
///     session.user_id.to_string()
/// }
///
/// fn app(sessions: &SessionManager<UserSession>) -> Router {
///     // `/health` is added after the layer, and has no sessions.
///     Router::new()
///         .route("/me", get(me))
///         .layer(sessions.layer())
///         .route("/health", get(|| async { "ok" }))
/// }
/// ```
pub struct SessionLayer<T: SessionData> {
    sessions: Arc<Sessions<T>>,
}

impl<T: SessionData> SessionManager<T> {
    /// Returns the tower layer that gives a router's routes their sessions. Add it after the
    /// routes.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn me() {}
    /// # fn example(sessions: SessionManager<UserSession>) {
    /// use axum::Router;
    /// use axum::routing::get;
    ///
    /// let app: Router = Router::new().route("/me", get(me)).layer(sessions.layer());
    /// # }
    /// ```
    pub fn layer(&self) -> SessionLayer<T> {
        SessionLayer { sessions: Arc::clone(&self.inner) }
    }
}

impl<T: SessionData> Clone for SessionLayer<T> {
    fn clone(&self) -> Self {
        Self { sessions: Arc::clone(&self.sessions) }
    }
}

impl<T: SessionData> fmt::Debug for SessionLayer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer")
            .field("channels", &self.sessions.channels.names())
            .finish_non_exhaustive()
    }
}

impl<S, T: SessionData> Layer<S> for SessionLayer<T> {
    type Service = SessionService<S, T>;

    fn layer(&self, inner: S) -> Self::Service {
        note(|| Applied::Sessions(Manager::of(&self.sessions)));
        SessionService { inner, sessions: Arc::clone(&self.sessions) }
    }
}

/// Does the same as [`SessionManager::layer`], so that `.layer(sessions)` works as well.
impl<S, T: SessionData> Layer<S> for SessionManager<T> {
    type Service = SessionService<S, T>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionManager::layer(self).layer(inner)
    }
}

/// A service with sessions, made by [`SessionLayer`].
pub struct SessionService<S, T: SessionData> {
    inner: S,
    sessions: Arc<Sessions<T>>,
}

/// A clone is noted, like the guard's.
impl<S: Clone, T: SessionData> Clone for SessionService<S, T> {
    fn clone(&self) -> Self {
        let inner = self.inner.clone();
        note(|| Applied::Sessions(Manager::of(&self.sessions)));
        Self { inner, sessions: Arc::clone(&self.sessions) }
    }
}

impl<S, T: SessionData> fmt::Debug for SessionService<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService")
            .field("channels", &self.sessions.channels.names())
            .finish_non_exhaustive()
    }
}

impl<S, T, B> Service<Request<B>> for SessionService<S, T>
where
    S: Service<Request<B>>,
    S::Response: IntoResponse,
    T: SessionData,
{
    type Response = Response;
    type Error = S::Error;
    type Future = SessionFuture<S::Future, T>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        self.sessions.channels.conceal(request.headers_mut());
        if let Some(rejection) = self.sessions.cross_origin_refusal(&request) {
            let (request, _) = request.into_parts();
            let response = self.sessions.respond(rejection, &request);
            return SessionFuture { step: Step::Refused { response: Some(response) } };
        }
        let outer = request.extensions_mut().remove::<CurrentScope>();
        if let Some(outer) = &outer
            && outer.leads_to(&self.sessions)
        {
            // The manager's layer further out has opened the scope, and closes it.
            request.extensions_mut().insert(outer.clone());
            return SessionFuture { step: Step::Within { running: self.inner.call(request) } };
        }
        let scope = Scope::open(Arc::clone(&self.sessions), outer);
        request.extensions_mut().insert(CurrentScope(Arc::clone(&scope) as _));
        let running = self.inner.call(request);
        SessionFuture { step: Step::Running { running, scope: Open(Some(scope)) } }
    }
}

pin_project! {
    /// The response of a [`SessionService`].
    pub struct SessionFuture<F, T: SessionData> {
        #[pin]
        step: Step<F, T>,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<F, T: SessionData> {
        // Another site made a browser send the request.
        Refused { response: Option<Response> },
        // The handler is running, in the scope of a layer further out.
        Within { #[pin] running: F },
        // The handler is running.
        Running { #[pin] running: F, scope: Open<T> },
        // The response is ready, but something remains to be done in the store.
        Closing {
            closing: Pin<Box<dyn Future<Output = ()> + Send>>,
            ready: Option<(Arc<Scope<T>>, Response)>,
        },
    }
}

/// The scope of a request that has no response yet.
struct Open<T: SessionData>(Option<Arc<Scope<T>>>);

impl<T: SessionData> Drop for Open<T> {
    fn drop(&mut self) {
        if let Some(scope) = self.0.take() {
            scope.dropped();
        }
    }
}

impl<F, T, R, E> Future for SessionFuture<F, T>
where
    F: Future<Output = Result<R, E>>,
    R: IntoResponse,
    T: SessionData,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut step = self.project().step;
        loop {
            let (scope, mut response) = match step.as_mut().project() {
                StepProjection::Refused { response } => {
                    return Poll::Ready(Ok(response.take().expect("polled after completion")));
                }
                StepProjection::Within { running } => {
                    return Poll::Ready(Ok(ready!(running.poll(context))?.into_response()));
                }
                StepProjection::Running { running, scope } => {
                    let response = ready!(running.poll(context))?.into_response();
                    let scope = scope.0.take().expect("polled after completion");
                    match scope.close(response.status()) {
                        Closing::Unasked => return Poll::Ready(Ok(response)),
                        Closing::Done => (scope, response),
                        Closing::Pending(closing) => {
                            step.set(Step::Closing { closing, ready: Some((scope, response)) });
                            continue;
                        }
                    }
                }
                StepProjection::Closing { closing, ready } => {
                    ready!(closing.as_mut().poll(context));
                    ready.take().expect("polled after completion")
                }
            };
            scope.write(&mut response);
            return Poll::Ready(Ok(response));
        }
    }
}

impl<F, T: SessionData> fmt::Debug for SessionFuture<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionFuture").finish_non_exhaustive()
    }
}
