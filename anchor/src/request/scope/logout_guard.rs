//! What `#[logout]` does before the handler's body runs: a logout, unless a link could have caused
//! the request.

use std::sync::Arc;

use http::request::Parts;

use super::{LogoutScope, Scope};
use crate::payload::SessionData;
use crate::rejection::Rejection;

impl<T: SessionData> Scope<T> {
    /// Logs out, or returns the refusal that the application has chosen.
    ///
    /// Safe methods (RFC 9110 section 9.2.1) end nothing: cross-origin protection lets them pass,
    /// and a link, an image or a prefetch on another site makes a browser send a `GET` with the
    /// session's cookie.
    pub(crate) async fn logout_for_guard(
        self: &Arc<Self>,
        reach: LogoutScope,
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
