//! Checks a history: each session by itself, and what calls on several sessions say of all of them.

use super::history::{Answer, Call, History, Proof, Recorded, Session};
use super::linearize::{Interval, linearize};
use super::machine::State;

/// How many calls of a history may fail. More would leave nothing to check.
const MOST_FAILED: usize = 8;

/// Why a history is not one of a store that keeps the contract.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The session that it is about, if it is one.
    pub session: Option<Session>,
    /// What is wrong.
    pub reason: String,
    /// The calls that contradict each other whatever all others did, by their place in
    /// [`History::calls`].
    pub evidence: Vec<usize>,
}

/// Checks a history.
///
/// # Errors
///
/// The history breaks the contract.
pub fn check(history: &History) -> Result<(), Refusal> {
    let failed = places(history, Recorded::has_failed);
    if failed.len() > MOST_FAILED {
        let reason = format!("{} calls failed", failed.len());
        return Err(Refusal { session: None, reason, evidence: failed });
    }
    check_strangers(history)?;
    let cases: Vec<_> = (0..history.sessions).map(|at| Case::new(history, at)).collect();
    for case in &cases {
        case.check_late_successes()?;
        case.check_order()?;
    }
    check_limit(history)?;
    check_counts(history, &cases)
}

fn places(history: &History, is_meant: impl Fn(&Recorded) -> bool) -> Vec<usize> {
    let calls = history.calls.iter().enumerate();
    calls.filter(|(_, made)| is_meant(made)).map(|(at, _)| at).collect()
}

/// A list, or what a login has ended to make room, has sessions of its subject alone.
fn check_strangers(history: &History) -> Result<(), Refusal> {
    let shows_a_stranger = |made: &Recorded| match (&made.call, &made.answer) {
        (Call::List(subject), Answer::Listed(listed)) => listed.iter().any(|(session, _)| {
            *session >= history.sessions || !history.subjects_of(*session).contains(subject)
        }),
        (Call::Create(login), Answer::Created { ended, .. }) => ended.iter().any(|session| {
            *session >= history.sessions || !history.subjects_of(*session).contains(&login.subject)
        }),
        _ => false,
    };
    match places(history, shows_a_stranger) {
        evidence if evidence.is_empty() => Ok(()),
        evidence => {
            let reason = "a call shows a session of another subject".to_owned();
            Err(Refusal { session: None, reason, evidence })
        }
    }
}

/// No more sessions of a subject are live at once than its limit allows. A session is surely live
/// from the answer of its creation until a call begins that finds it live.
fn check_limit(history: &History) -> Result<(), Refusal> {
    let Some(limit) = history.limit else { return Ok(()) };
    let lives: Vec<_> = (0..history.sessions)
        .filter_map(|session| {
            let created = history.creation(session)?;
            let Call::Create(login) = &created.call else { return None };
            let finds = |made: &&Recorded| made.answer.shows_live(session);
            let of_it = history.calls.iter().filter(|made| history.concerns(made, session));
            let until = of_it.filter(finds).map(|made| made.called).max()?;
            let is_created = matches!(created.answer, Answer::Created { .. });
            is_created.then_some((login.subject, created.answered, until))
        })
        .collect();
    for (subject, from, _) in &lives {
        let at_once = lives
            .iter()
            .filter(|(of, since, until)| of == subject && since <= from && from < until);
        let at_once = at_once.count();
        if at_once > limit {
            let evidence = places(
                history,
                |made| matches!(&made.call, Call::Create(login) if login.subject == *subject),
            );
            let reason =
                format!("{at_once} sessions of subject {subject} are live at once, of {limit}");
            return Err(Refusal { session: None, reason, evidence });
        }
    }
    Ok(())
}

/// A count is of sessions that this call can have ended, and of all that it must have ended.
fn check_counts(history: &History, cases: &[Case<'_>]) -> Result<(), Refusal> {
    for (at, made) in history.calls.iter().enumerate() {
        let (Call::RevokeSubject(_) | Call::RevokeOthers { .. }, Answer::Count(count)) =
            (&made.call, &made.answer)
        else {
            continue;
        };
        let concerned = cases.iter().filter(|case| case.calls.contains(&at));
        let (mut least, mut most) = (0, 0);
        for case in concerned {
            let arrives_first =
                history.creation(case.session).is_some_and(|created| created.is_before(made));
            let has_one_subject = history.subjects_of(case.session).len() == 1;
            let may_end = case.is_allowed_with(at, &Answer::Ended);
            let must_end = may_end && !case.is_allowed_with(at, &Answer::NotLive);
            most += u64::from(may_end);
            // What arrives meanwhile may be ended and not counted.
            least += u64::from(must_end && arrives_first && has_one_subject);
        }
        if !(least..=most).contains(count) {
            let reason = format!("a call ended {least} to {most} sessions, and counted {count}");
            return Err(Refusal { session: None, reason, evidence: vec![at] });
        }
    }
    Ok(())
}

/// One session of a history.
struct Case<'h> {
    history: &'h History,
    session: Session,
    /// The calls that concern it, by their place in the history, in the order of their beginnings.
    calls: Vec<usize>,
}

impl<'h> Case<'h> {
    fn new(history: &'h History, session: Session) -> Self {
        let mut calls = places(history, |made| history.concerns(made, session));
        calls.sort_by_key(|at| history.calls[*at].called);
        Self { history, session, calls }
    }

    fn made(&self, at: usize) -> &'h Recorded {
        &self.history.calls[self.calls[at]]
    }

    fn refusal(&self, reason: &str, evidence: Vec<usize>) -> Refusal {
        Refusal { session: Some(self.session), reason: reason.to_owned(), evidence }
    }

    /// Whether a call was answered in a way that a session that was created, and is still live,
    /// does not allow.
    fn shows_an_end(&self, created: &Recorded, made: &Recorded) -> bool {
        let may_have_moved = self.history.subjects_of(self.session).len() > 1;
        created.is_before(made)
            && match (&made.call, &made.answer) {
                (_, Answer::Failed(_)) => false,
                (Call::Load(_), Answer::NotLive) | (_, Answer::Gone | Answer::Ended) => true,
                (Call::Consume { .. }, Answer::Consumed { .. }) => true,
                (Call::Revoke { proof: Proof::OfTheSession | Proof::None, .. }, _) => true,
                (Call::RevokeSubject(_) | Call::RevokeOthers { .. } | Call::CutOff(_), _) => {
                    !may_have_moved
                }
                (Call::Create(login), Answer::Created { .. }) => {
                    login.replaces == Some((self.session, true))
                }
                _ => false,
            }
    }

    /// No call that began after the answer of the session's end finds it live. This follows from
    /// the order, too, and is checked apart from the search.
    fn check_late_successes(&self) -> Result<(), Refusal> {
        let Some(created) = self.history.creation(self.session) else { return Ok(()) };
        let calls = || self.calls.iter().map(|at| (*at, &self.history.calls[*at]));
        let ends = calls().filter(|(_, made)| self.shows_an_end(created, made));
        let Some((end, ended)) = ends.min_by_key(|(_, made)| made.answered) else { return Ok(()) };
        let is_late =
            |made: &Recorded| ended.answered < made.called && made.answer.shows_live(self.session);
        match calls().find(|(_, made)| is_late(made)) {
            Some((late, _)) => {
                let reason = "a success began after the answer of the session's end";
                Err(self.refusal(reason, vec![end, late]))
            }
            None => Ok(()),
        }
    }

    fn check_order(&self) -> Result<(), Refusal> {
        let mut answers = self.answers();
        if self.is_allowed(&answers) {
            return Ok(());
        }
        // What is refused without an answer is refused whatever that call did.
        for at in 0..answers.len() {
            let answer = answers[at].take();
            if self.is_allowed(&answers) {
                answers[at] = answer;
            }
        }
        let evidence = self.calls.iter().zip(&answers).filter(|(_, answer)| answer.is_some());
        let reason = "no order of the calls explains their answers";
        Err(self.refusal(reason, evidence.map(|(at, _)| *at).collect()))
    }

    /// What is known of each call.
    fn answers(&self) -> Vec<Option<&Answer>> {
        let made = (0..self.calls.len()).map(|at| self.made(at));
        made.map(|made| (!made.has_failed()).then_some(&made.answer)).collect()
    }

    fn is_allowed_with(&self, place: usize, answer: &Answer) -> bool {
        let mut answers = self.answers();
        let at = self.calls.iter().position(|at| *at == place);
        answers[at.expect("it concerns the session")] = Some(answer);
        self.is_allowed(&answers)
    }

    /// Whether there is an order of the calls that gives these answers.
    fn is_allowed(&self, answers: &[Option<&Answer>]) -> bool {
        let interval = |at| {
            let made: &Recorded = self.made(at);
            let answered = (!made.has_failed()).then_some(made.answered);
            Interval { called: made.called, answered }
        };
        let intervals: Vec<_> = (0..self.calls.len()).map(interval).collect();
        let step = |state: &State, at: usize, before: u64| {
            let made = self.made(at);
            let cut_offs = match &made.call {
                Call::Create(login) => self.cut_offs(before, login.subject),
                _ => Vec::new(),
            };
            state.after(self.session, made, answers[at], &cut_offs)
        };
        linearize(&intervals, State::Absent, step).is_some()
    }

    /// The cut-offs of a subject among these calls.
    fn cut_offs(&self, among: u64, subject: usize) -> Vec<&Recorded> {
        let made = (0..self.calls.len()).filter(|at| among & (1 << at) != 0);
        made.map(|at| self.made(at))
            .filter(|made| matches!(made.call, Call::CutOff(of) if of == subject))
            .collect()
    }
}
