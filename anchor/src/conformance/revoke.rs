//! `revoke` ends one session; it is idempotent, and says how many it ended.

use std::sync::Arc;

use super::Payload;
use super::scene::*;
use crate::store::{EndReason, SessionStore};

pub async fn a_revoked_session_is_not_live_and_the_second_revoke_counts_none<
    S: SessionStore<Payload>,
>(
    store: S,
) {
    let new = session();
    create(&store, &new).await;
    assert_eq!(log_out(&store, new.id).await, 1);
    assert!(!is_live(&store, new.id).await);
    assert_eq!(log_out(&store, new.id).await, 0);
    assert!(!is_live(&store, new.id).await);
}

pub async fn revoking_an_unknown_session_counts_none<S: SessionStore<Payload>>(store: S) {
    let unknown = new_id();
    assert_eq!(log_out(&store, unknown).await, 0);
    let proven = store.revoke(unknown, Some(new_secret()), EndReason::Logout).await;
    assert_eq!(proven.expect("revoke answers"), 0);
}

pub async fn revoking_a_session_leaves_the_others_alive<S: SessionStore<Payload>>(store: S) {
    let subject = new_subject();
    let (ended, sibling, stranger) = (session_of(subject), session_of(subject), session());
    for new in [&ended, &sibling, &stranger] {
        create(&store, new).await;
    }
    assert_eq!(log_out(&store, ended.id).await, 1);
    assert!(is_live(&store, sibling.id).await);
    assert!(is_live(&store, stranger.id).await);
}

pub async fn a_revoke_with_the_current_or_the_previous_secret_ends_the_session<
    S: SessionStore<Payload>,
>(
    store: S,
) {
    let unrotated = session();
    create(&store, &unrotated).await;
    let ended = store.revoke(unrotated.id, Some(unrotated.secret), EndReason::Logout).await;
    assert_eq!(ended.expect("revoke answers"), 1);
    assert!(!is_live(&store, unrotated.id).await);

    for previous in [false, true] {
        let new = session();
        create(&store, &new).await;
        let rotation = rotation(&live(&store, new.id).await);
        let proof = if previous { rotation.from } else { rotation.to };
        store.rotate(rotation).await.expect("rotate answers");
        let ended = store.revoke(new.id, Some(proof), EndReason::Logout).await;
        assert_eq!(ended.expect("revoke answers"), 1, "previous: {previous}");
        assert!(!is_live(&store, new.id).await);
    }
}

pub async fn a_revoke_with_another_secret_ends_nothing<S: SessionStore<Payload>>(store: S) {
    let (new, other) = (session(), session());
    create(&store, &new).await;
    create(&store, &other).await;
    let before = live(&store, new.id).await;
    for wrong in [new_secret(), other.secret] {
        let ended = store.revoke(new.id, Some(wrong), EndReason::Logout).await;
        assert_eq!(ended.expect("revoke answers"), 0);
    }
    assert_unchanged(&before, &live(&store, new.id).await);
    assert!(is_live(&store, other.id).await);
}

pub async fn of_many_revokes_of_one_session_one_counts_it<S: SessionStore<Payload>>(store: S) {
    let (store, new) = (Arc::new(store), session());
    let id = create(&*store, &new).await.id;
    let counts = together(&store, CROWD, |store, _| async move {
        let ended = store.revoke(id, None, EndReason::Logout).await?;
        assert!(!is_live(&*store, id).await, "revoke answered, and the session lives");
        Ok(ended)
    })
    .await;
    assert_eq!(counts.iter().sum::<u64>(), 1, "{counts:?}");
}
