//! [`Auth`]: the requester, logged in or not.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

use crate::frontend::Frontend;
use crate::manager::last_verdict::LastVerdict;
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::request::Session;
use crate::request::scope::{Admitted, LoginOptions, LogoutReach, Reading, Scope};
use crate::token::SessionToken;

/// The requester, logged in or not. This extractor refuses no request, and does not call the store
/// by itself.
///
/// ```
/// # use anchor::prelude::*;
/// # async fn handler<T: SessionData>(auth: Auth<T>, payload: T) -> Result<(), anchor::Error> {
/// auth.login(payload).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Auth<T: SessionData> {
    scope: Arc<Scope<T>>,
    last_verdict: Option<Arc<LastVerdict>>,
}

impl<T: SessionData> Auth<T> {
    pub(crate) fn new(scope: Arc<Scope<T>>, request: &Parts) -> Self {
        scope.read(request);
        let last_verdict = LastVerdict::of(&scope.sessions, request);
        Self { scope, last_verdict }
    }

    /// Logs in: creates a new session with a new id and a new secret, ends the session that the
    /// request presents (session fixation: OWASP ASVS 5.0 7.2.4), and sets the cookie. Await it to
    /// run it.
    ///
    /// Make it the last step of the handler: if the handler answers 4xx or 5xx afterwards, no
    /// cookie is sent, and the new session is ended.
    ///
    /// Costs one statement, or one transaction if a session is replaced. If it fails, nothing has
    /// changed: the old session stays live. (A request that presents several sessions is not
    /// admitted with any of them. At its login, all but one of them end before the new session
    /// begins.)
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// use axum::Form;
    /// use axum::response::Redirect;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct LoginForm { name: String, password: String }
    ///
    /// # async fn check_password(form: &LoginForm) -> Option<i64> { None }
    /// #[public]
    /// async fn login(
    ///     auth: Auth<UserSession>,
    ///     Form(form): Form<LoginForm>,
    /// ) -> Result<Redirect, anchor::Error> {
    ///     let Some(user_id) = check_password(&form).await else {
    ///         return Ok(Redirect::to("/login"));
    ///     };
    ///     auth.login(UserSession { user_id, name: form.name }).await?;
    ///     Ok(Redirect::to("/me"))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Error::Store`] if the store cannot answer (503), refuses the row (409), or cannot
    /// hold the payload (500); [`Error::TooManySessions`] if the subject already has as many
    /// sessions as it may have (409); [`Error::Impersonated`] if somebody else acts as the subject
    /// in the session that the request has looked at, and the login does not have that impersonator
    /// (403); and [`Error::ResponseBegun`] if the response has been sent, so that no cookie can be
    /// set.
    pub fn login(&self, data: T) -> Login<'_, T> {
        Login { auth: self, data, options: LoginOptions::default(), via: None }
    }

    /// Logs out: ends the request's session and removes its cookie. Returns whether there was a
    /// live session; having none is not an error. The logout continues if the client closes the
    /// connection meanwhile.
    ///
    /// Costs one statement.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # use axum::response::Redirect;
    /// // `#[logout(UserSession)]` does the same before the body runs.
    /// #[public]
    /// async fn leave(auth: Auth<UserSession>) -> Result<Redirect, anchor::Error> {
    ///     let was_logged_in = auth.logout().await?;
    ///     Ok(Redirect::to(if was_logged_in { "/goodbye" } else { "/" }))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot answer. The session may then still be live, its cookie
    /// stays, and the response must not claim a logout.
    pub async fn logout(&self) -> Result<bool, Error> {
        Ok(self.scope.logout(LogoutReach::This, None).await? > 0)
    }

    fn handle(&self, admitted: Admitted<T>) -> Session<T> {
        Session::new(Arc::clone(&self.scope), admitted).verified_by(self.last_verdict.clone())
    }

    /// Returns the request's session, or `None` if there is no valid one. Costs one statement the
    /// first time, and none afterwards.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(auth: Auth<UserSession>) -> Result<(), anchor::Error> {
    /// match auth.session().await? {
    ///     Some(session) => println!("{}", session.name),
    ///     None => println!("nobody is logged in"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the store or the verifier cannot answer.
    pub async fn session(&self) -> Result<Option<Session<T>>, Error> {
        let request = self.last_verdict.as_deref().map(LastVerdict::request);
        match self.scope.resolve(request, Reading::MayBeCached).await {
            Ok(admitted) => Ok(Some(self.handle(admitted))),
            Err(rejection) if rejection.is_unauthenticated() => Ok(None),
            Err(rejection) => Err(rejection.into()),
        }
    }
}

impl<T: SessionData> fmt::Debug for Auth<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("table", &T::schema().table).finish_non_exhaustive()
    }
}

/// A login that happens when it is awaited, returned by [`Auth::login`].
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64, name: String }
/// # async fn example(
/// #     auth: Auth<UserSession>,
/// #     user: UserSession,
/// # ) -> Result<(), anchor::Error> {
/// let session = auth.login(user).remember(false).await?;
/// println!("session {}", session.id());
/// # Ok(())
/// # }
/// ```
#[must_use = "a login happens when it is awaited: add `.await?`"]
pub struct Login<'a, T: SessionData> {
    auth: &'a Auth<T>,
    data: T,
    options: LoginOptions,
    /// The name of the channel that was asked for.
    via: Option<String>,
}

impl<T: SessionData> Login<'_, T> {
    /// Sets whether the client keeps the token when it is closed. With `false`, the cookie is a
    /// browser-session cookie, for an unticked "remember me". The session's idle and absolute
    /// timeouts are the same either way, because a browser that restores its tabs restores such
    /// cookies as well. Default: `true`.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(
    /// #     auth: Auth<UserSession>,
    /// #     user: UserSession,
    /// #     ticked: bool,
    /// # ) -> Result<(), anchor::Error> {
    /// auth.login(user).remember(ticked).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn remember(self, remember: bool) -> Self {
        Self { options: LoginOptions { remembered: remember, ..self.options }, ..self }
    }

    /// Declares that what this login relies on was checked just now, not at some time since the
    /// request arrived. The login then stays valid after a
    /// [`cut_off`](crate::SessionManager::cut_off) that the same request made, such as for a change
    /// of password.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # #[session(cut_off)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # async fn example(
    /// #     sessions: SessionManager<UserSession>, auth: Auth<UserSession>, user: UserSession,
    /// # ) -> Result<(), anchor::Error> {
    /// // The new password is stored. All logins with the old one end, and this one begins.
    /// sessions.cut_off(&user.user_id).await?;
    /// auth.login(user).starting_now().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn starting_now(self) -> Self {
        Self { options: LoginOptions { starting_now: true, ..self.options }, ..self }
    }

    /// Lets the session live for at most `longest`, if that is less than the manager's `absolute`.
    /// For a session that may do more than others, such as that of an administrator who acts as a
    /// user. No use extends it. A session that may live for no time has ended when it begins.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(
    /// #     auth: Auth<UserSession>,
    /// #     user: UserSession,
    /// # ) -> Result<(), anchor::Error> {
    /// use std::time::Duration;
    ///
    /// auth.login(user).at_most(Duration::from_secs(15 * 60)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn at_most(self, longest: Duration) -> Self {
        Self { options: LoginOptions { longest: Some(longest), ..self.options }, ..self }
    }

    /// Sends the token on this frontend of the manager, instead of the first one: see
    /// [`add_frontend`](crate::manager::SessionManagerBuilder::add_frontend). Write the frontend as
    /// on the builder; it is recognized by its [`channel`](Frontend::channel).
    ///
    /// As with every login, the session that the request presents ends, and its token is removed,
    /// also if it came on another frontend.
    ///
    /// ```
    /// use anchor::frontend::Bearer;
    /// # use anchor::prelude::*;
    /// # async fn handler<T: SessionData>(
    /// #     auth: Auth<T>, payload: T,
    /// # ) -> Result<String, anchor::Error> {
    /// let login = auth.login(payload).via(Bearer).await?;
    /// Ok(login.token().expose().to_owned())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The login returns [`Error::UnknownFrontend`] if the manager does not have this frontend
    /// (500). Nothing has changed then.
    pub fn via(self, frontend: impl Frontend) -> Self {
        Self { via: Some(frontend.channel()), ..self }
    }

    /// Returns the options, with the channel that was asked for.
    fn options(&self) -> Result<LoginOptions, Error> {
        let Some(name) = &self.via else { return Ok(self.options) };
        Ok(LoginOptions { channel: self.auth.scope.channel(name)?, ..self.options })
    }

    /// Ends every other session of the subject in the login's own transaction, whatever
    /// `max_per_subject` says, with the reason
    /// [`EndReason::LimitExceeded`](crate::store::EndReason::LimitExceeded). For a login page that
    /// offers "log out my other devices" to a user whom `on_limit = "refuse"` has just refused
    /// ([`Error::TooManySessions`]). Their password was correct, so they may do this.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(
    /// #     auth: Auth<UserSession>,
    /// #     user: UserSession,
    /// # ) -> Result<(), anchor::Error> {
    /// auth.login(user).revoke_others().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn revoke_others(self) -> Self {
        Self { options: LoginOptions { revokes_others: true, ..self.options }, ..self }
    }
}

#[cfg_attr(docsrs, doc(cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))))]
#[cfg(feature = "_sql")]
impl<T: SessionData> Login<'_, T> {
    /// Logs in within a transaction of the application's: the new session is inserted, and the
    /// presented one ended, when the transaction commits. Then the response gets its cookie. After
    /// a rollback, the old session is still live, and nothing is sent. Log in as the last step of
    /// the transaction, and commit before the handler answers.
    ///
    /// A login under a limit waits until other logins of its subject have ended, so a transaction
    /// that has a login should commit soon.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = sqlx::sqlite::SqlitePoolOptions::new()
    /// #     .max_connections(1)
    /// #     .connect("sqlite::memory:")
    /// #     .await?;
    /// # let store = SqliteStore::new(pool);
    /// # store.migrate().await?;
    /// # let sessions = SessionManager::<UserSession>::builder(store.clone())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build()?;
    /// # sqlx::raw_sql("CREATE TABLE users (id INTEGER, name TEXT)").execute(store.pool()).await?;
    /// # let request = sessions.test_request(axum::http::Request::new(()));
    /// # let auth = request.auth().await?;
    /// // A registration: the user and their session begin together.
    /// let mut transaction = sessions.begin(&store).await?;
    /// sqlx::query("INSERT INTO users VALUES (1, 'Ferris')").execute(&mut *transaction).await?;
    /// let login = auth.login(UserSession { user_id: 1 }).within(&mut transaction).await?;
    /// transaction.commit().await?;
    /// assert!(sessions.get(login.id()).await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Auth::login`], and an error if the transaction has cut off the
    /// subject or has a login already, or is stricter than `READ COMMITTED` and the login has a
    /// limit; [`Error::OtherStore`] if it was begun by the manager of another store. The
    /// transaction can then only be rolled back.
    pub async fn within<D: crate::store::sql::Transactions>(
        self,
        transaction: &mut crate::manager::SessionTransaction<T, D>,
    ) -> Result<crate::manager::PendingLogin, Error> {
        let options = self.options().inspect_err(|_| transaction.refuse())?;
        self.auth.scope.login_within(self.data, options, transaction).await
    }
}

impl<'a, T: SessionData> IntoFuture for Login<'a, T> {
    type Output = Result<LoggedIn<T>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let options = self.options()?;
            let (admitted, token) = self.auth.scope.login(self.data, options).await?;
            Ok(LoggedIn { session: self.auth.handle(admitted), token })
        })
    }
}

impl<T: SessionData> fmt::Debug for Login<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

/// A session that was just created, with its token.
///
/// With a cookie, the response already carries the token. With
/// [`Bearer`](crate::frontend::Bearer), the handler sends it.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # async fn handler(auth: Auth<UserSession>) -> Result<String, anchor::Error> {
/// let login = auth.login(UserSession { user_id: 1 }).await?;
/// // It dereferences to the session.
/// println!("user {} has the session {}", login.user_id, login.id());
/// Ok(login.token().expose().to_owned())
/// # }
/// ```
pub struct LoggedIn<T: SessionData> {
    session: Session<T>,
    token: SessionToken,
}

impl<T: SessionData> LoggedIn<T> {
    /// Returns the credential. Give it only to its owner.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(
    /// #     auth: Auth<UserSession>,
    /// #     user: UserSession,
    /// # ) -> Result<String, anchor::Error> {
    /// // For a client that sends `Authorization: Bearer ..`.
    /// let login = auth.login(user).await?;
    /// Ok(login.token().expose().to_owned())
    /// # }
    /// ```
    pub fn token(&self) -> &SessionToken {
        &self.token
    }

    /// Returns the session without its token.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(
    /// #     auth: Auth<UserSession>,
    /// #     user: UserSession,
    /// # ) -> Result<(), anchor::Error> {
    /// let session: Session<UserSession> = auth.login(user).await?.into_session();
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_session(self) -> Session<T> {
        self.session
    }
}

impl<T: SessionData> Deref for LoggedIn<T> {
    type Target = Session<T>;

    fn deref(&self) -> &Session<T> {
        &self.session
    }
}

impl<T: SessionData> fmt::Debug for LoggedIn<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LoggedIn").field(&self.session).finish()
    }
}
