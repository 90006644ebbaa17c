//! Statements that several callers share, with a batch that answers when it may.

mod queues;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::*;

/// Answers when the test allows it, and remembers the items of each statement.
struct Slow {
    may_answer: Semaphore,
    statements: Mutex<Vec<Vec<u32>>>,
}

/// The item of a statement that never ends.
const HANGS: u32 = 0;

/// An item that a shared statement leaves to its caller.
const LOCKED: u32 = 99;

impl Batch for Arc<Slow> {
    const VERB: &'static str = "slow";

    type Item = u32;

    type Answer = u32;

    type Kept = ();

    fn size(waiting: usize) -> usize {
        waiting.min(4)
    }

    async fn run_alone(&self, item: u32) -> Result<u32, StoreError> {
        match self.run(vec![item], &mut ()).await.pop() {
            Some(Outcome::Answered(answer)) => answer,
            _ => unreachable!("{item} has its answer"),
        }
    }

    async fn run(&self, items: Vec<u32>, (): &mut ()) -> Vec<Outcome<u32, u32>> {
        self.statements.lock().unwrap().push(items.clone());
        if items.contains(&HANGS) {
            std::future::pending::<()>().await;
        }
        self.may_answer.acquire().await.unwrap().forget();
        let is_alone = items.len() == 1;
        let answer = |item: u32| match item {
            13 => panic!("an unlucky number"),
            7 => Outcome::Answered(Err(StoreError::unavailable("seven"))),
            LOCKED if !is_alone => Outcome::RunAlone(LOCKED),
            other => Outcome::Answered(Ok(10 * other)),
        };
        items.into_iter().map(answer).collect()
    }
}

fn gather() -> (Arc<Slow>, Arc<Gather<Arc<Slow>>>) {
    gather_in_flight(1)
}

/// With this many shared statements in flight.
fn gather_in_flight(in_flight: u32) -> (Arc<Slow>, Arc<Gather<Arc<Slow>>>) {
    let slow = Arc::new(Slow { may_answer: Semaphore::new(0), statements: Mutex::default() });
    (Arc::clone(&slow), Gather::new("table", slow, number(in_flight)))
}

fn number(in_flight: u32) -> NonZeroU32 {
    NonZeroU32::new(in_flight).unwrap()
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
        for round in 0..200 {
            end_a_runtime_with_callers(1 + round % 3);
        }
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(60)).expect("a caller holds the lock for good");
}

fn end_a_runtime_with_callers(in_flight: u32) {
    let (slow, gather) = gather_in_flight(in_flight);
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

#[tokio::test]
async fn a_statement_that_hangs_does_not_hold_up_the_next_one_beside_it() {
    let (slow, gather) = gather_in_flight(2);
    let one = ask(&gather, 1).await;
    let hanging = ask(&gather, HANGS).await;
    let three = ask(&gather, 3).await;
    let (four, five) = (ask(&gather, 4).await, ask(&gather, 5).await);
    assert_eq!(slow.statements(), [vec![1], vec![HANGS], vec![3]]);
    slow.may_answer.add_permits(3);
    for (asked, answer) in [(one, 10), (three, 30), (four, 40), (five, 50)] {
        assert_eq!(asked.await.unwrap().unwrap(), answer);
    }
    assert_eq!(slow.statements().last().unwrap(), &[4, 5]);
    assert!(!hanging.is_finished());
}

#[tokio::test(start_paused = true)]
async fn no_more_statements_are_in_flight_than_may_be() {
    for in_flight in [1, 2, 3] {
        let (slow, gather) = gather_in_flight(in_flight);
        let mut asked = Vec::new();
        for item in 20..40 {
            asked.push(ask(&gather, item).await);
        }
        let expected: Vec<_> = (20..=20 + in_flight).map(|item| vec![item]).collect();
        assert_eq!(slow.statements(), expected, "one for itself, and the shared ones");
        // One answer, one more statement.
        for ended in 1..=3 {
            slow.may_answer.add_permits(1);
            tokio::time::sleep(Duration::from_millis(1)).await;
            // The first answer is that of the caller that runs its own.
            assert_eq!(slow.statements().len(), expected.len() + ended - 1);
        }
        slow.may_answer.add_permits(20);
        for (item, asked) in (20..40).zip(asked) {
            assert_eq!(asked.await.unwrap().unwrap(), 10 * item);
        }
    }
}

#[tokio::test]
async fn what_a_shared_statement_leaves_undone_its_caller_runs_alone() {
    let (slow, gather) = gather();
    let (one, two) = (ask(&gather, 1).await, ask(&gather, 2).await);
    let (locked, beside) = (ask(&gather, LOCKED).await, ask(&gather, 4).await);
    slow.may_answer.add_permits(3);
    for (asked, answer) in [(one, 10), (two, 20), (beside, 40)] {
        assert_eq!(asked.await.unwrap().unwrap(), answer);
    }
    assert!(!locked.is_finished());
    // It holds up nobody while it waits.
    let five = ask(&gather, 5).await;
    assert_eq!(slow.statements()[2..], [vec![LOCKED, 4], vec![LOCKED], vec![5]]);
    slow.may_answer.add_permits(2);
    assert_eq!(five.await.unwrap().unwrap(), 50);
    assert_eq!(locked.await.unwrap().unwrap(), 10 * LOCKED);
}

#[tokio::test(start_paused = true)]
async fn the_next_statement_waits_for_a_slow_one_only_for_a_moment() {
    let (slow, gather) = gather();
    let one = ask(&gather, 1).await;
    let hanging = ask(&gather, HANGS).await;
    let three = ask(&gather, 3).await;
    assert_eq!(slow.statements(), [vec![1], vec![HANGS]]);
    tokio::time::sleep(2 * OVERDUE).await;
    assert_eq!(slow.statements(), [vec![1], vec![HANGS], vec![3]]);
    slow.may_answer.add_permits(2);
    assert_eq!(one.await.unwrap().unwrap(), 10);
    assert_eq!(three.await.unwrap().unwrap(), 30);
    // It is idle except for the slow one, and answers as before.
    slow.may_answer.add_permits(1);
    assert_eq!(ask(&gather, 4).await.await.unwrap().unwrap(), 40);
    assert!(!hanging.is_finished());
}

#[tokio::test(start_paused = true)]
async fn few_statements_are_overdue_at_the_same_time() {
    let (slow, gather) = gather();
    let mut hanging = vec![ask(&gather, HANGS).await];
    for _ in 0..10 {
        for _ in 0..4 {
            hanging.push(ask(&gather, HANGS).await);
        }
        tokio::time::sleep(2 * OVERDUE).await;
    }
    // The one that a caller runs for itself, the overdue ones, and the one in flight.
    assert_eq!(slow.statements().len(), 2 + MOST_OVERDUE as usize);
    // Once their callers have left, everything is as before.
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
    tokio::time::sleep(Duration::from_millis(1)).await;
    slow.may_answer.add_permits(2);
    let (one, two) = (ask(&gather, 1).await, ask(&gather, 2).await);
    assert_eq!(one.await.unwrap().unwrap(), 10);
    assert_eq!(two.await.unwrap().unwrap(), 20);
    let queues = gather.queues();
    let [queue] = &queues[..] else { panic!("{} queues", queues.len()) };
    assert!(queue.is_idle() && queue.overdue == 0);
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_could_not_give_way_does_so_when_another_one_ends() {
    let (slow, gather) = gather();
    let mut hanging = Vec::new();
    // One that a caller runs for itself, three that are overdue, and one in flight.
    for _ in 0..2 + MOST_OVERDUE {
        hanging.push(ask(&gather, HANGS).await);
        tokio::time::sleep(2 * OVERDUE).await;
    }
    let waiting = ask(&gather, 1).await;
    tokio::time::sleep(2 * OVERDUE).await;
    assert_eq!(slow.statements().last().unwrap(), &[HANGS]);
    for overdue in &hanging[1..=MOST_OVERDUE as usize] {
        overdue.abort();
    }
    tokio::time::sleep(2 * OVERDUE).await;
    assert_eq!(slow.statements().last().unwrap(), &[1]);
    slow.may_answer.add_permits(1);
    assert_eq!(waiting.await.unwrap().unwrap(), 10);
}

#[tokio::test]
async fn after_a_panic_the_other_statements_serve_those_that_wait() {
    let (slow, gather) = gather_in_flight(2);
    let (one, unlucky) = (ask(&gather, 1).await, ask(&gather, 13).await);
    let (three, four) = (ask(&gather, 3).await, ask(&gather, 4).await);
    assert_eq!(slow.statements(), [vec![1], vec![13], vec![3]]);
    slow.may_answer.add_permits(2);
    assert_eq!(one.await.unwrap().unwrap(), 10);
    assert!(unlucky.await.unwrap().is_err());
    // The place of the task that panicked is free again.
    let five = ask(&gather, 5).await;
    assert_eq!(slow.statements().last().unwrap(), &[4, 5]);
    slow.may_answer.add_permits(2);
    for (asked, answer) in [(three, 30), (four, 40), (five, 50)] {
        assert_eq!(asked.await.unwrap().unwrap(), answer);
    }
}

/// A database that is 5 ms away, and counts its callers' writes.
#[derive(Default)]
struct Far {
    writes: AtomicU32,
}

const ROUND_TRIP: Duration = Duration::from_millis(5);

impl Batch for Arc<Far> {
    const VERB: &'static str = "far";

    type Item = ();

    /// How many writes the statement saw when it was sent.
    type Answer = u32;

    type Kept = ();

    fn size(waiting: usize) -> usize {
        waiting.min(4)
    }

    async fn run_alone(&self, (): ()) -> Result<u32, StoreError> {
        let writes = self.writes.load(Ordering::SeqCst);
        tokio::time::sleep(ROUND_TRIP).await;
        Ok(writes)
    }

    async fn run(&self, items: Vec<()>, (): &mut ()) -> Vec<Outcome<(), u32>> {
        let writes = self.run_alone(()).await.unwrap();
        items.iter().map(|()| Outcome::Answered(Ok(writes))).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn statements_in_flight_bound_what_a_round_trip_answers() {
    for (in_flight, round_trips) in [(1, 6), (2, 3), (3, 2), (6, 1), (40, 1)] {
        let gather = Gather::new("table", Arc::new(Far::default()), number(in_flight));
        let began = tokio::time::Instant::now();
        // One runs its own; the others come to six full statements.
        let asked: Vec<_> = (0..25)
            .map(|_| {
                let gather = Arc::clone(&gather);
                tokio::spawn(async move { gather.get(()).await })
            })
            .collect();
        for asked in asked {
            asked.await.unwrap().unwrap();
        }
        assert_eq!(began.elapsed(), round_trips * ROUND_TRIP, "{in_flight} in flight");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_answer_is_older_than_its_question_however_many_are_in_flight() {
    for in_flight in [1, 2, 4] {
        let far = Arc::new(Far::default());
        let gather = Gather::new("table", Arc::clone(&far), number(in_flight));
        let callers: Vec<_> = (0..16)
            .map(|_| {
                let (far, gather) = (Arc::clone(&far), Arc::clone(&gather));
                tokio::spawn(async move {
                    for _ in 0..10 {
                        let written = far.writes.fetch_add(1, Ordering::SeqCst) + 1;
                        let seen = gather.get(()).await.unwrap();
                        assert!(seen >= written, "{seen} writes were seen after {written}");
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
    }
}
