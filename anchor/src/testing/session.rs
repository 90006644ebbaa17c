//! [`TestSession`]: a session that a test has, and what its client sends.

use std::any::type_name;
use std::fmt;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use super::client;
use super::guard::{Guard, GuardedHandler};
use super::request::{Checking, Refused, TestRequest};
use crate::id::SessionId;
use crate::manager::SessionManager;
use crate::manager::channels::{Channel, ChannelId};
use crate::payload::SessionData;
use crate::request::{Auth, Session};
use crate::token::{SessionToken, Verified};

/// A session of a test: what its client has, which is the token.
///
/// [`apply`](Self::apply) and [`header`](Self::header) present it with a request, for
/// `tower::ServiceExt::oneshot` and for any HTTP client. [`guard`](Self::guard),
/// [`session`](Self::session) and [`auth`](Self::auth) are arguments for a handler that is called
/// like a function. Each of these is a request of its own, and asks the store:
///
/// ```
/// use anchor::prelude::*;
///
/// #[derive(Clone, SessionData)]
/// struct UserSession { user_id: i64, admin: bool }
///
/// #[require_session(UserSession, when = |user| user.admin)]
/// async fn report(session: Session<UserSession>) -> String {
///     format!("for {}", session.user_id)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sessions = SessionManager::builder(MemoryStore::new())
///     .keys(KeyRing::generate()?)
///     .build()?;
/// let admin = sessions.test_session(UserSession { user_id: 1, admin: true }).await;
/// assert_eq!(report(admin.guard().await?, admin.session().await?).await, "for 1");
///
/// let member = sessions.test_session(UserSession { user_id: 2, admin: false }).await;
/// let refused = member.check(report).await.unwrap_err();
/// assert_eq!((refused.status().as_u16(), refused.code()), (403, Some("forbidden")));
/// # Ok(())
/// # }
/// ```
///
/// The token stays the same: after a rotation it is an old one, as that of a client which ignores
/// the response. [`session_set_by`](SessionManager::session_set_by) returns the session with the
/// new one.
pub struct TestSession<T: SessionData> {
    sessions: SessionManager<T>,
    id: SessionId,
    token: SessionToken,
    /// The channel that the token is for.
    channel: ChannelId,
    /// The request whose headers and extensions those of direct calls have.
    request: Parts,
}

impl<T: SessionData> SessionManager<T> {
    /// Returns the session of a token's text, such as one from the body of a login's response with
    /// [`Bearer`](crate::frontend::Bearer), or `None` if this manager would not accept it. The
    /// store is not asked. Needs the feature `testing`.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use anchor::frontend::Bearer;
    /// use axum::http::Request;
    ///
    /// let sessions = SessionManager::builder(MemoryStore::new())
    ///     .keys(KeyRing::generate()?)
    ///     .frontend(Bearer)
    ///     .build()?;
    /// let request = sessions.test_request(Request::new(()));
    /// let login = request.auth().await?.login(UserSession { user_id: 1 }).await?;
    /// // The body of the login's response.
    /// let body = login.token().expose().to_owned();
    ///
    /// let session = sessions.session_of_token(&body).expect("the manager has signed it");
    /// assert_eq!(session.session().await?.user_id, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn session_of_token(&self, token: &str) -> Option<TestSession<T>> {
        let (channel, id) = self.signed_by(token.as_bytes())?;
        let token = SessionToken::of(token.as_bytes())?;
        let (sessions, request) = (self.clone(), Request::new(()).into_parts().0);
        Some(TestSession { sessions, id, token, channel, request })
    }

    /// Returns the session of a token that this manager has signed.
    pub(super) fn session_with(&self, token: SessionToken) -> TestSession<T> {
        self.session_of_token(token.expose()).expect("the manager has signed it")
    }

    /// Returns the channel whose keys have signed a token, and the id of the token's session.
    fn signed_by(&self, token: &[u8]) -> Option<(ChannelId, SessionId)> {
        self.inner.channels.iter().find_map(|(channel, Channel { keys, .. })| {
            Some((channel, Verified::parse(token, keys).ok()?.id))
        })
    }
}

impl<T: SessionData> TestSession<T> {
    /// Gives direct calls the headers and extensions of this request.
    pub(super) fn like(self, request: Parts) -> Self {
        Self { request, ..self }
    }

    /// Returns the session's public id.
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
    /// let session = sessions.test_session(UserSession { user_id: 1 }).await;
    /// assert!(sessions.revoke(session.id()).await?);
    /// assert!(session.session().await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Returns the credential.
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
    /// let session = sessions.test_session(UserSession { user_id: 1 }).await;
    /// // For a client that this crate does not know.
    /// let url = format!("wss://shop.example/live?token={}", session.token().expose());
    /// # Ok(())
    /// # }
    /// ```
    pub fn token(&self) -> &SessionToken {
        &self.token
    }

    /// Returns the header with which a client presents the session: a `Cookie`, an `Authorization`,
    /// or the header of the manager's frontend.
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
    /// let session = sessions.test_session(UserSession { user_id: 1 }).await;
    /// let (name, value) = session.header();
    /// assert_eq!(name, "cookie");
    /// assert!(value.to_str()?.starts_with("__Host-id="));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the frontend is the application's own, and accepts the token neither as it issues
    /// it nor as the whole value of one of its headers, with or without `Bearer`.
    #[track_caller]
    pub fn header(&self) -> (HeaderName, HeaderValue) {
        let Channel { name, frontend, .. } = &self.sessions.inner.channels[self.channel];
        client::presenting(&**frontend, &self.token).unwrap_or_else(|| {
            panic!(
                "no header that `{name}` reads presents its token: build the request by hand, \
                 with `.token().expose()`"
            )
        })
    }

    /// Returns the request with the session's header added.
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
    /// use axum::body::Body;
    /// use axum::http::Request;
    ///
    /// let session = sessions.test_session(UserSession { user_id: 1 }).await;
    /// let request = session.apply(Request::get("/me").body(Body::empty())?);
    /// assert!(request.headers().contains_key("cookie"));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn apply<B>(&self, mut request: Request<B>) -> Request<B> {
        let (name, value) = self.header();
        request.headers_mut().append(name, value);
        request
    }

    /// Opens a request of this session: a `POST` of `/`. For another one, see
    /// [`SessionManager::test_request`].
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
    /// #[logout(UserSession)]
    /// async fn logout() -> &'static str { "goodbye" }
    ///
    /// let request = sessions.test_session(UserSession { user_id: 1 }).await.request();
    /// let answer = logout(request.guard().await?).await;
    /// sessions.assert_session_removed(&request.respond(answer).await);
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn request(&self) -> TestRequest<T> {
        // A `#[logout]` refuses a `GET`.
        let mut request = Request::from_parts(self.request.clone(), ());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from_static("/");
        self.sessions.test_request(self.apply(request))
    }

    /// Runs a handler's guard, and returns the first argument of that handler:
    /// [`TestRequest::guard`].
    ///
    /// # Errors
    ///
    /// Returns the refusal.
    pub async fn guard<G: Guard<T>>(&self) -> Result<G, Refused> {
        self.request().guard().await
    }

    /// Runs a handler's guard, without the handler: [`TestRequest::check`].
    ///
    /// # Errors
    ///
    /// Returns the refusal.
    #[track_caller]
    pub fn check<H, M>(&self, handler: H) -> Checking<'static>
    where
        H: GuardedHandler<M>,
        H::Guard: Guard<T>,
    {
        // Only its type is needed.
        drop(handler);
        let request = self.request();
        Box::pin(async move { request.guard::<H::Guard>().await.map(drop) })
    }

    /// Returns a handler's argument `Session<T>`.
    ///
    /// # Errors
    ///
    /// Returns the refusal, if the session is not live any more.
    pub async fn session(&self) -> Result<Session<T>, Refused> {
        self.request().session().await
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
    /// let session = sessions.test_session(UserSession { user_id: 1 }).await;
    /// assert!(leave(session.auth().await?).await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the refusal, if the layer would refuse the request.
    pub async fn auth(&self) -> Result<Auth<T>, Refused> {
        self.request().auth().await
    }
}

impl<T: SessionData> Clone for TestSession<T> {
    fn clone(&self) -> Self {
        let (sessions, request) = (self.sessions.clone(), self.request.clone());
        Self { sessions, id: self.id, token: self.token.clone(), channel: self.channel, request }
    }
}

/// Shows the id, and not the token.
impl<T: SessionData> fmt::Debug for TestSession<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestSession")
            .field("payload", &type_name::<T>())
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
