//! Calls at once may share a statement. Each caller still gets its own answer, as if it were alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::fixtures::*;
use crate::error::StoreErrorKind;
use crate::id::SessionId;
use crate::store::{
    Created, EndReason, Ending, Load, NewSession, Rotated, Secrets, SessionStore, Touch, Touched,
    Updated,
};

/// More sessions than fit into a statement of any usual size.
const MANY: usize = 160;

/// Returns this many sessions, each with a payload of its own.
fn distinct_sessions(count: usize) -> Vec<NewSession<Payload>> {
    let session_at = |index: usize| {
        new_session(Payload {
            title: format!("session {index}"),
            visits: index as i64,
            avatar: vec![index as u8; index],
            ..payload_of(new_subject())
        })
    };
    (0..count).map(session_at).collect()
}

/// Creates these sessions at once.
async fn create_at_once<S: SessionStore<Payload>>(store: &Arc<S>, new: &[NewSession<Payload>]) {
    together(store, new.len(), |store, at| {
        let new = new[at].clone();
        async move { store.create(new).await }
    })
    .await;
}

/// Asserts that a lookup of this session found it, with its own payload and secrets.
#[track_caller]
fn assert_own(found: &Load<Payload>, new: &NewSession<Payload>) {
    let Load::Live(loaded) = found else { panic!("{} should be live: {found:?}", new.id) };
    assert_eq!((loaded.record.id, &loaded.record.data), (new.id, &new.data), "another's row");
    assert_eq!(loaded.secrets, Secrets::new(new.lasting, new.secret), "another's secrets");
}

/// Live, ended and unknown sessions are looked up at once, in any order, each several times.
pub async fn lookups_at_once_each_get_their_own_session(store: Store) {
    /// Has no factor in common with the number of lookups, so that a step of this size reaches
    /// each of them once.
    const STEP: usize = 89;
    let store = Arc::new(store);
    let new = distinct_sessions(MANY);
    create_at_once(&store, &new).await;
    let is_ended = |at: usize| at % 10 == 3;
    for ended in (0..MANY).filter(|at| is_ended(*at)) {
        assert_eq!(log_out(&*store, new[ended].id).await, 1);
    }
    // The last ones are unknown.
    let mut ids: Vec<SessionId> = new.iter().map(|new| new.id).collect();
    ids.extend((0..MANY / 4).map(|_| new_id()));
    let lookups = 2 * ids.len();
    let wanted = |task: usize| task * STEP % lookups / 2;
    let found = together(&store, lookups, |store, task| {
        let id = ids[wanted(task)];
        async move { store.load(id).await }
    })
    .await;
    for (task, found) in found.iter().enumerate() {
        match new.get(wanted(task)) {
            Some(new) if !is_ended(wanted(task)) => assert_own(found, new),
            _ => assert!(matches!(found, Load::Absent), "a session that is not there: {found:?}"),
        }
    }
}

/// Others look the session up all the time, so a lookup of it is always under way when the next one
/// begins.
pub async fn a_load_is_not_older_than_its_call_while_others_load_the_same_session(store: Store) {
    const ROUNDS: usize = 6;
    let store = Arc::new(store);
    for _ in 0..ROUNDS {
        let new = session();
        let is_over = Arc::new(AtomicBool::new(false));
        let others: Vec<_> = (0..CROWD / 2)
            .map(|_| tokio::spawn(look_up_until(Arc::clone(&is_over), Arc::clone(&store), new.id)))
            .collect();
        a_moment_passes().await;
        write_and_look_up(&*store, &new).await;
        is_over.store(true, Ordering::Relaxed);
        for other in others {
            other.await.expect("nobody sees an older state after a newer one");
        }
    }
}

/// Loads a session again after each write to it.
async fn write_and_look_up<S: SessionStore<Payload>>(store: &S, new: &NewSession<Payload>) {
    create(store, new).await;
    assert!(is_live(store, new.id).await, "the load missed a login");
    for _ in 0..4 {
        let before = live(store, new.id).await;
        let visits = before.record.data.visits + 1;
        let updated = store.update(change(&before, |data| data.visits = visits)).await;
        assert!(matches!(updated, Ok(Updated::Written { .. })), "{updated:?}");
        let after = live(store, new.id).await;
        assert_eq!(after.record.data.visits, visits, "the load missed an update");
        let rotation = rotation(&after);
        let rotated = store.rotate(rotation.clone()).await.expect("rotate answers");
        assert_eq!(rotated, Rotated::Written);
        let current = live(store, new.id).await.secrets.current;
        assert_eq!(current, rotation.to, "the load missed a rotation");
        let touched = store.touch(Touch::new(new.id, HOUR)).await.expect("touch answers");
        let Touched::Written { expires_at } = touched else { panic!("{touched:?}") };
        let touched = live(store, new.id).await.record.expires_at;
        assert_eq!(touched, expires_at, "the load missed a touch");
    }
    log_out(store, new.id).await;
    assert!(!is_live(store, new.id).await, "the load missed a logout");
}

/// Looks a session up all the time, and sees no older state after a newer one.
async fn look_up_until<S: SessionStore<Payload>>(
    is_over: Arc<AtomicBool>,
    store: Arc<S>,
    id: SessionId,
) {
    let (mut seen, mut has_ended) = (None, false);
    while !is_over.load(Ordering::Relaxed) {
        match store.load(id).await.expect("load answers") {
            Load::Live(loaded) => {
                assert!(!has_ended, "it had ended");
                let visits = Some(loaded.record.data.visits);
                assert!(seen <= visits, "{visits:?} visits after {seen:?}");
                seen = visits;
            }
            _ => has_ended = seen.is_some(),
        }
        // A store may answer without waiting.
        tokio::task::yield_now().await;
    }
}

/// Most ids are new. Some are taken, two are the same, and some payloads do not fit every store.
pub async fn a_create_that_is_refused_among_many_is_refused_alone(store: Store) {
    const CREATES: usize = 100;
    let store = Arc::new(store);
    let taken = distinct_sessions(4);
    create_all(&*store, &taken).await;
    let mut new = distinct_sessions(CREATES);
    for (at, taken) in taken.iter().enumerate() {
        new[25 * at + 7].id = taken.id;
    }
    let twins = [51, 52];
    new[twins[1]].id = new[twins[0]].id;
    for at in [20, 60] {
        Arc::make_mut(&mut new[at].data).title = "nul\0byte".into();
    }
    let results = together_with_errors(&store, CREATES, |store, at| {
        let new = new[at].clone();
        async move { store.create(new).await }
    })
    .await;
    let refusal = |at: usize| results[at].as_ref().err().map(|error| error.kind());
    for at in (0..CREATES).filter(|at| at % 25 == 7) {
        assert_eq!(refusal(at), Some(StoreErrorKind::Constraint), "create {at}: its id is taken");
    }
    for taken in &taken {
        assert_own(&load(&*store, taken.id).await, taken);
    }
    let lost = twins.map(refusal);
    assert!(
        lost == [None, Some(StoreErrorKind::Constraint)]
            || lost == [Some(StoreErrorKind::Constraint), None],
        "one of two creates with one id is refused: {lost:?}"
    );
    for (at, result) in results.iter().enumerate() {
        match result {
            Ok(Created::Session { record, .. }) => {
                let found = load(&*store, new[at].id).await;
                assert_own(&found, &new[at]);
                let Load::Live(loaded) = found else { unreachable!("it is live") };
                assert_same_record(record, &loaded.record);
            }
            Ok(Created::SubjectFull) => panic!("there is no limit"),
            Err(_) if at % 25 == 7 || twins.contains(&at) => {}
            Err(refusal) => {
                assert_eq!(refusal.kind(), StoreErrorKind::Encode, "create {at}: {refusal}");
                assert!([20, 60].contains(&at), "create {at} got another's refusal: {refusal}");
                assert!(!is_live(&*store, new[at].id).await, "refused, but created");
            }
        }
    }
}

/// Most callers leave before they have their answer, as a client that disconnects does.
pub async fn callers_that_leave_disturb_no_other(store: Store) {
    let store = Arc::new(store);
    for patience in [0, 1, 2].map(Duration::from_millis) {
        let lasting = distinct_sessions(CROWD);
        let (ended, fresh) = (distinct_sessions(CROWD), distinct_sessions(CROWD));
        create_at_once(&store, &lasting).await;
        create_at_once(&store, &ended).await;
        together(&store, 3 * CROWD, |store, at| {
            let (verb, at) = (at % 3, at / 3);
            let (lasting, ended, fresh) =
                (lasting[at].clone(), ended[at].clone(), fresh[at].clone());
            let call = async move {
                match verb {
                    0 => assert_own(&store.load(lasting.id).await?, &lasting),
                    1 => drop(create(&*store, &fresh).await),
                    _ => {
                        let ending = store.revoke(ended.id, Some(ended.lasting), EndReason::Logout);
                        assert_eq!(ending.await?, Ending::Ended);
                    }
                }
                Ok(())
            };
            async move {
                if leaves(at) {
                    tokio::time::timeout(patience, call).await.unwrap_or(Ok(()))
                } else {
                    call.await
                }
            }
        })
        .await;
        for at in 0..CROWD {
            assert_own(&load(&*store, lasting[at].id).await, &lasting[at]);
            // What a caller wanted who has left may have happened, but then as it wanted.
            let created = load(&*store, fresh[at].id).await;
            if !leaves(at) || matches!(created, Load::Live(_)) {
                assert_own(&created, &fresh[at]);
            }
            let ending = store.revoke(ended[at].id, Some(ended[at].lasting), EndReason::Logout);
            let ending = ending.await.expect("revoke answers");
            assert!(leaves(at) || ending == Ending::NotLive, "it ended twice");
            assert!(!is_live(&*store, ended[at].id).await);
        }
    }
}

/// Returns whether the caller at this place leaves early.
fn leaves(at: usize) -> bool {
    !at.is_multiple_of(4)
}

pub async fn touches_at_once_each_reach_their_own_session(store: Store) {
    let store = Arc::new(store);
    let new = distinct_sessions(3 * CROWD);
    create_at_once(&store, &new).await;
    let is_ended = |at: usize| at % 8 == 5;
    // Some reach past the deadline.
    let idle = |at: usize| match at % 8 {
        2 => 3 * HOUR,
        _ => HOUR + Duration::from_secs(at as u64),
    };
    for ended in (0..new.len()).filter(|at| is_ended(*at)) {
        log_out(&*store, new[ended].id).await;
    }
    let touched = together(&store, new.len(), |store, at| {
        let touch = Touch::new(new[at].id, idle(at));
        async move { store.touch(touch).await }
    })
    .await;
    for (at, touched) in touched.into_iter().enumerate() {
        let found = load(&*store, new[at].id).await;
        if is_ended(at) {
            assert_eq!(touched, Touched::Gone);
            assert!(matches!(found, Load::Absent), "a touch brought it back: {found:?}");
        } else {
            assert_own(&found, &new[at]);
            let Load::Live(loaded) = found else { unreachable!("it is live") };
            let record = loaded.record;
            let expires_at = record.last_seen_at.saturating_add(idle(at)).min(record.deadline);
            assert_eq!(record.expires_at, expires_at, "another's idle timeout");
            assert_eq!(touched, Touched::Written { expires_at }, "another's answer");
        }
    }
}
