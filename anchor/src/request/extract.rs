//! The extractors [`Session`] and [`Auth`], and the functions that the derive calls for the payload
//! itself.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use crate::payload::SessionData;
use crate::rejection::Rejection;
use crate::request::Session;
use crate::request::auth::Auth;
use crate::request::scope::{Reading, Scope};

impl<T: SessionData, S: Send + Sync> FromRequestParts<S> for Session<T> {
    type Rejection = Rejection;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, Rejection> {
        session(request).await
    }
}

impl<T: SessionData, S: Send + Sync> OptionalFromRequestParts<S> for Session<T> {
    type Rejection = Rejection;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        optional_session(request).await
    }
}

impl<T: SessionData, S: Send + Sync> FromRequestParts<S> for Auth<T> {
    type Rejection = Rejection;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, Rejection> {
        Ok(Auth::new(Scope::of(request)?, request))
    }
}

/// Returns the request's session, or the refusal that the application has chosen.
pub(crate) async fn session<T: SessionData>(request: &Parts) -> Result<Session<T>, Rejection> {
    let scope = Scope::<T>::of(request)?;
    match scope.resolve(Some(request), Reading::MayBeCached).await {
        Ok(admitted) => Ok(Session::new(scope, admitted).kept(request)),
        Err(rejection) => Err(scope.refuse(rejection, request)),
    }
}

/// Returns `None` if there is no valid session, and only then.
async fn optional_session<T: SessionData>(
    request: &Parts,
) -> Result<Option<Session<T>>, Rejection> {
    let scope = Scope::<T>::of(request)?;
    match scope.resolve(Some(request), Reading::MayBeCached).await {
        Ok(admitted) => Ok(Some(Session::new(scope, admitted).kept(request))),
        Err(rejection) if rejection.is_unauthenticated() => Ok(None),
        Err(rejection) => Err(scope.refuse(rejection, request)),
    }
}

/// Extracts the payload. It is a separate copy, so changing it changes nothing else.
pub async fn extract<T: SessionData>(request: &mut Parts) -> Result<T, Rejection> {
    Ok(session::<T>(request).await?.data().clone())
}

/// Extracts the payload, if there is a valid session.
pub async fn extract_optional<T: SessionData>(request: &mut Parts) -> Result<Option<T>, Rejection> {
    Ok(optional_session::<T>(request).await?.map(|session| session.data().clone()))
}
