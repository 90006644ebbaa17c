//! What mints tokens: a login, and a rotation.

use std::sync::Arc;

use super::{Admitted, Current, Live, Outgoing, Scope};
use crate::data::SessionData;
use crate::error::Error;
use crate::event::Event;
use crate::id::SessionId;
use crate::store::{EndReason, NewSession, Record, Rotated, Rotation};
use crate::token::{Secret, SecretHash, SessionToken, new_session_id};

impl<T: SessionData> Scope<T> {
    /// Creates a session and ends the presented one, or the one that this request logged in before.
    pub(crate) async fn login(&self, data: T) -> Result<(Admitted<T>, SessionToken), Error> {
        let (replaces, others) = {
            let state = self.state();
            if state.closed {
                return Err(Error::ResponseBegun);
            }
            let mut presented = self.live_ids(&state).into_iter();
            (presented.next().map(|(id, _)| id), presented)
        };
        let id = new_session_id().map_err(Error::Randomness)?;
        let secret = Secret::generate().map_err(Error::Randomness)?;
        let sessions = &self.sessions;
        let record = Arc::new(
            sessions
                .store
                .create(NewSession {
                    idle: sessions.idle,
                    absolute: sessions.absolute,
                    replaces,
                    ..NewSession::new(id, secret.hash(), Arc::new(data))
                })
                .await?,
        );
        for (other, proof) in others {
            sessions.revoke(other, proof, EndReason::Replaced).await?;
        }
        if let Some(replaced) = replaces {
            sessions.watched.ended(replaced);
        }
        let token = SessionToken::sign(id, &secret, &sessions.keys);
        if !self.found_created(&record, secret.hash(), &token) {
            sessions.revoke(id, None, EndReason::Revoked).await?;
            return Err(Error::ResponseBegun);
        }
        sessions.emit(&Event::Created { session: &record, replaced: replaces });
        let now = record.created_at;
        Ok((Admitted { record, now }, token))
    }

    /// The session was created; says whether its token can still be sent.
    fn found_created(
        &self,
        record: &Arc<Record<T>>,
        secret: SecretHash,
        token: &SessionToken,
    ) -> bool {
        let mut state = self.state();
        if state.closed {
            return false;
        }
        let lifetime = self.sessions.absolute;
        state.outgoing = Outgoing::Issue { token: token.clone(), lifetime };
        state.current = Current::Live(Live {
            now: record.created_at,
            record: Arc::clone(record),
            secret: Some(secret),
            touch: false,
            resigned: None,
        });
        true
    }

    /// Gives the session a new secret, and the response its token. `None` when another request has done so already.
    pub(crate) async fn rotate(&self, id: SessionId) -> Result<Option<SessionToken>, Error> {
        let (from, lifetime) = {
            let state = self.state();
            if state.closed {
                return Err(Error::ResponseBegun);
            }
            match &state.current {
                Current::Live(Live { secret: Some(secret), record, now, .. })
                    if record.id == id =>
                {
                    (*secret, record.deadline.saturating_since(*now))
                }
                Current::Live(live) if live.record.id == id => return Ok(None),
                _ => return Err(Error::Ended { id }),
            }
        };
        let secret = Secret::generate().map_err(Error::Randomness)?;
        let to = secret.hash();
        let grace = self.sessions.rotation_grace;
        match self.sessions.store.rotate(Rotation { id, from, to, grace }).await? {
            Rotated::Written => {}
            Rotated::Conflict => return Ok(None),
            Rotated::Gone => {
                self.found_ended(id);
                return Err(Error::Ended { id });
            }
        }
        let token = SessionToken::sign(id, &secret, &self.sessions.keys);
        let mut state = self.state();
        // A logout that was carried out meanwhile stands.
        if let Some(live) = state.live(id) {
            live.secret = Some(to);
            live.resigned = None;
            state.outgoing = Outgoing::Issue { token: token.clone(), lifetime };
        }
        drop(state);
        self.sessions.emit(&Event::Rotated { id });
        Ok(Some(token))
    }
}
