//! What is recorded: calls, answers, and when. Sessions, subjects, secrets and payloads have
//! numbers.

use std::time::Duration;

use anchor::store::{OldSecret, RotationState};

/// The number of a session in its history.
pub type Session = usize;

/// The number of a subject in its history.
pub type Subject = usize;

/// The number of a secret, which no other secret of the session has.
pub type Secret = u32;

/// The secret that a session is created with.
pub const FIRST_SECRET: Secret = 0;

/// What tasks called, and what they were answered.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// How many sessions it has.
    pub sessions: usize,
    /// How many live sessions a subject may have, if every login is limited.
    pub limit: Option<usize>,
    /// The calls, in any order.
    pub calls: Vec<Recorded>,
}

/// A call with its answer. Instants are counted from the beginning of the history.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The task that called.
    pub task: usize,
    /// The node that the task is on.
    pub node: usize,
    /// Before the call.
    pub called: Duration,
    /// After the answer.
    pub answered: Duration,
    /// The call.
    pub call: Call,
    /// The answer.
    pub answer: Answer,
}

/// A call of a verb. Idle timeouts are in microseconds; no two calls of a history have the same
/// one, so that a load shows which use of the session was the last.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the verbs and their arguments")]
pub enum Call {
    Create(Login),
    Load(Session),
    Update(Edit),
    Touch { session: Session, presented: Option<Secret>, idle: i64 },
    RecordUse { session: Session, at: i64, idle: i64 },
    Rotate(Turn),
    Reauthenticate(Turn),
    Consume { session: Session, secret: Secret },
    Revoke { session: Session, proof: Proof },
    RevokeOf { session: Session, subject: Subject },
    RevokeSubject(Subject),
    RevokeOthers { subject: Subject, keep: Session },
    CutOff(Subject),
    List(Subject),
}

/// A new session.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "as in `NewSession`")]
pub struct Login {
    pub session: Session,
    pub subject: Subject,
    pub secret: Secret,
    pub number: i64,
    pub idle: i64,
    pub began: Option<Duration>,
    /// With whether the proof is that session's.
    pub replaces: Option<(Session, bool)>,
}

/// An update.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "as in `Change`")]
pub struct Edit {
    pub session: Session,
    pub secret: Secret,
    pub version: i64,
    /// The subject and the number that are written.
    pub subject: Subject,
    pub number: i64,
    /// Whether that differs from what the caller had loaded.
    pub differs: bool,
    pub idle: i64,
}

/// A rotation.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "as in `Rotation`")]
pub struct Turn {
    pub session: Session,
    pub from: Secret,
    pub to: Secret,
    pub old: OldSecret,
    /// Whether the grace period is longer than the history, or over at once.
    pub grace: bool,
    pub idle: i64,
}

/// What a logout presents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each name says it")]
pub enum Proof {
    None,
    OfTheSession,
    OfAnother,
}

/// An answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The session was created.
    Created {
        /// When it was authenticated.
        authenticated_at: i64,
        /// When it expires.
        expires_at: i64,
        /// What was ended to make room.
        ended: Vec<Session>,
    },
    /// The limit refused the login.
    SubjectFull,
    /// The session is live.
    Live(Seen),
    /// The session is not live: it has ended, or never existed.
    NotLive,
    /// It was written. An update gives the version, a touch the expiry, a re-authentication its
    /// time.
    Written(Option<i64>),
    /// Nothing was written: another write came first.
    Conflict,
    /// Nothing was written: the session is not live.
    Gone,
    /// Whether a use was recorded.
    UseRecorded(bool),
    /// The session was live, and has ended. This is its last payload.
    Consumed {
        /// Its subject.
        subject: Subject,
        /// Its number.
        number: i64,
    },
    /// The session was live, and has ended.
    Ended,
    /// The proof is not that of the session.
    Unproven,
    /// How many sessions were live, and have ended.
    Count(u64),
    /// The live sessions of a subject. One of another history has the number `usize::MAX`.
    Listed(Vec<(Session, Seen)>),
    /// An error.
    Failed(String),
}

/// A live session as a load or a list shows it.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the columns")]
pub struct Seen {
    pub subject: Subject,
    pub number: i64,
    pub version: i64,
    /// From the last use to the expiry.
    pub idle: i64,
    pub expires_at: i64,
    pub authenticated_at: i64,
    /// A list does not show them.
    pub secrets: Option<SeenSecrets>,
}

/// The secrets of a live session as a load shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in `Secrets`")]
pub struct SeenSecrets {
    pub current: Secret,
    pub previous: Option<Secret>,
    pub rotation: RotationState,
    pub in_grace: bool,
}

/// Those of a new session.
impl Default for SeenSecrets {
    fn default() -> Self {
        let (previous, rotation) = (None, RotationState::Settled);
        Self { current: FIRST_SECRET, previous, rotation, in_grace: false }
    }
}

impl Recorded {
    /// Whether this was answered before the other one was called.
    pub fn is_before(&self, other: &Recorded) -> bool {
        !self.has_failed() && self.answered < other.called
    }

    /// Whether the answer is an error.
    pub fn has_failed(&self) -> bool {
        matches!(self.answer, Answer::Failed(_))
    }
}

impl Answer {
    /// Whether it says that this session is live, or was until this call.
    pub fn shows_live(&self, session: Session) -> bool {
        match self {
            Answer::Live(_) | Answer::Written(_) | Answer::Conflict => true,
            Answer::Consumed { .. } | Answer::Ended | Answer::UseRecorded(true) => true,
            Answer::Created { ended, .. } => ended.contains(&session),
            Answer::Listed(listed) => listed.iter().any(|(listed, _)| *listed == session),
            _ => false,
        }
    }
}

impl History {
    /// The call that creates a session.
    pub fn creation(&self, session: Session) -> Option<&Recorded> {
        self.calls
            .iter()
            .find(|made| matches!(&made.call, Call::Create(login) if login.session == session))
    }

    /// The subjects that a session may have: the one that it is created with, and those that
    /// updates give it to.
    pub fn subjects_of(&self, session: Session) -> Vec<Subject> {
        let subjects = self.calls.iter().filter_map(|made| match &made.call {
            Call::Create(login) if login.session == session => Some(login.subject),
            Call::Update(edit) if edit.session == session => Some(edit.subject),
            _ => None,
        });
        let mut subjects: Vec<_> = subjects.collect();
        subjects.sort_unstable();
        subjects.dedup();
        subjects
    }

    /// Whether a call may change or show a session.
    pub fn concerns(&self, made: &Recorded, session: Session) -> bool {
        let may_be_of = |subject: &Subject| self.subjects_of(session).contains(subject);
        match &made.call {
            Call::Create(login) if login.session == session => true,
            Call::Create(login) => {
                let replaces = login.replaces.is_some_and(|(replaced, _)| replaced == session);
                match &made.answer {
                    Answer::Created { ended, .. } => replaces || ended.contains(&session),
                    Answer::Failed(_) => {
                        replaces || self.limit.is_some() && may_be_of(&login.subject)
                    }
                    _ => false,
                }
            }
            Call::Load(of) => *of == session,
            Call::Update(edit) => edit.session == session,
            Call::Rotate(turn) | Call::Reauthenticate(turn) => turn.session == session,
            Call::Touch { session: of, .. }
            | Call::RecordUse { session: of, .. }
            | Call::Consume { session: of, .. }
            | Call::Revoke { session: of, .. }
            | Call::RevokeOf { session: of, .. } => *of == session,
            Call::RevokeOthers { keep, .. } if *keep == session => false,
            Call::RevokeSubject(subject)
            | Call::RevokeOthers { subject, .. }
            | Call::CutOff(subject)
            | Call::List(subject) => may_be_of(subject),
        }
    }
}
