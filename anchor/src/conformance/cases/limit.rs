//! A subject's limit holds, even if several logins arrive at once.

use std::sync::Arc;

use uuid::Uuid;

use super::fixtures::*;
use crate::id::SessionId;
use crate::payload::{LimitExceeded, SubjectLimit};
use crate::store::{Created, EndReason, NewSession, Page, Replaced, SessionStore};

const MAX: u32 = 5;
const LOGINS: usize = 64;

fn limited_of(
    store: &impl SessionStore<Payload>,
    user_id: Uuid,
    overflow: LimitExceeded,
) -> NewSession<Payload> {
    let limit = Some(SubjectLimit::new(MAX, overflow));
    placed(store, NewSession { limit, ..session_of(user_id) })
}

/// Creates as many sessions as the subject's limit allows, and returns them from the oldest to the
/// newest.
async fn fill<S: SessionStore<Payload>>(store: &S, subject: Uuid) -> Vec<SessionId> {
    let mut ids = Vec::new();
    for _ in 0..MAX {
        ids.push(create(store, &limited_of(store, subject, LimitExceeded::Refuse)).await.id);
        // Two sessions that are created at the same instant have no order.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    ids
}

/// Returns the ids of the subject's live sessions, oldest first.
async fn live_ids(store: &Store, subject: Uuid) -> Vec<SessionId> {
    let mut ids = listed_ids(store, &subject).await;
    ids.reverse();
    ids
}

pub async fn a_login_over_the_limit_ends_the_oldest_sessions(store: Store) {
    let (subject, stranger) = (new_subject(), session());
    create(&store, &stranger).await;
    let old = fill(&store, subject).await;
    let new = limited_of(&store, subject, LimitExceeded::EndOldest);
    let created = store.create(new.clone()).await.expect("create answers");
    let Created::Session { ended, .. } = created else { panic!("it makes room for itself") };
    assert_eq!(ended, [old[0]]);
    assert_eq!(live_ids(&store, subject).await, [&old[1..], &[new.id]].concat());
    assert!(!is_live(&store, old[0]).await);
    assert!(is_live(&store, stranger.id).await, "another subject's session ended");

    // A lowered limit applies from the next login on.
    let limit = Some(SubjectLimit::new(2, LimitExceeded::EndOldest));
    let last = placed(&store, NewSession { limit, ..session_of(subject) });
    let created = store.create(last.clone()).await.expect("create answers");
    let Created::Session { ended, .. } = created else { panic!("it makes room for itself") };
    assert_eq!(ended, old[1..]);
    assert_eq!(live_ids(&store, subject).await, [new.id, last.id]);
}

pub async fn a_login_over_the_limit_is_refused_where_the_limit_says_so(store: Store) {
    let (subject, stranger) = (new_subject(), session());
    create(&store, &stranger).await;
    let old = fill(&store, subject).await;
    let refused = limited_of(&store, subject, LimitExceeded::Refuse);
    // The session that it would have replaced stays live, because the requester is still logged in
    // with it.
    let refused = NewSession { replaces: replaced(&stranger), ..refused };
    let created = store.create(refused.clone()).await.expect("create answers");
    assert!(matches!(created, Created::SubjectFull), "{created:?}");
    assert!(!is_live(&store, refused.id).await);
    assert!(is_live(&store, stranger.id).await, "a refused login ended a session");
    assert_eq!(live_ids(&store, subject).await, old);
}

pub async fn the_session_that_a_login_replaces_leaves_room(store: Store) {
    for overflow in [LimitExceeded::Refuse, LimitExceeded::EndOldest] {
        let subject = new_subject();
        let old = fill(&store, subject).await;
        let proof = live(&store, old[2]).await.secrets.lasting;
        let replaces = Some(Replaced { id: old[2], proof });
        let new = NewSession { replaces, ..limited_of(&store, subject, overflow) };
        let created = store.create(new.clone()).await.expect("create answers");
        let Created::Session { ended, .. } = created else { panic!("there is room: {overflow:?}") };
        assert!(ended.is_empty(), "{ended:?}");
        assert_eq!(live_ids(&store, subject).await, [old[0], old[1], old[3], old[4], new.id]);
    }
}

pub async fn sessions_that_have_ended_leave_room(store: Store) {
    let subject = new_subject();
    for _ in 0..3 {
        create(&store, &short_session_of(subject)).await;
    }
    for _ in 0..3 {
        let revoked = create(&store, &session_of(subject)).await;
        store.revoke(revoked.id, None, EndReason::Revoked).await.expect("revoke answers");
    }
    short_sessions_have_ended().await;
    let live = fill(&store, subject).await;
    assert_eq!(live_ids(&store, subject).await, live);
}

pub async fn logins_at_once_never_exceed_a_limit_that_ends_the_oldest(store: Store) {
    let (store, subject) = (Arc::new(store), new_subject());
    let created = together(&store, LOGINS, |store, _| async move {
        let created = store.create(limited_of(&*store, subject, LimitExceeded::EndOldest)).await?;
        let live = store.list(&subject, Page::default()).await?.len();
        assert!(live <= MAX as usize, "{live} sessions are live at once");
        Ok(created)
    })
    .await;
    let live = live_ids(&store, subject).await;
    assert_eq!(live.len(), MAX as usize);
    let mut accounted = live;
    for created in created {
        let Created::Session { ended, .. } = created else { panic!("no login is refused") };
        accounted.extend(ended);
    }
    accounted.sort_unstable();
    accounted.dedup();
    assert_eq!(accounted.len(), LOGINS, "each session is live, or a login reported its end");
}

pub async fn logins_at_once_never_exceed_a_limit_that_refuses(store: Store) {
    let (store, subject) = (Arc::new(store), new_subject());
    let created = together(&store, LOGINS, |store, _| async move {
        store.create(limited_of(&*store, subject, LimitExceeded::Refuse)).await
    })
    .await;
    let mut admitted: Vec<SessionId> =
        created.into_iter().filter_map(Created::into_record).map(|record| record.id).collect();
    let mut live = live_ids(&store, subject).await;
    admitted.sort_unstable();
    live.sort_unstable();
    assert_eq!(live.len(), MAX as usize);
    assert_eq!(live, admitted);
}
