//! `touch` extends the idle expiry, but never past the deadline. It never creates a row.

use std::time::Duration;

use super::fixtures::*;
use crate::store::{NewSession, RotationState, Secrets, Touch, Touched};

pub async fn a_touch_extends_the_idle_expiry(store: Store) {
    let ((new, before), (bystander, untouched)) = (created(&store).await, created(&store).await);
    a_moment_passes().await;

    let idle = HOUR + HOUR / 2;
    let touched = store.touch(Touch::new(new.id, idle)).await.expect("touch answers");
    let after = live(&store, new.id).await;
    assert_eq!(touched, Touched::Written { expires_at: after.record.expires_at });
    assert_same_record(&after.record, &used(&before, &after, idle));
    assert_eq!(after.secrets, before.secrets);
    assert_unchanged(&untouched, &live(&store, bystander.id).await);
}

pub async fn a_touch_settles_a_rotation_with_the_current_secret_alone(store: Store) {
    let (new, loaded) = created(&store).await;
    store.rotate(rotation(&loaded)).await.expect("rotate answers");
    let rotated = live(&store, new.id).await.secrets;
    for presented in [None, Some(new.secret), Some(new_secret()), Some(rotated.current)] {
        let touch = Touch { presented, ..Touch::new(new.id, HOUR) };
        store.touch(touch).await.expect("touch answers");
        let rotation = if presented == Some(rotated.current) {
            RotationState::Settled
        } else {
            RotationState::Exchangeable
        };
        assert_eq!(live(&store, new.id).await.secrets, Secrets { rotation, ..rotated });
    }
}

pub async fn a_touched_session_outlives_its_first_expiry(store: Store) {
    // Long enough to be touched once while it is live.
    let lifetime = Duration::from_secs(2);
    let new = NewSession { idle: lifetime, ..session() };
    create(&store, &new).await;
    let touched = store.touch(Touch::new(new.id, HOUR)).await.expect("touch answers");
    assert!(matches!(touched, Touched::Written { .. }), "{touched:?}");
    tokio::time::sleep(lifetime + Duration::from_millis(100)).await;
    assert!(is_live(&store, new.id).await, "it ended although it was used");
}

pub async fn a_touch_never_goes_past_the_deadline(store: Store) {
    let new = NewSession { idle: HOUR, absolute: 2 * HOUR, ..session() };
    let deadline = create(&store, &new).await.deadline;
    let touched = store.touch(Touch::new(new.id, 3 * HOUR)).await.expect("touch answers");
    assert_eq!(touched, Touched::Written { expires_at: deadline });
    let record = live(&store, new.id).await.record;
    assert_eq!((record.expires_at, record.deadline), (deadline, deadline));
}
