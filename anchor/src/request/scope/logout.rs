//! What a logout ends: the request's own session, or others of its subject.

use std::sync::Arc;

use http::request::Parts;
use tracing::Instrument;

use super::presentation::Presentation;
use super::{Current, Outgoing, Scope};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::SessionData;
use crate::rejection::Rejection;
use crate::store::{EndReason, Ending, Record, Replaced, Standing};
use crate::token::Secret;

/// Which sessions a logout ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoutScope {
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
        reach: LogoutScope,
        request: Option<&Parts>,
    ) -> Result<u64, Rejection> {
        if let Some(request) = request {
            self.read(request);
        }
        let scope = Arc::clone(self);
        // The verifier may need the request, and the task outlives it.
        let request = request
            .filter(|_| reach == LogoutScope::Others && self.sessions.verifier.is_some())
            .cloned();
        // A separate task, because this future is dropped when the client closes its connection. A
        // shutdown waits for the task.
        let ending = async move {
            match reach {
                LogoutScope::This => scope.logout_this().await,
                LogoutScope::All => scope.logout_all().await,
                LogoutScope::Others => scope.logout_others(request.as_ref()).await,
            }
        };
        self.sessions
            .tasks
            .spawn(ending.in_current_span())
            .await
            .unwrap_or_else(|error| Err(self.not_carried_out(StoreError::unavailable(error))))
    }

    /// Reports that a logout was not carried out. Whatever the store's reason, such as a row of
    /// another table that prevents the session's own row from being removed, the session is still
    /// live, and the answer is 503.
    fn not_carried_out(&self, error: StoreError) -> Rejection {
        self.refused(Rejection::Store(error.not_carried_out()))
    }

    /// Ends the request's session, and every other one whose genuine token it presents.
    ///
    /// A token that cannot be judged, or is not proven, may belong to a live session. The genuine
    /// ones end anyway, but the logout reports that it was not carried out.
    async fn logout_this(&self) -> Result<u64, Rejection> {
        let (ending, presented, unjudged) = {
            let state = self.state();
            let presented = !matches!(state.presentation, None | Some(Presentation::Nothing));
            let unjudged = match (&state.current, &state.presentation) {
                (Current::Live(_) | Current::Ended(_), _) | (_, None) => None,
                (_, Some(presentation)) => presentation.unjudged(),
            };
            (self.presented(&state), presented, unjudged)
        };
        let (ended, unproven) = self.end_each(&ending).await?;
        if let Some(refusal) = unproven.or(unjudged.map(Rejection::BadToken)) {
            return Err(self.refused(refusal));
        }
        let mut state = self.state();
        // A login that was carried out meanwhile stays valid.
        if let Current::Live(live) = &state.current
            && ending.iter().all(|ended| ended.id != live.record.id)
        {
            return Ok(ended);
        }
        if presented || matches!(state.outgoing, Outgoing::Issue(_)) {
            state.outgoing = Outgoing::Remove;
        }
        state.current = Current::Ended(ending.first().map(|ended| ended.id));
        Ok(ended)
    }

    /// Ends those of these sessions whose proofs are right. Returns how many were live, and which
    /// proof was wrong.
    async fn end_each(&self, ending: &[Replaced]) -> Result<(u64, Option<Rejection>), Rejection> {
        let mut ended = 0;
        let mut unproven = None;
        for &Replaced { id, proof } in ending {
            let revoked = self.sessions.revoke(id, Some(proof), EndReason::Logout).await;
            match revoked.map_err(|error| self.not_carried_out(error))? {
                Ending::Unproven => unproven = Some(Rejection::WrongSecret { id }),
                ending => ended += ending.count(),
            }
        }
        Ok((ended, unproven))
    }

    /// Ends every session of the request's subject.
    ///
    /// Without a live session, it is unknown whose the others are. A request that presents nothing
    /// asks for nothing. A request that presents the token of an ended session is told that its
    /// logout was not carried out.
    async fn logout_all(&self) -> Result<u64, Rejection> {
        let proven = self.proven().await?;
        let mut ended = 0;
        for session in &proven {
            if let Some(subject) = session.data.subject() {
                ended += self
                    .sessions
                    .revoke_subject(subject, None, EndReason::LogoutAll)
                    .await
                    .map_err(|error| self.not_carried_out(error))?;
            }
        }
        let presented = self.presented(&self.state());
        let unknown =
            presented.iter().find(|token| proven.iter().all(|session| session.id != token.id));
        if let Some(&Replaced { id, .. }) = unknown {
            self.end_each(&presented).await?;
            return Err(self.refused(Rejection::Ended { id }));
        }
        Ok(ended + self.logout_this().await?)
    }

    /// Returns the live sessions whose tokens the request presents, however often they were rotated
    /// since. It does not check whether they may be used, by the verifier's decision or the
    /// client's fingerprint: whoever can end one may end its subject's others.
    async fn proven(&self) -> Result<Vec<Arc<Record<T>>>, Rejection> {
        let presented: Vec<(SessionId, Secret)> = {
            let state = self.state();
            match (&state.current, &state.presentation) {
                (Current::Live(live), _) => return Ok(vec![Arc::clone(&live.record)]),
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
    async fn logout_others(self: &Arc<Self>, request: Option<&Parts>) -> Result<u64, Rejection> {
        let session = self.resolve(request).await?;
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
