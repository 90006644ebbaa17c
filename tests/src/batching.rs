//! Stores that answer calls in batches, and that are broken on purpose: as [`naive`](crate::naive),
//! for the mistakes of a store whose callers share statements.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor::conformance::Payload;
use anchor::store::{
    Change, Consumed, Created, EndReason, EndedRecord, Ending, Listed, Load, NewSession, Page,
    Reauthenticated, Record, Rotated, Rotation, SessionStore, StoreFuture, Touch, Touched, Updated,
};
use anchor::token::{LastingHash, SecretHash};
use anchor::{MemoryStore, SessionId, StoreError};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

/// What is wrong with a [`BatchingStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name is its own sentence")]
pub enum Confusion {
    Nothing,
    LookupsAreMixedUp,
    LookupsShiftPastUnknownOnes,
    LookupsOfOneSessionAnswerOnce,
    LookupsPastTheLargestBatchFindNothing,
    LookupsJoinABatchThatWasSent,
    CreatesMixUpTheirPayloads,
    CreatesAreToldOfAnother,
    RefusedCreateFailsItsBatch,
    RefusalIsToldToAnother,
    RefusedCreateOverwrites,
    WrongProofSavesItsBatch,
    TouchesAreMixedUp,
    TouchesGetTheFirstIdleTimeout,
    TouchesOfTheEndedFailTheirBatch,
    CallerThatLeavesFailsItsBatch,
    CallerThatLeavesShiftsTheAnswers,
    FirstCallerTakesItsBatchAlong,
}

use Confusion as Fault;

/// How long a batch gathers, and how long a batch that was sent takes.
const BATCH_TIME: Duration = Duration::from_millis(5);

/// A [`MemoryStore`] that answers lookups, logins, logouts and touches in batches, with a fault.
pub struct BatchingStore {
    rows: Arc<Rows>,
    lookups: Arc<Batch<SessionId, Load<Payload>>>,
    creates: Arc<Batch<NewSession<Payload>, Created<Payload>>>,
    revokes: Arc<Batch<(SessionId, LastingHash, EndReason), Ending>>,
    touches: Arc<Batch<Touch, Touched>>,
}

struct Rows {
    fault: Fault,
    store: MemoryStore<Payload>,
    /// The answers of batches that were sent, and when they arrive.
    sent: Mutex<HashMap<SessionId, (Instant, Load<Payload>)>>,
}

type Answers<A> = Vec<Result<A, StoreError>>;

type Running<A> = Pin<Box<dyn Future<Output = Answers<A>> + Send>>;

/// The callers that wait for the next batch.
struct Batch<I, A> {
    waiting: Mutex<Vec<(I, Caller<A>)>>,
}

/// Where a caller waits for its answer.
type Caller<A> = oneshot::Sender<Result<A, StoreError>>;

impl<I, A> Default for Batch<I, A> {
    fn default() -> Self {
        Self { waiting: Mutex::default() }
    }
}

impl<I: Send + 'static, A: Send + 'static> Batch<I, A> {
    /// The answer for an item, from a batch that is run after this call.
    async fn get(
        self: &Arc<Self>,
        fault: Fault,
        item: I,
        run: impl FnOnce(Vec<I>) -> Running<A> + Send + 'static,
    ) -> Result<A, StoreError> {
        let (sender, answer) = oneshot::channel();
        let is_first = {
            let mut waiting = self.waiting.lock().unwrap();
            waiting.push((item, sender));
            waiting.len() == 1
        };
        if is_first {
            let serving = Arc::clone(self).serve(fault, run);
            if fault == Fault::FirstCallerTakesItsBatchAlong {
                let mut led = Led { batch: self, is_done: false };
                serving.await;
                led.is_done = true;
            } else {
                tokio::spawn(serving);
            }
        }
        answer.await.unwrap_or_else(|_| Err(StoreError::unavailable("the batch was lost")))
    }

    async fn serve(self: Arc<Self>, fault: Fault, run: impl FnOnce(Vec<I>) -> Running<A>) {
        sleep(BATCH_TIME).await;
        let gathered = std::mem::take(&mut *self.waiting.lock().unwrap());
        let (items, mut callers): (Vec<_>, Vec<_>) = gathered.into_iter().unzip();
        let answers = run(items).await;
        let has_left = callers.iter().any(Caller::is_closed);
        match fault {
            Fault::CallerThatLeavesFailsItsBatch if has_left => callers.clear(),
            Fault::CallerThatLeavesShiftsTheAnswers => callers.retain(|one| !one.is_closed()),
            _ => {}
        }
        for (caller, answer) in callers.into_iter().zip(answers) {
            let _ = caller.send(answer);
        }
    }
}

/// A batch that its first caller runs. If that caller leaves, the others are lost.
struct Led<'b, I, A> {
    batch: &'b Batch<I, A>,
    is_done: bool,
}

impl<I, A> Drop for Led<'_, I, A> {
    fn drop(&mut self) {
        if !self.is_done {
            self.batch.waiting.lock().unwrap().clear();
        }
    }
}

impl Rows {
    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// The answer of a batch that was sent before this call, or of one that this call sends.
    async fn join(&self, id: SessionId) -> Result<Load<Payload>, StoreError> {
        let sent = self.sent.lock().unwrap().get(&id).cloned();
        let (arrives, found) = match sent.filter(|(arrives, _)| *arrives > Instant::now()) {
            Some(sent) => sent,
            None => {
                let sent = (Instant::now() + BATCH_TIME, self.store.load(id).await?);
                self.sent.lock().unwrap().insert(id, sent.clone());
                sent
            }
        };
        sleep_until(arrives).await;
        Ok(found)
    }

    async fn lookups(&self, ids: Vec<SessionId>) -> Answers<Load<Payload>> {
        let mut found = Vec::with_capacity(ids.len());
        for (at, id) in ids.iter().enumerate() {
            let is_lost = match self.fault {
                Fault::LookupsOfOneSessionAnswerOnce => ids[..at].contains(id),
                Fault::LookupsPastTheLargestBatchFindNothing => at >= 16,
                _ => false,
            };
            found.push(if is_lost { Ok(Load::Absent) } else { self.store.load(*id).await });
        }
        match self.fault {
            Fault::LookupsAreMixedUp => found.reverse(),
            // The rows, in the order of the questions.
            Fault::LookupsShiftPastUnknownOnes => {
                found.sort_by_key(|found| !matches!(found, Ok(Load::Live(_))));
            }
            _ => {}
        }
        found
    }

    async fn creates(&self, mut new: Vec<NewSession<Payload>>) -> Answers<Created<Payload>> {
        if self.is(Fault::CreatesMixUpTheirPayloads) {
            let first = Arc::clone(&new[0].data);
            for at in 1..new.len() {
                new[at - 1].data = Arc::clone(&new[at].data);
            }
            new.last_mut().expect("there is one").data = first;
        }
        let mut created = Vec::with_capacity(new.len());
        for new in new {
            let mut answer = self.store.create(new.clone()).await;
            if answer.is_err() && self.is(Fault::RefusedCreateOverwrites) {
                let _ = self.store.revoke(new.id, None, EndReason::Logout).await;
                answer = self.store.create(new).await;
            }
            created.push(answer);
        }
        let refused = created.iter().position(Result::is_err);
        match self.fault {
            Fault::CreatesAreToldOfAnother => created.reverse(),
            Fault::RefusedCreateFailsItsBatch => {
                if let Some(error) = refused.and_then(|at| created[at].as_ref().err().cloned()) {
                    created.iter_mut().for_each(|answer| *answer = Err(error.clone()));
                }
            }
            Fault::RefusalIsToldToAnother => {
                if let (Some(refused), Some(other)) =
                    (refused, created.iter().position(Result::is_ok))
                {
                    created.swap(refused, other);
                }
            }
            _ => {}
        }
        created
    }

    async fn revokes(&self, revokes: Vec<(SessionId, LastingHash, EndReason)>) -> Answers<Ending> {
        if self.is(Fault::WrongProofSavesItsBatch) {
            for (id, proof, _) in &revokes {
                if let Ok(Load::Live(loaded)) = self.store.load(*id).await
                    && loaded.secrets.lasting != *proof
                {
                    return revokes.iter().map(|_| Ok(Ending::Unproven)).collect();
                }
            }
        }
        let mut endings = Vec::with_capacity(revokes.len());
        for (id, proof, reason) in revokes {
            endings.push(self.store.revoke(id, Some(proof), reason).await);
        }
        endings
    }

    async fn touches(&self, mut touches: Vec<Touch>) -> Answers<Touched> {
        if self.is(Fault::TouchesGetTheFirstIdleTimeout) {
            let first = touches[0].idle;
            touches.iter_mut().for_each(|touch| touch.idle = first);
        }
        let mut touched = Vec::with_capacity(touches.len());
        for touch in touches {
            touched.push(self.store.touch(touch).await);
        }
        let has_ended = touched.iter().any(|answer| matches!(answer, Ok(Touched::Gone)));
        match self.fault {
            Fault::TouchesAreMixedUp => touched.reverse(),
            Fault::TouchesOfTheEndedFailTheirBatch if has_ended => {
                touched.iter_mut().for_each(|answer| *answer = Ok(Touched::Gone));
            }
            _ => {}
        }
        touched
    }
}

impl BatchingStore {
    /// An empty store with this fault.
    pub fn new(fault: Confusion) -> Self {
        Self {
            rows: Arc::new(Rows { fault, store: MemoryStore::new(), sent: Mutex::default() }),
            lookups: Arc::default(),
            creates: Arc::default(),
            revokes: Arc::default(),
            touches: Arc::default(),
        }
    }

    /// The store behind, for what is not done in batches.
    fn rows(&self) -> &MemoryStore<Payload> {
        &self.rows.store
    }
}

/// Runs the batch of a verb of [`Rows`].
macro_rules! batch {
    ($self:ident.$verb:ident($item:expr)) => {{
        let rows = Arc::clone(&$self.rows);
        let run = move |items| Box::pin(async move { rows.$verb(items).await }) as Running<_>;
        $self.$verb.get($self.rows.fault, $item, run)
    }};
}

impl SessionStore<Payload> for BatchingStore {
    fn create(&self, new: NewSession<Payload>) -> StoreFuture<'_, Created<Payload>> {
        Box::pin(async move { batch!(self.creates(new)).await })
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<Payload>> {
        if self.rows.is(Fault::LookupsJoinABatchThatWasSent) {
            return Box::pin(self.rows.join(id));
        }
        Box::pin(async move { batch!(self.lookups(id)).await })
    }

    fn touch(&self, touch: Touch) -> StoreFuture<'_, Touched> {
        Box::pin(async move { batch!(self.touches(touch)).await })
    }

    fn consume(&self, id: SessionId, secret: SecretHash) -> StoreFuture<'_, Consumed<Payload>> {
        self.rows().consume(id, secret)
    }

    fn revoke(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, Ending> {
        let Some(proof) = proof else { return self.rows().revoke(id, None, reason) };
        Box::pin(async move { batch!(self.revokes((id, proof, reason))).await })
    }

    fn update(&self, change: Change<Payload>) -> StoreFuture<'_, Updated> {
        self.rows().update(change)
    }

    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated> {
        self.rows().rotate(rotation)
    }

    fn reauthenticate(&self, rotation: Rotation) -> StoreFuture<'_, Reauthenticated> {
        self.rows().reauthenticate(rotation)
    }

    fn revoke_of<'a>(
        &'a self,
        subject: &'a Uuid,
        id: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, Ending> {
        self.rows().revoke_of(subject, id, reason)
    }

    fn revoke_subject<'a>(&'a self, subject: &'a Uuid, reason: EndReason) -> StoreFuture<'a, u64> {
        self.rows().revoke_subject(subject, reason)
    }

    fn revoke_others<'a>(
        &'a self,
        subject: &'a Uuid,
        keep: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        self.rows().revoke_others(subject, keep, reason)
    }

    fn revoke_everyone(&self, reason: EndReason) -> StoreFuture<'_, u64> {
        self.rows().revoke_everyone(reason)
    }

    fn cut_off<'a>(&'a self, _: &'a Uuid, _: EndReason) -> StoreFuture<'a, u64> {
        unreachable!("the payload has no cut-offs")
    }

    fn list<'a>(
        &'a self,
        subject: &'a Uuid,
        page: Page,
    ) -> StoreFuture<'a, Listed<Record<Payload>>> {
        self.rows().list(subject, page)
    }

    fn history<'a>(
        &'a self,
        subject: &'a Uuid,
        page: Page,
    ) -> StoreFuture<'a, Listed<EndedRecord<Payload>>> {
        self.rows().history(subject, page)
    }

    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64> {
        self.rows().sweep(batch)
    }
}
