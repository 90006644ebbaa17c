//! A refused history as text.

use std::fmt::{self, Write};

use super::history::{Answer, Call, History, Proof, Recorded};
use super::verdict::Refusal;

/// The calls of the session that was refused, or of the whole history, with their times in
/// microseconds. Those that contradict each other are marked.
pub fn picture(history: &History, refusal: &Refusal) -> String {
    let mut text = match refusal.session {
        Some(session) => format!("session {session}: {}", refusal.reason),
        None => refusal.reason.clone(),
    };
    text.push_str(match refusal.session {
        Some(_) => "\nthe calls with a star contradict each other, whatever the others did",
        None => "\nit is about the calls with a star",
    });
    text.push_str("\n      called   answered  task node  call");
    let mut calls: Vec<_> = history.calls.iter().enumerate().collect();
    if let Some(session) = refusal.session {
        calls.retain(|(_, made)| history.concerns(made, session));
    }
    calls.sort_by_key(|(_, made)| made.called);
    for (at, made) in calls {
        let mark = if refusal.evidence.contains(&at) { '*' } else { ' ' };
        let _ = write!(text, "\n{mark} {made}");
    }
    text
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (called, answered) = (self.called.as_micros(), self.answered.as_micros());
        write!(f, "{called:>10} {answered:>10} {:>5} {:>4}  ", self.task, self.node)?;
        write!(f, "{} -> {}", self.call, self.answer)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Create(login) => {
                write!(f, "create(session {}, subject {}", login.session, login.subject)?;
                write!(f, ", number {}, secret {}", login.number, login.secret)?;
                if let Some(began) = login.began {
                    write!(f, ", began at {}", began.as_micros())?;
                }
                match login.replaces {
                    Some((replaced, true)) => write!(f, ", replaces {replaced})"),
                    Some((replaced, false)) => write!(f, ", replaces {replaced} unproven)"),
                    None => f.write_str(")"),
                }
            }
            Call::Load(session) => write!(f, "load({session})"),
            Call::Update(edit) => write!(
                f,
                "update({}, version {}, secret {}: subject {}, number {})",
                edit.session, edit.version, edit.secret, edit.subject, edit.number
            ),
            Call::Touch { session, presented: None, .. } => write!(f, "touch({session})"),
            Call::Touch { session, presented: Some(secret), .. } => {
                write!(f, "touch({session}, presents secret {secret})")
            }
            Call::RecordUse { session, at, .. } => write!(f, "record_use({session}, of {at})"),
            Call::Rotate(turn) | Call::Reauthenticate(turn) => {
                let is_rotation = matches!(self, Call::Rotate(_));
                let verb = if is_rotation { "rotate" } else { "reauthenticate" };
                write!(f, "{verb}({}, secret {} to {}", turn.session, turn.from, turn.to)?;
                write!(f, ", {:?}{})", turn.old, if turn.grace { " and grace" } else { "" })
            }
            Call::Consume { session, secret } => write!(f, "consume({session}, secret {secret})"),
            Call::Revoke { session, proof } => {
                let proof = match proof {
                    Proof::None => "no proof",
                    Proof::OfTheSession => "its proof",
                    Proof::OfAnother => "the proof of another",
                };
                write!(f, "revoke({session}, {proof})")
            }
            Call::RevokeOf { session, subject } => {
                write!(f, "revoke_of(subject {subject}, {session})")
            }
            Call::RevokeSubject(subject) => write!(f, "revoke_subject({subject})"),
            Call::RevokeOthers { subject, keep } => {
                write!(f, "revoke_others(subject {subject}, keep {keep})")
            }
            Call::CutOff(subject) => write!(f, "cut_off(subject {subject})"),
            Call::List(subject) => write!(f, "list(subject {subject})"),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Created { ended, .. } if ended.is_empty() => f.write_str("created"),
            Answer::Created { ended, .. } => write!(f, "created, and ended {ended:?}"),
            Answer::SubjectFull => f.write_str("the subject has too many"),
            Answer::Live(seen) => {
                write!(f, "live: subject {}, number {}", seen.subject, seen.number)?;
                write!(f, ", version {}, idle {}", seen.version, seen.idle)?;
                write!(f, " until {}", seen.expires_at)?;
                write!(f, ", authenticated at {}", seen.authenticated_at)?;
                let Some(secrets) = &seen.secrets else { return Ok(()) };
                write!(f, ", secret {}", secrets.current)?;
                if let Some(previous) = secrets.previous {
                    write!(f, " after {previous}")?;
                }
                write!(f, ", {}", secrets.rotation.as_str())?;
                f.write_str(if secrets.in_grace { " in grace" } else { "" })
            }
            Answer::NotLive => f.write_str("not live"),
            Answer::Written(None) => f.write_str("written"),
            Answer::Written(Some(told)) => write!(f, "written: {told}"),
            Answer::Conflict => f.write_str("conflict"),
            Answer::Gone => f.write_str("gone"),
            Answer::UseRecorded(true) => f.write_str("recorded"),
            Answer::UseRecorded(false) => f.write_str("not recorded"),
            Answer::Consumed { subject, number } => {
                write!(f, "consumed: subject {subject}, number {number}")
            }
            Answer::Ended => f.write_str("ended"),
            Answer::Unproven => f.write_str("unproven"),
            Answer::Count(count) => write!(f, "ended {count}"),
            Answer::Listed(listed) => {
                let listed: Vec<_> =
                    listed.iter().map(|(session, seen)| (session, seen.version)).collect();
                write!(f, "sessions and versions {listed:?}")
            }
            Answer::Failed(error) => write!(f, "failed: {error}"),
        }
    }
}
