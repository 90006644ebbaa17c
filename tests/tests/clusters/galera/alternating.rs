//! [`Alternating`]: a store whose calls go to one server after the other.

use std::sync::atomic::{AtomicUsize, Ordering};

use anchor::payload::CutOff;
use anchor::store::{
    Change, Consumed, Created, EndReason, EndedRecord, Ending, Listed, Load, NewSession, Page,
    Reauthenticated, Record, RecordUses, Rotated, Rotation, SessionStore, StoreFuture, Touch,
    Touched, Updated, Use,
};
use anchor::token::{LastingHash, SecretHash};
use anchor::{MySqlStore, SessionData, SessionId};

/// No two calls that follow each other go to one server.
pub(crate) struct Alternating<T> {
    stores: [MySqlStore<T>; 3],
    calls: AtomicUsize,
}

impl<T: SessionData> Alternating<T> {
    pub(crate) fn between(stores: [MySqlStore<T>; 3]) -> Self {
        Self { stores, calls: AtomicUsize::new(0) }
    }

    fn next(&self) -> &MySqlStore<T> {
        &self.stores[self.calls.fetch_add(1, Ordering::Relaxed) % self.stores.len()]
    }
}

impl<T: SessionData> SessionStore<T> for Alternating<T> {
    fn create(&self, new: NewSession<T>) -> StoreFuture<'_, Created<T>> {
        self.next().create(new)
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>> {
        self.next().load(id)
    }

    fn update(&self, change: Change<T>) -> StoreFuture<'_, Updated> {
        self.next().update(change)
    }

    fn touch(&self, touch: Touch) -> StoreFuture<'_, Touched> {
        self.next().touch(touch)
    }

    fn uses_recorder(&self) -> Option<&dyn RecordUses> {
        Some(self)
    }

    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated> {
        self.next().rotate(rotation)
    }

    fn reauthenticate(&self, rotation: Rotation) -> StoreFuture<'_, Reauthenticated> {
        self.next().reauthenticate(rotation)
    }

    fn consume(&self, id: SessionId, secret: SecretHash) -> StoreFuture<'_, Consumed<T>> {
        self.next().consume(id, secret)
    }

    fn revoke(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, Ending> {
        self.next().revoke(id, proof, reason)
    }

    fn revoke_of<'a>(
        &'a self,
        subject: &'a T::Subject,
        id: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, Ending> {
        self.next().revoke_of(subject, id, reason)
    }

    fn revoke_subject<'a>(
        &'a self,
        subject: &'a T::Subject,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        self.next().revoke_subject(subject, reason)
    }

    fn revoke_others<'a>(
        &'a self,
        subject: &'a T::Subject,
        keep: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        self.next().revoke_others(subject, keep, reason)
    }

    fn revoke_everyone(&self, reason: EndReason) -> StoreFuture<'_, u64> {
        self.next().revoke_everyone(reason)
    }

    fn cut_off<'a>(&'a self, subject: &'a T::Subject, reason: EndReason) -> StoreFuture<'a, u64>
    where
        T: CutOff,
    {
        self.next().cut_off(subject, reason)
    }

    fn list<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<Record<T>>> {
        self.next().list(subject, page)
    }

    fn history<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<EndedRecord<T>>> {
        self.next().history(subject, page)
    }

    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64> {
        self.next().sweep(batch)
    }
}

impl<T: SessionData> RecordUses for Alternating<T> {
    fn record_uses(&self, uses: Vec<Use>) -> StoreFuture<'_, Vec<SessionId>> {
        self.next().record_uses(uses)
    }
}
