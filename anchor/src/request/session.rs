//! [`Session`]: a verified, live session in a request.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

use crate::column::Column;
use crate::column::Value;
use crate::id::SessionId;
use crate::manager::BoxError;
use crate::manager::Event;
use crate::manager::Listing;
use crate::manager::verification::Verification;
use crate::manager::watch::revoked;
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::request::scope::{Admitted, LogoutScope, Scope};
use crate::store::{
    Change, EndReason, Ending, Listed, Loaded, OldSecret, Record, Touch, Touched, Updated,
};
use crate::timestamp::Timestamp;
use crate::token::SessionToken;

/// How often [`Session::update`] tries before it gives up. Each conflict means that another request
/// got through.
const UPDATE_ATTEMPTS: u32 = 64;

/// A verified, live session: an extractor and a handle. It derefs to the payload.
///
/// As an argument it refuses a request without a valid session (401); `Option<Session<T>>` is
/// `None` then, and only then. A store that cannot answer refuses both (503).
///
/// The payload is this request's view of it: shared, unchanging, loaded once.
/// [`update`](Self::update) changes it in the store; an assignment such as `session.name = name`
/// does not compile: write `session.update(|user| user.name = name).await?`. Cheap to clone.
pub struct Session<T: SessionData> {
    scope: Arc<Scope<T>>,
    record: Arc<Record<T>>,
    now: Timestamp,
    current_secret: bool,
    /// `None` without a verifier, and for the handle that a policy looks at, which does not outlive
    /// its request.
    verification: Option<Arc<Verification>>,
}

impl<T: SessionData> Session<T> {
    pub(crate) fn new(scope: Arc<Scope<T>>, admitted: Admitted<T>) -> Self {
        let Admitted { record, now, current_secret } = admitted;
        Self { scope, record, now, current_secret, verification: None }
    }

    /// The handle as a handler gets it, which may outlive its request.
    pub(crate) fn kept(self, request: &Parts) -> Self {
        let verification = Verification::of(&self.scope.sessions, request);
        self.verified_by(verification)
    }

    pub(crate) fn verified_by(mut self, verification: Option<Arc<Verification>>) -> Self {
        self.verification = verification;
        self
    }

    /// The session's public id: it may be listed and logged.
    pub fn id(&self) -> SessionId {
        self.record.id
    }

    /// The payload.
    pub fn data(&self) -> &T {
        &self.record.data
    }

    /// The session as stored: its times, its version, its payload.
    pub fn record(&self) -> &Record<T> {
        &self.record
    }

    /// Whether the request presents the session's secret, and not the one before the last rotation,
    /// which is still accepted for requests in flight. What comes after a re-authentication is not
    /// for a token from before it: `fresh` policies refuse that one.
    pub fn presents_current_secret(&self) -> bool {
        self.current_secret
    }

    /// How long ago the session's subject last proved who they are, by the store's clock when the
    /// session was loaded.
    pub fn authenticated_for(&self) -> Duration {
        self.now.saturating_since(self.record.authenticated_at)
    }

    /// Changes the payload in the store: a compare-and-set that writes only the columns that
    /// differ.
    ///
    /// When another request changed the session meanwhile, `change` runs again on the fresh
    /// payload, so it must depend on its argument alone. Two requests that change different fields
    /// both win. Afterwards this handle, and later extractors of this request, see the new payload.
    /// It counts as a use of the session, even where nothing differs. One statement; two more for
    /// each conflict.
    ///
    /// A handle that is kept, as by a WebSocket, writes on a yes of the
    /// [`Verifier`](crate::manager::Verifier) that is at most
    /// [`verify_interval`](crate::manager::SessionManagerBuilder::verify_interval) old: after that,
    /// or once [`revoked`](Self::wait_until_ended) has learned of a no, it is asked first, about
    /// the session loaded anew.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # async fn demo<T: SessionData>(mut session: Session<T>, set: fn(&mut T)) -> Result<(), anchor::Error> {
    /// session.update(|user| set(user)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] when the session has ended meanwhile: nothing was written, and no cookie is
    /// sent. [`Error::SecretReplaced`] when this request's secret was replaced meanwhile, and is
    /// good no more: nothing was written, and this handle learns nothing of what the session has
    /// become. [`Error::SubjectChanged`] when `change` changes the subject: that is a login.
    /// [`Error::Contended`] after 64 conflicts. [`Error::Store`] when the store cannot answer, or
    /// the payload cannot be stored. [`Error::RefusedByVerifier`] and [`Error::Verifier`] where the
    /// verifier is asked again.
    pub async fn update(&mut self, change: impl FnMut(&mut T)) -> Result<(), Error> {
        let updated = self.try_update(change).await;
        self.logged(updated)
    }

    async fn try_update(&mut self, mut change: impl FnMut(&mut T)) -> Result<(), Error> {
        self.verify_when_due().await?;
        let sessions = Arc::clone(&self.scope.sessions);
        let id = self.id();
        let mut turn = None;
        for _ in 0..UPDATE_ATTEMPTS {
            let from = Arc::clone(&self.record.data);
            let mut to = T::clone(&from);
            change(&mut to);
            if subject_value(&*from) != subject_value(&to) {
                return Err(Error::SubjectChanged { id });
            }
            let to = Arc::new(to);
            let version = self.record.version;
            let secret = self.scope.secret_of(id)?;
            let idle = sessions.idle;
            let written = Change { id, secret, version, from, to: Arc::clone(&to), idle };
            match sessions.store.update(written).await? {
                Updated::Written { version } => {
                    self.record =
                        Arc::new(Record { version, data: to, ..Record::clone(&self.record) });
                    self.scope.found_updated(&self.record);
                    sessions.emit(&Event::Updated { session: &self.record });
                    return Ok(());
                }
                Updated::Conflict => {
                    // Whoever met a conflict waits for the others of this node who did, or all
                    // would load the same version and all but one fail again.
                    if turn.is_none() {
                        turn = Some(sessions.keyed_mutex.take(id).await);
                    }
                    match sessions.load_live(id).await? {
                        Some(loaded) => self.take_over(loaded)?,
                        None => return Err(self.ended()),
                    }
                }
                Updated::Gone => return Err(self.ended()),
            }
        }
        Err(Error::Contended { id, attempts: UPDATE_ATTEMPTS })
    }

    /// Gives the session a new secret under the same id, and the response its cookie: every so
    /// often, and after a change that gives the session less. The new token is returned for a
    /// frontend that sends none; `None` when another request has rotated already, and its response
    /// carries the token.
    ///
    /// The old secret stays good for the manager's
    /// [`rotation_grace`](crate::manager::SessionManagerBuilder::rotation_grace), for requests in
    /// flight, and beyond it until the new one is first presented: a response that is lost logs
    /// nobody out, the next one carries another new token. Once the new one was presented and the
    /// grace is over, whoever presents an older one has a copy: the session is ended, and
    /// [`Event::TheftSuspected`] reports it. It counts as a use of the session. One statement.
    ///
    /// | after | call |
    /// | --- | --- |
    /// | some time | `rotate` |
    /// | the session may do more than before (a second factor, another role) | [`rotate_now`](Self::rotate_now) |
    /// | the user proved again who they are | [`reauthenticated`](Self::reauthenticated) |
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] when the session has ended meanwhile, [`Error::ResponseBegun`] when no
    /// cookie can be set any more (when the response went while the store was at work, the rotation
    /// is written all the same), [`Error::Store`] when the store cannot answer.
    pub async fn rotate(&self) -> Result<Option<SessionToken>, Error> {
        self.logged(self.scope.rotate(self.id(), OldSecret::Exchanged).await)
    }

    /// [`rotate`](Self::rotate) without a grace: the old secret is refused at once. For a session
    /// that may now do more than before, so that a copy of the old token gains nothing from it.
    ///
    /// Requests in flight are answered 401; a client that never receives this response has to log
    /// in again. One statement.
    ///
    /// # Errors
    ///
    /// Those of [`rotate`](Self::rotate).
    pub async fn rotate_now(&self) -> Result<Option<SessionToken>, Error> {
        self.logged(self.scope.rotate(self.id(), OldSecret::Refused).await)
    }

    /// Records that the session's subject has just proved again who they are, as with their
    /// password: `fresh = ".."` policies count from now. The session gets a new secret in the same
    /// statement (OWASP ASVS 5.0 7.2.4), whose token is returned for a frontend that sends none.
    ///
    /// The old secret stays good for the manager's
    /// [`rotation_grace`](crate::manager::SessionManagerBuilder::rotation_grace), but `fresh` and
    /// [`CurrentSecret`](crate::guard::CurrentSecret) refuse it. It counts as a use of the session.
    /// One statement.
    ///
    /// # Errors
    ///
    /// Those of [`rotate`](Self::rotate), and [`Error::SecretReplaced`] when another request has
    /// rotated meanwhile: nothing was written, for that one may be a thief's.
    pub async fn reauthenticated(&mut self) -> Result<SessionToken, Error> {
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

    /// Whose session this is.
    pub fn subject(&self) -> Option<&T::Subject> {
        self.record.data.subject()
    }

    /// The live sessions of the same subject, this one among them, newest first, a page at a time;
    /// none for a payload without a subject. Await it: one statement.
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    pub fn siblings(&self) -> Listing<'_, Record<T>> {
        Listing::new(move |page| {
            Box::pin(async move {
                let Some(subject) = self.subject() else { return Ok(Listed::default()) };
                self.logged(self.is_still_good().await)?;
                let listed = self.scope.sessions.store.list(subject, page).await;
                self.logged(listed.map_err(Error::from))
            })
        })
    }

    /// Ends every other session of the same subject, and says how many there were. Three
    /// statements: a handle that was kept ends nothing once its own session has ended, or its
    /// secret was replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] and [`Error::SecretReplaced`] in those cases; [`Error::Store`] when the
    /// store cannot answer: the sessions may live on.
    pub async fn revoke_others(&self) -> Result<u64, Error> {
        let Some(subject) = self.subject() else { return Ok(0) };
        self.logged(self.is_still_good().await)?;
        let (sessions, keep) = (&self.scope.sessions, Some(self.id()));
        let ended = sessions.revoke_subject(subject, keep, EndReason::LogoutOthers).await;
        self.logged(ended.map_err(Error::from))
    }

    /// Ends one session of the same subject, such as one that [`siblings`](Self::siblings) has
    /// listed, and says whether it was live. The id may come from the client: the statement
    /// compares it together with the subject, so the id of another subject's session ends nothing.
    /// This session's own id is a logout: its cookie is removed as well.
    ///
    /// One statement; two where no such session was live. A handle that was kept after its
    /// response, such as a WebSocket's, asks first whether its own session lives and its secret is
    /// still good: one more.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # async fn demo<T: SessionData>(
    /// #     session: Session<T>, id: anchor::SessionId,
    /// # ) -> Result<(), anchor::Error> {
    /// let was_live = session.end_sibling(id).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] and [`Error::SecretReplaced`] for a handle that was kept;
    /// [`Error::Store`] when the store cannot answer: the session may live on.
    pub async fn end_sibling(&self, id: SessionId) -> Result<bool, Error> {
        let Some(subject) = self.subject() else { return Ok(false) };
        if self.scope.is_answered() {
            self.logged(self.is_still_good().await)?;
        }
        if id == self.id() {
            // The logout logs its own failure.
            return Ok(self.scope.logout(LogoutScope::This, None).await? > 0);
        }
        let ending = self.scope.sessions.revoke_of(subject, id, EndReason::LogoutOthers).await;
        Ok(self.logged(ending.map_err(Error::from))? == Ending::Ended)
    }

    /// Marks the session as used now, and returns when it ends unless it is used again: the
    /// manager's idle timeout from now, at most its deadline, by the store's clock.
    ///
    /// A request is recorded as a use by itself, as are [`update`](Self::update),
    /// [`rotate`](Self::rotate) and [`reauthenticated`](Self::reauthenticated). This is for what
    /// lasts longer than a request, such as a WebSocket or an event stream whose user is there:
    /// call it on their messages, or on a timer of a fraction of the idle timeout. It asks no
    /// [`Verifier`](crate::manager::Verifier): wait for [`revoked`](Self::wait_until_ended) beside
    /// it. One statement.
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
    /// [`Error::Ended`] when the session has ended; [`Error::Store`] when the store cannot answer.
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
    /// [`shutdown`](crate::SessionManager::shutdown): close the WebSocket or the event stream then.
    ///
    /// An end through this node's manager is noticed at once; one on another node, by expiry, or in
    /// the database itself within the manager's
    /// [`revocation_poll`](crate::manager::SessionManagerBuilder::revocation_poll). Where there is
    /// a [`Verifier`](crate::manager::Verifier), it is asked about this handle's request every
    /// [`verify_interval`](crate::manager::SessionManagerBuilder::verify_interval), and its no
    /// counts as an end. While store or verifier cannot answer it goes on waiting. It does not
    /// count as a use of the session.
    ///
    /// One load each poll, for all who wait for the session on this node; one question to the
    /// verifier for each who waits.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # async fn demo<T: SessionData>(session: Session<T>, next_message: impl Future<Output = ()>) {
    /// tokio::select! {
    ///     () = session.wait_until_ended() => { /* close the connection */ }
    ///     () = next_message => { /* go on */ }
    /// }
    /// # }
    /// ```
    pub fn wait_until_ended(&self) -> impl Future<Output = ()> + Send + use<T> {
        revoked(
            Arc::clone(&self.scope.sessions),
            Arc::clone(&self.record),
            self.verification.clone(),
        )
    }

    /// Asks the verifier again where its last yes is too old to write on, about the session as it
    /// is now.
    async fn verify_when_due(&mut self) -> Result<(), Error> {
        let sessions = Arc::clone(&self.scope.sessions);
        if sessions.verifier.is_none() {
            return Ok(());
        }
        let Some(verification) = self.verification.clone() else {
            let reason = "this handle is a policy's: write by the handler's own `Session` argument";
            return Err(Error::Verifier(BoxError::from(reason).into()));
        };
        if !verification.is_due(&sessions) {
            return Ok(());
        }
        match sessions.load_live(self.id()).await? {
            Some(loaded) => {
                self.take_over(loaded)?;
                verification.ask(&sessions, &self.record).await
            }
            None => Err(self.ended()),
        }
    }

    /// Says no when the session has ended, or the secret that let this handle in is good no more:
    /// for what reaches beyond the session itself.
    async fn is_still_good(&self) -> Result<(), Error> {
        match self.scope.sessions.load_live(self.id()).await? {
            Some(loaded) => self.scope.found_again(&loaded).map(drop),
            None => Err(self.ended()),
        }
    }

    /// Shows the session as it is now, if the secret that let this handle in is still good.
    fn take_over(&mut self, loaded: Loaded<T>) -> Result<(), Error> {
        self.current_secret = self.scope.found_again(&loaded)?;
        self.now = loaded.now;
        self.record = loaded.record;
        Ok(())
    }

    /// What an operation answers the application with: an error is logged first.
    fn logged<R>(&self, answer: Result<R, Error>) -> Result<R, Error> {
        answer.map_err(|error| self.scope.sessions.failed(error))
    }

    fn ended(&self) -> Error {
        self.scope.found_ended(self.id());
        Error::Ended { id: self.id() }
    }
}

/// Whose session it is, in a form that compares; `None` for nobody's.
fn subject_value<T: SessionData>(data: &T) -> Option<Value> {
    data.subject().and_then(|subject| subject.to_value().ok())
}

impl<T: SessionData> Deref for Session<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.data()
    }
}

impl<T: SessionData> Clone for Session<T> {
    fn clone(&self) -> Self {
        Self {
            scope: Arc::clone(&self.scope),
            record: Arc::clone(&self.record),
            now: self.now,
            current_secret: self.current_secret,
            verification: self.verification.clone(),
        }
    }
}

/// Shows the id and the times, never the payload.
impl<T: SessionData> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.record).finish()
    }
}
