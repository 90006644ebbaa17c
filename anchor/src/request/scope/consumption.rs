//! The consumption of the request's session: its last payload goes to exactly one request.

use std::sync::Arc;

use super::{Current, Outgoing, Scope};
use crate::id::SessionId;
use crate::manager::Event;
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::store::{EndReason, OldSecret, Rotated};

impl<T: SessionData> Scope<T> {
    /// Ends the session, and returns its last payload.
    ///
    /// Runs in a separate task: if the client disconnected half way, the session would stay live
    /// with a secret that nobody has.
    pub(crate) async fn consume(self: &Arc<Self>, id: SessionId) -> Result<Arc<T>, Error> {
        let scope = Arc::clone(self);
        let consumption = async move { scope.consume_here(id).await };
        self.sessions.tasks.complete(consumption).await?
    }

    async fn consume_here(&self, id: SessionId) -> Result<Arc<T>, Error> {
        if self.state().is_closed() {
            return Err(Error::ResponseBegun);
        }
        let sessions = &self.sessions;
        let (rotation, secret, channel) = self.rotation(id, OldSecret::Refused)?;
        match sessions.store.rotate(rotation).await? {
            Rotated::Written => {}
            Rotated::Conflict => return Err(Error::SecretReplaced { id }),
            Rotated::Gone => return Err(self.gone(id)),
        }
        // From here on, no other request can write to the session or consume it. It is consumed
        // when it is loaded as live: whoever ends it after that comes too late.
        let proof = secret.lasting_hash();
        let consumed = async {
            let Some(last) = sessions.load_live(id).await? else { return Ok(None) };
            sessions.revoke(id, Some(proof), EndReason::Consumed).await?;
            Ok::<_, Error>(Some(last))
        };
        match consumed.await {
            Ok(Some(last)) => {
                self.found_consumed(id);
                Ok(Arc::clone(&last.record.data))
            }
            Ok(None) => Err(self.gone(id)),
            Err(error) => {
                // The session may still be live, and only this response can carry its token.
                self.found_rotated(id, secret, channel);
                sessions.emit(&Event::Rotated { id });
                Err(error)
            }
        }
    }

    fn gone(&self, id: SessionId) -> Error {
        self.found_ended(id);
        Error::Ended { id }
    }

    /// Records that this request has ended the session: its token is removed.
    fn found_consumed(&self, id: SessionId) {
        let mut state = self.state();
        // A login that was carried out meanwhile stays valid.
        if state.live(id).is_some() {
            state.current = Current::Ended(Some(id));
            state.outgoing = Outgoing::Remove(state.carried);
        }
    }
}
