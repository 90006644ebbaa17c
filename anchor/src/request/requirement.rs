//! [`Requirement`]: what a policy requires, for somebody who does not see the application's code.

use std::time::Duration;

/// What a [`Policy`](crate::guard::Policy) requires of a session. An OpenAPI document shows it to
/// the clients of the application: see
/// [`Policy::requirements`](crate::guard::Policy::requirements).
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// use anchor::guard::{Decision, Policy, Requirement};
/// use std::time::Duration;
///
/// struct AfterOneMinute;
///
/// impl Policy<UserSession> for AfterOneMinute {
///     fn check(session: &Session<UserSession>) -> Decision {
///         let minute = Duration::from_secs(60);
///         if session.authenticated_for() >= minute { Decision::Allow } else { Decision::Deny }
///     }
///
///     // Instead of the type's name.
///     fn requirements() -> Vec<Requirement> {
///         vec![Requirement::Policy("a session that is a minute old".to_owned())]
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requirement {
    /// The session's subject has this role.
    Role(String),
    /// The subject proved who they are at most this long ago.
    Fresh(Duration),
    /// A predicate of the application's returns `true`. Its text is not shown.
    Predicate,
    /// The policy with this name allows the request.
    Policy(String),
}

/// Returns what `role = ..` requires, as its author wrote the role.
pub fn requires_role(role: &str) -> Vec<Requirement> {
    vec![Requirement::Role(role.to_owned())]
}

/// Returns what `when = ..` requires.
pub fn requires_predicate() -> Vec<Requirement> {
    vec![Requirement::Predicate]
}
