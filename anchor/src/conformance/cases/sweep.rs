//! `sweep` removes ended rows, one batch at a time, and never a live one.
//!
//! A store may drop expired rows by itself, as Redis does. Its sweeps then find fewer rows, which
//! these cases allow.

use std::sync::Arc;
use std::time::Duration;

use super::fixtures::*;
use crate::id::SessionId;
use crate::store::{Load, NewSession, SessionStore, Touch, Touched};

const ENDED: usize = 10;

/// Creates rows that have ended and wait for the sweep, and returns their ids.
async fn ended_rows<S: SessionStore<Payload>>(store: &S) -> Vec<SessionId> {
    let mut ids = Vec::new();
    for _ in 0..ENDED {
        ids.push(create(store, &short_session_of(new_subject())).await.id);
    }
    short_sessions_have_ended().await;
    ids
}

async fn still_there<S: SessionStore<Payload>>(store: &S, ids: &[SessionId]) -> usize {
    let mut count = 0;
    for id in ids {
        let found = load(store, *id).await;
        count += usize::from(matches!(found, Load::Ended));
    }
    count
}

pub async fn a_sweep_removes_ended_rows_up_to_its_batch_and_counts_them(store: Store) {
    const BATCH: usize = 4;
    let ids = ended_rows(&store).await;
    let mut left = still_there(&store, &ids).await;
    let drops_rows_by_itself = left < ENDED;
    loop {
        let swept = store.sweep(BATCH as u32).await.expect("sweep answers") as usize;
        assert!(swept <= BATCH, "a batch of {BATCH} removed {swept}");
        let now_left = still_there(&store, &ids).await;
        assert!(
            left - now_left == swept || drops_rows_by_itself,
            "it reports {swept}, but {left} ended rows became {now_left}"
        );
        left = now_left;
        if swept == 0 {
            break;
        }
    }
    assert_eq!(left, 0, "ended rows stay forever");
}

pub async fn a_sweep_leaves_live_sessions(store: Store) {
    let (new, before) = created(&store).await;
    ended_rows(&store).await;
    store.sweep(1_000).await.expect("sweep answers");
    assert_unchanged(&before, &live(&store, new.id).await);
    assert_eq!(store.sweep(1_000).await.expect("sweep answers"), 0, "only a live row is left");
}

pub async fn a_sweep_leaves_a_session_that_was_touched_in_time(store: Store) {
    // Long enough to be touched once while it is live.
    let lifetime = Duration::from_secs(2);
    let store = Arc::new(store);
    let in_time = create(&*store, &NewSession { idle: lifetime, ..session() }).await.id;
    store.touch(Touch::new(in_time, HOUR)).await.expect("touch answers");

    // These touches race with the expiry and with sweeps. Every touch that was answered with
    // `Written` must hold.
    let raced = together(&store, CROWD, |store, index| async move {
        let id = create(&*store, &short_session_of(new_subject())).await.id;
        tokio::time::sleep(SHORT * index as u32 / CROWD as u32).await;
        let touched = store.touch(Touch::new(id, HOUR)).await?;
        store.sweep(CROWD as u32).await?;
        Ok((id, touched != Touched::Gone))
    })
    .await;
    tokio::time::sleep(lifetime).await;
    store.sweep(1_000).await.expect("sweep answers");
    assert!(is_live(&*store, in_time).await, "the sweep removed a session in use");
    for (id, written) in raced {
        assert_eq!(is_live(&*store, id).await, written, "live exactly if its touch was in time");
    }
}

pub async fn concurrent_sweeps_count_every_row_once(store: Store) {
    let store = Arc::new(store);
    let ids = ended_rows(&*store).await;
    let waiting = still_there(&*store, &ids).await as u64;
    let counts = together(&store, 8, |store, _| async move { store.sweep(3).await }).await;
    let rest = store.sweep(1_000).await.expect("sweep answers");
    assert!(
        counts.iter().sum::<u64>() + rest <= waiting,
        "{waiting} ended rows were counted as {counts:?} and {rest}"
    );
    assert_eq!(still_there(&*store, &ids).await, 0);
}
