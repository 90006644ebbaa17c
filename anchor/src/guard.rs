//! The first arguments that `#[require_session]` and `#[logout]` insert.
//!
//! axum runs extractors from left to right, so a first argument refuses a request before any other extractor runs and before the body is
//! read.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::data::SessionData;
use crate::extract;
use crate::policy::{Policy, enforce};
use crate::rejection::Rejection;
use crate::scope::{Reach, Scope, only};

/// `#[require_session(T)]`: a live session of `T` that policy `P` allows.
pub struct Require<T: SessionData, P: Policy<T> = ()>(PhantomData<fn() -> (T, P)>);

impl<T: SessionData, P: Policy<T>, S: Send + Sync> FromRequestParts<S> for Require<T, P> {
    type Rejection = Rejection;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let session = extract::session::<T>(request).await?;
        match enforce::<T, P>(&session) {
            Ok(()) => Ok(Self(PhantomData)),
            Err(rejection) => {
                let scope = Scope::<T>::of(request)?;
                Err(scope.refuse(scope.refused(rejection), request))
            }
        }
    }
}

/// `#[require_session]`: a live session of the one payload type that the route has a layer for.
pub struct RequireAny(());

impl<S: Send + Sync> FromRequestParts<S> for RequireAny {
    type Rejection = Rejection;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, Rejection> {
        only(request)?.guard(request).await.map(Self)
    }
}

/// `#[logout(T)]`: the session of `T` has ended before the handler's body runs; with a reach, others of its subject too.
pub struct Revoke<T: SessionData, R = This>(PhantomData<fn() -> (T, R)>);

impl<T: SessionData, R: Reaches, S: Send + Sync> FromRequestParts<S> for Revoke<T, R> {
    type Rejection = Rejection;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, Rejection> {
        let scope = Scope::<T>::of(request)?;
        match scope.logout(R::REACH, Some(request)).await {
            Ok(_) => Ok(Self(PhantomData)),
            Err(rejection) => Err(scope.refuse(rejection, request)),
        }
    }
}

/// `#[logout]`: the session of the one payload type that the route has a layer for has ended.
pub struct RevokeAny<R = This>(PhantomData<fn() -> R>);

impl<R: Reaches, S: Send + Sync> FromRequestParts<S> for RevokeAny<R> {
    type Rejection = Rejection;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, Rejection> {
        only(request)?.logout(R::REACH, request).await.map(|()| Self(PhantomData))
    }
}

/// A [`Reach`] as a type.
pub trait Reaches: Send + Sync + 'static {
    /// The reach.
    const REACH: Reach;
}

macro_rules! reaches {
    ($($(#[$doc:meta])* $name:ident,)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl Reaches for $name {
            const REACH: Reach = Reach::$name;
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
