//! `list` shows a subject's live sessions, newest first.

use std::time::Duration;

use super::Payload;
use super::scene::*;
use crate::id::SessionId;
use crate::store::{Record, SessionStore};

pub async fn a_list_has_the_subjects_sessions_newest_first<S: SessionStore<Payload>>(store: S) {
    let (subject, stranger) = (new_subject(), session());
    let mut created = Vec::new();
    for _ in 0..4 {
        created.push(create(&store, &session_of(subject)).await);
        create(&store, &session()).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    create(&store, &stranger).await;
    created.reverse();
    let listed = store.list(&subject).await.expect("list answers");
    let ids = |records: &[Record<Payload>]| -> Vec<SessionId> {
        records.iter().map(|record| record.id).collect()
    };
    assert_eq!(ids(&listed), ids(&created));
    for (listed, created) in listed.iter().zip(&created) {
        assert_same_record(listed, created);
    }
}

pub async fn a_list_leaves_out_revoked_and_expired_sessions<S: SessionStore<Payload>>(store: S) {
    let subject = new_subject();
    let (expired, revoked, left) =
        (short_session_of(subject), session_of(subject), session_of(subject));
    for new in [&expired, &revoked, &left] {
        create(&store, new).await;
    }
    log_out(&store, revoked.id).await;
    short_sessions_have_ended().await;
    let listed = store.list(&subject).await.expect("list answers");
    assert_eq!(listed.iter().map(|record| record.id).collect::<Vec<_>>(), [left.id]);
}

pub async fn a_list_shows_what_was_written_last<S: SessionStore<Payload>>(store: S) {
    let new = session();
    create(&store, &new).await;
    let loaded = live(&store, new.id).await;
    store.update(change(&loaded, |data| data.title = "Corro".into())).await.expect("answers");
    store.touch(new.id, HOUR / 2).await.expect("touch answers");
    let listed = store.list(&new.data.user_id).await.expect("list answers");
    let [record] = listed.as_slice() else { panic!("one session: {listed:?}") };
    assert_same_record(record, &live(&store, new.id).await.record);
    assert_eq!(record.data.title, "Corro");
}

pub async fn a_subject_without_sessions_has_an_empty_list<S: SessionStore<Payload>>(store: S) {
    create(&store, &session()).await;
    let listed = store.list(&new_subject()).await.expect("list answers");
    assert!(listed.is_empty(), "{listed:?}");
}
