//! [`Gather`]: one statement for several callers that ask for the same kind of thing at the same
//! time.
//!
//! If no statement is running, a caller's statement is sent at once. Callers that arrive while a
//! statement runs gather, and the next statement serves all of them together. There is no timer,
//! and an idle store adds no delay. A caller joins only a statement that has not been sent, so no
//! answer is older than its question.
//!
//! Only callers of the same tokio runtime share a statement. A runtime can end, or not be polled,
//! while the callers of another one wait.

#[cfg(test)]
mod tests;

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;

use crate::error::StoreError;

/// A kind of statement that can serve several callers together.
pub(crate) trait Batch: Send + Sync + 'static {
    /// What one caller asks for.
    type Item: Send + 'static;

    /// What one caller gets back.
    type Answer: Send + 'static;

    /// What one statement passes on to the next one, such as a connection, if the next one follows
    /// immediately.
    type Kept: Default + Send;

    /// Returns how many items, at least one, go into the next statement when this many wait.
    fn size(waiting: usize) -> usize;

    /// Runs the statement for these items, and returns their answers in the same order.
    fn run(
        &self,
        items: Vec<Self::Item>,
        kept: &mut Self::Kept,
    ) -> impl Future<Output = Vec<Result<Self::Answer, StoreError>>> + Send;
}

/// The callers of one store that ask for the same kind of thing.
pub(crate) struct Gather<B: Batch> {
    batch: B,
    /// Most applications have one runtime.
    queues: Mutex<Vec<Queue<B>>>,
}

/// The callers of one runtime.
struct Queue<B: Batch> {
    runtime: Id,
    /// Whether a caller runs a statement for itself.
    is_one_running: bool,
    /// Whether a task runs statements for the callers that wait.
    is_batch_running: bool,
    waiting: Vec<Waiting<B>>,
}

struct Waiting<B: Batch> {
    item: B::Item,
    answer: Answer<B>,
}

/// Where a caller waits for its answer.
type Answer<B> = oneshot::Sender<Result<<B as Batch>::Answer, StoreError>>;

/// After how many statements a connection goes back to its pool, which may have to close it.
const KEPT_FOR: u32 = 256;

impl<B: Batch> Gather<B> {
    pub(crate) fn new(batch: B) -> Arc<Self> {
        Arc::new(Self { batch, queues: Mutex::default() })
    }

    /// Returns the answer for an item, from a statement that begins after this call.
    pub(crate) async fn get(self: &Arc<Self>, item: B::Item) -> Result<B::Answer, StoreError> {
        match self.join(item) {
            Joined::Alone(item, _one) => {
                // Boxed, so that the future of a caller that waits does not contain the future of a
                // statement.
                let mut kept = B::Kept::default();
                let answer = Box::pin(self.batch.run(vec![item], &mut kept)).await.pop();
                answer.unwrap_or_else(|| Err(unanswered()))
            }
            Joined::Waiting(answer) => answer.await.unwrap_or_else(|_| Err(unanswered())),
        }
    }

    fn join(self: &Arc<Self>, item: B::Item) -> Joined<'_, B> {
        // Without a runtime there is no task that could run the statement.
        let Ok(handle) = Handle::try_current() else { return Joined::Alone(item, None) };
        let runtime = handle.id();
        let (answer, needs_task) = {
            let mut queues = self.queues();
            let queue = Queue::of(&mut queues, runtime);
            if !queue.is_one_running && !queue.is_batch_running {
                queue.is_one_running = true;
                return Joined::Alone(item, Some(One { gather: self, runtime }));
            }
            let (sender, answer) = oneshot::channel();
            queue.waiting.push(Waiting { item, answer: sender });
            (answer, !mem::replace(&mut queue.is_batch_running, true))
        };
        if needs_task {
            // In a separate task, because a caller may be dropped, or may not be polled. The lock
            // is free again: a runtime that shuts down drops the task here.
            let batches = Batches { gather: Arc::clone(self), runtime, is_done: false };
            handle.spawn(batches.run());
        }
        Joined::Waiting(answer)
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
            queues.retain(|queue| queue.is_one_running || queue.is_batch_running);
            queues.push(Self {
                runtime,
                is_one_running: false,
                is_batch_running: false,
                waiting: Vec::new(),
            });
            queues.len() - 1
        });
        &mut queues[place]
    }
}

/// How a caller gets its answer.
enum Joined<'g, B: Batch> {
    /// From its own statement.
    Alone(B::Item, Option<One<'g, B>>),
    /// From a statement that it shares.
    Waiting(oneshot::Receiver<Result<B::Answer, StoreError>>),
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

/// The task that runs statements for the waiting callers of a runtime, until none waits.
struct Batches<B: Batch> {
    gather: Arc<Gather<B>>,
    runtime: Id,
    is_done: bool,
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
        &self,
        items: Vec<B::Item>,
        answers: &mut [Answer<B>],
        kept: &mut B::Kept,
    ) -> Option<Vec<Result<B::Answer, StoreError>>> {
        let mut run = pin!(self.gather.batch.run(items, kept));
        let mut left = pin!(async {
            for answer in answers {
                answer.closed().await;
            }
        });
        poll_fn(|context| match run.as_mut().poll(context) {
            Poll::Ready(own) => Poll::Ready(Some(own)),
            Poll::Pending => left.as_mut().poll(context).map(|()| None),
        })
        .await
    }

    /// Returns the callers that the next statement serves. `None` ends the task.
    fn next(&mut self) -> Option<Vec<Waiting<B>>> {
        let mut queues = self.gather.queues();
        let queue = Queue::of(&mut queues, self.runtime);
        // Callers that were dropped need no answer.
        queue.waiting.retain(|waiting| !waiting.answer.is_closed());
        if queue.waiting.is_empty() {
            queue.is_batch_running = false;
            self.is_done = true;
            return None;
        }
        let size = B::size(queue.waiting.len()).min(queue.waiting.len());
        Some(queue.waiting.drain(..size).collect())
    }
}

impl<B: Batch> Drop for Batches<B> {
    /// After a panic, or when the runtime shuts down, the callers that wait get an error.
    fn drop(&mut self) {
        if !self.is_done {
            let left = {
                let mut queues = self.gather.queues();
                let queue = Queue::of(&mut queues, self.runtime);
                queue.is_batch_running = false;
                mem::take(&mut queue.waiting)
            };
            // Dropped without the lock, because this wakes the callers.
            drop(left);
        }
    }
}

fn unanswered() -> StoreError {
    StoreError::unavailable("the statement of this call ended without an answer")
}
