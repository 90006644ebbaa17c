//! [`Watched`]: a store that counts the calls of each verb, fails on demand, and holds a call half
//! way.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor::payload::CutOff;
use anchor::store::{
    Change, Created, EndReason, EndedRecord, Ending, Listed, Load, NewSession, Notices, Page,
    Placement, Reauthenticated, Record, RecordUses, Rotated, Rotation, SessionStore, StoreFuture,
    Touch, Touched, Updated, Use,
};
use anchor::token::LastingHash;
use anchor::{SessionData, SessionId, StoreError};
use tokio::sync::Semaphore;

/// A verb of [`SessionStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs)]
pub enum Verb {
    Create,
    Load,
    Update,
    Touch,
    RecordUses,
    Reauthenticate,
    Rotate,
    Revoke,
    RevokeOf,
    RevokeSubject,
    RevokeOthers,
    RevokeEveryone,
    CutOff,
    List,
    History,
    Sweep,
}

const VERBS: usize = Verb::Sweep as usize + 1;

/// A store in front of another one. Clones share what they count.
pub struct Watched<T> {
    inner: Arc<dyn SessionStore<T>>,
    /// What records uses instead of the store behind.
    uses: Option<Arc<dyn RecordUses>>,
    /// The channel instead of that of the store behind.
    notices: Option<Arc<dyn Notices>>,
    watch: Arc<Watch>,
}

#[derive(Default)]
struct Watch {
    calls: [AtomicUsize; VERBS],
    failing: [AtomicBool; VERBS],
    holds: Mutex<Vec<(Verb, Hold)>>,
    held_answer: Mutex<Option<Hold>>,
}

impl<T: SessionData> Watched<T> {
    /// Watches `inner`.
    pub fn new(inner: Arc<dyn SessionStore<T>>) -> Self {
        Self { inner, uses: None, notices: None, watch: Arc::default() }
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
        self.uses.as_deref().or_else(|| self.inner.uses_recorder())
    }

    /// The store behind, unwatched.
    pub fn inner(&self) -> &dyn SessionStore<T> {
        &*self.inner
    }

    /// The store behind, for another node.
    pub fn shared(&self) -> Arc<dyn SessionStore<T>> {
        Arc::clone(&self.inner)
    }

    /// How often `verb` was called, failed calls included.
    pub fn calls(&self, verb: Verb) -> usize {
        self.watch.calls[verb as usize].load(Ordering::SeqCst)
    }

    /// How often the store was asked to record uses, in a request or after it.
    pub fn recordings(&self) -> usize {
        self.calls(Verb::Touch) + self.calls(Verb::RecordUses)
    }

    /// How often the store was called at all.
    pub fn all_calls(&self) -> usize {
        self.watch.calls.iter().map(|calls| calls.load(Ordering::SeqCst)).sum()
    }

    /// Counts from zero again.
    pub fn reset(&self) {
        self.watch.calls.iter().for_each(|calls| calls.store(0, Ordering::SeqCst));
    }

    /// From now on `verb` fails without reaching the store behind, or no longer does.
    pub fn fail(&self, verb: Verb, failing: bool) {
        self.watch.failing[verb as usize].store(failing, Ordering::SeqCst);
    }

    /// Holds every call of `verb` before it reaches the store behind, until [`Hold::release`].
    pub fn hold(&self, verb: Verb) -> Hold {
        let hold = Hold::default();
        self.watch.holds.lock().unwrap().push((verb, hold.clone()));
        hold
    }

    /// Holds the answer of the next `load`, until [`Hold::release`].
    pub fn hold_answer_of_next_load(&self) -> Hold {
        self.watch.held_answer.lock().unwrap().insert(Hold::default()).clone()
    }

    async fn admit(&self, verb: Verb) -> Result<(), StoreError> {
        self.watch.calls[verb as usize].fetch_add(1, Ordering::SeqCst);
        let hold = {
            let holds = self.watch.holds.lock().unwrap();
            holds.iter().find(|(held, _)| *held == verb).map(|(_, hold)| hold.clone())
        };
        if let Some(hold) = hold {
            hold.pass().await;
        }
        if self.watch.failing[verb as usize].load(Ordering::SeqCst) {
            return Err(StoreError::unavailable(format!("{verb:?} is made to fail")));
        }
        Ok(())
    }
}

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        let (inner, watch) = (Arc::clone(&self.inner), Arc::clone(&self.watch));
        Self { inner, uses: self.uses.clone(), notices: self.notices.clone(), watch }
    }
}

/// A place where somebody waits until the test lets them go on.
#[derive(Clone)]
pub struct Hold {
    reached: Arc<Semaphore>,
    released: Arc<Semaphore>,
}

impl Default for Hold {
    fn default() -> Self {
        Self { reached: Arc::new(Semaphore::new(0)), released: Arc::new(Semaphore::new(0)) }
    }
}

impl Hold {
    /// Waits here until [`release`](Self::release).
    pub async fn pass(&self) {
        self.reached.add_permits(1);
        // Closing is the release.
        let _ = self.released.acquire().await;
    }

    /// Returns when somebody waits here: once for each who came.
    ///
    /// # Panics
    ///
    /// After ten seconds.
    pub async fn reached(&self) {
        tokio::time::timeout(Duration::from_secs(10), self.reached.acquire())
            .await
            .expect("nobody came")
            .expect("the semaphore is never closed")
            .forget();
    }

    /// Lets everyone go on, and whoever comes later.
    pub fn release(&self) {
        self.released.close();
    }
}

/// Each verb is counted, held, failed, and only then passed on.
impl<T: SessionData> RecordUses for Watched<T> {
    fn record_uses(&self, uses: Vec<Use>) -> StoreFuture<'_, Vec<SessionId>> {
        Box::pin(async move {
            self.admit(Verb::RecordUses).await?;
            let recorder = self.recorder().expect("it records uses");
            recorder.record_uses(uses).await
        })
    }
}

impl<T: SessionData> SessionStore<T> for Watched<T> {
    fn create(&self, new: NewSession<T>) -> StoreFuture<'_, Created<T>> {
        Box::pin(async move {
            self.admit(Verb::Create).await?;
            self.inner.create(new).await
        })
    }

    fn placement(&self, data: &T) -> Option<Placement> {
        self.inner.placement(data)
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>> {
        Box::pin(async move {
            self.admit(Verb::Load).await?;
            let hold = self.watch.held_answer.lock().unwrap().take();
            let answer = self.inner.load(id).await;
            if let Some(hold) = hold {
                hold.pass().await;
            }
            answer
        })
    }

    fn update(&self, change: Change<T>) -> StoreFuture<'_, Updated> {
        Box::pin(async move {
            self.admit(Verb::Update).await?;
            self.inner.update(change).await
        })
    }

    fn touch(&self, touch: Touch) -> StoreFuture<'_, Touched> {
        Box::pin(async move {
            self.admit(Verb::Touch).await?;
            self.inner.touch(touch).await
        })
    }

    fn uses_recorder(&self) -> Option<&dyn RecordUses> {
        self.recorder().map(|_| self as &dyn RecordUses)
    }

    fn notices(&self) -> Option<Arc<dyn Notices>> {
        self.notices.clone().or_else(|| self.inner.notices())
    }

    fn reauthenticate(&self, rotation: Rotation) -> StoreFuture<'_, Reauthenticated> {
        Box::pin(async move {
            self.admit(Verb::Reauthenticate).await?;
            self.inner.reauthenticate(rotation).await
        })
    }

    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated> {
        Box::pin(async move {
            self.admit(Verb::Rotate).await?;
            self.inner.rotate(rotation).await
        })
    }

    fn revoke(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, Ending> {
        Box::pin(async move {
            self.admit(Verb::Revoke).await?;
            self.inner.revoke(id, proof, reason).await
        })
    }

    fn revoke_of<'a>(
        &'a self,
        subject: &'a T::Subject,
        id: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, Ending> {
        Box::pin(async move {
            self.admit(Verb::RevokeOf).await?;
            self.inner.revoke_of(subject, id, reason).await
        })
    }

    fn revoke_subject<'a>(
        &'a self,
        subject: &'a T::Subject,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            self.admit(Verb::RevokeSubject).await?;
            self.inner.revoke_subject(subject, reason).await
        })
    }

    fn revoke_others<'a>(
        &'a self,
        subject: &'a T::Subject,
        keep: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            self.admit(Verb::RevokeOthers).await?;
            self.inner.revoke_others(subject, keep, reason).await
        })
    }

    fn revoke_everyone(&self, reason: EndReason) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            self.admit(Verb::RevokeEveryone).await?;
            self.inner.revoke_everyone(reason).await
        })
    }

    fn cut_off<'a>(&'a self, subject: &'a T::Subject, reason: EndReason) -> StoreFuture<'a, u64>
    where
        T: CutOff,
    {
        Box::pin(async move {
            self.admit(Verb::CutOff).await?;
            self.inner.cut_off(subject, reason).await
        })
    }

    fn history<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<EndedRecord<T>>> {
        Box::pin(async move {
            self.admit(Verb::History).await?;
            self.inner.history(subject, page).await
        })
    }

    fn list<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<Record<T>>> {
        Box::pin(async move {
            self.admit(Verb::List).await?;
            self.inner.list(subject, page).await
        })
    }

    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            self.admit(Verb::Sweep).await?;
            self.inner.sweep(batch).await
        })
    }
}
