//! The consumption of the request's session: its last payload goes to exactly one request.

use std::sync::Arc;

use super::{Current, Outgoing, Scope};
use crate::id::SessionId;
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::store::Consumed;

impl<T: SessionData> Scope<T> {
    /// Ends the session, and returns its last payload.
    ///
    /// Runs in a separate task: if the client disconnected half way, nobody on this node would
    /// learn of the end.
    pub(crate) async fn consume(self: &Arc<Self>, id: SessionId) -> Result<Arc<T>, Error> {
        let scope = Arc::clone(self);
        let consumption = async move { scope.consume_here(id).await };
        self.sessions.tasks.complete(consumption).await?
    }

    async fn consume_here(&self, id: SessionId) -> Result<Arc<T>, Error> {
        if self.state().is_closed() {
            return Err(Error::ResponseBegun);
        }
        let secret = self.secret_of(id)?;
        match self.sessions.consume(id, secret).await? {
            Consumed::Ended(last) => {
                self.found_consumed(id);
                Ok(last)
            }
            Consumed::Conflict => Err(Error::SecretReplaced { id }),
            Consumed::Gone => {
                self.found_ended(id);
                Err(Error::Ended { id })
            }
        }
    }

    /// Records that this request has ended the session: its token is removed.
    fn found_consumed(&self, id: SessionId) {
        let mut state = self.state();
        let is_current = match &state.current {
            Current::Live(live) => live.record.id == id,
            // Another consumption in this request has found it ended.
            Current::Ended(ended) => *ended == Some(id),
            Current::Unasked | Current::Refused(_) => false,
        };
        // A login that was carried out meanwhile stays valid.
        if is_current {
            state.current = Current::Ended(Some(id));
            state.outgoing = Outgoing::Remove(state.carried);
        }
    }
}
