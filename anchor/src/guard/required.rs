//! The first arguments that `#[require_session]`, `#[logout]` and `#[public]` insert.
//!
//! axum runs extractors from left to right, so a first argument refuses a request before any other
//! extractor runs and before the body is read.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::guard::demands::{Demands, OfPolicy, enforce};
use crate::guard::login_page::{LoginPage, Refusal};
use crate::guard::policy::Policy;
use crate::payload::SessionData;
use crate::rejection::Rejection;
use crate::request::Session;
use crate::request::scope::{LogoutReach, Reading, Scope, only};

/// Uses the type parameters of a guard without owning values of them.
type Marker<T> = PhantomData<fn() -> T>;

/// The first argument that `#[require_session(T)]` inserts: there is a live session of `T` that the
/// policy `P` allows. A browser without one is sent to `L`.
///
/// Nothing but a request makes it, so a guarded handler cannot be called past its guard. If the
/// compiler says that this argument is missing, the handler was called like a function. In a test,
/// the feature `testing` has it: `session.guard().await?` runs the guard for a session that
/// `sessions.test_session(..).await` has created.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
/// #     .keys(KeyRing::generate()?)
/// #     .build()?;
/// #[require_session(UserSession)]
/// async fn me() -> &'static str { "me" }
///
/// let session = sessions.test_session(UserSession { user_id: 1 }).await;
/// assert_eq!(me(session.guard().await?).await, "me");
/// # Ok(())
/// # }
/// ```
pub struct Require<T: SessionData, P: Policy<T> = (), L: LoginPage = ()>(Marker<(T, P, L)>);

impl<T, P, L, S> FromRequestParts<S> for Require<T, P, L>
where
    T: SessionData,
    P: Policy<T>,
    L: LoginPage,
    S: Send + Sync,
{
    type Rejection = Refusal;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let scope = Scope::<T>::of(request)?;
        admit(&scope, request, &OfPolicy::<P>::new(), L::PATH).await.map(|()| Self(PhantomData))
    }
}

/// Lets a request in if it has a live session that meets the demands. A browser without one is sent
/// to the login page, if there is one.
pub(super) async fn admit<T: SessionData>(
    scope: &Arc<Scope<T>>,
    request: &Parts,
    demands: &impl Demands<T>,
    login_page: Option<&str>,
) -> Result<(), Refusal> {
    let authoritative = demands.is_authoritative();
    let reading = if authoritative { Reading::Authoritative } else { Reading::MayBeCached };
    let admitted = match scope.resolve(Some(request), reading).await {
        Ok(admitted) => match enforce(&Session::new(Arc::clone(scope), admitted), demands) {
            // The session may have more rights by now than the cache knows.
            Err(_) if scope.is_cached() => Box::pin(enforce_again(scope, request, demands)).await,
            enforced => enforced.map_err(|rejection| scope.refused(rejection)),
        },
        Err(rejection) => Err(rejection),
    };
    let refuse = |rejection, request: &Parts| scope.refuse(rejection, request);
    admitted.map_err(|rejection| Refusal::new(rejection, login_page, request, refuse))
}

/// Checks the demands against the session that the store has.
async fn enforce_again<T: SessionData>(
    scope: &Arc<Scope<T>>,
    request: &Parts,
    demands: &impl Demands<T>,
) -> Result<(), Rejection> {
    let admitted = scope.resolve(Some(request), Reading::Authoritative).await?;
    enforce(&Session::new(Arc::clone(scope), admitted), demands)
        .map_err(|rejection| scope.refused(rejection))
}

/// The first argument that `#[require_session]` without a type inserts: there is a live session of
/// the one payload type that the route has a layer for. In a test, get it as [`Require`].
pub struct RequireAny<L: LoginPage = ()>(Marker<L>);

impl<L: LoginPage, S: Send + Sync> FromRequestParts<S> for RequireAny<L> {
    type Rejection = Refusal;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let scope = only(request)?;
        let refuse = |rejection, request: &Parts| scope.refuse(rejection, request);
        let admitted = Arc::clone(&scope).guard(request).await;
        admitted
            .map(|()| Self(PhantomData))
            .map_err(|rejection| Refusal::new(rejection, L::PATH, request, refuse))
    }
}

/// The first argument that `#[logout(T)]` inserts: the session of `T` was ended before the body of
/// the handler runs. `R` says which other sessions of its subject were. In a test, get it as
/// [`Require`]: the session ends then.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
/// #     .keys(KeyRing::generate()?)
/// #     .build()?;
/// #[logout(UserSession)]
/// async fn logout() -> &'static str { "goodbye" }
///
/// let session = sessions.test_session(UserSession { user_id: 1 }).await;
/// assert_eq!(logout(session.guard().await?).await, "goodbye");
/// assert!(session.session().await.is_err(), "the session has ended");
/// # Ok(())
/// # }
/// ```
pub struct Revoke<T: SessionData, R = This>(Marker<(T, R)>);

impl<T: SessionData, R: Reaches, S: Send + Sync> FromRequestParts<S> for Revoke<T, R> {
    type Rejection = Rejection;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Scope::<T>::of(request)?.logout_for_guard(R::REACH, request).await?;
        Ok(Self(PhantomData))
    }
}

/// The first argument that `#[logout]` without a type inserts: the session of the one payload type
/// that the route has a layer for was ended. In a test, get it as [`Require`].
pub struct RevokeAny<R = This>(Marker<R>);

impl<R: Reaches, S: Send + Sync> FromRequestParts<S> for RevokeAny<R> {
    type Rejection = Rejection;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, Rejection> {
        only(request)?.logout(R::REACH, request).await?;
        Ok(Self(PhantomData))
    }
}

/// The first argument that `#[public]` inserts: anyone may call the handler. In a test, get it as
/// [`Require`].
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
/// #     .keys(KeyRing::generate()?)
/// #     .build()?;
/// use axum::http::Request;
///
/// #[public]
/// async fn home() -> &'static str { "welcome" }
///
/// let visitor = sessions.test_request(Request::new(()));
/// assert_eq!(home(visitor.guard().await?).await, "welcome");
/// # Ok(())
/// # }
/// ```
pub struct Public(());

impl<S: Send + Sync> FromRequestParts<S> for Public {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(()))
    }
}

/// A [`LogoutReach`] as a type.
pub trait Reaches: Send + Sync + 'static {
    /// The scope of the logout.
    const REACH: LogoutReach;
}

macro_rules! reaches {
    ($($(#[$doc:meta])* $name:ident,)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl Reaches for $name {
            const REACH: LogoutReach = LogoutReach::$name;
        }
    )+};
}

reaches! {
    /// `#[logout]`
    This,
    /// `#[logout(all)]`
    All,
    /// `#[logout(others)]`
    Others,
}
