//! [`Session::update`]: a change of the payload, by compare-and-set.

use std::sync::Arc;

use super::Session;
use crate::column::{Column, Value};
use crate::manager::{BoxError, Event};
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::store::{Change, Loaded, Record, Updated};

/// How many times [`Session::update`] tries before it gives up. Each conflict means that another
/// request succeeded.
const UPDATE_ATTEMPTS: u32 = 64;

impl<T: SessionData> Session<T> {
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

    /// Asks the verifier again, about the session as it is now, if its last acceptance is too old
    /// to allow a write.
    async fn verify_when_due(&mut self) -> Result<(), Error> {
        let sessions = Arc::clone(&self.scope.sessions);
        if sessions.verifier.is_none() {
            return Ok(());
        }
        let Some(last_verdict) = self.last_verdict.clone() else {
            let reason =
                "this handle belongs to a policy: write with the handler's own `Session` argument";
            return Err(Error::Verifier(BoxError::from(reason).into()));
        };
        if !last_verdict.is_due(&sessions) {
            return Ok(());
        }
        match sessions.load_live(self.id()).await? {
            Some(loaded) => {
                self.take_over(loaded)?;
                last_verdict.ask(&sessions, &self.record).await
            }
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
}

/// Returns whose session it is, in a form that can be compared, or `None` if it is nobody's.
fn subject_value<T: SessionData>(data: &T) -> Option<Value> {
    data.subject().and_then(|subject| subject.to_value().ok())
}
