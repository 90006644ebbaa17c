//! [`Policy`]: what a handler requires of a session in addition to being live.

use std::time::Duration;

use crate::payload::SessionData;
use crate::request::Session;
use crate::request::requirement::Requirement;
use crate::type_name::short;

/// A requirement on a session, named in `#[require_session(UserSession, policy = Admin)]`. A tuple
/// of policies requires all of them, in order.
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
    note = "write `impl Policy<{T}> for {Self}`; a tuple of up to five policies is also a policy",
    note = "for a check in one line, use `when = |session| ..` instead of `policy`"
)]
pub trait Policy<T: SessionData>: Send + Sync + 'static {
    /// Whether the session must be read from the store, even if the manager has a cache. Default:
    /// `false`. See [`Authoritative`].
    const AUTHORITATIVE: bool = false;

    /// Decides whether the handler may run for this session.
    fn check(session: &Session<T>) -> Decision;

    /// Returns the policy's name, for the table of
    /// [`Router::policies`](crate::routing::Router::policies) and for the log line of a request
    /// that the policy refuses. The default is the type's name.
    fn describe() -> String {
        short::<Self>()
    }

    /// Returns what the policy requires, for an OpenAPI document that the application publishes. If
    /// it is empty, the document says that the policy refuses no live session. The default is the
    /// policy's name.
    fn requirements() -> Vec<Requirement> {
        vec![Requirement::Policy(Self::describe())]
    }
}

/// The decision of a [`Policy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// The handler runs.
    Allow,
    /// The answer is 403: this session is not allowed.
    Deny,
    /// The answer is 403 with the code `reauthentication_required`: the subject must prove again
    /// who they are. The authentication may be at most this old.
    Reauthenticate(Duration),
}

/// Allows every live session.
impl<T: SessionData> Policy<T> for () {
    fn check(_: &Session<T>) -> Decision {
        Decision::Allow
    }

    fn describe() -> String {
        String::new()
    }

    fn requirements() -> Vec<Requirement> {
        Vec::new()
    }
}

macro_rules! all_of {
    ($($policy:ident),+) => {
        impl<T: SessionData, $($policy: Policy<T>),+> Policy<T> for ($($policy,)+) {
            const AUTHORITATIVE: bool = $($policy::AUTHORITATIVE)||+;

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

            fn requirements() -> Vec<Requirement> {
                [$($policy::requirements()),+].concat()
            }
        }
    };
}

all_of!(A);
all_of!(A, B);
all_of!(A, B, C);
all_of!(A, B, C, D);
all_of!(A, B, C, D, E);

/// Requires that the subject proved who they are at most this many seconds ago, and that the
/// request does not present the previous secret: `#[require_session(.., fresh = "10m")]`. Denies
/// the session of an [impersonator](SessionData::impersonator), whose subject proved nothing.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// use anchor::guard::{CurrentSecret, Fresh, Policy};
///
/// // One name for what several handlers require.
/// type Careful = (CurrentSecret, Fresh<600>);
///
/// #[require_session(UserSession, policy = Careful)]
/// async fn delete_account() {}
///
/// assert_eq!(<Careful as Policy<UserSession>>::describe(), "current secret, fresh 10m");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Fresh<const SECONDS: u64>;

impl<T: SessionData, const SECONDS: u64> Policy<T> for Fresh<SECONDS> {
    fn check(session: &Session<T>) -> Decision {
        fresh(session, Duration::from_secs(SECONDS))
    }

    fn describe() -> String {
        describe_fresh(Duration::from_secs(SECONDS))
    }

    fn requirements() -> Vec<Requirement> {
        vec![Requirement::Fresh(Duration::from_secs(SECONDS))]
    }
}

/// Decides by the time since the session's subject proved who they are.
pub(super) fn fresh<T: SessionData>(session: &Session<T>, max_age: Duration) -> Decision {
    if session.data().impersonator().is_some() {
        return Decision::Deny;
    }
    if session.presents_current_secret() && session.authenticated_for() < max_age {
        Decision::Allow
    } else {
        Decision::Reauthenticate(max_age)
    }
}

pub(super) fn describe_fresh(max_age: Duration) -> String {
    let seconds = max_age.as_secs();
    if max_age.subsec_nanos() > 0 {
        return format!("fresh {max_age:?}");
    }
    let (number, unit) = [(86_400, "d"), (3600, "h"), (60, "m")]
        .into_iter()
        .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit))
        .map_or((seconds, "s"), |(length, unit)| (seconds / length, unit));
    format!("fresh {number}{unit}")
}

/// Requires that the request presents the session's current secret, and not the one before the last
/// rotation, which is still accepted during its grace period: `#[require_session(.., policy =
/// CurrentSecret)]`.
///
/// It is meant for handlers that must not run for a copy of a token from before a change of
/// privilege. A request that was in flight during the rotation is refused with 403, too.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// use anchor::guard::CurrentSecret;
///
/// #[require_session(UserSession, policy = CurrentSecret)]
/// async fn show_recovery_codes() {}
/// ```
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

/// Requires that the session is read from the store, if the manager has a cache:
/// `#[require_session(.., authoritative)]`. Without a cache, every session is.
///
/// The handler then never runs for a session that ended before the request began, on whatever node.
/// If an outer guard or extractor of the same request was served from the cache, the session is
/// loaded, and everything about it checked, once more. The extractors of the guarded handler see
/// what was loaded.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// use anchor::guard::Authoritative;
///
/// #[require_session(UserSession, authoritative)]
/// async fn pay() {}
///
/// // The same, for a tuple of policies.
/// #[require_session(UserSession, policy = (Authoritative,))]
/// async fn refund() {}
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Authoritative;

impl<T: SessionData> Policy<T> for Authoritative {
    const AUTHORITATIVE: bool = true;

    fn check(_: &Session<T>) -> Decision {
        Decision::Allow
    }

    fn describe() -> String {
        "authoritative".to_owned()
    }

    fn requirements() -> Vec<Requirement> {
        Vec::new()
    }
}

/// Decides by a predicate. This is what `when = ..` expands to.
pub fn when<T: SessionData>(session: &Session<T>, predicate: impl FnOnce(&T) -> bool) -> Decision {
    allow_if(predicate(session.data()))
}

/// A payload with a role, which is its field marked `#[session(role)]`. `role = ..` in
/// `#[require_session]` is compared with it.
///
/// ```
/// use anchor::guard::HasRole;
/// use anchor::prelude::*;
///
/// #[derive(Clone, PartialEq, Column)]
/// enum Role { Member, Admin }
///
/// #[derive(Clone, SessionData)]
/// struct UserSession { user_id: i64, #[session(role)] role: Role }
///
/// let admin = UserSession { user_id: 1, role: Role::Admin };
/// assert!(*HasRole::role(&admin) == Role::Admin);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no role: mark the field that holds it with `#[session(role)]`",
    label = "`role = ..` needs a payload whose field is marked `#[session(role)]`"
)]
pub trait HasRole: SessionData {
    /// The field's type.
    type Role: PartialEq;

    /// Returns the role of the session's subject.
    fn role(&self) -> &Self::Role;
}

/// Allows the request if `allowed` is true. This is what `role = ..` expands to.
pub fn allow_if(allowed: bool) -> Decision {
    if allowed { Decision::Allow } else { Decision::Deny }
}
