//! `revoke_of`, `revoke_subject` and `revoke_others` only end sessions of the given subject.

use super::fixtures::*;
use crate::store::{EndReason, Ending};

pub async fn revoking_a_session_of_a_subject_ends_that_one(store: Store) {
    let subject = new_subject();
    let [ended, kept] = [(); 2].map(|()| session_of(subject));
    create_all(&store, [&ended, &kept]).await;
    let revoke = || store.revoke_of(&subject, ended.id, EndReason::LogoutOthers);
    assert_eq!(revoke().await.expect("revoke_of answers"), Ending::Ended);
    assert!(!is_live(&store, ended.id).await);
    assert!(is_live(&store, kept.id).await, "another session of the subject ended");
    assert_eq!(revoke().await.expect("revoke_of answers"), Ending::NotLive);
    let unknown = store.revoke_of(&subject, new_id(), EndReason::LogoutOthers).await;
    assert_eq!(unknown.expect("revoke_of answers"), Ending::NotLive);
}

pub async fn the_session_of_another_subject_is_not_ended_by_its_id(store: Store) {
    let (own, stranger) = (session(), session());
    create_all(&store, [&own, &stranger]).await;
    let before = live(&store, stranger.id).await;
    let subject = own.data.user_id;
    let ending = store.revoke_of(&subject, stranger.id, EndReason::LogoutOthers).await;
    assert_eq!(ending.expect("revoke_of answers"), Ending::NotLive);
    assert_unchanged(&before, &live(&store, stranger.id).await);
    assert!(is_live(&store, own.id).await);
}

pub async fn revoking_a_subject_ends_all_its_sessions_and_no_other(store: Store) {
    let (subject, stranger) = (new_subject(), session());
    let sessions = [(); 3].map(|()| session_of(subject));
    create_all(&store, sessions.iter().chain([&stranger])).await;
    let revoke = || store.revoke_subject(&subject, EndReason::Revoked);
    assert_eq!(revoke().await.expect("revoke_subject answers"), 3);
    for new in &sessions {
        assert!(!is_live(&store, new.id).await);
    }
    assert!(is_live(&store, stranger.id).await, "another subject's session ended");
    assert_eq!(revoke().await.expect("revoke_subject answers"), 0);
}

pub async fn revoking_a_subject_counts_only_sessions_that_were_live(store: Store) {
    let subject = new_subject();
    let (expired, revoked, kept) =
        (short_session_of(subject), session_of(subject), session_of(subject));
    create_all(&store, [&expired, &revoked, &kept]).await;
    log_out(&store, revoked.id).await;
    short_sessions_have_ended().await;
    let others = store.revoke_others(&subject, kept.id, EndReason::Revoked).await;
    assert_eq!(others.expect("revoke_others answers"), 0);
    let all = store.revoke_subject(&subject, EndReason::Revoked).await;
    assert_eq!(all.expect("revoke_subject answers"), 1);
}

pub async fn revoking_the_others_keeps_one_and_every_other_subject(store: Store) {
    let (subject, stranger) = (new_subject(), session());
    let [kept, first, second] = [(); 3].map(|()| session_of(subject));
    create_all(&store, [&first, &kept, &second, &stranger]).await;
    let revoke = || store.revoke_others(&subject, kept.id, EndReason::Revoked);
    assert_eq!(revoke().await.expect("revoke_others answers"), 2);
    assert!(is_live(&store, kept.id).await, "the session to keep ended");
    assert!(is_live(&store, stranger.id).await, "another subject's session ended");
    assert!(!is_live(&store, first.id).await);
    assert!(!is_live(&store, second.id).await);
    assert_eq!(revoke().await.expect("revoke_others answers"), 0);
}

pub async fn revoking_the_others_of_a_session_that_is_not_theirs_ends_all_of_the_subject(
    store: Store,
) {
    let (new, stranger) = (session(), session());
    create_all(&store, [&new, &stranger]).await;
    let ended = store.revoke_others(&new.data.user_id, stranger.id, EndReason::Revoked).await;
    assert_eq!(ended.expect("revoke_others answers"), 1);
    assert!(!is_live(&store, new.id).await);
    assert!(is_live(&store, stranger.id).await);
}

pub async fn revoking_everyone_ends_every_session_and_counts_them(store: Store) {
    let sessions = [(); 3].map(|()| session());
    create_all(&store, &sessions).await;
    create(&store, &short_session_of(new_subject())).await;
    short_sessions_have_ended().await;
    log_out(&store, sessions[0].id).await;
    let revoke = || store.revoke_everyone(EndReason::Everyone);
    assert_eq!(revoke().await.expect("revoke_everyone answers"), 2);
    for new in &sessions {
        assert!(!is_live(&store, new.id).await, "a session is still live");
    }
    assert_eq!(revoke().await.expect("revoke_everyone answers"), 0);
    let later = session();
    create(&store, &later).await;
    assert!(is_live(&store, later.id).await);
}
