//! Ended sessions that are kept: only for the history, and only for their time.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::fixtures::*;
use crate::error::StoreErrorKind;
use crate::id::SessionId;
use crate::payload::{LimitExceeded, SubjectLimit};
use crate::store::{
    Change, Cursor, EndReason, EndStatus, EndedRecord, Load, NewSession, Page, Rotation,
    SessionStore,
};

/// Ended sessions are kept for a day, which is too long to pass even on a slow machine.
type Kept = Extended<86_400>;
/// Ended sessions are kept for a second.
type Briefly = Extended<1>;

async fn history<const KEEP: u64, S: SessionStore<Extended<KEEP>>>(
    store: &S,
    subject: Uuid,
) -> Vec<EndedRecord<Extended<KEEP>>> {
    store.history(&subject, Page::default()).await.expect("history answers").entries
}

fn short_of<const KEEP: u64>(subject: Uuid) -> NewSession<Extended<KEEP>> {
    NewSession { idle: SHORT, ..extended_of(subject) }
}

pub async fn the_history_says_why_each_session_ended(store: Store<Kept>) {
    let (subject, stranger) = (new_subject(), new_subject());
    create(&store, &extended_of(stranger)).await;
    let mut expected: Vec<(SessionId, EndReason)> = Vec::new();
    let reasons = [
        EndReason::Logout,
        EndReason::LogoutAll,
        EndReason::LogoutOthers,
        EndReason::Replaced,
        EndReason::LimitExceeded,
        EndReason::Theft,
        EndReason::Everyone,
        EndReason::CutOff,
        EndReason::Consumed,
    ];
    for reason in reasons {
        let new = extended_of(subject);
        let before = create(&store, &new).await;
        let answer = "the store answers";
        match reason {
            EndReason::LogoutAll => {
                store.revoke_subject(&subject, reason).await.expect(answer);
            }
            EndReason::LogoutOthers => {
                store.revoke_others(&subject, new_id(), reason).await.expect(answer);
            }
            EndReason::Replaced => {
                let other = NewSession { replaces: replaced(&new), ..extended_of(stranger) };
                create(&store, &other).await;
            }
            EndReason::LimitExceeded => {
                let limit = Some(SubjectLimit::new(1, LimitExceeded::EndOldest));
                let other = placed(&store, NewSession { limit, ..extended_of(subject) });
                create(&store, &other).await;
                expected.push((new.id, reason));
                tokio::time::sleep(Duration::from_millis(5)).await;
                store.revoke(other.id, None, EndReason::Revoked).await.expect(answer);
                expected.push((other.id, EndReason::Revoked));
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
            EndReason::Everyone => {
                store.revoke_everyone(reason).await.expect(answer);
            }
            EndReason::Consumed => {
                store.consume(new.id, new.secret).await.expect(answer);
            }
            EndReason::CutOff => {
                store.cut_off(&subject, reason).await.expect(answer);
            }
            _ => {
                store.revoke(new.id, Some(new.lasting), reason).await.expect(answer);
            }
        }
        expected.push((new.id, reason));
        let newest = history(&store, subject).await.swap_remove(0);
        assert_eq!((newest.record.id, newest.status), (new.id, EndStatus::Revoked));
        assert_eq!(newest.record.data, new.data);
        assert_eq!(newest.record.created_at, before.created_at);
        assert!(before.created_at <= newest.ended_at, "{newest:?}");
        assert!(newest.record.expires_at <= newest.ended_at, "{newest:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let found = history(&store, subject).await.into_iter();
    let mut found: Vec<_> = found.map(|ended| (ended.record.id, ended.reason)).collect();
    found.reverse();
    let expected: Vec<_> = expected.into_iter().map(|(id, reason)| (id, Some(reason))).collect();
    assert_eq!(found, expected, "newest first, each once, with its reason");
}

pub async fn the_history_has_no_live_session_and_no_other_subject(store: Store<Kept>) {
    let (subject, stranger) = (new_subject(), new_subject());
    let (ended, alive, other) = (extended_of(subject), extended_of(subject), extended_of(stranger));
    create_all(&store, [&ended, &alive, &other]).await;
    log_out(&store, ended.id).await;
    log_out(&store, other.id).await;
    let found: Vec<_> = history(&store, subject).await.iter().map(|one| one.record.id).collect();
    assert_eq!(found, [ended.id]);
    assert_eq!(listed_ids(&store, &subject).await, [alive.id]);
    assert!(history(&store, new_subject()).await.is_empty());
}

pub async fn a_kept_session_is_never_live_again(store: Store<Kept>) {
    let (revoked, expired) = (extended_of(new_subject()), short_of(new_subject()));
    create_all(&store, [&revoked, &expired]).await;
    let loaded = live(&store, revoked.id).await;
    log_out(&store, revoked.id).await;
    short_sessions_have_ended().await;
    store.sweep(1_000).await.expect("sweep answers");
    for new in [&revoked, &expired] {
        let found = load(&store, new.id).await;
        assert!(matches!(found, Load::Ended), "it should be kept, but not live: {found:?}");
        let update = Change { id: new.id, ..change(&loaded, |data| data.visits += 1) };
        let rotation = Rotation { id: new.id, from: new.secret, ..rotation(&loaded) };
        assert_gone(&store, &new.data.user_id, update, rotation).await;
        let again = NewSession { id: new.id, ..extended_of::<86_400>(new_subject()) };
        let refused = store.create(again).await.expect_err("the row is still there");
        assert_eq!(refused.kind(), StoreErrorKind::Constraint, "{refused}");
        assert!(!is_live(&store, new.id).await, "a write brought it back");
        assert_eq!(history(&store, new.data.user_id).await.len(), 1);
    }
    // An end that has been recorded is not overwritten.
    let revoke = store.revoke_subject(&revoked.data.user_id, EndReason::Theft).await;
    assert_eq!(revoke.expect("revoke_subject answers"), 0);
    let ended = history(&store, revoked.data.user_id).await.swap_remove(0);
    assert_eq!(ended.reason, Some(EndReason::Logout));
}

pub async fn an_expired_session_is_in_the_history_swept_or_not(store: Store<Kept>) {
    let new = short_of(new_subject());
    let record = create(&store, &new).await;
    assert!(history(&store, new.data.user_id).await.is_empty(), "it is live");
    short_sessions_have_ended().await;
    for swept in [1, 0] {
        let found = history(&store, new.data.user_id).await;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].status, found[0].reason), (EndStatus::Expired, None));
        assert_eq!(found[0].ended_at, record.expires_at);
        assert_same_record(&found[0].record, &record);
        assert_eq!(store.sweep(1_000).await.expect("sweep answers"), swept, "marked once");
    }
}

pub async fn a_login_that_arrived_dead_is_in_the_history(store: Store<Kept>) {
    let subject = new_subject();
    let late = NewSession { began: Some(Instant::now()), ..extended_of(subject) };
    store.cut_off(&subject, EndReason::CutOff).await.expect("cut_off answers");
    create(&store, &late).await;
    for swept in [1, 0] {
        assert!(!is_live(&store, late.id).await);
        let found = history(&store, subject).await;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].record.id, found[0].status), (late.id, EndStatus::Revoked));
        assert_eq!(found[0].reason, Some(EndReason::CutOff));
        assert_eq!(store.sweep(1_000).await.expect("sweep answers"), swept, "marked once");
    }
}

pub async fn a_sweep_removes_ended_sessions_after_their_time(store: Store<Briefly>) {
    let subject = new_subject();
    let (revoked, expired, alive) = (extended_of(subject), short_of(subject), extended_of(subject));
    create_all(&store, [&revoked, &expired, &alive]).await;
    log_out(&store, revoked.id).await;
    short_sessions_have_ended().await;
    store.sweep(1_000).await.expect("sweep answers");
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(store.sweep(1).await.expect("sweep answers"), 1, "a batch of one");
    assert_eq!(store.sweep(1_000).await.expect("sweep answers"), 1);
    for id in [revoked.id, expired.id] {
        let found = load(&store, id).await;
        assert!(matches!(found, Load::Absent), "{found:?}");
    }
    assert!(history(&store, subject).await.is_empty());
    assert!(is_live(&store, alive.id).await);
}

pub async fn the_history_comes_in_pages_that_neither_miss_nor_repeat(store: Store<Kept>) {
    let subject = new_subject();
    create(&store, &short_of(subject)).await;
    let late = NewSession { began: Some(Instant::now()), ..extended_of(subject) };
    store.cut_off(&subject, EndReason::CutOff).await.expect("cut_off answers");
    create(&store, &late).await;
    for _ in 0..4 {
        let new = extended_of(subject);
        create(&store, &new).await;
        log_out(&store, new.id).await;
    }
    let expiring = short_of(subject);
    create(&store, &expiring).await;
    create(&store, &extended_of(subject)).await;
    short_sessions_have_ended().await;

    let place = |ended: &EndedRecord<Kept>| Cursor { at: ended.ended_at, id: ended.record.id };
    for swept in [false, true] {
        let whole: Vec<Cursor> = history(&store, subject).await.iter().map(place).collect();
        assert!(whole.is_sorted_by(|one, next| one > next), "{whole:?}");
        assert_eq!(whole.len(), 7, "swept: {swept}");
        let mut walked: Vec<Cursor> = Vec::new();
        let mut page = Page::first(2);
        loop {
            let listed = store.history(&subject, page).await.expect("history answers");
            assert!(listed.len() <= 2, "a page has at most two: {listed:?}");
            walked.extend(listed.iter().map(place));
            assert!(walked.len() <= whole.len(), "an entry is repeated: {walked:?}");
            let Some(next) = listed.next else { break };
            page = page.after(next);
        }
        assert_eq!(walked, whole, "swept: {swept}");
        store.sweep(1_000).await.expect("sweep answers");
    }
}
