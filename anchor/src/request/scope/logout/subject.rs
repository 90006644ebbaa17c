//! The logout of the subject's sessions: all of them, or all others.

use std::sync::Arc;

use http::request::Parts;

use super::super::{Current, Reading, Scope};
use crate::id::SessionId;
use crate::payload::SessionData;
use crate::rejection::Rejection;
use crate::store::{EndReason, Record, Replaced, Standing};
use crate::token::Secret;

impl<T: SessionData> Scope<T> {
    /// Ends every session of the request's subject.
    ///
    /// Without a live session, the subject is unknown. For a request that presents no token, there
    /// is nothing to end. A request that presents the token of an ended session is refused, because
    /// its logout was not carried out.
    ///
    /// Nobody is told how many of the subject's sessions were live: the answer counts those of the
    /// request that are left when the subject's have ended.
    pub(super) async fn logout_all(&self) -> Result<u64, Rejection> {
        let proven = self.proven().await?;
        for session in &proven {
            if let Some(subject) = session.data.subject() {
                let ended = self.sessions.revoke_subject(subject, None, EndReason::LogoutAll).await;
                ended.map_err(|error| self.not_carried_out(error))?;
            }
        }
        let presented = self.presented(&self.state());
        let unknown =
            presented.iter().find(|token| proven.iter().all(|session| session.id != token.id));
        if let Some(&Replaced { id, .. }) = unknown {
            self.end_each(&presented).await?;
            return Err(self.refused(Rejection::Ended { id }));
        }
        self.logout_this().await
    }

    /// Returns the live sessions whose tokens the request presents, however often they have been
    /// rotated since. The verifier is not asked, and the client's fingerprint is not checked:
    /// whoever can end one session of a subject may end the others.
    async fn proven(&self) -> Result<Vec<Arc<Record<T>>>, Rejection> {
        let presented: Vec<(SessionId, Secret)> = {
            let state = self.state();
            match (&state.current, &state.presentation) {
                (Current::Live(live), _) if !live.is_cached => {
                    return Ok(vec![Arc::clone(&live.record)]);
                }
                (Current::Live(live), _) => vec![(live.record.id, live.secret.clone())],
                (Current::Ended(_), _) | (_, None) => Vec::new(),
                (_, Some(presentation)) => presentation
                    .genuine()
                    .iter()
                    .map(|token| (token.id, token.secret.clone()))
                    .collect(),
            }
        };
        let mut proven = Vec::new();
        for (id, secret) in presented {
            let found = self.sessions.load_live(id).await;
            let found = found.map_err(|error| self.not_carried_out(error))?;
            if let Some(loaded) = found
                && loaded.secrets.standing(&secret, loaded.now) != Standing::Foreign
            {
                proven.push(loaded.record);
            }
        }
        Ok(proven)
    }

    /// Ends every session of the request's subject except the request's own, which must be live.
    pub(super) async fn logout_others(
        self: &Arc<Self>,
        request: Option<&Parts>,
    ) -> Result<u64, Rejection> {
        let session = self.resolve(request, Reading::Authoritative).await?;
        match session.record.data.subject() {
            Some(subject) => self
                .sessions
                .revoke_subject(subject, Some(session.record.id), EndReason::LogoutOthers)
                .await
                .map_err(|error| self.not_carried_out(error)),
            None => Ok(0),
        }
    }
}
