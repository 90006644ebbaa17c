//! [`Event`]: what happens to sessions, for audit and metrics.

use std::any::type_name;
use std::fmt;

use crate::column::{Column, Value};
use crate::excerpt::excerpt;
use crate::id::SessionId;
#[cfg(feature = "metrics")]
use crate::metrics;
use crate::payload::SessionData;
use crate::rejection::Rejection;
use crate::store::{EndReason, Record};

/// Something that happened to a session. It is passed to the hook of
/// [`SessionManagerBuilder::on_event`](crate::manager::SessionManagerBuilder::on_event), and logged
/// through `tracing` with the target `anchor`.
///
/// Exhaustive on purpose: a new kind of event is a breaking change, so that an audit trail cannot
/// miss one silently. `Debug` shows ids, never a payload.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::mpsc;
/// use anchor::manager::{Event, RevokedSessions};
///
/// let (audit, lines) = mpsc::channel();
/// let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
///     .keys(KeyRing::generate()?)
///     .on_event(move |event| {
///         let _ = match event {
///             Event::Created { session, .. } => audit.send(format!("{} begun", session.id)),
///             Event::Revoked { which: RevokedSessions::One(id), reason, .. } => {
///                 audit.send(format!("{id} ended: {}", reason.as_str()))
///             }
///             _ => Ok(()),
///         };
///     })
///     .build()?;
///
/// let id = sessions.test_session(UserSession { user_id: 1 }).await.id();
/// sessions.revoke(id).await?;
/// assert_eq!(lines.recv()?, format!("{id} begun"));
/// assert_eq!(lines.recv()?, format!("{id} ended: revoked"));
/// # Ok(())
/// # }
/// ```
#[allow(clippy::exhaustive_enums)]
pub enum Event<'a, T> {
    /// A login created a session.
    Created {
        /// The new session.
        session: &'a Record<T>,
        /// The session that it replaced, which has ended.
        replaced: Option<SessionId>,
    },
    /// A session's use was recorded. That may be after the response, and after other events of the
    /// same request.
    Touched {
        /// The session.
        id: SessionId,
    },
    /// A session's payload was changed.
    Updated {
        /// The session as it is now.
        session: &'a Record<T>,
    },
    /// A session has a new secret.
    Rotated {
        /// The session.
        id: SessionId,
    },
    /// A session's subject proved again who they are.
    Reauthenticated {
        /// The session.
        id: SessionId,
    },
    /// Sessions were ended before they expired.
    Revoked {
        /// Which sessions the revocation was for.
        which: RevokedSessions,
        /// How many of them were live.
        count: u64,
        /// Why.
        reason: EndReason,
    },
    /// The sweep removed ended rows.
    Expired {
        /// How many.
        count: u64,
    },
    /// A request was refused.
    Refused {
        /// Why.
        rejection: &'a Rejection,
    },
    /// A replaced secret was presented after its grace: somebody has a copy of the token. The
    /// session is about to be ended. [`Revoked`](Self::Revoked) with [`EndReason::Theft`] reports
    /// that it was.
    TheftSuspected {
        /// The session.
        id: SessionId,
    },
}

/// Which sessions a revocation was for.
///
/// ```
/// use anchor::SessionId;
/// use anchor::manager::RevokedSessions;
///
/// /// For an audit's line.
/// fn whose(which: RevokedSessions) -> String {
///     match which {
///         RevokedSessions::One(id) => format!("session {id}"),
///         RevokedSessions::Subject => "all of a subject".to_owned(),
///         RevokedSessions::Others(kept) => format!("all of a subject but {kept}"),
///         RevokedSessions::Everyone => "all".to_owned(),
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokedSessions {
    /// One session.
    One(SessionId),
    /// All sessions of a subject.
    Subject,
    /// All sessions of a subject except this one.
    Others(SessionId),
    /// All sessions.
    Everyone,
}

impl<T: SessionData> Event<'_, T> {
    /// Writes the event to the log: one line, with ids and reasons, without the payload or the
    /// secret. The exception is an impersonation, whose line names the subject and the
    /// impersonator.
    pub(crate) fn log(&self) {
        let payload = type_name::<T>();
        match self {
            Event::Created { session, replaced } => {
                let (id, replaced) = (session.id, replaced.map(tracing::field::display));
                let data = &session.data;
                let impersonator = data.impersonator().map(named);
                let subject = impersonator.is_some().then(|| data.subject()?.to_value().ok());
                let subject = subject.flatten().map(named);
                tracing::info!(
                    target: "anchor", event = "created", payload, %id, replaced, subject,
                    impersonator, "session created"
                );
            }
            Event::Touched { id } => {
                tracing::trace!(target: "anchor", event = "touched", payload, %id, "session used");
            }
            Event::Updated { session } => {
                let (id, version) = (session.id, session.version);
                tracing::debug!(
                    target: "anchor", event = "updated", payload, %id, version,
                    "session updated"
                );
            }
            Event::Rotated { id } => {
                tracing::info!(
                    target: "anchor", event = "rotated", payload, %id, "session rotated"
                );
            }
            Event::Reauthenticated { id } => {
                tracing::info!(
                    target: "anchor", event = "reauthenticated", payload, %id,
                    "session reauthenticated"
                );
            }
            Event::Revoked { which, count, reason } => {
                let reason = reason.as_str();
                tracing::info!(
                    target: "anchor", event = "revoked", payload, ?which, count, reason,
                    "sessions revoked"
                );
            }
            Event::Expired { count } => {
                tracing::debug!(
                    target: "anchor", event = "expired", payload, count, "ended sessions removed"
                );
            }
            Event::Refused { rejection } => rejection.log(Some(payload)),
            Event::TheftSuspected { id } => {
                tracing::warn!(
                    target: "anchor", event = "theft_suspected", payload, %id,
                    "a replaced secret was presented after its grace: the token was copied, so the \
                     session will be ended"
                );
            }
        }
    }
}

#[cfg(feature = "metrics")]
impl<T: SessionData> Event<'_, T> {
    /// Counts the event.
    pub(crate) fn count(&self) {
        let table = T::schema().table;
        match self {
            Event::Created { replaced, .. } => {
                metrics::created(table);
                if replaced.is_some() {
                    metrics::ended(table, EndReason::Replaced.as_str(), 1);
                }
            }
            Event::Revoked { count, reason, .. } => metrics::ended(table, reason.as_str(), *count),
            Event::Expired { count } => metrics::swept(table, *count),
            Event::Refused { rejection } => metrics::refused(table, rejection.code()),
            // The calls of the store show these; the end that follows a theft is counted.
            Event::Touched { .. }
            | Event::Updated { .. }
            | Event::Rotated { .. }
            | Event::Reauthenticated { .. }
            | Event::TheftSuspected { .. } => {}
        }
    }
}

/// Shows who somebody is, for the log.
fn named(somebody: Value) -> String {
    match somebody {
        Value::Int(number) => number.to_string(),
        Value::Uuid(uuid) => uuid.to_string(),
        Value::Text(text) => excerpt(text, NAME).to_string(),
        other => other.kind().to_owned(),
    }
}

/// The maximum number of characters that are shown of a name.
const NAME: usize = 100;

impl<T> fmt::Debug for Event<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Created { session, replaced } => f
                .debug_struct("Created")
                .field("session", session)
                .field("replaced", replaced)
                .finish(),
            Event::Touched { id } => f.debug_struct("Touched").field("id", id).finish(),
            Event::Updated { session } => {
                f.debug_struct("Updated").field("session", session).finish()
            }
            Event::Rotated { id } => f.debug_struct("Rotated").field("id", id).finish(),
            Event::Reauthenticated { id } => {
                f.debug_struct("Reauthenticated").field("id", id).finish()
            }
            Event::Revoked { which, count, reason } => f
                .debug_struct("Revoked")
                .field("which", which)
                .field("count", count)
                .field("reason", reason)
                .finish(),
            Event::Expired { count } => f.debug_struct("Expired").field("count", count).finish(),
            Event::Refused { rejection } => {
                f.debug_struct("Refused").field("rejection", rejection).finish()
            }
            Event::TheftSuspected { id } => {
                f.debug_struct("TheftSuspected").field("id", id).finish()
            }
        }
    }
}
