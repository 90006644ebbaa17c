//! Whatever tasks on two nodes call at once, every store answers as its contract allows.
//!
//! 1,000 histories for each store, a third for each payload; the plans follow from seeds, the
//! interleaving is the machine's.
//!
//! | variable | does |
//! | --- | --- |
//! | `ANCHOR_HISTORIES=100000` | runs so many for each store |
//! | `ANCHOR_HISTORIES_SEED=17` | runs the plan of one seed again and again |
//!
//! A refused history is printed: the calls of the session, with their times and answers. With
//! `--nocapture`, each test says how many histories it has run.

mod broken;
mod by_hand;

use anchor::conformance::{Extended, Payload};
use anchor_tests::histories::{Numbered, nodes, run, seeds};
use anchor_tests::{Backend, databases, on_every_store};

on_every_store! {
    histories_of_plain_sessions,
    histories_of_sessions_that_can_be_cut_off,
    histories_of_sessions_that_are_kept,
}

mod redis_cluster {
    macro_rules! on_a_cluster {
        ($($behaviour:ident)+) => {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                let Some(cluster) = super::databases::redis_cluster().await else { return };
                super::$behaviour(super::Backend::Redis(cluster)).await;
            }
        )+};
    }

    on_a_cluster! {
        histories_of_plain_sessions
        histories_of_sessions_that_can_be_cut_off
        histories_of_sessions_that_are_kept
    }
}

async fn histories_of_plain_sessions(backend: Backend) {
    keep_the_contract::<Payload>(backend).await;
}

async fn histories_of_sessions_that_can_be_cut_off(backend: Backend) {
    keep_the_contract::<Extended<0>>(backend).await;
}

async fn histories_of_sessions_that_are_kept(backend: Backend) {
    keep_the_contract::<Extended<86_400>>(backend).await;
}

async fn keep_the_contract<T: Numbered>(backend: Backend) {
    let expected = seeds().count();
    let tally = run(nodes::<T>(&backend).await, seeds()).await;
    let tally = tally.unwrap_or_else(|picture| panic!("{picture}"));
    println!("{tally:?}");
    assert_eq!(tally.histories, expected);
    assert!(tally.calls > 20 * expected, "{tally:?}");
    assert!(tally.failed * 100 < tally.calls, "too much is not known: {tally:?}");
}
