//! The sessions of the same subject: listing them, and ending them.

use super::Session;
use crate::id::SessionId;
use crate::manager::Listing;
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::request::scope::LogoutReach;
use crate::store::{EndReason, Ending, Listed, Record};

impl<T: SessionData> Session<T> {
    /// Returns the subject of the session: whose session this is.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(session: Session<UserSession>) -> () {
    /// assert_eq!(session.subject(), Some(&session.user_id));
    /// # }
    /// ```
    pub fn subject(&self) -> Option<&T::Subject> {
        self.record.data.subject()
    }

    /// Returns the live sessions of the same subject, including this one, newest first, one page at
    /// a time. A payload without a subject has none. Await it to run it. Costs two statements: a
    /// handle that was kept lists nothing once its own session has ended, or its secret was
    /// replaced.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(session: Session<UserSession>) -> Result<(), anchor::Error> {
    /// for device in session.siblings().limit(20).await? {
    ///     let here = if device.id == session.id() { " (this one)" } else { "" };
    ///     println!("{}, last seen {}{here}", device.id, device.last_seen_at);
    /// }
    /// # Ok(())
    /// # }
    /// ```
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
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, name: String }
    /// # async fn example(session: Session<UserSession>) -> Result<(), anchor::Error> {
    /// let ended = session.revoke_others().await?;
    /// println!("logged out on {ended} other devices");
    /// # Ok(())
    /// # }
    /// ```
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
    /// response, such as a WebSocket's, or whose session was served from the cache, first checks
    /// that its own session is live and its secret is still valid, which costs one more.
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
        if self.scope.is_over() || self.scope.is_cached() {
            self.logged(self.is_still_good().await)?;
        }
        if id == self.id() {
            // The logout logs its own failure.
            return Ok(self.scope.logout(LogoutReach::This, None).await? > 0);
        }
        let ending = self.scope.sessions.revoke_of(subject, id, EndReason::LogoutOthers).await;
        Ok(self.logged(ending.map_err(Error::from))? == Ending::Ended)
    }

    /// Returns an error if the session has ended, or the secret that admitted this handle is no
    /// longer valid. For operations that reach beyond the session itself.
    async fn is_still_good(&self) -> Result<(), Error> {
        match self.scope.sessions.load_live(self.id()).await? {
            Some(loaded) => self.scope.found_again(&loaded).map(drop),
            None => Err(self.ended()),
        }
    }
}
