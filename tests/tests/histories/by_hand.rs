//! Histories written by hand: what the checker accepts, what it refuses, and which calls it then
//! names.

use std::time::Duration;

use anchor::store::OldSecret;
use anchor_tests::histories::history::{
    Answer, Call, Edit, History, Login, Proof, Recorded, Seen, SeenSecrets, Turn,
};
use anchor_tests::histories::{check, picture};

/// A history of sessions that are created by themselves, at 0 to 9, with these calls. Each is
/// called and answered at these milliseconds.
fn history(sessions: usize, calls: Vec<(u64, u64, Call, Answer)>) -> History {
    let created = (0..sessions).map(|session| (0, 9, create(session), created(vec![])));
    let calls = created.chain(calls).enumerate().map(|(task, (called, answered, call, answer))| {
        let [called, answered] = [called, answered].map(Duration::from_millis);
        Recorded { task, node: task % 2, called, answered, call, answer }
    });
    History { sessions, limit: None, calls: calls.collect() }
}

fn login(session: usize) -> Login {
    let (began, replaces) = (None, None);
    Login { session, subject: 0, secret: 0, number: 0, idle: 1, began, replaces }
}

fn create(session: usize) -> Call {
    Call::Create(login(session))
}

fn created(ended: Vec<usize>) -> Answer {
    Answer::Created { authenticated_at: 5, expires_at: 100, ended }
}

/// The session as it was created.
fn seen() -> Seen {
    let secrets = Some(SeenSecrets::default());
    Seen { version: 1, idle: 1, expires_at: 100, authenticated_at: 5, secrets, ..Seen::default() }
}

fn live() -> Answer {
    Answer::Live(seen())
}

/// The session after the update.
fn live_updated() -> Answer {
    Answer::Live(Seen { version: 2, number: 7, idle: 2, expires_at: 200, ..seen() })
}

fn update() -> Call {
    Call::Update(Edit {
        session: 0,
        secret: 0,
        version: 1,
        subject: 0,
        number: 7,
        differs: true,
        idle: 2,
    })
}

fn rotate(old: OldSecret, to: u32) -> Call {
    Call::Rotate(Turn { session: 0, from: 0, to, old, grace: false, idle: 3 })
}

fn logout() -> Call {
    Call::Revoke { session: 0, proof: Proof::OfTheSession }
}

fn failed() -> Answer {
    Answer::Failed("the connection was lost".into())
}

const LOAD: Call = Call::Load(0);
const WRITTEN: Answer = Answer::Written(None);
const WRITTEN_TWO: Answer = Answer::Written(Some(2));

#[track_caller]
fn accepted(sessions: usize, calls: Vec<(u64, u64, Call, Answer)>) {
    let history = history(sessions, calls);
    if let Err(refusal) = check(&history) {
        panic!("{}", picture(&history, &refusal));
    }
}

/// The calls, by their place in the list, that contradict each other or the creation.
#[track_caller]
fn refused(calls: Vec<(u64, u64, Call, Answer)>) -> Vec<usize> {
    let refusal = check(&history(1, calls)).expect_err("the contract does not allow this");
    refusal.evidence.into_iter().filter_map(|at| at.checked_sub(1)).collect()
}

#[test]
fn calls_at_once_may_happen_in_any_order() {
    for seen in [live(), live_updated()] {
        accepted(1, vec![(10, 20, update(), WRITTEN_TWO), (15, 30, LOAD, seen)]);
    }
    for seen in [live(), Answer::NotLive] {
        accepted(1, vec![(10, 20, logout(), Answer::Ended), (20, 30, LOAD, seen)]);
    }
    accepted(
        1,
        vec![
            (10, 40, logout(), Answer::Ended),
            (15, 30, update(), WRITTEN_TWO),
            (20, 35, LOAD, live()),
            (36, 38, LOAD, Answer::NotLive),
            (37, 60, logout(), Answer::NotLive),
        ],
    );
}

#[test]
fn a_success_after_a_logout_is_refused() {
    let late = [
        (LOAD, live()),
        (update(), WRITTEN_TWO),
        (update(), Answer::Conflict),
        (rotate(OldSecret::Kept, 1), WRITTEN),
        (Call::Touch { session: 0, presented: None, idle: 4 }, Answer::Written(Some(300))),
        (logout(), Answer::Ended),
        (Call::List(0), Answer::Listed(vec![(0, Seen { secrets: None, ..seen() })])),
    ];
    let ends = [
        (logout(), Answer::Ended),
        (logout(), Answer::NotLive),
        (Call::RevokeSubject(0), Answer::Count(1)),
        (Call::CutOff(0), Answer::Count(1)),
        (LOAD, Answer::NotLive),
    ];
    for (end, answer) in ends {
        for (call, success) in late.clone() {
            let ended = (10, 20, end.clone(), answer.clone());
            let unrelated = (10, 12, Call::List(0), Answer::Listed(vec![(0, seen())]));
            let evidence = refused(vec![ended, unrelated, (21, 30, call, success)]);
            assert_eq!(evidence, [0, 2]);
        }
    }
}

#[test]
fn a_write_that_overlaps_a_logout_does_not_bring_the_session_back() {
    let calls = vec![
        (10, 40, update(), WRITTEN_TWO),
        (20, 30, logout(), Answer::Ended),
        (50, 60, LOAD, live_updated()),
    ];
    assert_eq!(refused(calls), [1, 2]);
}

#[test]
fn a_load_of_a_state_before_its_start_is_refused() {
    let calls =
        vec![(5, 30, LOAD, live()), (10, 20, update(), WRITTEN_TWO), (25, 40, LOAD, live())];
    assert_eq!(refused(calls), [1, 2]);
    // Nor may a later load go back to what an earlier one has left behind.
    let calls = vec![
        (10, 90, update(), WRITTEN_TWO),
        (20, 30, LOAD, live_updated()),
        (40, 50, LOAD, live()),
    ];
    assert_eq!(refused(calls), [1, 2]);
}

#[test]
fn of_two_updates_of_one_version_one_wins() {
    let other = |version| {
        let Call::Update(edit) = update() else { unreachable!() };
        Call::Update(Edit { number: 8, version, idle: 9, ..edit })
    };
    let first = (10, 40, update(), WRITTEN_TWO);
    accepted(1, vec![first.clone(), (10, 40, other(1), Answer::Conflict)]);
    accepted(1, vec![first.clone(), (10, 40, other(2), Answer::Written(Some(3)))]);
    let calls = vec![first.clone(), (10, 40, other(1), WRITTEN_TWO)];
    assert_eq!(refused(calls), [0, 1]);
    let calls = vec![(10, 20, other(2), Answer::Written(Some(3)))];
    assert_eq!(refused(calls), [0], "nobody has written version 2");
}

#[test]
fn a_refused_secret_is_refused_at_once() {
    let rotated = |old| (10, 20, rotate(old, 1), WRITTEN);
    for old in [OldSecret::Exchanged, OldSecret::Kept] {
        accepted(1, vec![rotated(old), (30, 40, update(), WRITTEN_TWO)]);
    }
    accepted(1, vec![rotated(OldSecret::Refused), (30, 40, update(), Answer::Conflict)]);
    accepted(1, vec![rotated(OldSecret::Refused), (15, 40, update(), WRITTEN_TWO)]);
    let calls = vec![rotated(OldSecret::Refused), (30, 40, update(), WRITTEN_TWO)];
    assert_eq!(refused(calls), [0, 1]);
    // Once the new secret was presented, the old one is not accepted without a grace period.
    let presents = Call::Touch { session: 0, presented: Some(1), idle: 4 };
    let calls = vec![
        rotated(OldSecret::Exchanged),
        (21, 29, presents, Answer::Written(Some(300))),
        (30, 40, update(), WRITTEN_TWO),
    ];
    assert_eq!(refused(calls), [0, 1, 2]);
    let calls = vec![rotated(OldSecret::Refused), (15, 40, rotate(OldSecret::Kept, 2), WRITTEN)];
    assert_eq!(refused(calls), [0, 1], "two rotations from one secret");
}

#[test]
fn a_call_that_failed_may_happen_once_at_any_later_time() {
    let lost = (10, 20, logout(), failed());
    accepted(1, vec![lost.clone(), (30, 40, LOAD, live())]);
    accepted(1, vec![lost.clone(), (30, 40, LOAD, Answer::NotLive)]);
    accepted(1, vec![lost.clone(), (30, 40, LOAD, live()), (50, 60, LOAD, Answer::NotLive)]);
    accepted(1, vec![lost.clone(), (30, 40, logout(), Answer::NotLive)]);
    let calls = vec![lost, (30, 40, LOAD, Answer::NotLive), (50, 60, LOAD, live())];
    assert_eq!(refused(calls), [1, 2]);
    // It does not happen before it is called, and an update that failed ends nothing.
    let calls = vec![(10, 20, LOAD, Answer::NotLive), (30, 40, logout(), failed())];
    assert_eq!(refused(calls), [0]);
    let calls = vec![(10, 20, update(), failed()), (30, 40, LOAD, Answer::NotLive)];
    assert_eq!(refused(calls), [1]);
}

#[test]
fn a_history_of_failures_shows_nothing() {
    let calls = (0..9).map(|at| (10 * at + 10, 10 * at + 15, LOAD, failed()));
    assert_eq!(refused(calls.collect()).len(), 9);
}

#[test]
fn a_login_that_began_before_a_cut_off_is_dead_on_arrival() {
    let began = |at| {
        let began = Some(Duration::from_millis(at));
        (40, 50, Call::Create(Login { began, ..login(1) }), created(vec![]))
    };
    let load = |answer| (60, 70, Call::Load(1), answer);
    let cut_off = || (20, 30, Call::CutOff(0), Answer::Count(1));
    let of_two = |calls| {
        let mut history = history(1, calls);
        history.sessions = 2;
        check(&history)
    };
    for (began_at, may_live, may_be_dead) in [(15, false, true), (25, true, true), (39, true, true)]
    {
        let lives = of_two(vec![cut_off(), began(began_at), load(live())]);
        assert_eq!(lives.is_ok(), may_live, "{began_at}: {lives:?}");
        let is_dead = of_two(vec![cut_off(), began(began_at), load(Answer::NotLive)]);
        assert_eq!(is_dead.is_ok(), may_be_dead, "{began_at}: {is_dead:?}");
    }
    // It began long after the answer: more than the login itself took.
    let (called, answered) = (Duration::from_millis(12), Duration::from_millis(13));
    let mut early = history(1, vec![began(39), load(Answer::NotLive)]);
    let (task, node, call, answer) = (9, 0, Call::CutOff(0), Answer::Count(1));
    early.calls.push(Recorded { task, node, called, answered, call, answer });
    early.sessions = 2;
    let refusal = check(&early).expect_err("nothing has ended it");
    assert_eq!(refusal.session, Some(1));
}

#[test]
fn a_login_ends_what_it_replaces_and_what_leaves_no_room() {
    let replaces = |is_proven| {
        let replaces = Some((0, is_proven));
        Call::Create(Login { replaces, ..login(1) })
    };
    let of_two = |calls| {
        let mut history = history(1, calls);
        history.sessions = 2;
        check(&history).is_ok()
    };
    for (call, ended, lives) in [
        (replaces(true), vec![], false),
        (replaces(false), vec![], true),
        (create(1), vec![0], false),
        (create(1), vec![], true),
    ] {
        for (answer, is_allowed) in [(live(), lives), (Answer::NotLive, !lives)] {
            let login = (10, 20, call.clone(), created(ended.clone()));
            assert_eq!(of_two(vec![login, (30, 40, LOAD, answer)]), is_allowed, "{call}");
        }
    }
}

#[test]
fn no_more_sessions_live_at_once_than_the_limit_allows() {
    let load = |at, session| (at, at + 1, Call::Load(session), live());
    let mut three = history(3, vec![load(20, 0), load(22, 1), load(24, 2)]);
    assert!(check(&three).is_ok());
    three.limit = Some(3);
    assert!(check(&three).is_ok());
    three.limit = Some(2);
    let refusal = check(&three).expect_err("three are live at once");
    assert!(refusal.reason.starts_with("3 sessions"), "{}", refusal.reason);
}

#[test]
fn one_call_consumes_a_session_and_gets_its_last_payload() {
    let consume = |secret, answer| (30, 40, Call::Consume { session: 0, secret }, answer);
    let last = |number| Answer::Consumed { subject: 0, number };
    accepted(1, vec![consume(0, last(0)), (50, 60, LOAD, Answer::NotLive)]);
    accepted(1, vec![consume(0, last(0)), consume(0, Answer::Gone)]);
    accepted(1, vec![consume(7, Answer::Conflict), (50, 60, LOAD, live())]);
    accepted(1, vec![consume(0, failed()), (50, 60, LOAD, live())]);
    accepted(1, vec![consume(0, failed()), (50, 60, LOAD, Answer::NotLive)]);
    refused(vec![consume(0, last(0)), consume(0, last(0))]);
    refused(vec![consume(0, last(0)), (30, 40, logout(), Answer::Ended)]);
    refused(vec![consume(0, last(0)), (50, 60, LOAD, live())]);
    refused(vec![consume(0, last(1))]);
    refused(vec![consume(0, Answer::Conflict)]);
    refused(vec![consume(7, last(0))]);
    refused(vec![(10, 20, logout(), Answer::Ended), consume(0, last(0))]);
}

#[test]
fn a_count_is_of_what_was_live() {
    for (count, is_right) in [(0, false), (1, false), (2, true), (3, false)] {
        let calls = vec![(10, 20, Call::RevokeSubject(0), Answer::Count(count))];
        assert_eq!(check(&history(2, calls)).is_ok(), is_right, "{count}");
    }
    let also_ended = (15, 30, logout(), Answer::Ended);
    let calls =
        |count| vec![(10, 20, Call::RevokeSubject(0), Answer::Count(count)), also_ended.clone()];
    for (count, is_right) in [(0, false), (1, true), (2, false)] {
        assert_eq!(check(&history(2, calls(count))).is_ok(), is_right, "{count}");
    }
}

#[test]
fn a_list_shows_every_live_session_of_its_subject_and_no_other() {
    let shown = |session| (session, Seen { secrets: None, ..seen() });
    for (listed, is_right) in [
        (vec![shown(0), shown(1)], true),
        (vec![shown(1)], false),
        (vec![shown(0), shown(1), shown(usize::MAX)], false),
    ] {
        let calls = vec![(10, 20, Call::List(0), Answer::Listed(listed))];
        assert_eq!(check(&history(2, calls)).is_ok(), is_right);
    }
    let calls = vec![(10, 20, Call::List(1), Answer::Listed(vec![shown(0)]))];
    assert!(check(&history(1, calls)).is_err());
}

#[test]
fn the_picture_shows_the_calls_of_the_session_and_marks_the_contradiction() {
    let calls = vec![
        (10, 20, logout(), Answer::Ended),
        (10, 20, Call::Load(1), live()),
        (30, 40, LOAD, live()),
    ];
    let history = history(2, calls);
    let refusal = check(&history).expect_err("a success after a logout");
    let text = picture(&history, &refusal);
    let marked: Vec<_> = text.lines().filter(|line| line.starts_with('*')).collect();
    assert_eq!(
        marked,
        [
            "*      10000      20000     2    0  revoke(0, its proof) -> ended",
            "*      30000      40000     4    0  load(0) -> live: subject 0, number 0, version 1, \
             idle 1 until 100, authenticated at 5, secret 0, settled",
        ]
    );
    assert!(text.starts_with("session 0: "), "{text}");
    assert!(!text.contains("load(1)"), "{text}");
}
