//! The session scopes of a request, whatever their payloads. Each one holds the next one further
//! out.

use std::any::{Any, TypeId};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::request::Parts;

use super::LogoutReach;
use super::{Reading, Scope, logged};
use crate::manager::registry::has_several_payloads;
use crate::manager::sessions::Sessions;
use crate::payload::SessionData;
use crate::rejection::Rejection;

/// The innermost session scope of a request, whatever its payload. It leads to the outer ones.
#[derive(Clone)]
pub(crate) struct CurrentScope(pub(crate) Arc<dyn AnyScope>);

impl CurrentScope {
    /// Returns whether it, or one further out, is that of a layer of this manager.
    pub(crate) fn leads_to<T: SessionData>(&self, manager: &Arc<Sessions<T>>) -> bool {
        outwards(Some(self)).any(|scope| std::ptr::addr_eq(scope.manager(), Arc::as_ptr(manager)))
    }
}

type RejectionFuture<'a> = Pin<Box<dyn Future<Output = Result<(), Rejection>> + Send + 'a>>;

/// A scope of any payload type.
pub(crate) trait AnyScope: Send + Sync {
    fn payload(&self) -> TypeId;
    /// Returns the address of the manager whose layer opened the scope. It distinguishes two
    /// managers of one payload.
    fn manager(&self) -> *const ();
    fn outer(&self) -> Option<&CurrentScope>;
    fn forget_refusal(&self);
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    fn guard<'a>(self: Arc<Self>, request: &'a Parts) -> RejectionFuture<'a>;
    fn refuse(&self, rejection: Rejection, request: &Parts) -> Rejection;
    fn logout<'a>(self: Arc<Self>, reach: LogoutReach, request: &'a Parts) -> RejectionFuture<'a>;
}

impl<T: SessionData> AnyScope for Scope<T> {
    fn payload(&self) -> TypeId {
        TypeId::of::<T>()
    }

    fn manager(&self) -> *const () {
        Arc::as_ptr(&self.sessions).cast()
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
        Box::pin(async move { self.resolve(Some(request), Reading::MayBeCached).await.map(drop) })
    }

    fn refuse(&self, rejection: Rejection, request: &Parts) -> Rejection {
        Scope::refuse(self, rejection, request)
    }

    fn logout<'a>(self: Arc<Self>, reach: LogoutReach, request: &'a Parts) -> RejectionFuture<'a> {
        Box::pin(async move { self.logout_for_guard(reach, request).await })
    }
}

/// Returns a request's scopes, starting with the innermost layer's.
pub(super) fn scopes(request: &Parts) -> impl Iterator<Item = &Arc<dyn AnyScope>> {
    outwards(request.extensions.get())
}

fn outwards(innermost: Option<&CurrentScope>) -> impl Iterator<Item = &Arc<dyn AnyScope>> {
    std::iter::successors(innermost, |CurrentScope(scope)| scope.outer())
        .map(|CurrentScope(scope)| scope)
}

/// Returns the innermost of a request's scopes that `wanted` accepts.
///
/// If another manager of the same payload has a layer further out, neither scope is right: the
/// inner manager would replace the outer manager's verifier, and the requests that only the outer
/// verifier refuses would be accepted.
pub(super) fn innermost<'r>(
    request: &'r Parts,
    wanted: impl Fn(&dyn AnyScope) -> bool,
    payload: &'static str,
) -> Result<Option<&'r Arc<dyn AnyScope>>, Rejection> {
    let mut wanted = scopes(request).filter(|scope| wanted(&***scope));
    let innermost = wanted.next();
    if let Some(innermost) = innermost
        && wanted.any(|outer| outer.manager() != innermost.manager())
    {
        return Err(logged(Rejection::SeveralManagers { payload }, payload));
    }
    Ok(innermost)
}

/// Returns the session scope of a request whose guard names no payload. If the process has several
/// payloads, it is impossible to know which one is meant.
pub(crate) fn only(request: &Parts) -> Result<Arc<dyn AnyScope>, Rejection> {
    let payload = "the application's session type";
    if has_several_payloads() {
        return Err(logged(Rejection::UntypedGuard, payload));
    }
    let innermost = innermost(request, |_| true, payload)?;
    innermost.map(Arc::clone).ok_or_else(|| logged(Rejection::MissingLayer { payload }, payload))
}
