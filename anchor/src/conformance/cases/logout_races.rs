//! Once the end of a session has been answered, no write in flight brings the session back.

use std::sync::Arc;

use super::fixtures::*;
use crate::error::StoreError;
use crate::store::{EndReason, Ending, Loaded, NewSession, Replaced, Touch};

type Written = Result<(), StoreError>;

async fn logout(store: Arc<Store>, loaded: Loaded<Payload>) -> Written {
    let proof = Some(loaded.secrets.lasting);
    let ended = store.revoke(loaded.record.id, proof, EndReason::Logout).await?;
    // Rotations may have come first, but they do not change the proof.
    assert_eq!(ended, Ending::Ended, "the logout of a live session ended nothing");
    Ok(())
}

async fn late_update(store: Arc<Store>, loaded: Loaded<Payload>) -> Written {
    store.update(change(&loaded, |data| data.visits += 1)).await.map(drop)
}

async fn late_touch(store: Arc<Store>, loaded: Loaded<Payload>) -> Written {
    store.touch(Touch::new(loaded.record.id, HOUR)).await.map(drop)
}

async fn late_rotation(store: Arc<Store>, loaded: Loaded<Payload>) -> Written {
    store.rotate(rotation(&loaded)).await.map(drop)
}

async fn late_reauthentication(store: Arc<Store>, loaded: Loaded<Payload>) -> Written {
    store.reauthenticate(rotation(&loaded)).await.map(drop)
}

async fn late_writes(store: Arc<Store>, loaded: Loaded<Payload>) -> Written {
    late_update(Arc::clone(&store), loaded.clone()).await?;
    late_touch(Arc::clone(&store), loaded.clone()).await?;
    late_rotation(store, loaded).await
}

pub async fn logout_beats_a_late_update(store: Store) {
    end_beats_writes(store, session, late_update, logout).await;
}

pub async fn logout_beats_a_late_touch(store: Store) {
    end_beats_writes(store, session, late_touch, logout).await;
}

pub async fn logout_beats_a_late_rotation(store: Store) {
    end_beats_writes(store, session, late_rotation, logout).await;
}

pub async fn logout_beats_a_late_reauthentication(store: Store) {
    end_beats_writes(store, session, late_reauthentication, logout).await;
}

pub async fn logout_everywhere_beats_late_writes(store: Store) {
    end_beats_writes(store, session, late_writes, |store, loaded| async move {
        let subject = loaded.record.data.user_id;
        store.revoke_subject(&subject, EndReason::Revoked).await.map(drop)
    })
    .await;
}

pub async fn a_login_over_a_session_beats_its_late_writes(store: Store) {
    end_beats_writes(store, session, late_update, |store, loaded| async move {
        let replaces = Some(Replaced { id: loaded.record.id, proof: loaded.secrets.lasting });
        store.create(NewSession { replaces, ..session() }).await.map(drop)
    })
    .await;
}
