//! [`Within`]: the verbs that a transaction of the application's may contain. None of them is run
//! again: after an error, the transaction can only be rolled back.

use std::time::Duration;

use super::SqlStore;
use super::runs::OnConnection;
use super::subject_lock::SubjectLock;
use super::transactions::Transactions;
use crate::error::{StoreError, StoreErrorKind};
use crate::id::SessionId;
use crate::payload::SessionData;
use crate::store::{Created, EndReason, Ending, Listed, NewSession, Record, Replaced};

/// The verbs of a store in a transaction of the application's.
pub(crate) struct Within<'a, D: Transactions, T> {
    store: &'a SqlStore<D, T>,
    on: OnConnection<'a, D>,
}

impl<D: Transactions, T: SessionData> SqlStore<D, T> {
    /// Begins a transaction for the application.
    pub(crate) async fn begin_own(&self) -> Result<D::Owned, StoreError> {
        let cluster = self.database.cluster().await?;
        self.pool().begin_own(cluster).await.map_err(|error| self.ended(&error))
    }

    /// Refuses a transaction that the application has begun where it does not see what other
    /// servers have answered.
    pub(crate) async fn check_begun(&self) -> Result<(), StoreError> {
        if self.database.cluster().await?.has_several_writers() {
            return Err(StoreError::unavailable(
                "a transaction on a Galera cluster must wait for what other servers have written: \
                 begin it with `sessions.begin(&store)`",
            ));
        }
        Ok(())
    }

    /// Returns the verbs on a connection.
    pub(crate) fn within<'a>(&'a self, connection: &'a mut D::Connection) -> Within<'a, D, T> {
        Within { store: self, on: OnConnection { database: &self.database, connection } }
    }

    /// Returns the error of a transaction that could not begin or end.
    pub(crate) fn ended(&self, error: &sqlx::Error) -> StoreError {
        super::failure::in_transaction(D::DIALECT, self.database.schema, error)
    }

    /// Lets a subject's logins in again, this long after the commit of a cut-off.
    pub(crate) async fn settle_cut_off(
        &self,
        subject: &T::Subject,
        since: Duration,
    ) -> Result<(), StoreError> {
        self.verbs.cut_off.settle::<D, T>(&self.database, subject, since).await
    }
}

impl<D: Transactions, T: SessionData> Within<'_, D, T> {
    pub(crate) async fn create(
        mut self,
        new: NewSession<T>,
        others: &[Replaced],
        locks: &mut Vec<SubjectLock>,
    ) -> Result<Created<T>, StoreError> {
        self.store.verbs.create.run_within(&mut self.on, new, others, locks).await
    }

    pub(crate) async fn revoke(
        mut self,
        id: SessionId,
        reason: EndReason,
    ) -> Result<Ending, StoreError> {
        self.store.verbs.end.revoke(&mut self.on, id, reason).await
    }

    pub(crate) async fn revoke_subject(
        mut self,
        subject: &T::Subject,
        keep: Option<SessionId>,
        reason: EndReason,
    ) -> Result<u64, StoreError> {
        self.store.verbs.end.revoke_subject::<D, T>(&mut self.on, subject, keep, reason).await
    }

    pub(crate) async fn cut_off(
        mut self,
        subject: &T::Subject,
        ahead: Duration,
        reason: EndReason,
    ) -> Result<u64, StoreError> {
        self.store.verbs.cut_off.run_within::<D, T>(&mut self.on, subject, ahead, reason).await
    }

    /// Moves a cut-off of this transaction, which is about to commit.
    pub(crate) async fn cut_off_again(
        mut self,
        subject: &T::Subject,
        ahead: Duration,
    ) -> Result<(), StoreError> {
        self.store.verbs.cut_off.record_ahead::<D, T>(&mut self.on, subject, ahead).await
    }

    pub(crate) async fn lock_subject(
        mut self,
        subject: &T::Subject,
    ) -> Result<Listed<Record<T>>, StoreError> {
        self.store.verbs.update.lock_subject::<D, T>(&mut self.on, subject).await
    }

    pub(crate) async fn write_locked(
        mut self,
        from: Record<T>,
        to: T,
        idle: Duration,
    ) -> Result<Option<Record<T>>, StoreError> {
        self.store.verbs.update.write_locked::<D, T>(&mut self.on, from, to, idle).await
    }

    /// Marks the place from which on nothing may be undone.
    pub(crate) async fn mark(mut self) -> Result<(), StoreError> {
        match D::mark(self.on.connection).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.on.failure(error).await),
        }
    }

    /// Fails if something was undone since the mark, and marks this place instead.
    pub(crate) async fn mark_again(mut self) -> Result<(), StoreError> {
        let marked = D::mark_again(self.on.connection).await;
        self.sound(marked).await
    }

    /// Fails if something was undone since the mark.
    pub(crate) async fn check_mark(mut self) -> Result<(), StoreError> {
        let checked = D::check_mark(self.on.connection).await;
        self.sound(checked).await
    }

    async fn sound(&mut self, checked: Result<(), sqlx::Error>) -> Result<(), StoreError> {
        let Err(error) = checked else { return Ok(()) };
        D::reopen(self.on.connection).await;
        let said = self.on.failure(error).await;
        if said.kind() == StoreErrorKind::TransactionConflict {
            return Err(said);
        }
        Err(StoreError::unavailable(format!(
            "a statement of the transaction has failed, has ended it, or has undone what happened \
             to sessions in it, so it is rolled back ({said})"
        )))
    }

    /// Makes the database tell other nodes at the commit.
    #[cfg(feature = "cache")]
    pub(crate) async fn notify(mut self, messages: Vec<String>) -> Result<(), StoreError> {
        let table = D::DIALECT.table(self.on.database.schema.table);
        match D::notify(self.on.connection, table, messages).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.on.failure(error).await),
        }
    }
}
