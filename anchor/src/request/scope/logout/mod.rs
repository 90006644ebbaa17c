//! What a logout ends: the request's [own session](own_session), or those of its
//! [subject](subject).

mod own_session;
mod subject;

use std::sync::Arc;

use http::request::Parts;

use super::Scope;
use crate::error::StoreError;
use crate::payload::SessionData;
use crate::rejection::Rejection;

/// Which sessions a logout ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoutReach {
    /// The request's own session.
    This,
    /// Every session of its subject.
    All,
    /// Every session of its subject except its own.
    Others,
}

impl<T: SessionData> Scope<T> {
    /// Ends the request's sessions, as far as `reach` says, and returns how many were live.
    /// Continues after the client has disconnected.
    pub(crate) async fn logout(
        self: &Arc<Self>,
        reach: LogoutReach,
        request: Option<&Parts>,
    ) -> Result<u64, Rejection> {
        if let Some(request) = request {
            self.read(request);
        }
        let scope = Arc::clone(self);
        // The verifier may need the request, and the task outlives it.
        let request = request
            .filter(|_| reach == LogoutReach::Others && self.sessions.verifier.is_some())
            .cloned();
        // A separate task, because this future is dropped when the client closes its connection. A
        // shutdown waits for the task.
        let ending = async move {
            match reach {
                LogoutReach::This => scope.logout_this().await,
                LogoutReach::All => scope.logout_all().await,
                LogoutReach::Others => scope.logout_others(request.as_ref()).await,
            }
        };
        self.sessions
            .tasks
            .complete(ending)
            .await
            .unwrap_or_else(|error| Err(self.not_carried_out(error)))
    }

    /// Reports that a logout was not carried out. The session is still live, so the response is
    /// 503, whatever the store's reason is. For example, a row of another table may reference the
    /// session's row and prevent its removal.
    fn not_carried_out(&self, error: StoreError) -> Rejection {
        self.refused(Rejection::Store(error.not_carried_out()))
    }

    /// Logs out, or returns the refusal that the application has chosen.
    ///
    /// Safe methods (RFC 9110 section 9.2.1) end nothing: cross-origin protection lets them pass,
    /// and a link, an image or a prefetch on another site makes a browser send a `GET` with the
    /// session's cookie.
    pub(crate) async fn logout_for_guard(
        self: &Arc<Self>,
        reach: LogoutReach,
        request: &Parts,
    ) -> Result<(), Rejection> {
        let ended = if request.method.is_safe() {
            self.read(request);
            let method = request.method.clone();
            Err(self.refused(Rejection::LogoutBySafeMethod { method }))
        } else {
            self.logout(reach, Some(request)).await.map(drop)
        };
        ended.map_err(|rejection| self.refuse(rejection, request))
    }
}
