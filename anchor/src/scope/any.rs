//! The scopes of a request whatever their payloads, hung one behind the other.

use std::any::{Any, TypeId};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::request::Parts;

use super::Scope;
use super::logout::Reach;
use crate::data::SessionData;
use crate::rejection::Rejection;

/// The innermost session scope of a request, whatever its payload; the others hang behind it.
#[derive(Clone)]
pub(crate) struct CurrentScope(pub(crate) Arc<dyn AnyScope>);

type RejectionFuture<'a> = Pin<Box<dyn Future<Output = Result<(), Rejection>> + Send + 'a>>;

/// A scope of any payload type.
pub(crate) trait AnyScope: Send + Sync {
    fn payload(&self) -> TypeId;
    fn channel(&self) -> &str;
    fn outer(&self) -> Option<&CurrentScope>;
    fn forget_refusal(&self);
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    fn guard<'a>(self: Arc<Self>, request: &'a Parts) -> RejectionFuture<'a>;
    fn refuse(&self, rejection: Rejection, request: &Parts) -> Rejection;
    fn logout<'a>(self: Arc<Self>, reach: Reach, request: &'a Parts) -> RejectionFuture<'a>;
}

impl<T: SessionData> AnyScope for Scope<T> {
    fn payload(&self) -> TypeId {
        TypeId::of::<T>()
    }

    fn channel(&self) -> &str {
        &self.sessions.channel
    }

    fn outer(&self) -> Option<&CurrentScope> {
        self.outer.as_ref()
    }

    fn forget_refusal(&self) {
        self.state().refusal = None;
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn guard<'a>(self: Arc<Self>, request: &'a Parts) -> RejectionFuture<'a> {
        Box::pin(async move { self.resolve(Some(request)).await.map(drop) })
    }

    fn refuse(&self, rejection: Rejection, request: &Parts) -> Rejection {
        Scope::refuse(self, rejection, request)
    }

    fn logout<'a>(self: Arc<Self>, reach: Reach, request: &'a Parts) -> RejectionFuture<'a> {
        Box::pin(async move {
            match Scope::logout(&self, reach, Some(request)).await {
                Ok(_) => Ok(()),
                Err(rejection) => Err(self.refuse(rejection, request)),
            }
        })
    }
}

/// A request's scopes, the innermost layer's first.
pub(super) fn scopes(request: &Parts) -> impl Iterator<Item = &Arc<dyn AnyScope>> {
    let innermost = request.extensions.get::<CurrentScope>();
    std::iter::successors(innermost, |CurrentScope(scope)| scope.outer())
        .map(|CurrentScope(scope)| scope)
}

/// The one session scope of a request; where there are several payloads, nobody can tell which is meant.
pub(crate) fn only(request: &Parts) -> Result<Arc<dyn AnyScope>, Rejection> {
    let refused = |rejection: Rejection| {
        rejection.log("any");
        Err(rejection)
    };
    let Some(scope) = scopes(request).next() else {
        return refused(Rejection::MissingLayer { payload: "the application's session type" });
    };
    if scopes(request).any(|other| other.payload() != scope.payload()) {
        return refused(Rejection::AmbiguousLayer);
    }
    Ok(Arc::clone(scope))
}
