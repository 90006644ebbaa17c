//! `update` is a compare-and-set on the version. It never creates a row, and the last writer does
//! not win.

use std::sync::Arc;
use std::time::Duration;

use super::fixtures::*;
use crate::store::{Change, Loaded, OldSecret, Rotation, Touch, Updated};

pub async fn an_update_writes_the_payload_and_its_use_and_nothing_else(store: Store) {
    let ((new, before), (bystander, untouched)) = (created(&store).await, created(&store).await);

    a_moment_passes().await;
    let change = change(&before, |data| {
        data.title = "Corro".into();
        data.note = None;
        data.visits += 1;
    });
    let updated = store.update(change.clone()).await.expect("update answers");
    let version = before.record.version + 1;
    assert_eq!(updated, Updated::Written { version });

    let after = live(&store, new.id).await;
    let mut expected = used(&before, &after, change.idle);
    expected.version = version;
    expected.data = change.to;
    assert_same_record(&after.record, &expected);
    assert_eq!(after.secrets, before.secrets);
    assert_unchanged(&untouched, &live(&store, bystander.id).await);
}

pub async fn an_update_from_a_stale_version_conflicts_and_writes_nothing(store: Store) {
    let (new, loaded) = created(&store).await;
    let first = change(&loaded, |data| data.title = "first".into());
    let second = change(&loaded, |data| data.visits = 1_000);
    store.update(first).await.expect("update answers");
    let before = live(&store, new.id).await;
    assert_eq!(store.update(second).await.expect("update answers"), Updated::Conflict);
    assert_unchanged(&before, &live(&store, new.id).await);
    // A version from the future is not the row's version either.
    let from_the_future = Change { version: 99, ..change(&before, |data| data.visits = 1_000) };
    assert_eq!(store.update(from_the_future).await.expect("update answers"), Updated::Conflict);
    assert_unchanged(&before, &live(&store, new.id).await);
}

pub async fn a_conflicting_update_succeeds_when_run_again_on_fresh_data(store: Store) {
    let (new, loaded) = created(&store).await;
    store.update(change(&loaded, |data| data.title = "first".into())).await.expect("answers");
    store.update(change(&loaded, |data| data.visits = 1_000)).await.expect("answers");
    let fresh = live(&store, new.id).await;
    let again = store.update(change(&fresh, |data| data.visits = 1_000)).await.expect("answers");
    assert_eq!(again, Updated::Written { version: fresh.record.version + 1 });
    let data = Arc::clone(&live(&store, new.id).await.record.data);
    assert_eq!((data.title.as_str(), data.visits), ("first", 1_000));
}

pub async fn an_update_extends_the_idle_expiry_up_to_the_deadline(store: Store) {
    for idle in USES {
        for visits in [0, 1] {
            let (new, before) = created(&store).await;
            a_moment_passes().await;
            let change = Change { idle, ..change(&before, |data| data.visits += visits) };
            let updated = store.update(change).await.expect("update answers");
            assert!(matches!(updated, Updated::Written { .. }), "{updated:?}");
            let after = live(&store, new.id).await;
            let expected = used(&before, &after, idle).expires_at;
            assert_eq!(after.record.expires_at, expected, "{visits} visits more, {idle:?}");
        }
    }
}

pub async fn an_update_without_a_difference_changes_nothing(store: Store) {
    let (new, loaded) = created(&store).await;
    let updated = store.update(change(&loaded, |_| {})).await.expect("update answers");
    assert!(matches!(updated, Updated::Written { .. }), "{updated:?}");
    let after = live(&store, new.id).await;
    assert_eq!(Updated::Written { version: after.record.version }, updated);
    assert_eq!(after.record.data, loaded.record.data);
}

pub async fn an_update_can_hand_a_session_to_another_subject(store: Store) {
    let (new, heir) = (session(), new_subject());
    create(&store, &new).await;
    let loaded = live(&store, new.id).await;
    store.update(change(&loaded, |data| data.user_id = heir)).await.expect("update answers");
    assert_eq!(listed_ids(&store, &new.data.user_id).await, []);
    assert_eq!(listed_ids(&store, &heir).await, [new.id]);
}

pub async fn an_update_with_a_replaced_secret_conflicts_and_writes_nothing(store: Store) {
    for (grace, old, is_good) in [
        (HOUR, OldSecret::Exchanged, true),
        (Duration::ZERO, OldSecret::Exchanged, true),
        (HOUR, OldSecret::Refused, false),
    ] {
        let (new, held) = created(&store).await;
        let rotation = Rotation { grace, old, ..rotation(&held) };
        store.rotate(rotation).await.expect("rotate answers");
        let rotated = live(&store, new.id).await;
        let outcome = store.update(change(&held, |data| data.visits += 1)).await;
        let written = matches!(outcome.expect("update answers"), Updated::Written { .. });
        assert_eq!(written, is_good, "{grace:?}, {old:?}");
        if !is_good {
            let nothing = store.update(change(&held, |_| {})).await.expect("update answers");
            assert_eq!(nothing, Updated::Conflict, "an update without a difference");
            assert_unchanged(&rotated, &live(&store, new.id).await);
        }
        // Once the new secret has been presented, the old one is only valid during its grace
        // period.
        let settled =
            Touch { presented: Some(rotated.secrets.current), ..Touch::new(new.id, HOUR) };
        store.touch(settled).await.expect("touch answers");
        a_moment_passes().await;
        let late = Loaded { secrets: held.secrets, ..live(&store, new.id).await };
        let outcome = store.update(change(&late, |data| data.visits += 1)).await;
        let written = matches!(outcome.expect("update answers"), Updated::Written { .. });
        assert_eq!(written, is_good && grace == HOUR, "{grace:?}, {old:?}, settled");
    }
}

/// The version only counts updates of the payload.
pub async fn a_touch_and_a_rotation_do_not_make_an_update_conflict(store: Store) {
    let (new, loaded) = created(&store).await;
    store.touch(Touch::new(new.id, HOUR)).await.expect("touch answers");
    store.rotate(rotation(&loaded)).await.expect("rotate answers");
    let updated = store.update(change(&loaded, |data| data.visits += 1)).await.expect("answers");
    assert_eq!(updated, Updated::Written { version: loaded.record.version + 1 });
}

pub async fn of_many_updates_of_one_version_one_wins(store: Store) {
    let (store, new) = (Arc::new(store), session());
    create(&*store, &new).await;
    let loaded = live(&*store, new.id).await;
    let outcomes = together(&store, CROWD, |store, index| {
        let change = change(&loaded, |data| data.visits = 1_000 + index as i64);
        async move { store.update(change).await }
    })
    .await;
    let winners: Vec<usize> =
        (0..CROWD).filter(|index| outcomes[*index] != Updated::Conflict).collect();
    let &[winner] = winners.as_slice() else { panic!("one update wins: {outcomes:?}") };
    assert_eq!(outcomes[winner], Updated::Written { version: loaded.record.version + 1 });
    let after = live(&*store, new.id).await;
    assert_eq!(after.record.data.visits, 1_000 + winner as i64, "the loser's payload was kept");
    assert_eq!(after.record.version, loaded.record.version + 1);
}

pub async fn a_counter_raised_by_many_tasks_loses_no_count(store: Store) {
    const TASKS: usize = 8;
    const EACH: usize = 10;
    let (store, new) = (Arc::new(store), session());
    let id = create(&*store, &new).await.id;
    together(&store, TASKS, |store, _| async move {
        let mut done = 0;
        while done < EACH {
            let loaded = live(&*store, id).await;
            // Lets the other tasks run between the read and the write.
            tokio::task::yield_now().await;
            match store.update(change(&loaded, |data| data.visits += 1)).await? {
                Updated::Written { .. } => done += 1,
                Updated::Conflict => {}
                Updated::Gone => panic!("nobody ended the session"),
            }
        }
        Ok(())
    })
    .await;
    let visits = live(&*store, new.id).await.record.data.visits;
    assert_eq!(visits, new.data.visits + (TASKS * EACH) as i64);
}
