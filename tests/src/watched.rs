//! [`Watched`]: a [`Faulty`] store that a test has equipped with what the store behind has not, and
//! that holds an answer.

use std::ops::Deref;
use std::sync::{Arc, Mutex};

use anchor::payload::CutOff;
use anchor::store::{
    Change, Consumed, Created, EndReason, EndedRecord, Ending, Listed, Load, NewSession, Notices,
    Page, Placement, Reauthenticated, Record, RecordUses, Rotated, Rotation, SessionStore,
    StoreFuture, StoreIdentity, Touch, Touched, Updated, Use,
};
use anchor::testing::Faulty;
pub use anchor::testing::{Hold, Verb};
use anchor::token::{LastingHash, SecretHash};
use anchor::{SessionData, SessionId};

/// A store in front of another one. Clones share what they count.
pub struct Watched<T> {
    faulty: Faulty<T>,
    inner: Arc<dyn SessionStore<T>>,
    /// What records uses instead of the store behind.
    uses: Option<Arc<dyn RecordUses>>,
    /// The channel instead of that of the store behind.
    notices: Option<Arc<dyn Notices>>,
    held_answer: Arc<Mutex<Option<Hold>>>,
}

impl<T: SessionData> Watched<T> {
    /// Watches `inner`.
    pub fn new(inner: Arc<dyn SessionStore<T>>) -> Self {
        let faulty = Faulty::new(Arc::clone(&inner));
        Self { faulty, inner, uses: None, notices: None, held_answer: Arc::default() }
    }

    /// Lets `uses` record uses instead of the store behind.
    pub fn recording_uses_with(mut self, uses: impl RecordUses + 'static) -> Self {
        self.uses = Some(Arc::new(uses));
        self
    }

    /// Connects the caches of several nodes by this channel.
    pub fn connected_by(mut self, notices: Arc<dyn Notices>) -> Self {
        self.notices = Some(notices);
        self
    }

    /// What records uses, if anything does.
    fn recorder(&self) -> Option<&dyn RecordUses> {
        self.uses.as_deref().or_else(|| self.faulty.uses_recorder())
    }

    /// The store behind, unwatched.
    pub fn inner(&self) -> &dyn SessionStore<T> {
        &*self.inner
    }

    /// The store behind, for another node.
    pub fn shared(&self) -> Arc<dyn SessionStore<T>> {
        Arc::clone(&self.inner)
    }

    /// How often the store was asked to record uses, in a request or after it.
    pub fn recordings(&self) -> usize {
        self.calls([Verb::Touch, Verb::RecordUses])
    }

    /// How often the store was called at all.
    pub fn all_calls(&self) -> usize {
        self.calls(Verb::ALL)
    }

    /// Counts from zero again.
    pub fn reset(&self) {
        self.reset_calls();
    }

    /// From now on `verb` fails without reaching the store behind, or no longer does.
    pub fn fail(&self, verb: Verb, failing: bool) {
        if failing { self.faulty.fail(verb) } else { self.heal(verb) }
    }

    /// Holds the answer of the next `load`, until [`Hold::release`].
    pub fn hold_answer_of_next_load(&self) -> Hold {
        self.held_answer.lock().unwrap().insert(Hold::new()).clone()
    }
}

impl<T> Deref for Watched<T> {
    type Target = Faulty<T>;

    fn deref(&self) -> &Faulty<T> {
        &self.faulty
    }
}

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self {
            faulty: self.faulty.clone(),
            inner: Arc::clone(&self.inner),
            uses: self.uses.clone(),
            notices: self.notices.clone(),
            held_answer: Arc::clone(&self.held_answer),
        }
    }
}

impl<T: SessionData> RecordUses for Watched<T> {
    fn record_uses(&self, uses: Vec<Use>) -> StoreFuture<'_, Vec<SessionId>> {
        self.recorder().expect("it records uses").record_uses(uses)
    }
}

impl<T: SessionData> SessionStore<T> for Watched<T> {
    fn create(&self, new: NewSession<T>) -> StoreFuture<'_, Created<T>> {
        self.faulty.create(new)
    }

    fn placement(&self, data: &T) -> Option<Placement> {
        self.faulty.placement(data)
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>> {
        Box::pin(async move {
            let hold = self.held_answer.lock().unwrap().take();
            let answer = self.faulty.load(id).await;
            if let Some(hold) = hold {
                hold.pass().await;
            }
            answer
        })
    }

    fn update(&self, change: Change<T>) -> StoreFuture<'_, Updated> {
        self.faulty.update(change)
    }

    fn touch(&self, touch: Touch) -> StoreFuture<'_, Touched> {
        self.faulty.touch(touch)
    }

    fn uses_recorder(&self) -> Option<&dyn RecordUses> {
        self.recorder().map(|_| self as &dyn RecordUses)
    }

    fn notices(&self) -> Option<Arc<dyn Notices>> {
        self.notices.clone().or_else(|| self.faulty.notices())
    }

    fn identity(&self) -> Option<StoreIdentity> {
        self.faulty.identity()
    }

    fn database_system(&self) -> Option<&'static str> {
        self.faulty.database_system()
    }

    fn reauthenticate(&self, rotation: Rotation) -> StoreFuture<'_, Reauthenticated> {
        self.faulty.reauthenticate(rotation)
    }

    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated> {
        self.faulty.rotate(rotation)
    }

    fn consume(&self, id: SessionId, secret: SecretHash) -> StoreFuture<'_, Consumed<T>> {
        self.faulty.consume(id, secret)
    }

    fn revoke(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, Ending> {
        self.faulty.revoke(id, proof, reason)
    }

    fn revoke_of<'a>(
        &'a self,
        subject: &'a T::Subject,
        id: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, Ending> {
        self.faulty.revoke_of(subject, id, reason)
    }

    fn revoke_subject<'a>(
        &'a self,
        subject: &'a T::Subject,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        self.faulty.revoke_subject(subject, reason)
    }

    fn revoke_others<'a>(
        &'a self,
        subject: &'a T::Subject,
        keep: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        self.faulty.revoke_others(subject, keep, reason)
    }

    fn revoke_everyone(&self, reason: EndReason) -> StoreFuture<'_, u64> {
        self.faulty.revoke_everyone(reason)
    }

    fn cut_off<'a>(&'a self, subject: &'a T::Subject, reason: EndReason) -> StoreFuture<'a, u64>
    where
        T: CutOff,
    {
        self.faulty.cut_off(subject, reason)
    }

    fn history<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<EndedRecord<T>>> {
        self.faulty.history(subject, page)
    }

    fn list<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<Record<T>>> {
        self.faulty.list(subject, page)
    }

    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64> {
        self.faulty.sweep(batch)
    }
}
