//! [`Session::update`]: a change of the payload, by compare-and-set.

use std::sync::Arc;

use super::Session;
use crate::manager::payload_change::{Changed, Start};
use crate::manager::{BoxError, Event};
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::store::Loaded;

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
    /// - [`Error::SubjectChanged`] if `change` changes the subject or the impersonator: that is a
    ///   login.
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
        let from = self.held()?;
        let changed = |data: &T| {
            let mut to = data.clone();
            change(&mut to);
            Some(to)
        };
        let again = |loaded| {
            self.take_over(loaded)?;
            self.held()
        };
        match sessions.change(from, changed, again).await? {
            Changed::Written(record) => {
                self.record = record;
                self.scope.found_updated(&self.record);
                sessions.emit(&Event::Updated { session: &self.record });
                Ok(())
            }
            Changed::Unchanged => Ok(()),
            Changed::Gone => Err(self.ended()),
        }
    }

    /// Returns the session as this handle has it, and the secret that its request has.
    fn held(&self) -> Result<Start<T>, Error> {
        let secret = self.scope.secret_of(self.id())?;
        Ok(Start { record: Arc::clone(&self.record), secret })
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
