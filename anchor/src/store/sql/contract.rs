//! The contract of [`SessionStore`], on [`SqlStore`].

#[cfg(feature = "cache")]
use std::sync::Arc;

use super::SqlStore;
use super::driver::Driver;

use crate::id::SessionId;
use crate::payload::{CutOff, SessionData};
use crate::schema::Dialect;
#[cfg(feature = "cache")]
use crate::store::Notices;
use crate::store::{
    Change, Consumed, Created, EndReason, EndedRecord, Ending, Listed, Load, NewSession, Page,
    Reauthenticated, Record, RecordUses, Rotated, Rotation, SessionStore, StoreFuture,
    StoreIdentity, Touch, Touched, Updated, Use,
};
use crate::token::{LastingHash, SecretHash};

impl<D: Driver, T: SessionData> SessionStore<T> for SqlStore<D, T> {
    fn create(&self, new: NewSession<T>) -> StoreFuture<'_, Created<T>> {
        Box::pin(self.verbs.create.run(&self.database, &self.inserts, new))
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>> {
        Box::pin(async move { Ok(self.lookups.get(id).await?.read::<T>()) })
    }

    fn update(&self, change: Change<T>) -> StoreFuture<'_, Updated> {
        Box::pin(self.verbs.update.run(&self.database, change))
    }

    fn touch(&self, touch: Touch) -> StoreFuture<'_, Touched> {
        Box::pin(self.verbs.touch.run(&self.database, touch))
    }

    fn uses_recorder(&self) -> Option<&dyn RecordUses> {
        Some(self)
    }

    #[cfg(feature = "cache")]
    fn notices(&self) -> Option<Arc<dyn Notices>> {
        self.pool().notices(self.database.schema)
    }

    fn identity(&self) -> Option<StoreIdentity> {
        Some(self.own_identity())
    }

    fn database_system(&self) -> Option<&'static str> {
        Some(match D::DIALECT {
            Dialect::Postgres => "postgresql",
            Dialect::MySql => "mysql",
            Dialect::Sqlite => "sqlite",
        })
    }

    #[cfg(feature = "metrics")]
    fn live_count(&self) -> Option<StoreFuture<'_, u64>> {
        Some(Box::pin(self.verbs.live_count.run(&self.database)))
    }

    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated> {
        Box::pin(self.verbs.rotate.rotate(&self.database, rotation))
    }

    fn reauthenticate(&self, rotation: Rotation) -> StoreFuture<'_, Reauthenticated> {
        Box::pin(self.verbs.rotate.reauthenticate(&self.database, rotation))
    }

    fn consume(&self, id: SessionId, secret: SecretHash) -> StoreFuture<'_, Consumed<T>> {
        Box::pin(self.verbs.consume.run(&self.database, id, secret))
    }

    fn revoke(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, Ending> {
        let Self { database, logouts, .. } = self;
        match proof {
            Some(proof) => {
                Box::pin(self.verbs.end.revoke_proven(database, logouts, id, proof, reason))
            }
            None => Box::pin(self.verbs.end.revoke(database, id, reason)),
        }
    }

    fn revoke_of<'a>(
        &'a self,
        subject: &'a T::Subject,
        id: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, Ending> {
        Box::pin(self.verbs.end.revoke_of::<D, T>(&self.database, subject, id, reason))
    }

    fn revoke_subject<'a>(
        &'a self,
        subject: &'a T::Subject,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(self.verbs.end.revoke_subject::<D, T>(&self.database, subject, None, reason))
    }

    fn revoke_others<'a>(
        &'a self,
        subject: &'a T::Subject,
        keep: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        let keep = Some(keep);
        Box::pin(self.verbs.end.revoke_subject::<D, T>(&self.database, subject, keep, reason))
    }

    fn revoke_everyone(&self, reason: EndReason) -> StoreFuture<'_, u64> {
        Box::pin(self.verbs.end.revoke_everyone(&self.database, reason))
    }

    fn cut_off<'a>(&'a self, subject: &'a T::Subject, reason: EndReason) -> StoreFuture<'a, u64>
    where
        T: CutOff,
    {
        Box::pin(self.verbs.cut_off.run::<D, T>(&self.database, subject, reason))
    }

    fn list<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<Record<T>>> {
        Box::pin(self.verbs.list.live::<D, T>(&self.database, subject, page))
    }

    fn history<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<EndedRecord<T>>> {
        Box::pin(self.verbs.list.ended::<D, T>(&self.database, subject, page))
    }

    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64> {
        Box::pin(self.verbs.sweep.run::<D, T>(&self.database, &self.verbs.cut_off, batch))
    }
}

impl<D: Driver, T: SessionData> RecordUses for SqlStore<D, T> {
    fn record_uses(&self, uses: Vec<Use>) -> StoreFuture<'_, Vec<SessionId>> {
        Box::pin(self.verbs.uses.record(&self.database, uses))
    }
}
