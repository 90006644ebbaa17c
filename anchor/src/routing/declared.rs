//! [`Declared`]: which handlers count as declaring a policy, and how the compiler finds the policy.

use std::any::{TypeId, type_name};
use std::fmt;

use crate::guard::Policy;
use crate::guard::login_page::LoginPage;
use crate::guard::required::{Public, Reaches, Require, Revoke};
use crate::payload::SessionData;
use crate::request::requirement::Requirement;
use crate::request::scope::LogoutReach;
use crate::type_name::short;

/// The first argument of a handler that declares its policy. `#[require_session(UserSession)]` and
/// `#[public]` insert such an argument.
///
/// Implement it for an extractor of your own that guards a handler by itself, such as an API key:
///
/// ```
/// use anchor::routing::{Declared, DeclaredPolicy, Router, get};
/// use axum::extract::FromRequestParts;
/// use axum::http::{StatusCode, request::Parts};
///
/// struct ApiKey;
///
/// impl<S: Send + Sync> FromRequestParts<S> for ApiKey {
///     type Rejection = StatusCode;
///     async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, StatusCode> {
///         request.headers.get("x-api-key").map(|_| ApiKey).ok_or(StatusCode::UNAUTHORIZED)
///     }
/// }
///
/// impl Declared for ApiKey {
///     fn policy() -> DeclaredPolicy {
///         DeclaredPolicy::Other("API key".into())
///     }
/// }
///
/// async fn export(_: ApiKey) -> &'static str { "a,b" }
///
/// let app: Router = Router::new().route("/export", get(export));
/// assert_eq!(app.policies().to_string(), "GET  /export  API key\n");
/// ```
pub trait Declared {
    /// Returns what the argument requires, for the table of
    /// [`Router::policies`](super::Router::policies).
    fn policy() -> DeclaredPolicy;

    /// Returns the payload whose session layer the argument needs, with its name.
    #[doc(hidden)]
    fn payload() -> Option<(TypeId, &'static str)> {
        None
    }

    /// Returns what it requires of the session, for an OpenAPI document.
    #[doc(hidden)]
    fn requirements() -> Vec<Requirement> {
        Vec::new()
    }
}

/// What a route requires of a request.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// use anchor::routing::{DeclaredPolicy, LogoutReach, Router, post};
///
/// #[logout(UserSession, all)]
/// async fn leave_everywhere() {}
///
/// let app: Router = Router::new().route("/leave", post(leave_everywhere));
/// let reach = LogoutReach::All;
/// let expected = DeclaredPolicy::Logout { payload: "UserSession".to_owned(), reach };
/// assert_eq!(app.policies()[0].policy, expected);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeclaredPolicy {
    /// `#[require_session]`: a live session.
    Session {
        /// The payload's type.
        payload: String,
        /// The additional policies, such as `Admin, fresh 10m`; empty if there are none.
        demands: String,
        /// The login page to which a browser without a session is sent.
        redirect: Option<&'static str>,
    },
    /// `#[logout]`: open, because a logout must also work when the session has already ended.
    Logout {
        /// The payload's type.
        payload: String,
        /// Which sessions it ends.
        reach: LogoutReach,
    },
    /// `#[public]`: open.
    Public,
    /// A tower service, declared open by [`public_service`](super::public_service).
    PublicService,
    /// The policy that the application's own [`Declared`] returns.
    Other(String),
    /// Unknown: the routes of an axum router, added by
    /// [`Router::merge_unchecked`](super::Router::merge_unchecked).
    Unchecked,
    /// All of these, in this order: the guards of the groups that the route is in, the outermost
    /// first, and then what the handler itself declares.
    All(Vec<DeclaredPolicy>),
}

impl DeclaredPolicy {
    /// Returns whether every request needs a live session: on the handler itself, or on a group
    /// around it.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// use anchor::routing::{Router, get};
    ///
    /// #[require_session(UserSession)]
    /// async fn stats() {}
    ///
    /// // A test of the whole application.
    /// let app: Router = Router::new().route("/admin/stats", get(stats));
    /// for route in app.policies().iter().filter(|route| route.path.starts_with("/admin")) {
    ///     assert!(route.policy.requires_session(), "{} is open", route.path);
    /// }
    /// ```
    pub fn requires_session(&self) -> bool {
        match self {
            DeclaredPolicy::Session { .. } => true,
            DeclaredPolicy::All(policies) => policies.iter().any(Self::requires_session),
            _ => false,
        }
    }

    /// Returns the policy of a route with this one that is under a guard.
    pub(super) fn under(self, guard: DeclaredPolicy) -> Self {
        match self {
            DeclaredPolicy::Public | DeclaredPolicy::PublicService | DeclaredPolicy::Unchecked => {
                guard
            }
            same if same == guard => guard,
            DeclaredPolicy::All(mut policies) => {
                policies.insert(0, guard);
                DeclaredPolicy::All(policies)
            }
            own => DeclaredPolicy::All(vec![guard, own]),
        }
    }
}

impl fmt::Display for DeclaredPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeclaredPolicy::Session { payload, demands, redirect } => {
                write!(f, "session {payload}")?;
                if !demands.is_empty() {
                    write!(f, ", {demands}")?;
                }
                redirect.map_or(Ok(()), |page| write!(f, ", else to {page}"))
            }
            DeclaredPolicy::Logout { payload, reach } => {
                write!(f, "logout {payload}")?;
                f.write_str(match reach {
                    LogoutReach::This => "",
                    LogoutReach::All => ", all",
                    LogoutReach::Others => ", others",
                })
            }
            DeclaredPolicy::Public => f.write_str("public"),
            DeclaredPolicy::PublicService => f.write_str("public service"),
            DeclaredPolicy::Other(policy) => f.write_str(policy),
            DeclaredPolicy::Unchecked => f.write_str("UNCHECKED"),
            DeclaredPolicy::All(policies) => {
                let policies: Vec<_> = policies.iter().map(ToString::to_string).collect();
                f.write_str(&policies.join("; "))
            }
        }
    }
}

impl<T: SessionData, P: Policy<T>, L: LoginPage> Declared for Require<T, P, L> {
    fn policy() -> DeclaredPolicy {
        DeclaredPolicy::Session { payload: short::<T>(), demands: P::describe(), redirect: L::PATH }
    }

    fn payload() -> Option<(TypeId, &'static str)> {
        Some((TypeId::of::<T>(), type_name::<T>()))
    }

    fn requirements() -> Vec<Requirement> {
        P::requirements()
    }
}

impl Declared for Public {
    fn policy() -> DeclaredPolicy {
        DeclaredPolicy::Public
    }
}

/// What the routing functions require of a handler's first argument: it is [`Declared`], or it is
/// what `#[logout]` inserts, which is not allowed for every method.
///
/// `M` stands for the methods that the handler answers, [`AllMethods`] or [`UnsafeMethods`]; the
/// compiler infers it. (An associated type would also work, but the compiler reports a missing one
/// only once per type, and therefore not at every handler.)
#[diagnostic::on_unimplemented(
    message = "this handler does not say who may call it: \
        write `#[require_session(UserSession)]`, `#[logout(UserSession)]` or `#[public]`",
    label = "the handler's first argument is `{Self}`, which does not say it",
    note = "write the attribute above the handler's `async fn`, with the type of your session; \
        for a closure, make it an `async fn`",
    note = "`#[require_session]` and `#[logout]` without a type do not say whose session they mean"
)]
pub trait Declaration<M> {
    /// Returns what the argument requires.
    fn policy() -> DeclaredPolicy;

    /// Returns the payload whose session layer the argument needs, with its name.
    #[doc(hidden)]
    fn payload() -> Option<(TypeId, &'static str)>;

    /// Returns what it requires of the session, for an OpenAPI document.
    #[doc(hidden)]
    fn requirements() -> Vec<Requirement> {
        Vec::new()
    }
}

#[diagnostic::do_not_recommend]
impl<D: Declared> Declaration<AllMethods> for D {
    fn policy() -> DeclaredPolicy {
        D::policy()
    }

    fn payload() -> Option<(TypeId, &'static str)> {
        D::payload()
    }

    fn requirements() -> Vec<Requirement> {
        D::requirements()
    }
}

#[diagnostic::do_not_recommend]
impl<T: SessionData, R: Reaches> Declaration<UnsafeMethods> for Revoke<T, R> {
    fn policy() -> DeclaredPolicy {
        DeclaredPolicy::Logout { payload: short::<T>(), reach: R::REACH }
    }

    fn payload() -> Option<(TypeId, &'static str)> {
        Some((TypeId::of::<T>(), type_name::<T>()))
    }
}

/// Methods that include the safe ones (RFC 9110 section 9.2.1). `get`, `head`, `options` and
/// `trace` require this of a handler.
#[diagnostic::on_unimplemented(
    message = "`#[logout]` does not answer `GET`, `HEAD`, `OPTIONS` or `TRACE`: write `post(..)`",
    label = "this handler ends a session, and a link on another site could ask for it",
    note = "a page logs out with `<form method=\"post\" action=\"/logout\">`, \
        or with `fetch` and `method: \"POST\"`"
)]
pub trait IncludeSafe {}

/// All methods.
#[derive(Debug)]
pub enum AllMethods {}

#[diagnostic::do_not_recommend]
impl IncludeSafe for AllMethods {}

/// The methods that are not safe: `POST`, `PUT`, `PATCH`, `DELETE`.
#[derive(Debug)]
pub enum UnsafeMethods {}

/// The arguments of a handler, as the `T` of axum's [`Handler<T, S>`](axum::handler::Handler) holds
/// them.
///
/// The routing functions have the bound `T: FirstArgument<First: Declaration<M>>`. The trait is
/// implemented for the arguments of every handler, whether it declares a policy or not. It
/// therefore does not influence which arguments the compiler infers, and the missing trait is
/// always [`Declaration`].
#[diagnostic::on_unimplemented(
    message = "this handler does not say who may call it: \
        write `#[require_session(UserSession)]`, `#[logout(UserSession)]` or `#[public]`",
    label = "this is not an `async fn` with a first argument that says it",
    note = "a plain value has no arguments: return it from an `async fn` under `#[public]`",
    note = "`sessions.require().layer(service)` guards a tower service, and \
        `anchor::routing::public_service(service)` declares it open"
)]
pub trait FirstArgument {
    /// The first argument's type, or [`NoArgument`] if there is none.
    type First;

    /// Returns the types of all arguments.
    #[doc(hidden)]
    fn all() -> Vec<TypeId>;
}

/// The first argument of a handler that has none.
#[derive(Debug)]
pub enum NoArgument {}

#[diagnostic::do_not_recommend]
impl FirstArgument for ((),) {
    type First = NoArgument;

    fn all() -> Vec<TypeId> {
        Vec::new()
    }
}

macro_rules! first_argument {
    ($($other:ident)*) => {
        #[diagnostic::do_not_recommend]
        impl<M, First: 'static, $($other: 'static),*> FirstArgument
            for (M, First, $($other,)*)
        {
            type First = First;

            fn all() -> Vec<TypeId> {
                vec![TypeId::of::<First>(), $(TypeId::of::<$other>()),*]
            }
        }
    };
}

first_argument!();
first_argument!(A);
first_argument!(A B);
first_argument!(A B C);
first_argument!(A B C D);
first_argument!(A B C D E);
first_argument!(A B C D E F);
first_argument!(A B C D E F G);
first_argument!(A B C D E F G H);
first_argument!(A B C D E F G H I);
first_argument!(A B C D E F G H I J);
first_argument!(A B C D E F G H I J K);
first_argument!(A B C D E F G H I J K N);
first_argument!(A B C D E F G H I J K N O);
first_argument!(A B C D E F G H I J K N O P);
first_argument!(A B C D E F G H I J K N O P Q);
