//! The logout of the request's own session.

use super::super::{Current, Outgoing, Scope};
use crate::payload::SessionData;
use crate::rejection::Rejection;
use crate::store::{EndReason, Ending, Replaced};

impl<T: SessionData> Scope<T> {
    /// Ends the request's session, and every other one whose genuine token it presents.
    ///
    /// A token that cannot be judged, or is not proven, may belong to a live session. The genuine
    /// ones end anyway, but the logout reports that it was not carried out.
    pub(super) async fn logout_this(&self) -> Result<u64, Rejection> {
        let (ending, unjudged) = {
            let state = self.state();
            let unjudged = match (&state.current, &state.presentation) {
                (Current::Live(_) | Current::Ended(_), _) | (_, None) => None,
                (_, Some(presentation)) => presentation.unjudged(),
            };
            (self.presented(&state), unjudged)
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
        if !state.carried.is_empty() {
            state.outgoing = Outgoing::Remove(state.carried);
        }
        state.current = Current::Ended(ending.first().map(|ended| ended.id));
        Ok(ended)
    }

    /// Ends those of these sessions whose proofs are right. Returns how many were live, and which
    /// proof was wrong.
    pub(super) async fn end_each(
        &self,
        ending: &[Replaced],
    ) -> Result<(u64, Option<Rejection>), Rejection> {
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
}
