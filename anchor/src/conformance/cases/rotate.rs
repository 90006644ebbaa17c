//! `rotate` gives the same session a new secret. One of several rotations wins, the old secret has
//! a short grace period, and a rotation whose response was lost can be repeated.

use std::sync::Arc;
use std::time::Duration;

use super::fixtures::*;
use crate::store::{
    Loaded, OldSecret, Rotated, Rotation, RotationState, Secrets, SessionStore, Touch,
};

/// Creates a session that was rotated once, and whose grace period is over.
pub(super) async fn rotated_without_grace<S: SessionStore<Payload>>(
    store: &S,
    old: OldSecret,
) -> Loaded<Payload> {
    let new = session();
    create(store, &new).await;
    let grace = Duration::ZERO;
    let rotation = Rotation { grace, old, ..rotation(&live(store, new.id).await) };
    assert_eq!(store.rotate(rotation).await.expect("rotate answers"), Rotated::Written);
    a_moment_passes().await;
    Loaded { secrets: Secrets::new(new.lasting, new.secret), ..live(store, new.id).await }
}

/// Presents the current secret, which settles the rotation.
pub(super) async fn settle<S: SessionStore<Payload>>(store: &S, loaded: &Loaded<Payload>) {
    let current = live(store, loaded.record.id).await.secrets.current;
    let touch = Touch { presented: Some(current), ..Touch::new(loaded.record.id, HOUR) };
    store.touch(touch).await.expect("touch answers");
    let settled = live(store, loaded.record.id).await.secrets.rotation;
    assert_eq!(settled, RotationState::Settled);
}

pub async fn a_rotation_changes_the_secret_and_remembers_the_previous_one(store: Store) {
    let ((new, before), (bystander, untouched)) = (created(&store).await, created(&store).await);
    a_moment_passes().await;
    let rotation = rotation(&before);
    let to = rotation.to;
    assert_eq!(store.rotate(rotation).await.expect("rotate answers"), Rotated::Written);
    let after = live(&store, new.id).await;
    assert_eq!(after.secrets.current, to);
    assert_eq!(after.secrets.previous, Some(new.secret));
    assert_eq!(after.secrets.lasting, new.lasting, "no old token could end the session");
    assert_same_record(&after.record, &used(&before, &after, HOUR));
    assert_unchanged(&untouched, &live(&store, bystander.id).await);
}

pub async fn a_rotation_extends_the_idle_expiry_up_to_the_deadline(store: Store) {
    for idle in USES {
        let (new, before) = created(&store).await;
        a_moment_passes().await;
        let rotation = Rotation { idle, ..rotation(&before) };
        assert_eq!(store.rotate(rotation).await.expect("rotate answers"), Rotated::Written);
        let after = live(&store, new.id).await;
        assert_eq!(after.record.expires_at, used(&before, &after, idle).expires_at, "{idle:?}");
    }
}

pub async fn what_becomes_of_the_old_secret_is_as_the_rotation_says(store: Store) {
    for old in [OldSecret::Exchanged, OldSecret::Kept, OldSecret::Refused] {
        let (new, loaded) = created(&store).await;
        let rotation = Rotation { old, ..rotation(&loaded) };
        store.rotate(rotation).await.expect("rotate answers");
        let secrets = live(&store, new.id).await.secrets;
        assert_eq!(secrets.previous, old.remembered(new.secret), "{old:?}");
        assert_eq!(secrets.rotation, old.state(), "{old:?}");
        assert!(secrets.previous_until.is_some(), "{old:?}: the grace has no end");
    }
}

pub async fn the_grace_of_a_previous_secret_is_counted_from_the_rotation(store: Store) {
    let (new, before) = created(&store).await;
    let grace = Duration::from_secs(30);
    let rotation = Rotation { grace, ..rotation(&before) };
    store.rotate(rotation).await.expect("rotate answers");
    let after = live(&store, new.id).await;
    let until = after.secrets.previous_until.expect("the grace has an end");
    assert!(
        before.now.saturating_add(grace) <= until && until <= after.now.saturating_add(grace),
        "rotated between {} and {}, previous secret accepted until {until}",
        before.now,
        after.now
    );
}

pub async fn a_second_rotation_forgets_the_first_secret(store: Store) {
    let (new, loaded) = created(&store).await;
    store.rotate(rotation(&loaded)).await.expect("rotate answers");
    let second = live(&store, new.id).await;
    store.rotate(rotation(&second)).await.expect("rotate answers");
    let third = live(&store, new.id).await;
    assert_eq!(third.secrets.previous, Some(second.secrets.current));
    assert_ne!(third.secrets.current, second.secrets.current);
}

pub async fn a_lost_rotation_is_repeated_from_the_old_secret(store: Store) {
    let old = rotated_without_grace(&store, OldSecret::Exchanged).await;
    let lost = live(&store, old.record.id).await;
    let again = rotation(&old);
    let to = again.to;
    assert_eq!(store.rotate(again).await.expect("rotate answers"), Rotated::Written);
    let after = live(&store, old.record.id).await;
    assert_eq!(after.secrets.current, to);
    assert_eq!(after.secrets.previous, Some(old.secrets.current), "the client still has this one");
    let late = store.rotate(rotation(&lost)).await.expect("rotate answers");
    assert_eq!(late, Rotated::Conflict, "the lost secret is valid beside the one that replaced it");
}

pub async fn a_rotation_that_is_not_lost_is_not_repeated_from_the_old_secret(store: Store) {
    for old in [OldSecret::Exchanged, OldSecret::Kept, OldSecret::Refused] {
        let loaded = rotated_without_grace(&store, old).await;
        if old == OldSecret::Exchanged {
            settle(&store, &loaded).await;
        }
        let before = live(&store, loaded.record.id).await;
        let again = store.rotate(rotation(&loaded)).await.expect("rotate answers");
        assert_eq!(again, Rotated::Conflict, "{old:?}");
        assert_unchanged(&before, &live(&store, loaded.record.id).await);
    }
}

pub async fn of_many_repetitions_of_a_lost_rotation_one_wins(store: Store) {
    let store = Arc::new(store);
    let old = rotated_without_grace(&*store, OldSecret::Exchanged).await;
    let outcomes = together(&store, CROWD, |store, _| {
        let rotation = rotation(&old);
        async move { store.rotate(rotation).await }
    })
    .await;
    let winners = outcomes.iter().filter(|outcome| **outcome == Rotated::Written);
    assert_eq!(winners.count(), 1, "{outcomes:?}");
}

pub async fn a_rotation_from_another_secret_conflicts_and_writes_nothing(store: Store) {
    let (new, loaded) = created(&store).await;
    store.rotate(rotation(&loaded)).await.expect("rotate answers");
    let before = live(&store, new.id).await;
    // Neither an unknown secret nor the previous one rotates, although the previous one is still in
    // its grace period.
    for from in [new_secret(), new.secret] {
        let rotation = Rotation { from, ..rotation(&before) };
        assert_eq!(store.rotate(rotation).await.expect("rotate answers"), Rotated::Conflict);
        assert_unchanged(&before, &live(&store, new.id).await);
    }
}

pub async fn of_many_rotations_of_one_secret_one_wins(store: Store) {
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
    assert_eq!(after.secrets.current, winner, "the secret of a loser is stored");
    assert_eq!(after.secrets.previous, Some(new.secret));
}
