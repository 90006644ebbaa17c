//! A session ends by itself when it is idle for too long, and at its deadline.

use std::time::{Duration, Instant};

use super::fixtures::*;
use crate::store::{Load, NewSession, Touch, Touched};

pub async fn a_session_ends_when_it_was_idle_too_long(store: Store) {
    let (short, long) = (short_session_of(new_subject()), session());
    create_all(&store, [&short, &long]).await;
    short_sessions_have_ended().await;
    let found = load(&store, short.id).await;
    assert!(matches!(found, Load::Ended | Load::Absent), "{found:?}");
    assert!(is_live(&store, long.id).await);
}

pub async fn a_session_ends_at_its_deadline_however_often_it_is_touched(store: Store) {
    const DEADLINE: Duration = Duration::from_millis(600);
    let new = NewSession { idle: HOUR, absolute: DEADLINE, ..session() };
    create(&store, &new).await;
    let created = Instant::now();
    while created.elapsed() < DEADLINE + Duration::from_millis(100) {
        store.touch(Touch::new(new.id, HOUR)).await.expect("touch answers");
        a_moment_passes().await;
    }
    assert!(!is_live(&store, new.id).await, "touches extended it past its deadline");
    assert_eq!(store.touch(Touch::new(new.id, HOUR)).await.expect("touch answers"), Touched::Gone);
}

pub async fn an_expired_session_is_gone_to_every_verb(store: Store) {
    // Long enough to be read once while it is live.
    let lifetime = Duration::from_secs(2);
    let new = NewSession { idle: lifetime, ..session() };
    create(&store, &new).await;
    let loaded = live(&store, new.id).await;
    tokio::time::sleep(lifetime + Duration::from_millis(100)).await;
    let update = change(&loaded, |data| data.visits += 1);
    assert_gone(&store, &new.data.user_id, update, rotation(&loaded)).await;
}
