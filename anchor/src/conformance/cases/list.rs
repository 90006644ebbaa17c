//! `list` returns a subject's live sessions, newest first.

use std::time::Duration;

use super::fixtures::*;
use crate::id::SessionId;
use crate::store::{Listed, Page, Record, Touch};

pub async fn a_list_has_the_subjects_sessions_newest_first(store: Store) {
    let (subject, stranger) = (new_subject(), session());
    let mut created = Vec::new();
    for _ in 0..4 {
        created.push(create(&store, &session_of(subject)).await);
        create(&store, &session()).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    create(&store, &stranger).await;
    created.reverse();
    let listed = store.list(&subject, Page::default()).await.expect("list answers");
    let ids = |records: &[Record<Payload>]| -> Vec<SessionId> {
        records.iter().map(|record| record.id).collect()
    };
    assert_eq!(ids(&listed), ids(&created));
    for (listed, created) in listed.iter().zip(&created) {
        assert_same_record(listed, created);
    }
}

pub async fn a_list_leaves_out_revoked_and_expired_sessions(store: Store) {
    let subject = new_subject();
    let (expired, revoked, left) =
        (short_session_of(subject), session_of(subject), session_of(subject));
    create_all(&store, [&expired, &revoked, &left]).await;
    log_out(&store, revoked.id).await;
    short_sessions_have_ended().await;
    assert_eq!(listed_ids(&store, &subject).await, [left.id]);
}

pub async fn a_list_shows_what_was_written_last(store: Store) {
    let (new, loaded) = created(&store).await;
    store.update(change(&loaded, |data| data.title = "Corro".into())).await.expect("answers");
    store.touch(Touch::new(new.id, HOUR / 2)).await.expect("touch answers");
    let listed = store.list(&new.data.user_id, Page::default()).await.expect("list answers");
    let [record] = &*listed else { panic!("one session: {listed:?}") };
    assert_same_record(record, &live(&store, new.id).await.record);
    assert_eq!(record.data.title, "Corro");
}

pub async fn a_subject_without_sessions_has_an_empty_list(store: Store) {
    create(&store, &session()).await;
    assert_eq!(listed_ids(&store, &new_subject()).await, []);
}

pub async fn a_list_comes_in_pages_that_neither_miss_nor_repeat(store: Store) {
    let subject = new_subject();
    let ids = |listed: &Listed<Record<Payload>>| -> Vec<SessionId> {
        listed.iter().map(|record| record.id).collect()
    };
    let mut created = Vec::new();
    for _ in 0..7 {
        created.push(create(&store, &session_of(subject)).await.id);
        create(&store, &session()).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    created.reverse();
    let page = Page::first(3);
    let first = store.list(&subject, page).await.expect("list answers");
    assert_eq!(ids(&first), created[..3]);
    // Sessions that are created or ended in the meantime do not move the other entries.
    log_out(&store, created[1]).await;
    log_out(&store, created[4]).await;
    create(&store, &session_of(subject)).await;
    let next = page.after(first.next.expect("there is a next page"));
    let second = store.list(&subject, next).await.expect("list answers");
    assert_eq!(ids(&second), [created[3], created[5], created[6]]);
    assert_eq!(second.next, None, "nothing comes after it");

    // Several sessions may be created at the same instant. Ordered by their ids, each is listed
    // once.
    let crowd = new_subject();
    let logins = (0..12).map(|_| session_of(crowd)).collect::<Vec<_>>();
    for login in &logins {
        create(&store, login).await;
    }
    let (mut walked, mut page) = (Vec::new(), Page::first(1));
    loop {
        let listed = store.list(&crowd, page).await.expect("list answers");
        walked.extend(ids(&listed));
        assert!(walked.len() <= logins.len(), "an entry is repeated: {walked:?}");
        let Some(next) = listed.next else { break };
        page = page.after(next);
    }
    let mut all: Vec<SessionId> = logins.iter().map(|new| new.id).collect();
    all.sort_unstable();
    walked.sort_unstable();
    assert_eq!(walked, all);
}
