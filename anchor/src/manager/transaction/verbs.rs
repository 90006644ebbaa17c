//! The verbs of a [`SessionTransaction`].

use super::commit::ahead;
use super::{Effect, SessionTransaction, Stage, broken, in_time};
use crate::column::Column;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::manager::RevokedSessions;
use crate::manager::payload_change::{check_subject, differing};
use crate::manager::sessions::Sessions;
use crate::payload::{CutOff, SessionData};
use crate::rejection::Error;
#[cfg(feature = "cache")]
use crate::store::cache::Stale;
use crate::store::sql::Transactions;
use crate::store::{Created, EndReason, Ending, NewSession, Record, Replaced};

impl<T: SessionData, D: Transactions> SessionTransaction<T, D> {
    /// Ends a session, whoever its subject is, and returns whether it was live:
    /// [`SessionManager::revoke`](crate::SessionManager::revoke).
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # async fn example(
    /// #     sessions: SessionManager<UserSession>, store: SqliteStore<UserSession>,
    /// #     id: anchor::SessionId,
    /// # ) -> Result<(), anchor::Error> {
    /// let mut transaction = sessions.begin(&store).await?;
    /// let was_live = transaction.revoke(id).await?;
    /// transaction.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot answer, or if the transaction already has a login.
    pub async fn revoke(&mut self, id: SessionId) -> Result<bool, Error> {
        let reason = EndReason::Revoked;
        self.begin_to_end().await?;
        #[cfg(feature = "cache")]
        self.changing(Stale::session(id));
        let timeout = self.sessions.store.timeout();
        let within = self.store.within(self.transaction.parts().0);
        let ending = in_time(timeout, "revoke", within.revoke(id, reason)).await;
        let ending = self.carried_out(ending)?;
        let (which, count) = (RevokedSessions::One(id), ending.count());
        self.effects.push(Effect::Revoked { which, subject: None, count, reason });
        Ok(ending == Ending::Ended)
    }

    /// Ends every session of a subject, and returns how many there were:
    /// [`SessionManager::revoke_subject`](crate::SessionManager::revoke_subject).
    ///
    /// A login that commits after this call and before this transaction does is not found. To end
    /// that one, too, use [`cut_off`](Self::cut_off).
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # async fn example(
    /// #     sessions: SessionManager<UserSession>, store: SqliteStore<UserSession>, user_id: i64,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// // The user and their sessions go together, or not at all.
    /// let mut transaction = sessions.begin(&store).await?;
    /// let delete = sqlx::query("DELETE FROM users WHERE id = ?").bind(user_id);
    /// delete.execute(&mut *transaction).await?;
    /// transaction.revoke_subject(&user_id).await?;
    /// transaction.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot answer, or if the transaction already has a login.
    pub async fn revoke_subject(&mut self, subject: &T::Subject) -> Result<u64, Error> {
        self.end_of_subject(subject, None).await
    }

    /// Ends every session of a subject except one, and returns how many it ended:
    /// [`SessionManager::revoke_others`](crate::SessionManager::revoke_others).
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
    /// let here = sessions.test_session(UserSession { user_id: 1 }).await.id();
    /// let elsewhere = sessions.test_session(UserSession { user_id: 1 }).await.id();
    /// let mut transaction = sessions.begin(&store).await?;
    /// assert_eq!(transaction.revoke_others(&1, here).await?, 1);
    /// transaction.commit().await?;
    /// assert!(sessions.get(here).await?.is_some());
    /// assert!(sessions.get(elsewhere).await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`revoke_subject`](Self::revoke_subject).
    pub async fn revoke_others(
        &mut self,
        subject: &T::Subject,
        keep: SessionId,
    ) -> Result<u64, Error> {
        self.end_of_subject(subject, Some(keep)).await
    }

    async fn end_of_subject(
        &mut self,
        subject: &T::Subject,
        keep: Option<SessionId>,
    ) -> Result<u64, Error> {
        let reason = EndReason::Revoked;
        self.begin_to_end().await?;
        #[cfg(feature = "cache")]
        self.changing(Stale::subject::<T>(subject));
        let timeout = self.sessions.store.timeout();
        let within = self.store.within(self.transaction.parts().0);
        let call = within.revoke_subject(subject, keep, reason);
        let count = in_time(timeout, "revoke_subject", call).await;
        let count = self.carried_out(count)?;
        let which = keep.map_or(RevokedSessions::Subject, RevokedSessions::Others);
        let subject = subject.to_value().ok();
        self.effects.push(Effect::Revoked { which, subject, count, reason });
        Ok(count)
    }

    /// Ends every session of a subject, and those of its logins that have begun, or begin before
    /// the commit: [`SessionManager::cut_off`](crate::SessionManager::cut_off). Until the commit,
    /// logins still find the old password, so they must not stay.
    ///
    /// The cut-off is recorded ahead, by twice the `store_timeout` and a second, at most an hour,
    /// and set to the time of the commit after it. If that fails, which is logged, it is tried
    /// again. Until it succeeds or that time is over, logins of the subject are answered with 503.
    /// A login that finds the old password can stay only if the node ends during a commit that
    /// takes longer than that.
    ///
    /// To log the user in again, call [`Auth::login`](crate::Auth::login) with
    /// [`starting_now`](crate::request::Login::starting_now) after the commit.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # #[session(cut_off)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # async fn example(
    /// #     sessions: SessionManager<UserSession>, store: SqliteStore<UserSession>,
    /// #     user_id: i64, hash: String,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut transaction = sessions.begin(&store).await?;
    /// sqlx::query("UPDATE users SET password_hash = ? WHERE id = ?")
    ///     .bind(hash)
    ///     .bind(user_id)
    ///     .execute(&mut *transaction)
    ///     .await?;
    /// transaction.cut_off(&user_id).await?;
    /// transaction.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`revoke_subject`](Self::revoke_subject).
    pub async fn cut_off(&mut self, subject: &T::Subject) -> Result<u64, Error>
    where
        T: CutOff,
    {
        let reason = EndReason::CutOff;
        self.begin_to_end().await?;
        #[cfg(feature = "cache")]
        self.changing(Stale::subject::<T>(subject));
        let timeout = self.sessions.store.timeout();
        let within = self.store.within(self.transaction.parts().0);
        let call = within.cut_off(subject, ahead(timeout), reason);
        let count = in_time(timeout, "cut_off", call).await;
        let count = self.carried_out(count)?;
        let value = subject.to_value().ok();
        let again = value.clone().and_then(|value| T::Subject::from_value(value).ok());
        self.cut_off.extend(again);
        let which = RevokedSessions::Subject;
        self.effects.push(Effect::Revoked { which, subject: value, count, reason });
        Ok(count)
    }

    /// Changes the payload in every live session of a subject, and returns how many sessions it has
    /// changed: [`SessionManager::update_subject`](crate::SessionManager::update_subject). All of
    /// them are locked first, so `change` runs once for each, and nobody else changes them until
    /// the transaction has ended.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64, admin: bool }
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
    /// let id = sessions.test_session(UserSession { user_id: 1, admin: true }).await.id();
    /// let mut transaction = sessions.begin(&store).await?;
    /// assert_eq!(transaction.update_subject(&1, |user| user.admin = false).await?, 1);
    /// transaction.commit().await?;
    /// assert!(!sessions.get(id).await?.unwrap().data.admin);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot answer, if one of the payloads cannot be stored,
    /// [`Error::SubjectChanged`] if `change` changes the subject, and
    /// [`Error::UndecodableSessions`] if this release cannot decode a session of the subject, which
    /// may be live on another node. No session is changed then, because the transaction can only be
    /// rolled back.
    pub async fn update_subject(
        &mut self,
        subject: &T::Subject,
        change: impl FnMut(&mut T) + Send,
    ) -> Result<u64, Error> {
        self.begin_verb().await?;
        #[cfg(feature = "cache")]
        self.changing(Stale::subject::<T>(subject));
        let updated = self.update_locked(subject, change).await;
        let updated = updated.map_err(|error| self.sessions.failed(error))?;
        self.stage = Stage::Sound;
        let count = updated.len() as u64;
        updated.into_iter().for_each(|record| self.effects.push(Effect::Updated(record)));
        Ok(count)
    }

    async fn update_locked(
        &mut self,
        subject: &T::Subject,
        mut change: impl FnMut(&mut T) + Send,
    ) -> Result<Vec<Record<T>>, Error> {
        let (timeout, idle) = (self.sessions.store.timeout(), self.sessions.idle);
        let within = self.store.within(self.transaction.parts().0);
        let locked = in_time(timeout, "update_subject", within.lock_subject(subject)).await?;
        if locked.undecodable > 0 {
            return Err(Error::UndecodableSessions { count: locked.undecodable });
        }
        let mut updated = Vec::new();
        for record in locked {
            let Some(to) = differing(&*record.data, &mut change) else { continue };
            check_subject(&record, &to)?;
            let within = self.store.within(self.transaction.parts().0);
            let write = within.write_locked(record, to, idle);
            updated.extend(in_time(timeout, "update_subject", write).await?);
        }
        Ok(updated)
    }

    /// Returns an error unless a request under this manager may log in here: it is a manager of the
    /// same store, and the transaction has no login, whose session this one would have to end.
    pub(crate) fn check_login(&self, sessions: &Sessions<T>) -> Result<(), Error> {
        if sessions.store.identity() != self.sessions.store.identity() {
            return Err(Error::OtherStore { table: T::schema().table });
        }
        if self.effects.has_login() {
            let reason = "a transaction has one login, and this one has it already";
            return Err(StoreError::unavailable(reason).into());
        }
        Ok(())
    }

    /// Inserts a session, and ends those that it replaces. Returns what was created, and the ids of
    /// the sessions that left room for it.
    pub(crate) async fn create(
        &mut self,
        new: NewSession<T>,
        others: &[Replaced],
    ) -> Result<(Record<T>, Vec<SessionId>), Error> {
        let subject = new.data.subject().and_then(|subject| subject.to_value().ok());
        let mut cut_off = self.cut_off.iter().filter_map(|subject| subject.to_value().ok());
        if subject.is_some_and(|subject| cut_off.any(|cut_off| cut_off == subject)) {
            let reason = "the transaction has cut off this subject, so that its login would be \
                          ended by the commit: log in after the commit, with `.starting_now()`";
            self.refuse();
            return Err(self.sessions.failed(StoreError::unavailable(reason)));
        }
        self.begin_verb().await?;
        #[cfg(feature = "cache")]
        {
            let mut stale = Stale::login(&new);
            stale.extend(others.iter().map(|other| Stale::Session(other.id)));
            self.changing(stale);
        }
        let timeout = self.sessions.store.timeout();
        let (connection, locks) = self.transaction.parts();
        let within = self.store.within(connection);
        match in_time(timeout, "create", within.create(new, others, locks)).await {
            Ok(Created::Session { record, ended }) => {
                self.stage = Stage::Sound;
                Ok((record, ended))
            }
            Ok(Created::SubjectFull) => Err(self.sessions.failed(Error::TooManySessions)),
            Err(error) => Err(self.sessions.failed(error)),
        }
    }

    /// Adds what a request does when it is logged in.
    pub(crate) fn after_commit(&mut self, effect: Effect<T>) {
        self.effects.push(effect);
    }

    /// Begins a verb that ends sessions. It could end the one of a login before it, whose response
    /// would then have a token that is refused.
    async fn begin_to_end(&mut self) -> Result<(), Error> {
        if self.effects.has_login() {
            let reason = "a transaction that has a login cannot end sessions after it: log in as \
                          the last step";
            self.refuse();
            return Err(self.sessions.failed(StoreError::unavailable(reason)));
        }
        self.begin_verb().await
    }

    /// Begins a verb. If it is dropped half way, the transaction is broken.
    async fn begin_verb(&mut self) -> Result<(), Error> {
        let stage = std::mem::replace(&mut self.stage, Stage::Broken);
        let begun = match stage {
            Stage::Broken => Err(broken()),
            Stage::Sound => {
                let timeout = self.sessions.store.timeout();
                let within = self.store.within(self.transaction.parts().0);
                in_time(timeout, "SAVEPOINT", within.mark_again()).await
            }
        };
        begun.map_err(|error| self.sessions.failed(error))
    }

    /// Notes that a verb has succeeded, or logs why not.
    fn carried_out<R>(&mut self, answer: Result<R, StoreError>) -> Result<R, Error> {
        if answer.is_ok() {
            self.stage = Stage::Sound;
        }
        answer.map_err(|error| self.sessions.failed(error))
    }

    /// Notes what the caches must not serve once the transaction has ended, however it ends.
    #[cfg(feature = "cache")]
    fn changing(&mut self, stale: Vec<Stale>) {
        match &mut self.changing {
            Some(changing) => changing.add(stale),
            none => *none = self.sessions.store.changing(stale),
        }
    }
}
