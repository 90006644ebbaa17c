//! Verbs of `MemoryStore` that run at once, on threads of their own: sessions and subjects are
//! behind many locks, and yet each verb happens whole.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use anchor::payload::{LimitExceeded, SubjectLimit};
use anchor::prelude::*;
use anchor::store::{
    Change, Created, EndReason, Load, NewSession, Page, Replaced, SessionStore, Updated,
};
use anchor::token::{LastingHash, SecretHash};
use anchor::{MemoryStore, SessionId};
use tokio::time::Instant;
use uuid::Uuid;

#[derive(Clone, SessionData)]
#[session(table = "races", cut_off, migrations = false)]
struct Racer {
    #[session(subject)]
    user_id: i64,
}

const SECRET: SecretHash = SecretHash::from_bytes([1; 32]);
const PROOF: LastingHash = LastingHash::from_bytes([0; 32]);

fn id(number: usize) -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(number as u128))
}

fn login(number: usize, user_id: i64) -> NewSession<Racer> {
    NewSession::new(id(number), PROOF, SECRET, Arc::new(Racer { user_id }))
}

/// What a verb answers: this store's never wait.
fn answer<R>(verb: impl Future<Output = Result<R, anchor::StoreError>>) -> R {
    match pin!(verb).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.expect("the store answers"),
        Poll::Pending => panic!("the store waits"),
    }
}

fn is_live(store: &MemoryStore<Racer>, id: SessionId) -> bool {
    matches!(answer(store.load(id)), Load::Live(_))
}

/// Hands a live session to this user.
fn hand_over(store: &MemoryStore<Racer>, id: SessionId, user_id: i64) -> Option<Updated> {
    let Load::Live(loaded) = answer(store.load(id)) else { return None };
    let change = Change {
        id,
        secret: SECRET,
        version: loaded.record.version,
        from: Arc::clone(&loaded.record.data),
        to: Arc::new(Racer { user_id }),
        idle: Racer::IDLE,
    };
    Some(answer(store.update(change)))
}

#[test]
fn a_session_that_changes_hands_is_always_somebodys() {
    const SESSIONS: usize = 64;
    const ROUNDS: usize = 60;
    for _ in 0..ROUNDS {
        let store = MemoryStore::new();
        for number in 0..SESSIONS {
            answer(store.create(login(number, 1)));
        }
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let store = &store;
                scope.spawn(move || {
                    for step in 0..4 * SESSIONS {
                        hand_over(store, id(step % SESSIONS), 1 + (step + thread) as i64 % 3);
                    }
                });
            }
            scope.spawn(|| {
                for step in 0..SESSIONS {
                    // Replaced, revoked, and created anew, while it changes hands.
                    let mut new = login(SESSIONS + step, 1 + step as i64 % 3);
                    new.replaces = Some(Replaced { id: id(step), proof: PROOF });
                    answer(store.create(new));
                    answer(store.revoke(id(SESSIONS + step), None, EndReason::Logout));
                    answer(store.create(login(step, 2)));
                }
            });
        });
        let listed: usize =
            (1..=3).map(|user| answer(store.list(&user, Page::first(1_000))).len()).sum();
        assert_eq!(listed, SESSIONS, "each is in one list");
        let ended: u64 =
            (1..=3).map(|user| answer(store.revoke_subject(&user, EndReason::Revoked))).sum();
        assert_eq!(ended, SESSIONS as u64);
        assert!((0..2 * SESSIONS).all(|number| !is_live(&store, id(number))), "nobody's, and live");
    }
}

#[test]
fn a_revocation_ends_what_is_handed_to_its_subject_or_comes_after_it() {
    const ROUNDS: usize = 3_000;
    let store = MemoryStore::new();
    for round in 0..ROUNDS {
        answer(store.create(login(round, 1)));
        let handed = std::thread::scope(|scope| {
            let other = scope.spawn(|| hand_over(&store, id(round), 2));
            answer(store.revoke_subject(&1, EndReason::Revoked));
            other.join().expect("it does not panic")
        });
        // It was handed over first, or it is gone: never both, and never neither.
        let was_handed = matches!(handed, Some(Updated::Written { .. }));
        assert_eq!(is_live(&store, id(round)), was_handed);
        assert_eq!(answer(store.revoke_subject(&2, EndReason::Revoked)), u64::from(was_handed));
        assert!(!is_live(&store, id(round)));
    }
}

#[test]
fn nobody_sees_a_login_and_the_session_that_it_replaces_both_live_or_both_gone() {
    const LOGINS: usize = 20_000;
    let (store, done) = (MemoryStore::new(), AtomicBool::new(false));
    let (old, new) = (|number: usize| 2 * number, |number: usize| 2 * number + 1);
    for number in 0..LOGINS {
        // Of another subject than the login that replaces it.
        answer(store.create(login(old(number), -1 - number as i64)));
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..LOGINS {
                let mut new = login(new(number), number as i64);
                new.replaces = Some(Replaced { id: id(old(number)), proof: PROOF });
                answer(store.create(new));
            }
            done.store(true, Ordering::Release);
        });
        let mut number = 0;
        while number < LOGINS && !done.load(Ordering::Acquire) {
            let (old, new) = (id(old(number)), id(new(number)));
            if is_live(&store, new) {
                assert!(!is_live(&store, old), "login {number}: both live");
                number += 1;
            } else if !is_live(&store, old) {
                assert!(is_live(&store, new), "login {number}: both gone");
            }
        }
    });
}

#[test]
fn of_logins_at_once_a_limit_of_one_admits_one() {
    const ROUNDS: usize = 2_000;
    let store = MemoryStore::new();
    for round in 0..ROUNDS {
        let try_to = |number| {
            let mut new = login(number, round as i64);
            new.limit = Some(SubjectLimit::new(1, LimitExceeded::Refuse));
            matches!(answer(store.create(new)), Created::Session { .. })
        };
        let admitted = std::thread::scope(|scope| {
            let other = scope.spawn(|| try_to(2 * round));
            [try_to(2 * round + 1), other.join().expect("it does not panic")]
        });
        assert_eq!(admitted.iter().filter(|admitted| **admitted).count(), 1);
        assert_eq!(answer(store.list(&(round as i64), Page::default())).len(), 1);
    }
}

#[test]
fn a_cut_off_beats_every_login_that_began_before_it() {
    const ROUNDS: usize = 2_000;
    let store = MemoryStore::new();
    for round in 0..ROUNDS {
        let (user, began) = (round as i64, Some(Instant::now()));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..4 {
                    let mut new = login(10 * round + number, user);
                    new.began = began;
                    answer(store.create(new));
                }
            });
            answer(store.cut_off(&user, EndReason::CutOff));
            // Answered: what begins now is let in, even within the same microsecond.
            answer(store.create(login(10 * round + 9, user)));
            assert!(is_live(&store, id(10 * round + 9)));
        });
        let live = (0..4).filter(|number| is_live(&store, id(10 * round + number)));
        assert_eq!(live.count(), 0, "round {round}");
    }
}
