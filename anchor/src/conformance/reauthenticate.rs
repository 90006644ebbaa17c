//! `reauthenticate` sets the time at which the subject proved who they are; it never creates.

use std::time::Duration;

use super::Payload;
use super::scene::*;
use crate::store::{Reauthenticated, SessionStore};

pub async fn a_reauthentication_sets_its_time_and_nothing_else<S: SessionStore<Payload>>(store: S) {
    let (new, bystander) = (session(), session());
    create(&store, &new).await;
    create(&store, &bystander).await;
    let (before, untouched) = (live(&store, new.id).await, live(&store, bystander.id).await);
    tokio::time::sleep(Duration::from_millis(20)).await;

    let written = store.reauthenticate(new.id).await.expect("reauthenticate answers");
    let after = live(&store, new.id).await;
    let authenticated_at = after.record.authenticated_at;
    assert_eq!(written, Reauthenticated::Written { authenticated_at });
    assert!(before.now < authenticated_at && authenticated_at <= after.now, "{authenticated_at}");
    let mut expected = (*before.record).clone();
    expected.authenticated_at = authenticated_at;
    assert_same_record(&after.record, &expected);
    assert_eq!((after.secret, after.previous), (before.secret, before.previous));
    assert_unchanged(&untouched, &live(&store, bystander.id).await);
}

pub async fn a_reauthentication_of_an_ended_session_is_gone_and_revives_nothing<
    S: SessionStore<Payload>,
>(
    store: S,
) {
    let (revoked, expired) = (session(), short_session_of(new_subject()));
    create(&store, &revoked).await;
    create(&store, &expired).await;
    log_out(&store, revoked.id).await;
    short_sessions_have_ended().await;
    for id in [revoked.id, expired.id, new_id()] {
        let outcome = store.reauthenticate(id).await.expect("reauthenticate answers");
        assert_eq!(outcome, Reauthenticated::Gone);
        assert!(!is_live(&store, id).await, "a re-authentication brought it back");
    }
}
