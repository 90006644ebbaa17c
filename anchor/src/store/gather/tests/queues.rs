//! What the queues of several runtimes, and of statements that take long, leave behind.

use super::*;

#[test]
fn another_runtime_takes_nothing_from_the_callers_that_wait() {
    let (slow, gather) = gather();
    let first = runtime();
    let asked = first
        .block_on(async { [ask(&gather, 1).await, ask(&gather, 2).await, ask(&gather, 3).await] });
    slow.may_answer.add_permits(9);
    assert_eq!(runtime().block_on(gather.get(4)).unwrap(), 40);
    for (asked, answer) in asked.into_iter().zip([10, 20, 30]) {
        assert_eq!(first.block_on(asked).unwrap().unwrap(), answer);
    }
}

#[test]
fn a_statement_that_takes_long_keeps_its_queue_beside_other_runtimes() {
    let (slow, gather) = gather();
    let first = runtime();
    let (one, two) = first.block_on(async { (ask(&gather, 1).await, ask(&gather, 2).await) });
    first.block_on(async {
        tokio::time::sleep(2 * OVERDUE).await;
        slow.may_answer.add_permits(1);
        assert_eq!(one.await.unwrap().unwrap(), 10);
    });
    slow.may_answer.add_permits(2);
    assert_eq!(runtime().block_on(gather.get(3)).unwrap(), 30);
    assert_eq!(first.block_on(two).unwrap().unwrap(), 20);
    slow.may_answer.add_permits(1);
    assert_eq!(first.block_on(gather.get(4)).unwrap(), 40);
}

#[test]
fn a_runtime_that_is_idle_leaves_no_queue() {
    let (slow, gather) = gather();
    slow.may_answer.add_permits(3);
    for item in 1..=3 {
        assert_eq!(runtime().block_on(gather.get(item)).unwrap(), 10 * item);
        assert_eq!(gather.queues().len(), 1);
    }
}

#[tokio::test]
async fn a_statement_that_takes_long_and_panics_is_not_counted_any_more() {
    let (slow, gather) = gather();
    let (one, unlucky) = (ask(&gather, 1).await, ask(&gather, 13).await);
    tokio::time::sleep(2 * OVERDUE).await;
    assert_eq!(gather.queues()[0].overdue, 1);
    slow.may_answer.add_permits(2);
    assert_eq!(one.await.unwrap().unwrap(), 10);
    assert!(unlucky.await.unwrap().is_err());
    assert_eq!(gather.queues()[0].overdue, 0);
}
