//! `load` returns a live row, and does not write anything.

use std::sync::Arc;

use super::fixtures::*;
use crate::store::{Change, Load, Rotation, Touch, Touched, Updated};

pub async fn an_unknown_id_is_absent(store: Store) {
    create(&store, &session()).await;
    let found = load(&store, new_id()).await;
    assert!(matches!(found, Load::Absent), "{found:?}");
}

pub async fn an_unknown_session_is_gone_to_every_verb(store: Store) {
    let ((_, loaded), id) = (created(&store).await, new_id());
    let update = Change { id, ..change(&loaded, |data| data.visits += 1) };
    let rotation = Rotation { id, ..rotation(&loaded) };
    assert_gone(&store, &new_subject(), update, rotation).await;
}

pub async fn loading_writes_nothing(store: Store) {
    let (new, before) = created(&store).await;
    a_moment_passes().await;
    assert_unchanged(&before, &live(&store, new.id).await);
}

/// Loads may share a statement or a cache, but they must not return an old state.
pub async fn a_load_sees_every_write_that_was_answered_before_it_began(store: Store) {
    const ROUNDS: i64 = 20;
    let store = Arc::new(store);
    together(&store, CROWD / 2, |store, _| async move {
        let new = session();
        create(&*store, &new).await;
        for round in 1..=ROUNDS {
            let loaded = live(&*store, new.id).await;
            let updated = store.update(change(&loaded, |data| data.visits = round)).await?;
            assert!(matches!(updated, Updated::Written { .. }), "{updated:?}");
            let reloaded = live(&*store, new.id).await;
            assert_eq!(reloaded.record.data.visits, round, "the load missed an update");
            if let Touched::Written { expires_at } = store.touch(Touch::new(new.id, HOUR)).await? {
                let reloaded = live(&*store, new.id).await;
                assert_eq!(reloaded.record.expires_at, expires_at, "the load missed a touch");
            }
        }
        log_out(&*store, new.id).await;
        assert!(!is_live(&*store, new.id).await, "the load missed a logout");
        Ok(())
    })
    .await;
}
