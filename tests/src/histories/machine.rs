//! The contract of one session as a state machine, written down apart from the stores.
//!
//! A call has one effect where its answer is known. Where it is not, it has any effect that it may
//! have, or none.

use anchor::store::{OldSecret, RotationState};

use super::history::{Answer, Call, Edit, Login, Proof, Recorded, Secret, Seen, Session};
use super::history::{Subject, Turn};

/// What a session is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum State {
    Absent,
    Live(Live),
    Ended,
}

/// A live session. What an error has left open is `None`, until an answer shows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Live {
    subject: Subject,
    number: i64,
    version: i64,
    current: Secret,
    previous: Option<Secret>,
    rotation: RotationState,
    in_grace: bool,
    idle: i64,
    expires_at: Option<i64>,
    authenticated_at: Option<i64>,
}

impl Live {
    fn created(login: &Login, answer: Option<&Answer>) -> Self {
        let (authenticated_at, expires_at) = match answer {
            Some(Answer::Created { authenticated_at, expires_at, .. }) => {
                (Some(*authenticated_at), Some(*expires_at))
            }
            _ => (None, None),
        };
        Self {
            subject: login.subject,
            number: login.number,
            version: 1,
            current: login.secret,
            previous: None,
            rotation: RotationState::Settled,
            in_grace: false,
            idle: login.idle,
            expires_at,
            authenticated_at,
        }
    }

    /// The session as it was seen, if that is possible.
    fn seen_as(&self, seen: &Seen) -> Option<Self> {
        let is = |known: Option<i64>, shown| known.is_none_or(|known| known == shown);
        let fits = self.subject == seen.subject
            && self.number == seen.number
            && self.version == seen.version
            && self.idle == seen.idle
            && is(self.expires_at, seen.expires_at)
            && is(self.authenticated_at, seen.authenticated_at)
            && seen.secrets.as_ref().is_none_or(|secrets| {
                self.current == secrets.current
                    && self.previous == secrets.previous
                    && self.rotation == secrets.rotation
                    && self.in_grace == secrets.in_grace
            });
        fits.then(|| Self {
            expires_at: Some(seen.expires_at),
            authenticated_at: Some(seen.authenticated_at),
            ..self.clone()
        })
    }

    /// Whether an update may be made with this secret.
    fn accepts(&self, secret: Secret) -> bool {
        let previous_is_good = self.in_grace || self.rotation != RotationState::Settled;
        secret == self.current || (self.previous == Some(secret) && previous_is_good)
    }

    /// Whether a rotation may begin from this secret.
    fn may_rotate(&self, from: Secret, reauthenticates: bool) -> bool {
        let may_exchange = match self.rotation {
            RotationState::Exchangeable => true,
            RotationState::Pending => reauthenticates,
            RotationState::Settled => false,
        };
        let is_lost = self.previous == Some(from) && may_exchange && !self.in_grace;
        from == self.current || is_lost
    }

    fn used(&self, idle: i64, expires_at: Option<i64>) -> Self {
        Self { idle, expires_at, ..self.clone() }
    }
}

/// What a write does to a session.
enum Write {
    /// It is in one of these states now.
    Done(Vec<Live>),
    Conflict,
}

impl State {
    fn live(&self) -> Option<&Live> {
        match self {
            State::Live(live) => Some(live),
            State::Absent | State::Ended => None,
        }
    }

    /// The states in which a session of this number may be after a call. `cut_offs` are those that
    /// come before it.
    pub(super) fn after(
        &self,
        session: Session,
        made: &Recorded,
        answer: Option<&Answer>,
        cut_offs: &[&Recorded],
    ) -> Vec<State> {
        match &made.call {
            Call::Create(login) if login.session == session => {
                self.created(made, login, answer, cut_offs)
            }
            Call::Create(login) => self.after_login(session, login, answer),
            Call::Load(_) => self.shown(answer, |answer| match answer {
                Answer::Live(seen) => Some(seen),
                _ => None,
            }),
            Call::List(subject) if self.live().is_none_or(|live| live.subject == *subject) => self
                .shown(answer, |answer| match answer {
                    Answer::Listed(listed) => {
                        listed.iter().find(|(of, _)| *of == session).map(|(_, seen)| seen)
                    }
                    _ => None,
                }),
            // Of another subject.
            Call::List(_) => match answer {
                Some(answer) if answer.shows_live(session) => Vec::new(),
                _ => vec![self.clone()],
            },
            Call::Update(edit) => self.written(answer, |live, told| live.updated(edit, told)),
            Call::Touch { presented, idle, .. } => self.written(answer, |live, told| {
                let mut used = live.used(*idle, told);
                if *presented == Some(used.current) {
                    used.rotation = RotationState::Settled;
                }
                Write::Done(vec![used])
            }),
            Call::RecordUse { at, idle, .. } => self.used_at(*at, *idle, answer),
            Call::Rotate(turn) => self.written(answer, |live, _| live.rotated(turn, false, None)),
            Call::Reauthenticate(turn) => {
                self.written(answer, |live, told| live.rotated(turn, true, told))
            }
            Call::Consume { secret, .. } => self.consumed(*secret, answer),
            Call::Revoke { proof: Proof::OfAnother, .. } => match (self.live(), answer) {
                (_, None | Some(Answer::Unproven)) => vec![self.clone()],
                // Some stores no longer know the proof of what has ended.
                (None, Some(Answer::NotLive)) => vec![self.clone()],
                _ => Vec::new(),
            },
            Call::Revoke { .. } => self.ended(answer, |_| true),
            Call::RevokeOf { subject, .. }
            | Call::RevokeSubject(subject)
            | Call::RevokeOthers { subject, .. }
            | Call::CutOff(subject) => self.ended(answer, |live| live.subject == *subject),
        }
    }

    fn created(
        &self,
        made: &Recorded,
        login: &Login,
        answer: Option<&Answer>,
        cut_offs: &[&Recorded],
    ) -> Vec<State> {
        match answer {
            Some(Answer::Created { .. }) | None => {}
            Some(Answer::SubjectFull) => return vec![self.clone()],
            Some(_) => return Vec::new(),
        }
        let mut states = Vec::new();
        if *self == State::Absent {
            let (may_live, may_be_dead) = arrival(made, login, cut_offs);
            states.extend(may_live.then(|| State::Live(Live::created(login, answer))));
            states.extend(may_be_dead.then_some(State::Ended));
        }
        states.extend(answer.is_none().then(|| self.clone()));
        states
    }

    /// After a login that replaces this session, or makes room by its end.
    fn after_login(&self, session: Session, login: &Login, answer: Option<&Answer>) -> Vec<State> {
        let replaces = login.replaces == Some((session, true));
        match (answer, self.live()) {
            (Some(Answer::Created { ended, .. }), live) if ended.contains(&session) => {
                live.map(|_| State::Ended).into_iter().collect()
            }
            (Some(Answer::Created { .. }), Some(_)) if replaces => vec![State::Ended],
            (None, Some(live)) if replaces || live.subject == login.subject => {
                vec![State::Ended, self.clone()]
            }
            _ => vec![self.clone()],
        }
    }

    /// After an answer that may show the session.
    fn shown<'a>(
        &self,
        answer: Option<&'a Answer>,
        seen: impl FnOnce(&'a Answer) -> Option<&'a Seen>,
    ) -> Vec<State> {
        let Some(answer) = answer else { return vec![self.clone()] };
        match (self.live(), seen(answer)) {
            (Some(live), Some(seen)) => live.seen_as(seen).map(State::Live).into_iter().collect(),
            (None, None) => vec![self.clone()],
            _ => Vec::new(),
        }
    }

    /// After a write. It gets what the answer tells.
    fn written(
        &self,
        answer: Option<&Answer>,
        write: impl FnOnce(&Live, Option<i64>) -> Write,
    ) -> Vec<State> {
        let told = match answer {
            Some(Answer::Written(told)) => *told,
            _ => None,
        };
        match (self.live().map(|live| write(live, told)), answer) {
            (Some(Write::Done(states)), Some(Answer::Written(_))) => {
                states.into_iter().map(State::Live).collect()
            }
            (Some(Write::Done(states)), None) => {
                states.into_iter().map(State::Live).chain([self.clone()]).collect()
            }
            (Some(Write::Conflict), Some(Answer::Conflict)) => vec![self.clone()],
            (None, Some(Answer::Gone)) => vec![self.clone()],
            (_, None) => vec![self.clone()],
            _ => Vec::new(),
        }
    }

    /// After a use that is recorded later. A use before the last one changes nothing.
    fn used_at(&self, at: i64, idle: i64, answer: Option<&Answer>) -> Vec<State> {
        let Some(live) = self.live() else {
            let is_wrong = matches!(answer, Some(Answer::UseRecorded(true)));
            return if is_wrong { Vec::new() } else { vec![self.clone()] };
        };
        let used = State::Live(live.used(idle, Some(at + idle)));
        let is_later = live.expires_at.map(|expires_at| at > expires_at - live.idle);
        match (answer, is_later) {
            (Some(Answer::UseRecorded(false)), _) | (_, Some(false)) => vec![self.clone()],
            (Some(_), Some(true)) => vec![used],
            _ => vec![used, self.clone()],
        }
    }

    /// After a consumption with this secret. One call at most gets the payload.
    fn consumed(&self, secret: Secret, answer: Option<&Answer>) -> Vec<State> {
        let may_end = self.live().map(|live| (live, live.may_rotate(secret, false)));
        match (may_end, answer) {
            (Some((live, true)), Some(Answer::Consumed { subject, number })) => {
                let is_last = live.subject == *subject && live.number == *number;
                is_last.then_some(State::Ended).into_iter().collect()
            }
            (Some((_, true)), None) => vec![State::Ended, self.clone()],
            (Some((_, false)), None | Some(Answer::Conflict)) => vec![self.clone()],
            (None, None | Some(Answer::Gone)) => vec![self.clone()],
            _ => Vec::new(),
        }
    }

    /// After a call that ends the session if it meets a condition. A count says nothing of one
    /// session.
    fn ended(&self, answer: Option<&Answer>, meets: impl FnOnce(&Live) -> bool) -> Vec<State> {
        let ends = self.live().is_some_and(meets);
        match (ends, answer) {
            (true, Some(Answer::Ended | Answer::Count(_))) => vec![State::Ended],
            (true, None) => vec![State::Ended, self.clone()],
            (false, None | Some(Answer::NotLive | Answer::Count(_))) => vec![self.clone()],
            _ => Vec::new(),
        }
    }
}

impl Live {
    fn updated(&self, edit: &Edit, told: Option<i64>) -> Write {
        if self.version != edit.version || !self.accepts(edit.secret) {
            return Write::Conflict;
        }
        // Whether a write without a difference counts is the store's choice.
        let versions = [(true, self.version + 1), (!edit.differs, self.version)];
        let versions = versions.into_iter().filter_map(|(may_be, version)| {
            (may_be && told.is_none_or(|told| told == version)).then_some(version)
        });
        let (subject, number) = (edit.subject, edit.number);
        let updated = |version| Self { subject, number, version, ..self.used(edit.idle, None) };
        Write::Done(versions.map(updated).collect())
    }

    fn rotated(&self, turn: &Turn, reauthenticates: bool, at: Option<i64>) -> Write {
        if !self.may_rotate(turn.from, reauthenticates) {
            return Write::Conflict;
        }
        let (previous, rotation) = match turn.old {
            OldSecret::Exchanged => (Some(turn.from), RotationState::Exchangeable),
            OldSecret::Kept => (Some(turn.from), RotationState::Pending),
            OldSecret::Refused => (None, RotationState::Pending),
        };
        Write::Done(vec![Self {
            current: turn.to,
            previous,
            rotation,
            in_grace: turn.grace,
            authenticated_at: if reauthenticates { at } else { self.authenticated_at },
            ..self.used(turn.idle, None)
        }])
    }
}

/// Whether a new session may be live, and whether it may be dead on arrival, after these cut-offs
/// of its subject.
fn arrival(made: &Recorded, login: &Login, cut_offs: &[&Recorded]) -> (bool, bool) {
    // The time that a store takes to place the beginning of the login counts against the login.
    let placed = made.answered.saturating_sub(made.called);
    let (mut may_live, mut may_be_dead) = (true, false);
    for cut_off in cut_offs {
        let begins_before = login.began.is_some_and(|began| began < cut_off.called);
        let began = login.began.map_or(made.called, |began| began.saturating_sub(placed));
        let begins_after = !cut_off.has_failed() && began > cut_off.answered;
        may_live &= !begins_before;
        may_be_dead |= !begins_after;
    }
    (may_live, may_be_dead)
}
