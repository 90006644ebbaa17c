//! Once the end of a session has been answered, no write in flight brings the session back.

use std::future::Future;
use std::sync::Arc;

use super::Payload;
use super::fixtures::*;
use crate::error::StoreError;
use crate::store::{EndReason, Ending, Loaded, NewSession, Replaced, SessionStore, Touch};

const ROUNDS: usize = 25;
const WRITERS: usize = 4;

/// Lets writers that loaded the session beforehand race against one task that ends it, many times.
async fn end_beats_writes<S, W, E>(
    store: S,
    write: impl Fn(Arc<S>, Loaded<Payload>) -> W,
    end: impl Fn(Arc<S>, Loaded<Payload>) -> E,
) where
    S: SessionStore<Payload>,
    W: Future<Output = Result<(), StoreError>> + Send + 'static,
    E: Future<Output = Result<(), StoreError>> + Send + 'static,
{
    let store = Arc::new(store);
    for round in 0..ROUNDS {
        let id = create(&*store, &session()).await.id;
        let loaded = live(&*store, id).await;
        // The position of the end among the writes differs from round to round.
        let ending = round % (WRITERS + 1);
        together(&store, WRITERS + 1, |store, index| {
            let loaded = loaded.clone();
            let racer: std::pin::Pin<Box<dyn Future<Output = _> + Send>> = if index == ending {
                let ended = end(Arc::clone(&store), loaded);
                Box::pin(async move {
                    ended.await?;
                    assert!(!is_live(&*store, id).await, "its end was answered, but it is live");
                    Ok(())
                })
            } else {
                Box::pin(write(store, loaded))
            };
            racer
        })
        .await;
        assert!(!is_live(&*store, id).await, "a write in flight brought it back");
        write(Arc::clone(&store), loaded).await.expect("the store answers a late write");
        assert!(!is_live(&*store, id).await, "a late write brought it back");
    }
}

async fn logout<S: SessionStore<Payload>>(
    store: Arc<S>,
    loaded: Loaded<Payload>,
) -> Result<(), StoreError> {
    let proof = Some(loaded.secrets.lasting);
    let ended = store.revoke(loaded.record.id, proof, EndReason::Logout).await?;
    // Rotations may have come first, but they do not change the proof.
    assert_eq!(ended, Ending::Ended, "the logout of a live session ended nothing");
    Ok(())
}

async fn late_update<S: SessionStore<Payload>>(
    store: Arc<S>,
    loaded: Loaded<Payload>,
) -> Result<(), StoreError> {
    store.update(change(&loaded, |data| data.visits += 1)).await.map(drop)
}

async fn late_touch<S: SessionStore<Payload>>(
    store: Arc<S>,
    loaded: Loaded<Payload>,
) -> Result<(), StoreError> {
    store.touch(Touch::new(loaded.record.id, HOUR)).await.map(drop)
}

async fn late_rotation<S: SessionStore<Payload>>(
    store: Arc<S>,
    loaded: Loaded<Payload>,
) -> Result<(), StoreError> {
    store.rotate(rotation(&loaded)).await.map(drop)
}

pub async fn logout_beats_a_late_update(store: impl Store) {
    end_beats_writes(store, late_update, logout).await;
}

pub async fn logout_beats_a_late_touch(store: impl Store) {
    end_beats_writes(store, late_touch, logout).await;
}

pub async fn logout_beats_a_late_rotation(store: impl Store) {
    end_beats_writes(store, late_rotation, logout).await;
}

pub async fn logout_beats_a_late_reauthentication<S: SessionStore<Payload>>(store: S) {
    let reauthenticate = |store: Arc<S>, loaded: Loaded<Payload>| async move {
        store.reauthenticate(rotation(&loaded)).await.map(drop)
    };
    end_beats_writes(store, reauthenticate, logout).await;
}

pub async fn logout_everywhere_beats_late_writes<S: SessionStore<Payload>>(store: S) {
    let every_write = |store: Arc<S>, loaded: Loaded<Payload>| async move {
        late_update(Arc::clone(&store), loaded.clone()).await?;
        late_touch(Arc::clone(&store), loaded.clone()).await?;
        late_rotation(store, loaded).await
    };
    end_beats_writes(store, every_write, |store, loaded| async move {
        let subject = loaded.record.data.user_id;
        store.revoke_subject(&subject, EndReason::Revoked).await.map(drop)
    })
    .await;
}

pub async fn a_login_over_a_session_beats_its_late_writes(store: impl Store) {
    end_beats_writes(store, late_update, |store, loaded| async move {
        let replaces = Some(Replaced { id: loaded.record.id, proof: loaded.secrets.lasting });
        let new = NewSession { replaces, ..session() };
        store.create(new).await.map(drop)
    })
    .await;
}
