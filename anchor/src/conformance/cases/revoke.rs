//! `revoke` ends one session. It is idempotent, and reports how many sessions it ended.

use std::sync::Arc;

use super::fixtures::*;
use crate::store::{EndReason, Ending, Load, NewSession};

pub async fn a_revoked_session_is_not_live_and_the_second_revoke_counts_none(store: Store) {
    let new = session();
    create(&store, &new).await;
    assert_eq!(log_out(&store, new.id).await, 1);
    assert!(!is_live(&store, new.id).await);
    assert_eq!(log_out(&store, new.id).await, 0);
    assert!(!is_live(&store, new.id).await);
}

pub async fn a_revoked_session_is_gone_to_every_verb(store: Store) {
    let (new, loaded) = created(&store).await;
    log_out(&store, new.id).await;
    let update = change(&loaded, |data| data.visits += 1);
    assert_gone(&store, &new.data.user_id, update, rotation(&loaded)).await;
}

pub async fn revoking_an_unknown_session_counts_none(store: Store) {
    let unknown = new_id();
    assert_eq!(log_out(&store, unknown).await, 0);
    let proven = store.revoke(unknown, Some(new_proof()), EndReason::Logout).await;
    assert_eq!(proven.expect("revoke answers"), Ending::NotLive);
}

pub async fn revoking_a_session_leaves_the_others_alive(store: Store) {
    let subject = new_subject();
    let (ended, sibling, stranger) = (session_of(subject), session_of(subject), session());
    create_all(&store, [&ended, &sibling, &stranger]).await;
    assert_eq!(log_out(&store, ended.id).await, 1);
    assert!(is_live(&store, sibling.id).await);
    assert!(is_live(&store, stranger.id).await);
}

pub async fn a_revoke_with_the_proof_ends_the_session_however_often_it_was_rotated(store: Store) {
    for rotations in 0..4 {
        let new = session();
        create(&store, &new).await;
        for _ in 0..rotations {
            store.rotate(rotation(&live(&store, new.id).await)).await.expect("rotate answers");
        }
        let ended = store.revoke(new.id, Some(new.lasting), EndReason::Logout).await;
        assert_eq!(ended.expect("revoke answers"), Ending::Ended, "{rotations} rotations");
        assert!(!is_live(&store, new.id).await);
        let ended = store.revoke(new.id, Some(new.lasting), EndReason::Logout).await;
        assert_eq!(ended.expect("revoke answers"), Ending::NotLive, "{rotations} rotations");
    }
}

pub async fn a_revoke_without_the_proof_ends_nothing_and_says_so(store: Store) {
    let (new, other) = (session(), session());
    create_all(&store, [&new, &other]).await;
    let before = live(&store, new.id).await;
    for wrong in [new_proof(), other.lasting] {
        let ended = store.revoke(new.id, Some(wrong), EndReason::Logout).await;
        assert_eq!(ended.expect("revoke answers"), Ending::Unproven);
    }
    assert_unchanged(&before, &live(&store, new.id).await);
    assert!(is_live(&store, other.id).await);
}

/// Each of these sessions is ended by its owner twice, and named by somebody with another's proof.
/// Nobody but the owner ends it, although every proof is right for one of the sessions.
pub async fn revokes_at_once_each_learn_their_own_outcome(store: Store) {
    let store = Arc::new(store);
    let new = [(); CROWD].map(|()| session());
    for new in &new {
        create(&*store, new).await;
    }
    let (ended, spared) = new.split_at(CROWD / 2);
    // Whose session, with whose proof.
    let mut revokes = Vec::new();
    for at in 0..CROWD / 2 {
        revokes.push((ended[at].id, ended[at].lasting));
        revokes.push((ended[at].id, spared[at].lasting));
        revokes.push((spared[at].id, ended[at].lasting));
        revokes.push((new_id(), ended[at].lasting));
        revokes.push((ended[at].id, ended[at].lasting));
    }
    let asked = revokes.clone();
    let endings = together(&store, revokes.len(), |store, at| {
        let (id, proof) = revokes[at];
        async move { store.revoke(id, Some(proof), EndReason::Logout).await }
    })
    .await;
    for new in ended {
        let own = |proven| {
            let answers = asked.iter().zip(&endings);
            answers
                .filter(move |((id, proof), _)| *id == new.id && (*proof == new.lasting) == proven)
                .map(|(_, ending)| *ending)
                .collect::<Vec<_>>()
        };
        let by_owner = own(true);
        assert_eq!(by_owner.len(), 2);
        assert!(by_owner.contains(&Ending::Ended), "{by_owner:?}");
        assert!(by_owner.contains(&Ending::NotLive), "it ended twice: {by_owner:?}");
        // It was there, or had ended.
        assert!(!own(false).contains(&Ending::Ended), "a wrong proof ended it");
        assert!(!is_live(&*store, new.id).await);
    }
    for new in spared {
        let of_it = asked.iter().zip(&endings).filter(|((id, _), _)| *id == new.id);
        assert!(of_it.into_iter().all(|(_, ending)| *ending == Ending::Unproven));
        assert!(is_live(&*store, new.id).await, "the proof of another session ended it");
    }
    let unknown = asked.iter().zip(&endings).skip(3).step_by(5);
    assert!(unknown.into_iter().all(|(_, ending)| *ending == Ending::NotLive));
}

/// A session that looks expired might look live again when the clock is set back, so it must be
/// gone.
pub async fn what_looks_expired_is_ended_for_good(store: Store) {
    let subject = new_subject();
    let expired = [(); 7].map(|()| short_session_of(subject));
    create_all(&store, &expired).await;
    short_sessions_have_ended().await;
    let is_gone = async |new: &NewSession<Payload>, verb: &str| {
        let found = load(&store, new.id).await;
        assert!(matches!(found, Load::Absent), "{verb} left it there: {found:?}");
    };
    let [unproven, proven, one, replaced_by_login, others, all, everyone] = &expired;
    let answer = "the store answers";
    let reason = EndReason::Logout;
    assert_eq!(store.revoke(unproven.id, None, reason).await.expect(answer), Ending::NotLive);
    is_gone(unproven, "revoke").await;
    let ending = store.revoke(proven.id, Some(proven.lasting), reason).await.expect(answer);
    assert_eq!(ending, Ending::NotLive);
    is_gone(proven, "revoke with the proof").await;
    let ending = store.revoke_of(&subject, one.id, reason).await.expect(answer);
    assert_eq!(ending, Ending::NotLive);
    is_gone(one, "revoke_of").await;
    let login = NewSession { replaces: replaced(replaced_by_login), ..session() };
    create(&store, &login).await;
    is_gone(replaced_by_login, "a login").await;
    assert_eq!(store.revoke_others(&subject, all.id, reason).await.expect(answer), 0);
    is_gone(others, "revoke_others").await;
    assert_eq!(store.revoke_subject(&subject, reason).await.expect(answer), 0);
    is_gone(all, "revoke_subject").await;
    create(&store, &NewSession { id: everyone.id, ..short_session_of(subject) }).await;
    short_sessions_have_ended().await;
    assert_eq!(store.revoke_everyone(reason).await.expect(answer), 1, "the login above");
    is_gone(everyone, "revoke_everyone").await;
}

pub async fn of_many_revokes_of_one_session_one_counts_it(store: Store) {
    let (store, new) = (Arc::new(store), session());
    let id = create(&*store, &new).await.id;
    let counts = together(&store, CROWD, |store, _| async move {
        let ended = store.revoke(id, None, EndReason::Logout).await?.count();
        assert!(!is_live(&*store, id).await, "revoke answered, but the session is live");
        Ok(ended)
    })
    .await;
    assert_eq!(counts.iter().sum::<u64>(), 1, "{counts:?}");
}
