//! Statements that several callers share, with a batch that answers when it may.

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
