//! [`TestLogin`]: creates the session of a test.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::time::Duration;

use http::Request;
use http::request::Parts;
use tokio::time::Instant;

use super::{TestRequest, TestSession};
use crate::frontend::Frontend;
use crate::manager::SessionManager;
use crate::payload::SessionData;
use crate::request::scope::{LoginOptions, Past};

impl<T: SessionData> SessionManager<T> {
    /// Creates a session for a test, as a login does: in the manager's store, under the subject's
    /// limit, with its event. Await it to run it. Needs the feature `testing`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { user_id: i64 }
    /// # async fn demo(sessions: SessionManager<UserSession>) {
    /// let ferris = sessions.test_session(UserSession { user_id: 1 }).await;
    /// let stale = sessions
    ///     .test_session(UserSession { user_id: 2 })
    ///     .authenticated_for(Duration::from_secs(3600))
    ///     .remember(false)
    ///     .await;
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics when it is awaited, if the store cannot create the session, or the subject has as
    /// many sessions as it may have.
    #[track_caller]
    pub fn test_session(&self, data: T) -> TestLogin<T> {
        TestLogin {
            sessions: self.clone(),
            data,
            remembered: true,
            age: Duration::ZERO,
            unused: Duration::ZERO,
            authenticated: None,
            request: Request::new(()).into_parts().0,
            via: None,
            at: Location::caller(),
        }
    }
}

/// A session that is created when this is awaited, returned by [`SessionManager::test_session`].
///
/// A store gives a new session the present time, so a session that is said to be older gets less
/// time to live: [`Record::created_at`](crate::store::Record::created_at) and
/// [`last_seen_at`](crate::store::Record::last_seen_at) say now, and the rest says the truth. On a
/// `MemoryStore`, [`Clock::advance`](super::Clock::advance) moves everything. A session may be
/// older than it can live: it has ended then.
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
/// use std::time::Duration;
///
/// let login = sessions.test_session(UserSession { user_id: 1 }).age(Duration::from_secs(60));
/// let session = login.await.session().await?;
/// assert!(session.authenticated_for() >= Duration::from_secs(60));
/// # Ok(())
/// # }
/// ```
#[must_use = "a session is created when this is awaited: add `.await`"]
pub struct TestLogin<T: SessionData> {
    sessions: SessionManager<T>,
    data: T,
    remembered: bool,
    age: Duration,
    unused: Duration,
    authenticated: Option<Duration>,
    request: Parts,
    /// The name of the channel that was asked for.
    via: Option<String>,
    at: &'static Location<'static>,
}

impl<T: SessionData> TestLogin<T> {
    /// Sets how long ago the login was: the absolute timeout has so much less left, and the subject
    /// proved so long ago who they are. Default: now.
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
    /// use std::time::Duration;
    ///
    /// // The absolute timeout is 14 days, unless the struct says otherwise.
    /// let age = Duration::from_secs(15 * 24 * 60 * 60);
    /// let session = sessions.test_session(UserSession { user_id: 1 }).age(age).await;
    /// assert_eq!(session.session().await.unwrap_err().status(), 401);
    /// # Ok(())
    /// # }
    /// ```
    pub fn age(self, age: Duration) -> Self {
        Self { age, ..self }
    }

    /// Sets how long the session was not used: the idle timeout has so much less left. The session
    /// is at least so old. Default: it is in use.
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
    /// use std::time::Duration;
    ///
    /// // The idle timeout is two hours, unless the struct says otherwise.
    /// let unused = Duration::from_secs(3 * 60 * 60);
    /// let session = sessions.test_session(UserSession { user_id: 1 }).unused_for(unused).await;
    /// assert_eq!(session.session().await.unwrap_err().status(), 401);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unused_for(self, unused: Duration) -> Self {
        Self { unused, ..self }
    }

    /// Sets how long ago the subject proved who they are, for `fresh`. The session is at least so
    /// old. Default: at the login.
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
    /// use std::time::Duration;
    ///
    /// #[require_session(UserSession, fresh = "10m")]
    /// async fn delete_account() {}
    ///
    /// let session = sessions
    ///     .test_session(UserSession { user_id: 1 })
    ///     .authenticated_for(Duration::from_secs(11 * 60))
    ///     .await;
    /// let refused = session.check(delete_account).await.unwrap_err();
    /// assert_eq!(refused.code(), Some("reauthentication_required"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn authenticated_for(self, authenticated: Duration) -> Self {
        Self { authenticated: Some(authenticated), ..self }
    }

    /// Sets whether the client keeps the token when it is closed. Default: `true`.
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
    /// let session = sessions.test_session(UserSession { user_id: 1 }).remember(false).await;
    /// assert!(!session.session().await?.record().remembered);
    /// # Ok(())
    /// # }
    /// ```
    pub fn remember(self, remember: bool) -> Self {
        Self { remembered: remember, ..self }
    }

    /// Sets the request that logs in, of which the manager takes the client's address, the user
    /// agent and the fingerprint. The requests of [`TestSession::guard`] and its like have the same
    /// headers and extensions. Default: a request without any.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # #[session(track)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build()?;
    /// use axum::http::Request;
    ///
    /// let phone = Request::builder().header("user-agent", "curl/8.0").body(())?;
    /// let session = sessions.test_session(UserSession { user_id: 1 }).login_request(phone).await;
    /// let record = sessions.get(session.id()).await?.unwrap();
    /// assert_eq!(record.client.unwrap().device().to_string(), "curl");
    /// # Ok(())
    /// # }
    /// ```
    pub fn login_request<B>(self, request: Request<B>) -> Self {
        Self { request: request.into_parts().0, ..self }
    }

    /// Sets which of the manager's frontends the token is for. Default: the first one.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use anchor::frontend::Bearer;
    ///
    /// let sessions = SessionManager::builder(MemoryStore::new())
    ///     .keys(KeyRing::generate()?)
    ///     .add_frontend(Bearer)
    ///     .build()?;
    /// let session = sessions.test_session(UserSession { user_id: 1 }).via(Bearer).await;
    /// assert_eq!(session.header().0, "authorization");
    /// # Ok(())
    /// # }
    /// ```
    pub fn via(self, frontend: impl Frontend) -> Self {
        Self { via: Some(frontend.channel()), ..self }
    }

    fn past(&self) -> Past {
        let age = self.age.max(self.unused).max(self.authenticated.unwrap_or_default());
        let authenticated = self.authenticated.unwrap_or(age);
        let authenticated = (!authenticated.is_zero()).then(|| {
            Instant::now().checked_sub(authenticated).unwrap_or_else(|| {
                panic!(
                    "{}: this machine's clock cannot name an instant {authenticated:?} ago: give \
                     a `MemoryStore` a `Clock`, and advance that",
                    self.at
                )
            })
        });
        Past { age, unused: self.unused, authenticated }
    }

    async fn create(self) -> TestSession<T> {
        let past = self.past();
        let Self { sessions, data, remembered, request, via, at, .. } = self;
        let options = LoginOptions { remembered, past, ..LoginOptions::default() };
        let login = TestRequest::new(&sessions, request.clone());
        match login.log_in(data, options, via).await {
            Ok(token) => sessions.session_with(token).like(request),
            Err(error) => panic!("{at}: the test's session was not created: {error}"),
        }
    }
}

impl<T: SessionData> IntoFuture for TestLogin<T> {
    type Output = TestSession<T>;
    type IntoFuture = Pin<Box<dyn Future<Output = TestSession<T>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.create())
    }
}

impl<T: SessionData> fmt::Debug for TestLogin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestLogin")
            .field("age", &self.age)
            .field("unused", &self.unused)
            .field("authenticated", &self.authenticated)
            .field("remembered", &self.remembered)
            .finish_non_exhaustive()
    }
}
