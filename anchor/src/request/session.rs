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

/// How many times [`Session::update`] tries before it gives up. Each conflict means that another
/// request succeeded.
const UPDATE_ATTEMPTS: u32 = 64;

/// A verified, live session: an extractor and a handle. It dereferences to the payload.
///
/// As an argument, it refuses a request without a valid session (401). `Option<Session<T>>` is
/// `None` in that case, and only then. If the store cannot answer, both refuse the request (503).
///
/// The payload is this request's view of it: shared, immutable, loaded once.
/// [`update`](Self::update) changes it in the store. An assignment such as `session.name = name`
/// does not compile: write `session.update(|user| user.name = name).await?`. Cheap to clone.
pub struct Session<T: SessionData> {
    scope: Arc<Scope<T>>,
    record: Arc<Record<T>>,
    now: Timestamp,
    current_secret: bool,
    /// `None` without a verifier, and for the handle that is passed to a policy, which does not
    /// outlive its request.
    verification: Option<Arc<Verification>>,
}

impl<T: SessionData> Session<T> {
    pub(crate) fn new(scope: Arc<Scope<T>>, admitted: Admitted<T>) -> Self {
        let Admitted { record, now, current_secret } = admitted;
        Self { scope, record, now, current_secret, verification: None }
    }

    /// Makes the handle that a handler receives, which may outlive its request.
    pub(crate) fn kept(self, request: &Parts) -> Self {
        let verification = Verification::of(&self.scope.sessions, request);
        self.verified_by(verification)
    }

    pub(crate) fn verified_by(mut self, verification: Option<Arc<Verification>>) -> Self {
        self.verification = verification;
        self
    }

    /// Returns the session's public id, which may be listed and logged.
    pub fn id(&self) -> SessionId {
        self.record.id
    }

    /// Returns the payload.
    pub fn data(&self) -> &T {
        &self.record.data
    }

    /// Returns the session as stored: its times, its version, its payload.
    pub fn record(&self) -> &Record<T> {
        &self.record
    }

    /// Returns whether the request presents the session's current secret, and not the one from
    /// before the last rotation, which is still accepted for requests in flight. What follows a
    /// re-authentication is not meant for a token from before it: `fresh` policies refuse that
    /// token.
    pub fn presents_current_secret(&self) -> bool {
        self.current_secret
    }

    /// Returns how long ago the session's subject last proved who they are, by the store's clock
    /// when the session was loaded.
    pub fn authenticated_for(&self) -> Duration {
        self.now.saturating_since(self.record.authenticated_at)
    }

    /// Changes the payload in the store: a compare-and-set that writes only the columns that
    /// differ.
    ///
    /// If another request changed the session meanwhile, `change` runs again on the new payload, so
    /// it must depend only on its argument. If two requests change different fields, both changes
    /// are kept. Afterwards, this handle and later extractors of this request see the new payload.
    /// An update counts as a use of the session, even if nothing differs. Costs one statement, plus
    /// two for each conflict.
    ///
    /// A handle that is kept, such as by a WebSocket, writes only if the
    /// [`Verifier`](crate::manager::Verifier) accepted it at most
    /// [`verify_interval`](crate::manager::SessionManagerBuilder::verify_interval) ago. After that
    /// time, or once [`wait_until_ended`](Self::wait_until_ended) has learned of a refusal, the
    /// verifier is asked first, about the session as it is then loaded.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # async fn demo<T: SessionData>(
    /// #     mut session: Session<T>, set: fn(&mut T),
    /// # ) -> Result<(), anchor::Error> {
    /// session.update(|user| set(user)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Ended`] if the session has ended meanwhile: nothing was written, and no cookie is
    ///   sent.
    /// - [`Error::SecretReplaced`] if this request's secret was replaced meanwhile and is no longer
    ///   valid: nothing was written, and this handle does not show what the session has become.
    /// - [`Error::SubjectChanged`] if `change` changes the subject: that is a login.
    /// - [`Error::Contended`] after 64 conflicts.
    /// - [`Error::Store`] if the store cannot answer, or the payload cannot be stored.
    /// - [`Error::RefusedByVerifier`] and [`Error::Verifier`] if the verifier is asked again.
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
                    // A request that met a conflict waits for the others on this node that did.
                    // Otherwise all would load the same version, and all but one would fail again.
                    if turn.is_none() {
                        turn = Some(sessions.updates.lock(id).await);
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
    /// # Errors
    ///
    /// Returns the errors of [`rotate`](Self::rotate), and [`Error::SecretReplaced`] if another
    /// request has rotated meanwhile: nothing was written, because that request may be a thief's.
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

    /// Returns the subject of the session: whose session this is.
    pub fn subject(&self) -> Option<&T::Subject> {
        self.record.data.subject()
    }

    /// Returns the live sessions of the same subject, including this one, newest first, one page at
    /// a time. A payload without a subject has none. Await it to run it. Costs two statements: a
    /// handle that was kept lists nothing once its own session has ended, or its secret was
    /// replaced.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot answer.
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

    /// Ends every other session of the same subject, and returns how many there were. Costs three
    /// statements: a handle that was kept ends nothing once its own session has ended, or its
    /// secret was replaced.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Ended`] and [`Error::SecretReplaced`] in those cases, and [`Error::Store`]
    /// if the store cannot answer. The sessions may then still be live.
    pub async fn revoke_others(&self) -> Result<u64, Error> {
        let Some(subject) = self.subject() else { return Ok(0) };
        self.logged(self.is_still_good().await)?;
        let (sessions, keep) = (&self.scope.sessions, Some(self.id()));
        let ended = sessions.revoke_subject(subject, keep, EndReason::LogoutOthers).await;
        self.logged(ended.map_err(Error::from))
    }

    /// Ends one session of the same subject, such as one that [`siblings`](Self::siblings) has
    /// listed, and returns whether it was live. The id may come from the client: the statement
    /// compares it together with the subject, so the id of another subject's session ends nothing.
    /// This session's own id is a logout: its cookie is removed as well.
    ///
    /// Costs one statement, or two if no such session was live. A handle that was kept after its
    /// response, such as a WebSocket's, first checks that its own session is live and its secret is
    /// still valid, which costs one more.
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
    /// Returns [`Error::Ended`] and [`Error::SecretReplaced`] for a handle that was kept, and
    /// [`Error::Store`] if the store cannot answer. The session may then still be live.
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
            self.verification.clone(),
        )
    }

    /// Asks the verifier again, about the session as it is now, if its last acceptance is too old
    /// to allow a write.
    async fn verify_when_due(&mut self) -> Result<(), Error> {
        let sessions = Arc::clone(&self.scope.sessions);
        if sessions.verifier.is_none() {
            return Ok(());
        }
        let Some(verification) = self.verification.clone() else {
            let reason =
                "this handle belongs to a policy: write with the handler's own `Session` argument";
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

    /// Returns an error if the session has ended, or the secret that admitted this handle is no
    /// longer valid. For operations that reach beyond the session itself.
    async fn is_still_good(&self) -> Result<(), Error> {
        match self.scope.sessions.load_live(self.id()).await? {
            Some(loaded) => self.scope.found_again(&loaded).map(drop),
            None => Err(self.ended()),
        }
    }

    /// Updates this handle to the session as it is now, if the secret that admitted it is still
    /// valid.
    fn take_over(&mut self, loaded: Loaded<T>) -> Result<(), Error> {
        self.current_secret = self.scope.found_again(&loaded)?;
        self.now = loaded.now;
        self.record = loaded.record;
        Ok(())
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

/// Returns whose session it is, in a form that can be compared, or `None` if it is nobody's.
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
