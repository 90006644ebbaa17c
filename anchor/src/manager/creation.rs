//! What a login and a one-time token share: the session that is inserted, and what its creation has
//! ended.

use std::sync::Arc;

use crate::id::SessionId;
use crate::manager::sessions::Sessions;
use crate::manager::{Event, RevokedSessions};
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::store::{EndReason, NewSession};
use crate::token::{Secret, new_session_id};

impl<T: SessionData> Sessions<T> {
    /// Makes a session with a new id, a new secret and the manager's lifetimes, and returns it with
    /// the secret. Nothing is inserted yet.
    pub(crate) fn new_session(&self, data: T) -> Result<(NewSession<T>, Secret), Error> {
        let id = new_session_id().map_err(Error::Randomness)?;
        let id = self.store.placement(&data).map_or(id, |placement| id.placed(placement));
        let secret = Secret::generate().map_err(Error::Randomness)?;
        let (lasting, hash) = (secret.lasting_hash(), secret.hash());
        let (idle, absolute) = (self.idle, self.absolute);
        let new = NewSession::new(id, lasting, hash, Arc::new(data));
        Ok((NewSession { idle, absolute, ..new }, secret))
    }

    /// Records that these sessions have ended to make room for a new one.
    pub(crate) fn made_room(&self, ended: Vec<SessionId>) {
        for id in ended {
            self.watches.ended(id);
            let which = RevokedSessions::One(id);
            self.emit(&Event::Revoked { which, count: 1, reason: EndReason::LimitExceeded });
        }
    }
}
