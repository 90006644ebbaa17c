//! `reauthenticate` sets the time at which the subject proved who they are, and rotates. It does
//! both or neither, and it never creates a row.

use std::sync::Arc;

use super::fixtures::*;
use super::rotate::{rotated_without_grace, settle};
use crate::store::{OldSecret, Reauthenticated, Rotation, RotationState, Secrets};

pub async fn a_reauthentication_sets_its_time_and_use_and_rotates_and_nothing_else(store: Store) {
    let ((new, before), (bystander, untouched)) = (created(&store).await, created(&store).await);
    a_moment_passes().await;

    let rotation = Rotation { old: OldSecret::Kept, ..rotation(&before) };
    let to = rotation.to;
    let written = store.reauthenticate(rotation).await.expect("reauthenticate answers");
    let after = live(&store, new.id).await;
    let authenticated_at = after.record.authenticated_at;
    assert_eq!(written, Reauthenticated::Written { authenticated_at });
    assert!(before.now < authenticated_at && authenticated_at <= after.now, "{authenticated_at}");
    let mut expected = used(&before, &after, HOUR);
    expected.authenticated_at = authenticated_at;
    assert_same_record(&after.record, &expected);
    let expected = Secrets {
        current: to,
        previous: Some(new.secret),
        previous_until: after.secrets.previous_until,
        rotation: RotationState::Pending,
        ..before.secrets
    };
    assert_eq!(after.secrets, expected);
    assert!(after.secrets.previous_until > Some(after.now));
    assert_unchanged(&untouched, &live(&store, bystander.id).await);
}

pub async fn a_reauthentication_extends_the_idle_expiry_up_to_the_deadline(store: Store) {
    for idle in USES {
        let (new, before) = created(&store).await;
        a_moment_passes().await;
        let rotation = Rotation { idle, ..rotation(&before) };
        let written = store.reauthenticate(rotation).await.expect("reauthenticate answers");
        assert!(matches!(written, Reauthenticated::Written { .. }), "{written:?}");
        let after = live(&store, new.id).await;
        assert_eq!(after.record.expires_at, used(&before, &after, idle).expires_at, "{idle:?}");
    }
}

pub async fn a_reauthentication_from_another_secret_conflicts_and_writes_nothing(store: Store) {
    let (new, loaded) = created(&store).await;
    store.rotate(rotation(&loaded)).await.expect("rotate answers");
    let before = live(&store, new.id).await;
    // The previous secret is not enough either, even in its grace period: the holder of the current
    // secret may be a thief, and must not count as having proved who they are.
    for from in [new_secret(), new.secret] {
        let rotation = Rotation { from, ..rotation(&before) };
        let outcome = store.reauthenticate(rotation).await.expect("reauthenticate answers");
        assert_eq!(outcome, Reauthenticated::Conflict);
        assert_unchanged(&before, &live(&store, new.id).await);
    }
}

pub async fn a_lost_rotation_does_not_keep_anybody_from_a_reauthentication(store: Store) {
    for old in [OldSecret::Exchanged, OldSecret::Kept] {
        for lost in [true, false] {
            let loaded = rotated_without_grace(&store, old).await;
            if !lost {
                settle(&store, &loaded).await;
            }
            let outcome = store.reauthenticate(rotation(&loaded)).await;
            let outcome = outcome.expect("reauthenticate answers");
            let written = matches!(outcome, Reauthenticated::Written { .. });
            assert_eq!(written, lost, "{old:?}: {outcome:?}");
        }
    }
}

pub async fn of_many_reauthentications_of_one_secret_one_wins(store: Store) {
    let (store, new) = (Arc::new(store), session());
    create(&*store, &new).await;
    let before = live(&*store, new.id).await;
    let outcomes = together(&store, CROWD, |store, _| {
        let rotation = rotation(&before);
        async move { store.reauthenticate(rotation).await }
    })
    .await;
    let losers = outcomes.iter().filter(|outcome| **outcome == Reauthenticated::Conflict);
    assert_eq!(losers.count(), CROWD - 1, "{outcomes:?}");
}
