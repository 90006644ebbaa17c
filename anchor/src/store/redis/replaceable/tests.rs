//! Connections that answer, or do not, as the test says.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::sleep;

use super::*;

/// What a connection does with each call.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Answers,
    AnswersAfter(Duration),
    Hangs,
    IsLost,
}

/// A connection whose answer is how many were made before it.
#[derive(Clone)]
struct Fake<const IS_WATCHED: bool> {
    number: usize,
    fate: Fate,
}

/// What makes connections that answer.
struct Maker {
    takes: Duration,
    /// How many cannot be made at first.
    failures: usize,
    made: AtomicUsize,
}

impl Maker {
    fn taking(takes: Duration) -> Arc<Self> {
        Arc::new(Self { takes, failures: 0, made: AtomicUsize::new(0) })
    }

    fn failing(failures: usize) -> Arc<Self> {
        Arc::new(Self { takes: Duration::ZERO, failures, made: AtomicUsize::new(0) })
    }

    fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }
}

impl<const IS_WATCHED: bool> Connection for Fake<IS_WATCHED> {
    type Origin = Arc<Maker>;

    const SILENCE: Duration = Duration::from_secs(1);

    const MAKING: Duration = Duration::from_secs(10);

    const IS_WATCHED: bool = IS_WATCHED;

    async fn make(maker: Self::Origin) -> RedisResult<Self> {
        let number = maker.made.fetch_add(1, Ordering::SeqCst) + 1;
        sleep(maker.takes).await;
        if number <= maker.failures {
            return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
        }
        Ok(Self { number, fate: Fate::Answers })
    }

    fn says_nothing(error: &RedisError) -> bool {
        is_lost(error)
    }
}

type Watched = Replaceable<Fake<true>>;

fn first<const W: bool>(fate: Fate, maker: &Arc<Maker>) -> Arc<Replaceable<Fake<W>>> {
    let first = Fake { number: 0, fate };
    Arc::new(Replaceable::new(first, Some(Arc::clone(maker)), Duration::ZERO))
}

async fn ask<const W: bool>(connection: &Replaceable<Fake<W>>) -> RedisResult<usize> {
    ask_if_replaced(connection, WhenReplaced::Repeat).await
}

async fn ask_if_replaced<const W: bool>(
    connection: &Replaceable<Fake<W>>,
    when_replaced: WhenReplaced,
) -> RedisResult<usize> {
    let answer = async |on: Fake<W>| match on.fate {
        Fate::Answers => Ok(on.number),
        Fate::AnswersAfter(span) => {
            sleep(span).await;
            Ok(on.number)
        }
        Fate::Hangs => std::future::pending().await,
        Fate::IsLost => Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
    };
    connection.ask(when_replaced, answer).await
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn calls_that_wait_in_vain_are_repeated_on_one_other_connection() {
    let maker = Maker::taking(SECOND);
    let connection = first::<true>(Fate::Hangs, &maker);
    let began = Instant::now();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let connection = Arc::clone(&connection);
        calls.spawn(async move { ask(&connection).await.unwrap() });
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(calls.join_all().await, [1; 64]);
    let took = began.elapsed();
    assert!(took >= 2 * SECOND && took < 3 * SECOND, "{took:?}");
    assert_eq!((ask(&connection).await.unwrap(), maker.made()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_must_not_come_twice_fails_when_its_connection_is_replaced() {
    let maker = Maker::taking(SECOND);
    let connection = first::<true>(Fate::Hangs, &maker);
    let began = Instant::now();
    let error = ask_if_replaced(&connection, WhenReplaced::Fail).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(began.elapsed().as_secs(), 2);
    assert_eq!(ask_if_replaced(&connection, WhenReplaced::Fail).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_takes_too_long_to_make_is_given_up_and_then_another_one_is_made() {
    let maker = Maker::taking(60 * SECOND);
    let connection = first::<true>(Fate::Hangs, &maker);
    let waiting = Arc::clone(&connection);
    let call = tokio::spawn(async move { ask(&waiting).await });
    // It may be found to take too long by those who wait, or by who makes it and then pauses.
    for (millis, made) in [(900, 0), (10_000, 1), (1_200, 2), (8_800, 2), (2_400, 3)] {
        sleep(Duration::from_millis(millis)).await;
        assert_eq!(maker.made(), made);
    }
    call.abort();
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_cannot_be_made_is_tried_again_after_a_while() {
    let maker = Maker::failing(3);
    let connection = first::<true>(Fate::IsLost, &maker);
    let began = Instant::now();
    while ask(&connection).await.is_err() {
        sleep(SECOND / 100).await;
    }
    let took = began.elapsed();
    assert!(took >= 4 * SECOND && took < 5 * SECOND, "{took:?}");
    assert_eq!(maker.made(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_answers_after_all_is_kept() {
    let maker = Maker::taking(SECOND);
    let connection = first::<true>(Fate::AnswersAfter(SECOND + SECOND / 2), &maker);
    assert_eq!(ask(&connection).await.unwrap(), 0);
    assert_eq!(maker.made(), 1);
    sleep(SECOND).await;
    assert_eq!(ask(&connection).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn callers_who_soon_give_up_find_another_connection_together() {
    let maker = Maker::taking(Duration::ZERO);
    let connection = first::<false>(Fate::Hangs, &maker);
    for _ in 0..4 {
        assert_eq!(maker.made(), 0);
        timeout(Duration::from_millis(300), ask(&connection)).await.expect_err("it hangs");
    }
    assert_eq!(ask(&connection).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_task_has_ended_is_replaced() {
    let maker = Maker::taking(Duration::ZERO);
    let connection = first::<true>(Fate::IsLost, &maker);
    let began = Instant::now();
    while ask(&connection).await.is_err() {
        assert!(began.elapsed() < 2 * SECOND, "it stays lost");
        sleep(SECOND / 10).await;
    }
    assert!(began.elapsed() >= SECOND, "it was given up too early");
    assert_eq!(ask(&connection).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_the_applications_is_not_replaced() {
    let connection = Watched::given(Fake { number: 0, fate: Fate::Hangs });
    timeout(60 * SECOND, ask(&connection)).await.expect_err("it hangs");
    timeout(60 * SECOND, ask(&connection)).await.expect_err("it hangs");
}
