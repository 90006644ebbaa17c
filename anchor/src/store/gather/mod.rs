//! [`Gather`]: one statement for several callers that ask for the same kind of thing at the same
//! time.
//!
//! If no statement is running, a caller's statement is sent at once. Callers that arrive while as
//! many shared statements run as may be in flight gather, and the next statement serves all of them
//! together. Nobody waits for a timer, and an idle store adds no delay. A caller joins only a
//! statement that has not been sent, so no answer is older than its question.
//!
//! A statement that takes long holds up only its own callers: the next one is then sent beside it
//! ([`OVERDUE`]).
//!
//! Only callers of the same tokio runtime share a statement. A runtime can end, or not be polled,
//! while the callers of another one wait.

#[cfg(test)]
mod tests;

use std::future::{Future, poll_fn};
use std::mem;
use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::Span;

use crate::error::StoreError;

/// A kind of statement that can serve several callers together.
pub(crate) trait Batch: Send + Sync + 'static {
    /// The verb that the statement carries out, for spans and metrics.
    const VERB: &'static str;

    /// What one caller asks for.
    type Item: Send + 'static;

    /// What one caller gets back.
    type Answer: Send + 'static;

    /// What one statement passes on to the next one, such as a connection, if the next one follows
    /// immediately.
    type Kept: Default + Send;

    /// Returns how many items, at least one, go into the next statement when this many wait.
    fn size(waiting: usize) -> usize;

    /// Runs a statement for one caller alone, who may have to wait for a lock, for example.
    fn run_alone(
        &self,
        item: Self::Item,
    ) -> impl Future<Output = Result<Self::Answer, StoreError>> + Send;

    /// Runs one statement for these items, and returns what happens to them, in the same order.
    fn run(
        &self,
        items: Vec<Self::Item>,
        kept: &mut Self::Kept,
    ) -> impl Future<Output = Vec<Outcome<Self::Item, Self::Answer>>> + Send;
}

/// What a statement that is shared means for one of its callers.
pub(crate) enum Outcome<Item, Answer> {
    Answered(Result<Answer, StoreError>),
    /// The statement has done nothing for this item. The caller runs a statement alone.
    RunAlone(Item),
}

/// How long a shared statement may take before the next one may be sent, even if the callers have
/// as many in flight as they may. Something holds it up that need not concern the next one, such as
/// a lock on a row.
const OVERDUE: Duration = Duration::from_millis(100);

/// How many statements can be overdue at the same time. When there are this many, the store itself
/// is slow, and more statements would only take more connections from its pool.
const MOST_OVERDUE: u32 = 3;

/// The callers of one store that ask for the same kind of thing.
pub(crate) struct Gather<B: Batch> {
    /// The table's name, for spans and metrics.
    table: &'static str,
    batch: B,
    /// How many tasks of one runtime run statements at the same time.
    in_flight: NonZeroU32,
    /// Most applications have one runtime.
    queues: Mutex<Vec<Queue<B>>>,
}

/// The callers of one runtime.
struct Queue<B: Batch> {
    runtime: Id,
    /// Whether a caller runs a statement for itself.
    is_one_running: bool,
    /// How many tasks run statements for the callers that wait, without those that are overdue.
    tasks: u32,
    overdue: u32,
    waiting: Vec<Waiting<B>>,
}

struct Waiting<B: Batch> {
    item: B::Item,
    answer: Answer<B>,
}

/// What a shared statement means for a caller.
type OutcomeOf<B> = Outcome<<B as Batch>::Item, <B as Batch>::Answer>;

/// Where a caller waits for its answer.
type Answer<B> = oneshot::Sender<OutcomeOf<B>>;

/// After how many statements a connection goes back to its pool, which may have to close it.
const KEPT_FOR: u32 = 256;

impl<B: Batch> Gather<B> {
    /// Gathers callers into statements, of which `in_flight` may run at the same time, beside one
    /// that a caller runs for itself.
    pub(crate) fn new(table: &'static str, batch: B, in_flight: NonZeroU32) -> Arc<Self> {
        Arc::new(Self { table, batch, in_flight, queues: Mutex::default() })
    }

    /// Returns the answer for an item, from a statement that begins after this call.
    pub(crate) async fn get(self: &Arc<Self>, item: B::Item) -> Result<B::Answer, StoreError> {
        let (item, _one) = match self.join(item) {
            Joined::Alone(item, one) => (item, one),
            Joined::Waiting(answer) => match answer.await {
                Ok(Outcome::Answered(answer)) => return answer,
                Ok(Outcome::RunAlone(item)) => (item, None),
                Err(_) => return Err(unanswered()),
            },
        };
        #[cfg(feature = "metrics")]
        self.count(1);
        // Boxed, so that the future of a caller that waits does not contain the future of a
        // statement.
        Box::pin(self.batch.run_alone(item)).await
    }

    /// Records for how many callers a statement is run.
    #[cfg(feature = "metrics")]
    fn count(&self, callers: usize) {
        crate::metrics::statement_run(self.table, B::VERB, callers);
    }

    /// Returns the span of a shared statement. It belongs to several requests, so it is in none of
    /// their traces.
    fn span(&self, callers: usize) -> Span {
        tracing::debug_span!(
            target: "anchor::store",
            parent: None,
            "anchor.store.statement",
            "otel.kind" = "client",
            "db.operation.name" = B::VERB,
            "db.collection.name" = self.table,
            // A single operation is not a batch.
            "db.operation.batch.size" = (callers > 1).then_some(callers as u64),
        )
    }

    fn join(self: &Arc<Self>, item: B::Item) -> Joined<'_, B> {
        // Without a runtime there is no task that could run the statement.
        let Ok(handle) = Handle::try_current() else { return Joined::Alone(item, None) };
        let runtime = handle.id();
        let (answer, needs_task) = {
            let mut queues = self.queues();
            let queue = Queue::of(&mut queues, runtime);
            if queue.is_idle() {
                queue.is_one_running = true;
                return Joined::Alone(item, Some(One { gather: self, runtime }));
            }
            let (sender, answer) = oneshot::channel();
            queue.waiting.push(Waiting { item, answer: sender });
            (answer, queue.take_place(self.in_flight))
        };
        if needs_task {
            self.start_task(&handle);
        }
        Joined::Waiting(answer)
    }

    /// Starts a task for which there is a place.
    ///
    /// In a separate task, because a caller may be dropped, or may not be polled. The queues must
    /// not be locked: a runtime that shuts down drops the task here.
    fn start_task(self: &Arc<Self>, handle: &Handle) {
        let gather = Arc::clone(self);
        let batches = Batches { gather, runtime: handle.id(), place: Place::InFlight };
        spawn(handle, Box::pin(batches.run()));
    }

    /// Locks the queues. It ignores poisoning, because a panic can only happen between two complete
    /// changes of a queue.
    fn queues(&self) -> MutexGuard<'_, Vec<Queue<B>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Batch> Queue<B> {
    /// Returns the queue of a runtime. When it is created, idle queues of other runtimes are
    /// removed.
    fn of(queues: &mut Vec<Self>, runtime: Id) -> &mut Self {
        let place = queues.iter().position(|queue| queue.runtime == runtime);
        let place = place.unwrap_or_else(|| {
            queues.retain(|queue| !queue.is_idle() || queue.overdue > 0);
            queues.push(Self {
                runtime,
                is_one_running: false,
                tasks: 0,
                overdue: 0,
                waiting: Vec::new(),
            });
            queues.len() - 1
        });
        &mut queues[place]
    }

    /// Returns whether no statement is running, except for overdue ones. Then nobody waits.
    fn is_idle(&self) -> bool {
        !self.is_one_running && self.tasks == 0
    }

    /// Takes the place of a task, if there is one.
    fn take_place(&mut self, in_flight: NonZeroU32) -> bool {
        let is_free = self.tasks < in_flight.get();
        self.tasks += u32::from(is_free);
        is_free
    }
}

/// How a caller gets its answer.
enum Joined<'g, B: Batch> {
    /// From its own statement.
    Alone(B::Item, Option<One<'g, B>>),
    /// From a statement that it shares.
    Waiting(oneshot::Receiver<OutcomeOf<B>>),
}

/// A caller that runs a statement for itself, until it has the answer or is dropped.
struct One<'g, B: Batch> {
    gather: &'g Gather<B>,
    runtime: Id,
}

impl<B: Batch> Drop for One<'_, B> {
    fn drop(&mut self) {
        Queue::of(&mut self.gather.queues(), self.runtime).is_one_running = false;
    }
}

/// A task that runs statements for the waiting callers of a runtime, one after the other, until
/// none waits.
struct Batches<B: Batch> {
    gather: Arc<Gather<B>>,
    runtime: Id,
    place: Place,
}

/// How a task counts among those of its queue.
enum Place {
    InFlight,
    /// Its statement takes long, and another task may run the next one.
    Overdue,
    /// The task is done.
    None,
}

impl<B: Batch> Batches<B> {
    async fn run(mut self) {
        let mut kept = B::Kept::default();
        let mut statements = 0_u32;
        while let Some(gathered) = self.next() {
            let (items, mut answers): (Vec<_>, Vec<_>) =
                gathered.into_iter().map(|Waiting { item, answer }| (item, answer)).unzip();
            let Some(own) = self.run_while_awaited(items, &mut answers, &mut kept).await else {
                continue;
            };
            for (answer, own) in answers.into_iter().zip(own) {
                // A caller that was dropped does not need its answer.
                let _ = answer.send(own);
            }
            statements += 1;
            if statements.is_multiple_of(KEPT_FOR) {
                kept = B::Kept::default();
            }
        }
    }

    /// Runs the statement for these items, as long as one of the callers waits for its answer. A
    /// statement that takes too long is dropped when each of its callers has given up, so that it
    /// does not hold up those who come later.
    async fn run_while_awaited(
        &mut self,
        items: Vec<B::Item>,
        answers: &mut [Answer<B>],
        kept: &mut B::Kept,
    ) -> Option<Vec<OutcomeOf<B>>> {
        let gather = Arc::clone(&self.gather);
        #[cfg(feature = "metrics")]
        gather.count(items.len());
        let span = gather.span(items.len());
        let mut run = pin!(gather.batch.run(items, kept));
        let mut left = pin!(async {
            for answer in answers {
                answer.closed().await;
            }
        });
        let mut overdue = pin!(tokio::time::sleep(OVERDUE));
        poll_fn(|context| {
            if let Poll::Ready(own) = span.in_scope(|| run.as_mut().poll(context)) {
                return Poll::Ready(Some(own));
            }
            while matches!(self.place, Place::InFlight) && overdue.as_mut().poll(context).is_ready()
            {
                self.give_way();
                // If as many are overdue as may be, it tries again later.
                overdue.as_mut().reset(Instant::now() + OVERDUE);
            }
            left.as_mut().poll(context).map(|()| None)
        })
        .await
    }

    /// Lets another task run the next statement, while this one's takes long.
    fn give_way(&mut self) {
        let needs_task = {
            let mut queues = self.gather.queues();
            let queue = Queue::of(&mut queues, self.runtime);
            if queue.overdue >= MOST_OVERDUE {
                return;
            }
            queue.tasks -= 1;
            queue.overdue += 1;
            self.place = Place::Overdue;
            !queue.waiting.is_empty() && queue.take_place(self.gather.in_flight)
        };
        if needs_task {
            self.gather.start_task(&Handle::current());
        }
    }

    /// Returns the callers that the next statement serves. `None` ends the task.
    fn next(&mut self) -> Option<Vec<Waiting<B>>> {
        let mut queues = self.gather.queues();
        let queue = Queue::of(&mut queues, self.runtime);
        if matches!(self.place, Place::Overdue) {
            queue.overdue -= 1;
            self.place = Place::None;
            if !queue.take_place(self.gather.in_flight) {
                return None;
            }
            self.place = Place::InFlight;
        }
        // Callers that were dropped need no answer.
        queue.waiting.retain(|waiting| !waiting.answer.is_closed());
        if queue.waiting.is_empty() {
            queue.tasks -= 1;
            self.place = Place::None;
            return None;
        }
        let size = B::size(queue.waiting.len()).min(queue.waiting.len());
        Some(queue.waiting.drain(..size).collect())
    }
}

impl<B: Batch> Drop for Batches<B> {
    /// After a panic, or when the runtime shuts down, the callers that wait get an error, unless
    /// another task is left that serves them.
    fn drop(&mut self) {
        let left = {
            let mut queues = self.gather.queues();
            let queue = Queue::of(&mut queues, self.runtime);
            match self.place {
                Place::InFlight => queue.tasks -= 1,
                Place::Overdue => queue.overdue -= 1,
                Place::None => return,
            }
            if queue.tasks == 0 { mem::take(&mut queue.waiting) } else { Vec::new() }
        };
        // Dropped without the lock, because this wakes the callers.
        drop(left);
    }
}

/// tokio's code for a task is compiled for each type of future. This one has only one type.
fn spawn(handle: &Handle, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
    handle.spawn(task);
}

fn unanswered() -> StoreError {
    StoreError::unavailable("the statement of this call ended without an answer")
}
