//! What the tasks of a history do. It follows from the seed; what they are answered, and so the
//! secrets and versions that they hold, does not.

use std::time::Duration;

use anchor::payload::{LimitExceeded, SubjectLimit};
use anchor::store::{EndReason, OldSecret};

use super::history::{Proof, Session, Subject};
use crate::dice::Dice;

const TASKS: usize = 4;

/// How often each task calls, at least and at most.
const CALLS: [usize; 2] = [6, 8];

/// The largest number of sessions.
const SESSIONS: usize = 5;

/// A plan.
pub(super) struct Plan {
    pub(super) subjects: usize,
    /// The limit of every login.
    pub(super) limit: Option<SubjectLimit>,
    /// The subject that each session is created with.
    pub(super) sessions: Vec<Subject>,
    pub(super) tasks: Vec<Vec<Planned>>,
}

/// A call that a task makes.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) pause: Pause,
    /// A number that no other call has. What the call writes bears it.
    pub(super) number: u32,
    pub(super) deed: Deed,
}

/// What a task does before it calls.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pause {
    None,
    Yields(usize),
    Sleep(Duration),
}

/// What a task holds of a session: what it was answered last, what any task was answered last, or
/// that with the first secret.
#[derive(Debug, Clone, Copy)]
pub(super) enum Held {
    Own,
    Latest,
    FirstSecret,
}

/// A call without what the task holds.
#[derive(Debug)]
pub(super) enum Deed {
    Create { session: Session, began: Option<Pause>, replaces: Option<(Session, bool)> },
    Load(Session),
    Update { session: Session, held: Held, heir: Option<Subject>, differs: bool },
    Touch { session: Session, held: Held, presents: bool },
    RecordUse { session: Session, held: Held },
    Rotate { session: Session, held: Held, old: OldSecret, grace: bool },
    Reauthenticate { session: Session, held: Held, old: OldSecret, grace: bool },
    Consume { session: Session, held: Held },
    Revoke { session: Session, proof: Proof, reason: EndReason },
    RevokeOf { session: Session, subject: Subject },
    RevokeSubject(Subject),
    RevokeOthers { subject: Subject, keep: Session },
    CutOff(Subject),
    List(Subject),
}

/// A kind of call.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Create,
    Load,
    Update,
    Touch,
    RecordUse,
    Rotate,
    Reauthenticate,
    Consume,
    Revoke,
    RevokeOf,
    RevokeSubject,
    RevokeOthers,
    CutOff,
    List,
}

/// How often each kind that ends no session is called.
const WRITES_AND_READS: [(usize, Kind); 8] = [
    (26, Kind::Load),
    (20, Kind::Update),
    (8, Kind::Touch),
    (5, Kind::RecordUse),
    (14, Kind::Rotate),
    (7, Kind::Reauthenticate),
    (8, Kind::List),
    (5, Kind::Create),
];

/// The same for those that end some.
const ENDS: [(usize, Kind); 6] = [
    (6, Kind::Consume),
    (12, Kind::Revoke),
    (2, Kind::RevokeOf),
    (3, Kind::RevokeSubject),
    (2, Kind::RevokeOthers),
    (4, Kind::CutOff),
];

impl Plan {
    /// The plan of a seed, for a payload whose subjects can be cut off, or not.
    pub(super) fn new(seed: u64, can_cut_off: bool) -> Self {
        let mut dice = Dice::new(seed);
        let limit = dice.one_in(4).then(|| {
            let refuses = dice.one_in(3);
            let overflow = if refuses { LimitExceeded::Refuse } else { LimitExceeded::EndOldest };
            SubjectLimit::new(2 + dice.below(2) as u32, overflow)
        });
        let subjects = 1 + dice.below(2);
        let first = 2 + dice.below(2);
        let plan = Self {
            subjects,
            limit,
            sessions: (0..first).map(|_| dice.below(subjects)).collect(),
            tasks: (0..TASKS).map(|_| Vec::new()).collect(),
        };
        // An update gives a session to another subject whatever its limit is. And it may end the
        // session, if that subject was cut off since the login.
        let hands_over = subjects > 1 && limit.is_none() && !can_cut_off;
        Draft { plan, dice, can_cut_off, hands_over, known: first }.complete()
    }
}

/// A plan that is being made.
struct Draft {
    plan: Plan,
    dice: Dice,
    can_cut_off: bool,
    hands_over: bool,
    /// How many sessions are created in earlier rounds. A task may wait for these, and no two tasks
    /// wait for each other.
    known: usize,
}

impl Draft {
    /// Plans round by round. In the first one the first tasks create the first sessions.
    fn complete(mut self) -> Plan {
        let first = self.known;
        let lengths: Vec<_> =
            (0..TASKS).map(|_| CALLS[0] + self.dice.below(CALLS[1] - CALLS[0] + 1)).collect();
        for round in 0..CALLS[1] {
            for task in (0..TASKS).filter(|task| round < lengths[*task]) {
                let pause = self.pause();
                let number = (round * TASKS + task + 1) as u32;
                let deed = match round {
                    0 if task < first => self.creation(task, None),
                    _ => self.deed(round),
                };
                self.plan.tasks[task].push(Planned { pause, number, deed });
            }
            self.known = self.plan.sessions.len();
        }
        self.plan
    }

    fn pause(&mut self) -> Pause {
        match self.dice.below(10) {
            0..4 => Pause::None,
            4..7 => Pause::Yields(1 + self.dice.below(4)),
            _ => Pause::Sleep(Duration::from_micros(100 + self.dice.below(2_500) as u64)),
        }
    }

    fn creation(&mut self, session: Session, replaces: Option<(Session, bool)>) -> Deed {
        let began = self.dice.one_in(2).then(|| self.pause());
        Deed::Create { session, began, replaces }
    }

    /// Sessions end late in a history, mostly.
    fn kind(&mut self, round: usize) -> Kind {
        let ends = self.dice.one_in(if round < CALLS[1] / 2 { 10 } else { 4 });
        let kinds: &[(usize, Kind)] = if ends { &ENDS } else { &WRITES_AND_READS };
        let all = kinds.iter().map(|(share, _)| share).sum();
        let mut throw = self.dice.below(all);
        for (share, kind) in kinds {
            match throw.checked_sub(*share) {
                Some(rest) => throw = rest,
                None => return *kind,
            }
        }
        Kind::Load
    }

    fn held(&mut self) -> Held {
        match self.dice.below(10) {
            0..6 => Held::Own,
            6..9 => Held::Latest,
            _ => Held::FirstSecret,
        }
    }

    fn deed(&mut self, round: usize) -> Deed {
        let session = self.dice.below(self.known);
        let subject = self.plan.sessions[session];
        let held = self.held();
        let old = self.dice.pick(&[OldSecret::Exchanged, OldSecret::Kept, OldSecret::Refused]);
        let grace = self.dice.one_in(2);
        match self.kind(round) {
            Kind::Create if self.plan.sessions.len() < SESSIONS => {
                let replaces = self.dice.one_in(2).then(|| (session, !self.dice.one_in(4)));
                self.plan.sessions.push(self.dice.below(self.plan.subjects));
                self.creation(self.plan.sessions.len() - 1, replaces)
            }
            Kind::Load | Kind::Create => Deed::Load(session),
            Kind::Update => {
                let hands_over = self.hands_over && self.dice.one_in(5);
                let heir = hands_over.then(|| self.dice.below(self.plan.subjects));
                Deed::Update { session, held, heir, differs: !self.dice.one_in(6) }
            }
            Kind::Touch => Deed::Touch { session, held, presents: self.dice.one_in(2) },
            Kind::RecordUse => Deed::RecordUse { session, held },
            Kind::Rotate => Deed::Rotate { session, held, old, grace },
            Kind::Reauthenticate => Deed::Reauthenticate { session, held, old, grace },
            Kind::Consume => Deed::Consume { session, held },
            Kind::Revoke => {
                let proof = self.dice.pick(&[
                    Proof::OfTheSession,
                    Proof::OfTheSession,
                    Proof::OfTheSession,
                    Proof::OfAnother,
                    Proof::None,
                ]);
                let reasons = [EndReason::Logout, EndReason::Logout, EndReason::Theft];
                Deed::Revoke { session, proof, reason: self.dice.pick(&reasons) }
            }
            Kind::RevokeOf => {
                Deed::RevokeOf { session, subject: self.dice.below(self.plan.subjects) }
            }
            Kind::RevokeOthers => Deed::RevokeOthers { subject, keep: session },
            Kind::CutOff if self.can_cut_off => Deed::CutOff(subject),
            Kind::RevokeSubject | Kind::CutOff => Deed::RevokeSubject(subject),
            Kind::List => Deed::List(subject),
        }
    }
}
