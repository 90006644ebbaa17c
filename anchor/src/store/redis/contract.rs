//! The contract of every store, in which each verb is one of `Database`'s.

use super::RedisStore;
use super::create::home_of;
use super::row::name_of_subject;
use crate::id::SessionId;
use crate::payload::{CutOff, SessionData};
use crate::store::{
    Change, Consumed, Created, EndReason, EndedRecord, Ending, Listed, Load, NewSession, Page,
    Placement, Reauthenticated, Record, RecordUses, Rotated, Rotation, SessionStore, StoreFuture,
    Touch, Touched, Updated, Use,
};
use crate::token::{LastingHash, SecretHash};

impl<T: SessionData> SessionStore<T> for RedisStore<T> {
    fn create(&self, new: NewSession<T>) -> StoreFuture<'_, Created<T>> {
        Box::pin(self.database.create(&self.inserts, new))
    }

    fn placement(&self, data: &T) -> Option<Placement> {
        let subject = name_of_subject::<T>(data.subject()?).ok()?;
        subject.as_deref().map(home_of)
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>> {
        Box::pin(self.database.load(&self.lookups, id))
    }

    fn database_system(&self) -> Option<&'static str> {
        Some("redis")
    }

    fn update(&self, change: Change<T>) -> StoreFuture<'_, Updated> {
        Box::pin(self.database.update(change))
    }

    fn touch(&self, touch: Touch) -> StoreFuture<'_, Touched> {
        Box::pin(self.database.touch::<T>(touch))
    }

    fn uses_recorder(&self) -> Option<&dyn RecordUses> {
        Some(self)
    }

    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated> {
        Box::pin(self.database.rotate(rotation))
    }

    fn reauthenticate(&self, rotation: Rotation) -> StoreFuture<'_, Reauthenticated> {
        Box::pin(self.database.reauthenticate(rotation))
    }

    fn consume(&self, id: SessionId, secret: SecretHash) -> StoreFuture<'_, Consumed<T>> {
        Box::pin(self.database.consume(id, secret))
    }

    fn revoke(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, Ending> {
        Box::pin(self.database.revoke(&self.logouts, id, proof, reason))
    }

    fn revoke_of<'a>(
        &'a self,
        subject: &'a T::Subject,
        id: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, Ending> {
        Box::pin(self.database.end_of::<T>(subject, id, reason))
    }

    fn revoke_subject<'a>(
        &'a self,
        subject: &'a T::Subject,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(self.database.end_subject::<T>(subject, None, reason, false))
    }

    fn revoke_others<'a>(
        &'a self,
        subject: &'a T::Subject,
        keep: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(self.database.end_subject::<T>(subject, Some(keep), reason, false))
    }

    fn revoke_everyone(&self, reason: EndReason) -> StoreFuture<'_, u64> {
        Box::pin(self.database.end_everyone(reason))
    }

    fn cut_off<'a>(&'a self, subject: &'a T::Subject, reason: EndReason) -> StoreFuture<'a, u64>
    where
        T: CutOff,
    {
        Box::pin(self.database.end_subject::<T>(subject, None, reason, true))
    }

    fn list<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<Record<T>>> {
        Box::pin(self.database.list::<T>(subject, page))
    }

    fn history<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<EndedRecord<T>>> {
        Box::pin(self.database.history::<T>(subject, page))
    }

    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64> {
        Box::pin(self.database.sweep::<T>(batch))
    }
}

impl<T: SessionData> RecordUses for RedisStore<T> {
    fn record_uses(&self, uses: Vec<Use>) -> StoreFuture<'_, Vec<SessionId>> {
        Box::pin(self.database.record_uses::<T>(uses))
    }
}
