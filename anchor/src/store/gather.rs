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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::Semaphore;

    use super::*;

    /// Answers when the test allows it, and remembers the items of each statement.
    struct Slow {
        may_answer: Semaphore,
        statements: Mutex<Vec<Vec<u32>>>,
    }

    impl Batch for Arc<Slow> {
        type Item = u32;

        type Answer = u32;

        type Kept = ();

        fn size(waiting: usize) -> usize {
            waiting.min(4)
        }

        async fn run(&self, items: Vec<u32>, (): &mut ()) -> Vec<Result<u32, StoreError>> {
            self.statements.lock().unwrap().push(items.clone());
            self.may_answer.acquire().await.unwrap().forget();
            let answer = |item: u32| match item {
                13 => panic!("an unlucky number"),
                7 => Err(StoreError::unavailable("seven")),
                other => Ok(10 * other),
            };
            items.into_iter().map(answer).collect()
        }
    }

    fn gather() -> (Arc<Slow>, Arc<Gather<Arc<Slow>>>) {
        let slow = Arc::new(Slow { may_answer: Semaphore::new(0), statements: Mutex::default() });
        (Arc::clone(&slow), Gather::new(slow))
    }

    type Asked = tokio::task::JoinHandle<Result<u32, StoreError>>;

    /// Asks, and lets the call run until it waits.
    async fn ask(gather: &Arc<Gather<Arc<Slow>>>, item: u32) -> Asked {
        let gather = Arc::clone(gather);
        let asked = tokio::spawn(async move { gather.get(item).await });
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        asked
    }

    impl Slow {
        fn statements(&self) -> Vec<Vec<u32>> {
            self.statements.lock().unwrap().clone()
        }
    }

    #[tokio::test]
    async fn a_caller_joins_only_a_statement_that_has_not_been_sent() {
        let (slow, gather) = gather();
        let one = ask(&gather, 1).await;
        // Its own statement is under way, so it gathers, and finds the task idle.
        let two = ask(&gather, 2).await;
        let three = ask(&gather, 3).await;
        let four = ask(&gather, 4).await;
        assert_eq!(slow.statements(), [vec![1], vec![2]]);
        slow.may_answer.add_permits(3);
        for (asked, answer) in [(one, 10), (two, 20), (three, 30), (four, 40)] {
            assert_eq!(asked.await.unwrap().unwrap(), answer);
        }
        assert_eq!(slow.statements(), [vec![1], vec![2], vec![3, 4]]);
        // Idle again: the next one waits for nobody.
        slow.may_answer.add_permits(1);
        assert_eq!(ask(&gather, 5).await.await.unwrap().unwrap(), 50);
        assert_eq!(slow.statements().last().unwrap(), &[5]);
    }

    #[tokio::test]
    async fn an_error_is_its_own_callers_and_a_batch_is_bounded() {
        let (slow, gather) = gather();
        let mut asked = Vec::new();
        for item in [1, 2, 3, 7, 5, 6, 8] {
            asked.push(ask(&gather, item).await);
        }
        slow.may_answer.add_permits(10);
        let mut failed = Vec::new();
        for (at, asked) in asked.into_iter().enumerate() {
            if asked.await.unwrap().is_err() {
                failed.push(at);
            }
        }
        assert_eq!(failed, [3]);
        assert_eq!(slow.statements(), [vec![1], vec![2], vec![3, 7, 5, 6], vec![8]]);
    }

    #[tokio::test]
    async fn a_caller_that_leaves_disturbs_nobody() {
        let (slow, gather) = gather();
        let (one, two) = (ask(&gather, 1).await, ask(&gather, 2).await);
        let (three, four) = (ask(&gather, 3).await, ask(&gather, 4).await);
        for left in [three, one, two] {
            left.abort();
            assert!(left.await.unwrap_err().is_cancelled());
        }
        slow.may_answer.add_permits(9);
        assert_eq!(four.await.unwrap().unwrap(), 40);
        assert_eq!(slow.statements().last().unwrap(), &[4], "nobody waits for three any more");
        assert_eq!(ask(&gather, 5).await.await.unwrap().unwrap(), 50);
    }

    #[tokio::test]
    async fn a_statement_that_nobody_waits_for_holds_up_nobody() {
        let (slow, gather) = gather();
        let one = ask(&gather, 1).await;
        let (two, three) = (ask(&gather, 2).await, ask(&gather, 3).await);
        assert_eq!(slow.statements(), [vec![1], vec![2]], "the third one waits for the second");
        two.abort();
        assert!(two.await.unwrap_err().is_cancelled());
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
        assert_eq!(slow.statements().last().unwrap(), &[3], "it was sent without the answer");
        slow.may_answer.add_permits(2);
        assert_eq!(one.await.unwrap().unwrap(), 10);
        assert_eq!(three.await.unwrap().unwrap(), 30);
    }

    #[tokio::test]
    async fn a_panic_leaves_nobody_waiting() {
        let (slow, gather) = gather();
        let (one, two) = (ask(&gather, 1).await, ask(&gather, 2).await);
        let (unlucky, beside) = (ask(&gather, 13).await, ask(&gather, 4).await);
        slow.may_answer.add_permits(9);
        assert_eq!(one.await.unwrap().unwrap(), 10);
        assert_eq!(two.await.unwrap().unwrap(), 20);
        assert!(unlucky.await.unwrap().is_err() && beside.await.unwrap().is_err());
        assert_eq!(ask(&gather, 5).await.await.unwrap().unwrap(), 50);
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn a_runtime_that_is_not_polled_delays_no_other_one() {
        let (slow, gather) = gather();
        let stopped = runtime();
        // Its own statement and the task are both under way when the runtime stops.
        let left = stopped.block_on(async { [ask(&gather, 1).await, ask(&gather, 2).await] });
        slow.may_answer.add_permits(9);
        runtime().block_on(async {
            let (three, four) = (ask(&gather, 3).await, ask(&gather, 4).await);
            assert_eq!(three.await.unwrap().unwrap(), 30);
            assert_eq!(four.await.unwrap().unwrap(), 40);
        });
        drop((stopped, left));
        assert_eq!(runtime().block_on(gather.get(5)).unwrap(), 50);
    }

    #[test]
    fn a_runtime_that_ends_leaves_no_caller_locked() {
        let (done, is_done) = std::sync::mpsc::channel();
        // In a thread of its own: a lock that is never released would hang the test.
        std::thread::spawn(move || {
            for _ in 0..200 {
                end_a_runtime_with_callers();
            }
            done.send(()).unwrap();
        });
        is_done.recv_timeout(Duration::from_secs(60)).expect("a caller holds the lock for good");
    }

    fn end_a_runtime_with_callers() {
        let (slow, gather) = gather();
        let mut ending = tokio::runtime::Builder::new_multi_thread();
        let ending = ending.worker_threads(4).enable_all().build().unwrap();
        for item in 20..28 {
            let gather = Arc::clone(&gather);
            ending.spawn(async move {
                loop {
                    let _ = gather.get(item).await;
                }
            });
        }
        slow.may_answer.add_permits(200);
        std::thread::sleep(Duration::from_micros(300));
        drop(ending);
        slow.may_answer.add_permits(9);
        assert_eq!(runtime().block_on(gather.get(5)).unwrap(), 50);
    }

    #[tokio::test]
    async fn an_idle_store_answers_without_a_task_of_its_own() {
        let (slow, gather) = gather();
        slow.may_answer.add_permits(1);
        let mut asked = pin!(gather.get(1));
        let answer = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await;
        assert!(matches!(answer, Poll::Ready(Ok(10))), "answered at the first poll");
    }
}
