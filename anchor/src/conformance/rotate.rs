//! `rotate` gives the same session a new secret: one winner, and a short grace for the old one.

use std::sync::Arc;
use std::time::Duration;

use super::Payload;
use super::scene::*;
use crate::store::{Rotated, Rotation, SessionStore};

pub async fn a_rotation_changes_the_secret_and_remembers_the_previous_one<
    S: SessionStore<Payload>,
>(
    store: S,
) {
    let (new, bystander) = (session(), session());
    create(&store, &new).await;
    create(&store, &bystander).await;
    let (before, untouched) = (live(&store, new.id).await, live(&store, bystander.id).await);
    let rotation = rotation(&before);
    let to = rotation.to;
    assert_eq!(store.rotate(rotation).await.expect("rotate answers"), Rotated::Written);
    let after = live(&store, new.id).await;
    assert_eq!(after.secret, to);
    assert_eq!(after.previous.map(|(secret, _)| secret), Some(new.secret));
    assert_same_record(&after.record, &before.record);
    assert_unchanged(&untouched, &live(&store, bystander.id).await);
}

pub async fn the_grace_of_a_previous_secret_is_counted_from_the_rotation<
    S: SessionStore<Payload>,
>(
    store: S,
) {
    let new = session();
    create(&store, &new).await;
    let before = live(&store, new.id).await;
    let grace = Duration::from_secs(30);
    let rotation = Rotation { grace, ..rotation(&before) };
    store.rotate(rotation).await.expect("rotate answers");
    let after = live(&store, new.id).await;
    let (_, until) = after.previous.expect("the previous secret is remembered");
    assert!(
        before.now.saturating_add(grace) <= until && until <= after.now.saturating_add(grace),
        "rotated between {} and {}, previous secret accepted until {until}",
        before.now,
        after.now
    );
}

pub async fn a_second_rotation_forgets_the_first_secret<S: SessionStore<Payload>>(store: S) {
    let new = session();
    create(&store, &new).await;
    store.rotate(rotation(&live(&store, new.id).await)).await.expect("rotate answers");
    let second = live(&store, new.id).await;
    store.rotate(rotation(&second)).await.expect("rotate answers");
    let third = live(&store, new.id).await;
    assert_eq!(third.previous.map(|(secret, _)| secret), Some(second.secret));
    assert_ne!(third.secret, second.secret);
}

pub async fn a_rotation_from_another_secret_conflicts_and_writes_nothing<
    S: SessionStore<Payload>,
>(
    store: S,
) {
    let new = session();
    create(&store, &new).await;
    store.rotate(rotation(&live(&store, new.id).await)).await.expect("rotate answers");
    let before = live(&store, new.id).await;
    // Neither a stranger's secret nor the previous one, although that is still in its grace.
    for from in [new_secret(), new.secret] {
        let rotation = Rotation { from, ..rotation(&before) };
        assert_eq!(store.rotate(rotation).await.expect("rotate answers"), Rotated::Conflict);
        assert_unchanged(&before, &live(&store, new.id).await);
    }
}

pub async fn of_many_rotations_of_one_secret_one_wins<S: SessionStore<Payload>>(store: S) {
    let (store, new) = (Arc::new(store), session());
    create(&*store, &new).await;
    let before = live(&*store, new.id).await;
    let outcomes = together(&store, CROWD, |store, _| {
        let rotation = rotation(&before);
        async move {
            let to = rotation.to;
            Ok((store.rotate(rotation).await?, to))
        }
    })
    .await;
    let mut winners = outcomes.iter().filter(|(outcome, _)| *outcome != Rotated::Conflict);
    let (Some(&(Rotated::Written, winner)), None) = (winners.next(), winners.next()) else {
        panic!("one rotation wins: {outcomes:?}");
    };
    let after = live(&*store, new.id).await;
    assert_eq!(after.secret, winner, "a loser's secret holds");
    assert_eq!(after.previous.map(|(secret, _)| secret), Some(new.secret));
}

pub async fn a_rotation_of_a_revoked_session_is_gone_and_revives_nothing<
    S: SessionStore<Payload>,
>(
    store: S,
) {
    let new = session();
    create(&store, &new).await;
    let loaded = live(&store, new.id).await;
    log_out(&store, new.id).await;
    let rotated = store.rotate(rotation(&loaded)).await.expect("rotate answers");
    assert_eq!(rotated, Rotated::Gone);
    assert!(!is_live(&store, new.id).await, "a rotation brought it back");
}

pub async fn a_rotation_of_an_unknown_session_creates_nothing<S: SessionStore<Payload>>(store: S) {
    let new = session();
    create(&store, &new).await;
    let unknown = new_id();
    let rotation = Rotation { id: unknown, ..rotation(&live(&store, new.id).await) };
    assert_eq!(store.rotate(rotation).await.expect("rotate answers"), Rotated::Gone);
    assert!(!is_live(&store, unknown).await, "a rotation created a session");
}
