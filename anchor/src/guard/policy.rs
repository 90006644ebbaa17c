//! [`Policy`]: what a handler demands of a session beyond being live.

use std::time::Duration;

use crate::payload::SessionData;
use crate::rejection::Rejection;
use crate::request::Session;
use crate::type_name::short;

/// A demand on a session, named in `#[require_session(UserSession, policy = Admin)]`. A tuple of
/// policies demands all of them, in order.
///
/// ```
/// use anchor::prelude::*;
/// use anchor::guard::{Decision, Policy};
///
/// #[derive(Clone, SessionData)]
/// struct UserSession { admin: bool }
///
/// struct Admin;
///
/// impl Policy<UserSession> for Admin {
///     fn check(session: &Session<UserSession>) -> Decision {
///         if session.admin { Decision::Allow } else { Decision::Deny }
///     }
/// }
///
/// #[require_session(UserSession, policy = Admin)]
/// async fn delete_account() {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a policy for sessions of `{T}`",
    label = "this type does not implement `Policy<{T}>`",
    note = "write `impl Policy<{T}> for {Self}`; a tuple of up to four policies is one, too",
    note = "for a check in one line, use `when = |session| ..` in place of `policy`"
)]
pub trait Policy<T: SessionData>: Send + Sync + 'static {
    /// Whether the handler may run for this session.
    fn check(session: &Session<T>) -> Decision;

    /// The policy's name in the table of [`Router::policies`](crate::routing::Router::policies),
    /// and in the log line of a request that it refuses. Default: the type's name.
    fn describe() -> String {
        short::<Self>()
    }
}

/// What a [`Policy`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// The handler runs.
    Allow,
    /// 403: this session may not.
    Deny,
    /// 403 with the code `reauthentication_required`: prove again who you are. The authentication
    /// may be this old at most.
    Reauthenticate(Duration),
}

/// Every live session will do.
impl<T: SessionData> Policy<T> for () {
    fn check(_: &Session<T>) -> Decision {
        Decision::Allow
    }

    fn describe() -> String {
        String::new()
    }
}

macro_rules! all_of {
    ($($policy:ident),+) => {
        impl<T: SessionData, $($policy: Policy<T>),+> Policy<T> for ($($policy,)+) {
            fn check(session: &Session<T>) -> Decision {
                $(match $policy::check(session) {
                    Decision::Allow => {}
                    refused => return refused,
                })+
                Decision::Allow
            }

            fn describe() -> String {
                [$($policy::describe()),+].join(", ")
            }
        }
    };
}

all_of!(A);
all_of!(A, B);
all_of!(A, B, C);
all_of!(A, B, C, D);

/// The subject proved who they are at most this many seconds ago, and the request does not present
/// the secret from before: `#[require_session(.., fresh = "10m")]`.
#[derive(Debug, Clone, Copy)]
pub struct Fresh<const SECONDS: u64>;

impl<T: SessionData, const SECONDS: u64> Policy<T> for Fresh<SECONDS> {
    fn check(session: &Session<T>) -> Decision {
        let max_age = Duration::from_secs(SECONDS);
        if session.presents_current_secret() && session.authenticated_for() < max_age {
            Decision::Allow
        } else {
            Decision::Reauthenticate(max_age)
        }
    }

    fn describe() -> String {
        let (number, unit) = [(86_400, "d"), (3600, "h"), (60, "m")]
            .into_iter()
            .find(|(unit, _)| SECONDS > 0 && SECONDS.is_multiple_of(*unit))
            .map_or((SECONDS, "s"), |(seconds, unit)| (SECONDS / seconds, unit));
        format!("fresh {number}{unit}")
    }
}

/// The request presents the session's current secret, not the one before the last rotation, which
/// is still good during its grace: `#[require_session(.., policy = CurrentSecret)]`.
///
/// For handlers that a copy of a token from before a change of privilege must not reach. A request
/// that was in flight during the rotation is refused with 403, too.
#[derive(Debug, Clone, Copy)]
pub struct CurrentSecret;

impl<T: SessionData> Policy<T> for CurrentSecret {
    fn check(session: &Session<T>) -> Decision {
        allow_if(session.presents_current_secret())
    }

    fn describe() -> String {
        "current secret".to_owned()
    }
}

/// What `when = ..` expands to.
pub fn when<T: SessionData>(session: &Session<T>, predicate: impl FnOnce(&T) -> bool) -> Decision {
    allow_if(predicate(session.data()))
}

/// A payload with a role: its field marked `#[session(role)]`. What `role = ..` in
/// `#[require_session]` compares with.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no role: mark the field that holds it with `#[session(role)]`",
    label = "`role = ..` needs a payload whose field is marked `#[session(role)]`"
)]
pub trait HasRole: SessionData {
    /// The field's type.
    type Role: PartialEq;

    /// The role of the session's subject.
    fn role(&self) -> &Self::Role;
}

/// What `role = ..` expands to.
pub fn allow_if(allowed: bool) -> Decision {
    if allowed { Decision::Allow } else { Decision::Deny }
}

/// The policy's decision as a request's fate.
pub(crate) fn enforce<T: SessionData, P: Policy<T>>(session: &Session<T>) -> Result<(), Rejection> {
    match P::check(session) {
        Decision::Allow => Ok(()),
        Decision::Deny => Err(Rejection::Forbidden { id: session.id(), policy: P::describe() }),
        Decision::Reauthenticate(max_age) => {
            Err(Rejection::ReauthenticationRequired { id: session.id(), max_age })
        }
    }
}
