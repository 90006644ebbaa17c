//! The time is that of the store's clock.

use std::time::Duration;

use super::fixtures::*;
use crate::store::NewSession;

pub async fn lifetimes_are_counted_from_the_creation(store: Store) {
    let (idle, absolute) = (Duration::from_micros(3_600_000_001), Duration::from_secs(86_400));
    let record = create(&store, &NewSession { idle, absolute, ..session() }).await;
    assert_eq!(record.expires_at, record.created_at.saturating_add(idle));
    assert_eq!(record.deadline, record.created_at.saturating_add(absolute));
}

pub async fn an_idle_timeout_longer_than_the_absolute_one_ends_at_the_deadline(store: Store) {
    let new = NewSession { idle: 3 * HOUR, absolute: HOUR, ..session() };
    let record = create(&store, &new).await;
    assert_eq!(record.deadline, record.created_at.saturating_add(HOUR));
    assert_eq!(record.expires_at, record.deadline);
}

pub async fn time_comes_from_one_clock_that_moves_forward(store: Store) {
    const PAUSE: Duration = Duration::from_millis(200);
    let new = session();
    let created_at = create(&store, &new).await.created_at;
    let first = live(&store, new.id).await.now;
    assert!(created_at <= first, "created at {created_at}, loaded at {first}");
    tokio::time::sleep(PAUSE).await;
    let second = live(&store, new.id).await.now;
    let passed = second.saturating_since(first);
    // Half of it, because clocks may run at different speeds. A minute, because the machine may be
    // very slow.
    assert!(passed >= PAUSE / 2 && passed < Duration::from_secs(60), "{passed:?} of {PAUSE:?}");
    let later = create(&store, &session()).await.created_at;
    assert!(second <= later, "loaded at {second}, then created at {later}");
}
