//! [`Session`]: a verified, live session in a request.

mod siblings;
mod update;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

use crate::id::SessionId;
use crate::manager::Event;
use crate::manager::last_verdict::LastVerdict;
use crate::manager::watch::revoked;
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::request::scope::{Admitted, Scope};
use crate::store::{OldSecret, Record, Touch, Touched};
use crate::timestamp::Timestamp;
use crate::token::SessionToken;

/// A verified, live session: an extractor and a handle. It dereferences to the payload.
///
/// As an argument, it refuses a request without a valid session (401). `Option<Session<T>>` is
/// `None` in that case, and only then. If the store cannot answer, both refuse the request (503).
///
/// The payload is this request's view of it: shared, immutable, loaded once.
/// [`update`](Self::update) changes it in the store. An assignment such as `session.name = name`
/// does not compile: write `session.update(|user| user.name = name).await?`. Cheap to clone.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64, name: String }
/// #[require_session(UserSession)]
/// async fn me(session: Session<UserSession>) -> String {
///     format!("Hello, {}", session.name)
/// }
///
/// #[require_session(UserSession)]
/// async fn rename(
///     mut session: Session<UserSession>,
///     name: String,
/// ) -> Result<(), anchor::Error> {
///     session.update(|user| user.name.clone_from(&name)).await
/// }
///
/// #[public]
/// async fn home(session: Option<Session<UserSession>>) -> String {
///     match session {
///         Some(session) => format!("Welcome back, {}", session.name),
///         None => "Welcome".to_owned(),
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Session<T: SessionData> {
    scope: Arc<Scope<T>>,
    record: Arc<Record<T>>,
    now: Timestamp,
    current_secret: bool,
    /// `None` without a verifier, and for the handle that is passed to a policy, which does not
    /// outlive its request.
    last_verdict: Option<Arc<LastVerdict>>,
}

impl<T: SessionData> Session<T> {
    pub(crate) fn new(scope: Arc<Scope<T>>, admitted: Admitted<T>) -> Self {
        let Admitted { record, now, current_secret } = admitted;
        Self { scope, record, now, current_secret, last_verdict: None }
    }

    /// Makes the handle that a handler receives, which may outlive its request.
    pub(crate) fn kept(self, request: &Parts) -> Self {
        let last_verdict = LastVerdict::of(&self.scope.sessions, request);
        self.verified_by(last_verdict)
    }

    pub(crate) fn verified_by(self, last_verdict: Option<Arc<LastVerdict>>) -> Self {
        Self { last_verdict, ..self }
    }

    /// Returns the session's public id, which may be listed and logged.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(session: Session<UserSession>) -> () {
    /// println!("session {}: an order was placed", session.id());
    /// # }
    /// ```
    pub fn id(&self) -> SessionId {
        self.record.id
    }

    /// Returns the payload.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(session: Session<UserSession>) -> () {
    /// let user: &UserSession = session.data();
    /// // The session dereferences to it as well.
    /// assert_eq!(user.user_id, session.user_id);
    /// # }
    /// ```
    pub fn data(&self) -> &T {
        &self.record.data
    }

    /// Returns the session as stored: its times, its version, its payload.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(session: Session<UserSession>) -> () {
    /// let record = session.record();
    /// println!("logged in at {}, ends at {}", record.created_at, record.expires_at);
    /// # }
    /// ```
    pub fn record(&self) -> &Record<T> {
        &self.record
    }

    /// Returns whether the request presents the session's current secret, and not the one from
    /// before the last rotation, which is still accepted for requests in flight. What follows a
    /// re-authentication is not meant for a token from before it: `fresh` policies refuse that
    /// token.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(session: Session<UserSession>) -> () {
    /// if !session.presents_current_secret() {
    ///     println!("a request that was in flight while the secret was replaced");
    /// }
    /// # }
    /// ```
    pub fn presents_current_secret(&self) -> bool {
        self.current_secret
    }

    /// Returns how long ago the session's subject last proved who they are, by the store's clock
    /// when the session was loaded. In the session of an
    /// [impersonator](SessionData::impersonator) the subject never did: [`Duration::MAX`].
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(session: Session<UserSession>) -> () {
    /// use std::time::Duration;
    ///
    /// if session.authenticated_for() > Duration::from_secs(10 * 60) {
    ///     println!("ask for the password again");
    /// }
    /// # }
    /// ```
    pub fn authenticated_for(&self) -> Duration {
        if self.data().impersonator().is_some() {
            return Duration::MAX;
        }
        self.now.saturating_since(self.record.authenticated_at)
    }

    /// Gives the session a new secret under the same id, and the response its cookie. Call it from
    /// time to time, and after a change that gives the session fewer rights. Returns the new token,
    /// for a frontend that does not send it itself, or `None` if another request has already
    /// rotated: the response of that request carries the token.
    ///
    /// The old secret stays valid for the manager's
    /// [`rotation_grace`](crate::manager::SessionManagerBuilder::rotation_grace), for requests in
    /// flight, and after it until the new one is first presented: a lost response logs nobody out,
    /// and the next response carries another new token. Once the new secret was presented and the
    /// grace is over, presenting an older one means that the token was copied: the session is
    /// ended, and [`Event::TheftSuspected`] reports it. A rotation counts as a use of the session.
    /// Costs one statement.
    ///
    /// | after | call |
    /// | --- | --- |
    /// | some time | `rotate` |
    /// | the session may do more than before (a second factor, another role) | [`rotate_now`](Self::rotate_now) |
    /// | the user proved again who they are | [`reauthenticated`](Self::reauthenticated) |
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(session: Session<UserSession>) -> Result<(), anchor::Error> {
    /// session.rotate().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Ended`] if the session has ended meanwhile.
    /// - [`Error::ResponseBegun`] if no cookie can be set any more. If the response was sent while
    ///   the store was at work, the rotation is written anyway.
    /// - [`Error::Store`] if the store cannot answer.
    pub async fn rotate(&self) -> Result<Option<SessionToken>, Error> {
        self.logged(self.scope.rotate(self.id(), OldSecret::Exchanged).await)
    }

    /// Does what [`rotate`](Self::rotate) does, without a grace: the old secret is refused at once.
    /// For a session that may now do more than before, so that a copy of the old token gains
    /// nothing from it.
    ///
    /// Requests in flight are answered 401, and a client that never receives this response has to
    /// log in again. Costs one statement.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(mut session: Session<UserSession>) -> Result<(), anchor::Error> {
    /// // The second factor was correct.
    /// session.rotate_now().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`rotate`](Self::rotate).
    pub async fn rotate_now(&self) -> Result<Option<SessionToken>, Error> {
        self.logged(self.scope.rotate(self.id(), OldSecret::Refused).await)
    }

    /// Records that the session's subject has just proved again who they are, such as with their
    /// password: `fresh = ".."` policies count from this moment. The same statement gives the
    /// session a new secret (OWASP ASVS 5.0 7.2.4). Returns its token, for a frontend that does not
    /// send it itself.
    ///
    /// The old secret stays valid for the manager's
    /// [`rotation_grace`](crate::manager::SessionManagerBuilder::rotation_grace), but `fresh` and
    /// [`CurrentSecret`](crate::guard::CurrentSecret) refuse it. A re-authentication counts as a
    /// use of the session. Costs one statement.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(
    /// #     mut session: Session<UserSession>,
    /// #     password_is_correct: bool,
    /// # ) -> Result<(), anchor::Error> {
    /// if password_is_correct {
    ///     session.reauthenticated().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`rotate`](Self::rotate), and [`Error::SecretReplaced`] if another
    /// request has rotated meanwhile: nothing was written, because that request may be a thief's.
    /// Returns [`Error::Impersonated`] in the session of an
    /// [impersonator](SessionData::impersonator), in which the subject proves nothing.
    pub async fn reauthenticated(&mut self) -> Result<SessionToken, Error> {
        if self.data().impersonator().is_some() {
            return self.logged(Err(Error::Impersonated { id: self.id() }));
        }
        let (authenticated_at, token) = match self.scope.reauthenticate(self.id()).await {
            Err(Error::Ended { .. }) => return self.logged(Err(self.ended())),
            written => self.logged(written)?,
        };
        self.now = authenticated_at;
        self.record = Arc::new(Record { authenticated_at, ..Record::clone(&self.record) });
        self.current_secret = true;
        self.scope.found_updated(&self.record);
        Ok(token)
    }

    /// Ends the session, removes its cookie, and returns its last payload, which exactly one
    /// request gets: of several requests that consume the same session, one succeeds. For a session
    /// that is one step of something: a login that waits for its second factor, the challenge of a
    /// passkey, or a guest whose cart goes to the user.
    ///
    /// The payload includes every update that was answered before. An update that comes later fails
    /// with [`Error::Ended`], and writes nothing. If something else ends the session first, such as
    /// a logout in another tab, the consumption fails. The reason of the end is
    /// [`EndReason::Consumed`](crate::store::EndReason::Consumed). The consumption continues if the
    /// client closes the connection meanwhile. Costs one statement, on MySQL and MariaDB one
    /// transaction of two.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # #[session(cookie = "__Host-login")]
    /// # struct PendingLogin { user_id: i64 }
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { user_id: i64 }
    /// async fn second_factor(
    ///     pending: Session<PendingLogin>,
    ///     auth: Auth<UserSession>,
    /// ) -> Result<(), anchor::Error> {
    ///     // After the code has been checked.
    ///     let user_id = pending.consume().await?.user_id;
    ///     auth.login(UserSession { user_id }).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Ended`] if the session has ended meanwhile, such as by another consumption, or by
    ///   a login in another tab, which ends what that tab presents.
    /// - [`Error::SecretReplaced`] if another request has replaced the secret meanwhile.
    /// - [`Error::ResponseBegun`] if the response was sent, so that the cookie cannot be removed.
    /// - [`Error::Store`] if the store cannot answer. Either the session is still live, and the
    ///   client can repeat the request, or it has ended and nobody gets its payload.
    pub async fn consume(self) -> Result<T, Error> {
        let last = self.logged(self.scope.consume(self.id()).await)?;
        Ok(T::clone(&last))
    }

    /// Marks the session as used now, and returns when it expires unless it is used again: the
    /// manager's idle timeout from now, at most its deadline, by the store's clock.
    ///
    /// A request is recorded as a use by itself, and so are [`update`](Self::update),
    /// [`rotate`](Self::rotate) and [`reauthenticated`](Self::reauthenticated). This method is for
    /// what lasts longer than a request, such as a WebSocket or an event stream whose user is
    /// present: call it when their messages arrive, or on a timer of a fraction of the idle
    /// timeout. It does not ask the [`Verifier`](crate::manager::Verifier): wait for
    /// [`wait_until_ended`](Self::wait_until_ended) as well. Costs one statement.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # async fn demo<T: SessionData>(session: Session<T>) -> Result<(), anchor::Error> {
    /// let mut interval = tokio::time::interval(std::time::Duration::from_secs(60));
    /// loop {
    ///     tokio::select! {
    ///         () = session.wait_until_ended() => return Ok(()),
    ///         _ = interval.tick() => { session.touch().await?; }
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Error::Ended`] if the session has ended, and [`Error::Store`] if the store cannot
    /// answer.
    pub async fn touch(&self) -> Result<Timestamp, Error> {
        let (sessions, id) = (&self.scope.sessions, self.id());
        let touched = sessions.store.touch(Touch::new(id, sessions.idle)).await;
        match self.logged(touched.map_err(Error::from))? {
            Touched::Written { expires_at } => {
                sessions.emit(&Event::Touched { id });
                Ok(expires_at)
            }
            Touched::Gone => self.logged(Err(self.ended())),
        }
    }

    /// Resolves when the session has ended, wherever and however, and at the manager's
    /// [`shutdown`](crate::SessionManager::shutdown). Close the WebSocket or the event stream then.
    ///
    /// An end through this node's manager is noticed at once. An end on another node, by expiry, or
    /// in the database itself is noticed within the manager's
    /// [`revocation_poll`](crate::manager::SessionManagerBuilder::revocation_poll). If there is a
    /// [`Verifier`](crate::manager::Verifier), it is asked about this handle's request every
    /// [`verify_interval`](crate::manager::SessionManagerBuilder::verify_interval), and its refusal
    /// counts as an end. While the store or the verifier cannot answer, the future keeps waiting.
    /// Waiting does not count as a use of the session.
    ///
    /// Costs one load per poll, for all who wait for the session on this node, and one question to
    /// the verifier for each one who waits.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # async fn demo<T: SessionData>(
    /// #     session: Session<T>, next_message: impl Future<Output = ()>,
    /// # ) {
    /// tokio::select! {
    ///     () = session.wait_until_ended() => { /* close the connection */ }
    ///     () = next_message => { /* continue */ }
    /// }
    /// # }
    /// ```
    pub fn wait_until_ended(&self) -> impl Future<Output = ()> + Send + use<T> {
        revoked(
            Arc::clone(&self.scope.sessions),
            Arc::clone(&self.record),
            self.last_verdict.clone(),
        )
    }

    /// Passes on the answer of an operation, and logs its error first.
    fn logged<R>(&self, answer: Result<R, Error>) -> Result<R, Error> {
        answer.map_err(|error| self.scope.sessions.failed(error))
    }

    fn ended(&self) -> Error {
        self.scope.found_ended(self.id());
        Error::Ended { id: self.id() }
    }
}

impl<T: SessionData> Deref for Session<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.data()
    }
}

/// Shows the id and the times, never the payload.
impl<T: SessionData> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.record).finish()
    }
}
