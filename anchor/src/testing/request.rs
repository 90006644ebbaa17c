//! [`TestRequest`]: a request without a router, for a handler that is called like a function.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Request, StatusCode};

use super::guard::{Guard, GuardedHandler};
use crate::manager::SessionManager;
use crate::payload::SessionData;
use crate::rejection::{Error, Rejection};
use crate::request::scope::{Closing, CurrentScope, LoginOptions, Scope};
use crate::request::{Auth, Session};
use crate::token::SessionToken;

/// A request that is behind the manager's layer and in front of a handler. The arguments that
/// anchor has for the handler come from it, and [`respond`](Self::respond) makes the response with
/// the session's headers.
///
/// ```
/// use anchor::prelude::*;
/// use axum::http::Request;
///
/// #[derive(Clone, SessionData)]
/// struct UserSession { user_id: i64 }
///
/// async fn login(auth: Auth<UserSession>) -> Result<&'static str, anchor::Error> {
///     auth.login(UserSession { user_id: 1 }).await?;
///     Ok("welcome")
/// }
///
/// #[logout(UserSession)]
/// async fn logout() -> &'static str {
///     "goodbye"
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sessions = SessionManager::builder(MemoryStore::new())
/// #     .keys(KeyRing::generate()?)
/// #     .build()?;
/// // A visitor without a session.
/// let request = sessions.test_request(Request::new(()));
/// let answer = login(request.auth().await?).await;
/// let session = sessions.assert_session_set(&request.respond(answer).await);
///
/// let request = session.request();
/// let answer = logout(request.guard().await?).await;
/// sessions.assert_session_removed(&request.respond(answer).await);
/// # Ok(())
/// # }
/// ```
pub struct TestRequest<T: SessionData> {
    sessions: SessionManager<T>,
    request: Parts,
    scope: Arc<Scope<T>>,
}

/// Runs a guard when it is awaited. It is boxed and names no handler, so that the compiler reports
/// a handler without a guard once.
pub type Checking<'a> = Pin<Box<dyn Future<Output = Result<(), Refused>> + Send + 'a>>;

impl<T: SessionData> SessionManager<T> {
    /// Opens a request without a router. Its session is the one that its headers present: none for
    /// `Request::new(())`, and that of `session` for `session.apply(request)`. The body is left
    /// out. Needs the feature `testing`.
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
    /// use axum::http::Request;
    ///
    /// let visitor = sessions.test_request(Request::new(()));
    /// assert_eq!(visitor.session().await.unwrap_err().code(), Some("no_session"));
    ///
    /// let session = sessions.test_session(UserSession { user_id: 1 }).await;
    /// let request = session.apply(Request::get("/me").body(())?);
    /// assert_eq!(sessions.test_request(request).session().await?.user_id, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn test_request<B>(&self, request: Request<B>) -> TestRequest<T> {
        TestRequest::new(self, request.into_parts().0)
    }
}

impl<T: SessionData> TestRequest<T> {
    pub(super) fn new(sessions: &SessionManager<T>, mut request: Parts) -> Self {
        sessions.inner.channels.conceal(&mut request.headers);
        let scope = Scope::open(Arc::clone(&sessions.inner), None);
        request.extensions.insert(CurrentScope(Arc::clone(&scope) as _));
        Self { sessions: sessions.clone(), request, scope }
    }

    /// Logs in on the channel with this name, or on the first one.
    pub(super) async fn log_in(
        &self,
        data: T,
        options: LoginOptions,
        via: Option<String>,
    ) -> Result<SessionToken, Error> {
        self.scope.read(&self.request);
        let channel = via.map_or(Ok(options.channel), |name| self.scope.channel(&name))?;
        Ok(self.scope.login(data, LoginOptions { channel, ..options }).await?.1)
    }

    /// Runs the guard of a handler, and returns the argument that the handler's attribute has
    /// inserted: `ban(request.guard().await?, Path(7)).await`. It is the same code as for a request
    /// to a router: the session is loaded, the verifier is asked, the policies decide, and the
    /// guard of a `#[logout]` ends the session.
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
    /// #[require_session(UserSession)]
    /// async fn me() -> &'static str { "me" }
    ///
    /// let request = sessions.test_session(UserSession { user_id: 1 }).await.request();
    /// assert_eq!(me(request.guard().await?).await, "me");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the refusal.
    pub async fn guard<G: Guard<T>>(&self) -> Result<G, Refused> {
        self.extract().await
    }

    /// Runs the guard of a handler, and not the handler: `request.check(ban)`. For a test of what
    /// the guard refuses.
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
    /// use axum::http::Request;
    ///
    /// #[require_session(UserSession)]
    /// async fn me() {}
    ///
    /// let visitor = sessions.test_request(Request::new(()));
    /// assert_eq!(visitor.check(me).await.unwrap_err().status(), 401);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the refusal.
    pub fn check<H, M>(&self, handler: H) -> Checking<'_>
    where
        H: GuardedHandler<M>,
        H::Guard: Guard<T>,
    {
        // Only its type is needed.
        drop(handler);
        Box::pin(async { self.guard::<H::Guard>().await.map(drop) })
    }

    /// Returns a handler's argument `Session<T>`.
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
    /// async fn me(session: Session<UserSession>) -> String {
    ///     format!("user {}", session.user_id)
    /// }
    ///
    /// let request = sessions.test_session(UserSession { user_id: 1 }).await.request();
    /// assert_eq!(me(request.session().await?).await, "user 1");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the refusal.
    pub async fn session(&self) -> Result<Session<T>, Refused> {
        self.extract().await
    }

    /// Returns a handler's argument `Auth<T>`.
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
    /// async fn leave(auth: Auth<UserSession>) -> Result<bool, anchor::Error> {
    ///     auth.logout().await
    /// }
    ///
    /// let request = sessions.test_session(UserSession { user_id: 1 }).await.request();
    /// assert!(leave(request.auth().await?).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the refusal, if the layer would refuse the request.
    pub async fn auth(&self) -> Result<Auth<T>, Refused> {
        self.extract().await
    }

    /// Returns an argument of any other type that axum takes from a request's head, such as
    /// `Option<Session<T>>`, the payload itself, or `Next`.
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
    /// use anchor::Next;
    /// use axum::http::Request;
    ///
    /// async fn home(session: Option<Session<UserSession>>, next: Next) -> String {
    ///     format!("{} {}", session.is_some(), next.or("/"))
    /// }
    ///
    /// let request = sessions.test_request(Request::get("/?next=/orders").body(())?);
    /// let answer = home(request.extract().await?, request.extract().await?).await;
    /// assert_eq!(answer, "false /orders");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the refusal.
    pub async fn extract<E: FromRequestParts<()>>(&self) -> Result<E, Refused> {
        let sessions = &self.sessions.inner;
        let mut request = self.request.clone();
        let head = Request::from_parts(request.clone(), ());
        if let Some(rejection) = sessions.cross_origin_refusal(&head) {
            return Err(Refused { response: sessions.respond(rejection, &request) });
        }
        match E::from_request_parts(&mut request, &()).await {
            Ok(extracted) => Ok(extracted),
            Err(rejection) => {
                let mut response = rejection.into_response();
                self.scope.write(&mut response);
                Err(Refused { response })
            }
        }
    }

    /// Makes the response of what the handler has returned, and lets the layer write the session's
    /// headers into it. The request is over then: a handler that failed after its login has ended
    /// the new session, and the handles that the request gave out are kept ones.
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
    /// use axum::http::{Request, StatusCode};
    ///
    /// async fn login(auth: Auth<UserSession>) -> Result<StatusCode, anchor::Error> {
    ///     auth.login(UserSession { user_id: 1 }).await?;
    ///     Ok(StatusCode::NO_CONTENT)
    /// }
    ///
    /// let request = sessions.test_request(Request::new(()));
    /// let answer = login(request.auth().await?).await;
    /// let response = request.respond(answer).await;
    /// assert!(response.headers().contains_key("set-cookie"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn respond(self, answer: impl IntoResponse) -> Response {
        let mut response = answer.into_response();
        match self.scope.close(response.status()) {
            Closing::Unasked => return response,
            Closing::Done => {}
            Closing::Pending(closing) => closing.await,
        }
        self.scope.write(&mut response);
        response
    }
}

/// Shows the request, whose token is concealed.
impl<T: SessionData> fmt::Debug for TestRequest<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestRequest")
            .field("method", &self.request.method)
            .field("uri", &self.request.uri)
            .field("headers", &self.request.headers)
            .finish_non_exhaustive()
    }
}

/// A guard or an extractor has refused a [`TestRequest`]. `Debug` and `Display` say why.
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
/// use anchor::Rejection;
/// use axum::http::Request;
///
/// let visitor = sessions.test_request(Request::new(()));
/// let refused = visitor.session().await.unwrap_err();
/// assert_eq!((refused.status().as_u16(), refused.code()), (401, Some("no_session")));
/// assert!(matches!(refused.rejection(), Some(Rejection::NoSession)));
/// assert_eq!(refused.response().headers()["cache-control"], "no-store");
/// # Ok(())
/// # }
/// ```
pub struct Refused {
    response: Response,
}

impl Refused {
    /// Returns the status of the response.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Returns the reason, or `None` if an extractor refused that is not anchor's.
    pub fn rejection(&self) -> Option<&Rejection> {
        self.response.extensions().get()
    }

    /// Returns the [code](Rejection::code) of the reason.
    pub fn code(&self) -> Option<&'static str> {
        self.rejection().map(Rejection::code)
    }

    /// Returns the response, which is the application's own if `on_reject` has made one.
    pub fn response(&self) -> &Response {
        &self.response
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.response
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status())?;
        self.rejection().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// Shows what `Display` shows, because `.unwrap()` in a test prints it.
impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refused({self})")
    }
}

impl StdError for Refused {}
