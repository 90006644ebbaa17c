//! A store behind an [`Arc`]. It may be a `dyn SessionStore<T>`, which is chosen at run time.

use std::sync::Arc;

use super::{
    Change, Created, EndReason, EndedRecord, Ending, Listed, Load, NewSession, Page,
    Reauthenticated, Record, RecordUses, Rotated, Rotation, SessionStore, StoreFuture, Touch,
    Touched, Updated,
};
use crate::id::SessionId;
use crate::payload::{CutOff, SessionData};
use crate::token::LastingHash;

impl<T: SessionData, S: SessionStore<T> + ?Sized> SessionStore<T> for Arc<S> {
    fn create(&self, new: NewSession<T>) -> StoreFuture<'_, Created<T>> {
        (**self).create(new)
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>> {
        (**self).load(id)
    }

    fn update(&self, change: Change<T>) -> StoreFuture<'_, Updated> {
        (**self).update(change)
    }

    fn touch(&self, touch: Touch) -> StoreFuture<'_, Touched> {
        (**self).touch(touch)
    }

    fn uses_recorder(&self) -> Option<&dyn RecordUses> {
        (**self).uses_recorder()
    }

    fn reauthenticate(&self, rotation: Rotation) -> StoreFuture<'_, Reauthenticated> {
        (**self).reauthenticate(rotation)
    }

    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated> {
        (**self).rotate(rotation)
    }

    fn revoke(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, Ending> {
        (**self).revoke(id, proof, reason)
    }

    fn revoke_of<'a>(
        &'a self,
        subject: &'a T::Subject,
        id: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, Ending> {
        (**self).revoke_of(subject, id, reason)
    }

    fn revoke_subject<'a>(
        &'a self,
        subject: &'a T::Subject,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        (**self).revoke_subject(subject, reason)
    }

    fn revoke_others<'a>(
        &'a self,
        subject: &'a T::Subject,
        keep: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        (**self).revoke_others(subject, keep, reason)
    }

    fn revoke_everyone(&self, reason: EndReason) -> StoreFuture<'_, u64> {
        (**self).revoke_everyone(reason)
    }

    fn cut_off<'a>(&'a self, subject: &'a T::Subject, reason: EndReason) -> StoreFuture<'a, u64>
    where
        T: CutOff,
    {
        (**self).cut_off(subject, reason)
    }

    fn list<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<Record<T>>> {
        (**self).list(subject, page)
    }

    fn history<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<EndedRecord<T>>> {
        (**self).history(subject, page)
    }

    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64> {
        (**self).sweep(batch)
    }
}
