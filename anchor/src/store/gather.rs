//! [`Gather`]: one statement for what several callers want at the same time.
//!
//! A caller's statement runs at once when none is under way. Those that arrive while a statement
//! runs gather, and the next statement does for all of them together: no timer, and nothing is
//! added when the store is idle. A caller joins only a statement that has not been sent, so that no
//! answer is older than its question.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::error::StoreError;

/// What several callers can want in one statement.
pub(crate) trait Batch: Send + Sync + 'static {
    /// What one caller wants.
    type Item: Send + 'static;

    /// What one caller gets.
    type Answer: Send + 'static;

    /// How many of so many waiting items, at least one, go into the next statement.
    fn size(waiting: usize) -> usize;

    /// Runs the statement for these items, and answers each in its place.
    fn run(
        &self,
        items: Vec<Self::Item>,
    ) -> impl Future<Output = Vec<Result<Self::Answer, StoreError>>> + Send;
}

/// The callers of one store.
pub(crate) struct Gather<B: Batch> {
    batch: B,
    state: Mutex<State<B>>,
}

struct State<B: Batch> {
    /// A caller runs a statement for itself.
    is_one_running: bool,
    /// A task runs statements for what has gathered.
    is_batch_running: bool,
    waiting: Vec<Waiting<B>>,
}

struct Waiting<B: Batch> {
    item: B::Item,
    answer: oneshot::Sender<Result<B::Answer, StoreError>>,
}

impl<B: Batch> Gather<B> {
    pub(crate) fn new(batch: B) -> Arc<Self> {
        let state = State { is_one_running: false, is_batch_running: false, waiting: Vec::new() };
        Arc::new(Self { batch, state: Mutex::new(state) })
    }

    /// The answer for an item, from a statement that begins after this call.
    pub(crate) async fn get(self: &Arc<Self>, item: B::Item) -> Result<B::Answer, StoreError> {
        match self.join(item) {
            Joined::Alone(item) => {
                let _one = One(self);
                let answer = self.batch.run(vec![item]).await.pop();
                answer.unwrap_or_else(|| Err(unanswered()))
            }
            Joined::Waiting(answer) => answer.await.unwrap_or_else(|_| Err(unanswered())),
        }
    }

    fn join(self: &Arc<Self>, item: B::Item) -> Joined<B> {
        let mut state = self.state();
        if !state.is_one_running && !state.is_batch_running {
            state.is_one_running = true;
            return Joined::Alone(item);
        }
        let (sender, answer) = oneshot::channel();
        state.waiting.push(Waiting { item, answer: sender });
        if !state.is_batch_running {
            state.is_batch_running = true;
            // A task of its own, because a caller may leave, or not be polled.
            tokio::spawn(Batches { gather: Arc::clone(self), is_done: false }.run());
        }
        Joined::Waiting(answer)
    }

    /// A poisoned lock means a panic between whole changes of the state.
    fn state(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a caller gets its answer.
enum Joined<B: Batch> {
    /// From a statement of its own.
    Alone(B::Item),
    /// From one that it shares.
    Waiting(oneshot::Receiver<Result<B::Answer, StoreError>>),
}

/// A caller that runs a statement for itself, until it has the answer or leaves.
struct One<'g, B: Batch>(&'g Gather<B>);

impl<B: Batch> Drop for One<'_, B> {
    fn drop(&mut self) {
        self.0.state().is_one_running = false;
    }
}

/// The task that runs statements for what has gathered, until nothing has.
struct Batches<B: Batch> {
    gather: Arc<Gather<B>>,
    is_done: bool,
}

impl<B: Batch> Batches<B> {
    async fn run(mut self) {
        while let Some(gathered) = self.next() {
            let (items, answers): (Vec<_>, Vec<_>) =
                gathered.into_iter().map(|Waiting { item, answer }| (item, answer)).unzip();
            let own = self.gather.batch.run(items).await;
            for (answer, own) in answers.into_iter().zip(own) {
                // Whoever has left does not need it.
                let _ = answer.send(own);
            }
        }
    }

    /// What goes into the next statement; `None` ends the task.
    fn next(&mut self) -> Option<Vec<Waiting<B>>> {
        let mut state = self.gather.state();
        // Nobody waits for those who have left.
        state.waiting.retain(|waiting| !waiting.answer.is_closed());
        if state.waiting.is_empty() {
            state.is_batch_running = false;
            self.is_done = true;
            return None;
        }
        let size = B::size(state.waiting.len()).min(state.waiting.len());
        Some(state.waiting.drain(..size).collect())
    }
}

impl<B: Batch> Drop for Batches<B> {
    /// After a panic, or with the runtime: whoever waits learns that there will be no answer.
    fn drop(&mut self) {
        if !self.is_done {
            let mut state = self.gather.state();
            state.is_batch_running = false;
            state.waiting.clear();
        }
    }
}

fn unanswered() -> StoreError {
    StoreError::unavailable("the statement that this call was a part of was not carried out")
}
