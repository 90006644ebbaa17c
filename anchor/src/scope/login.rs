//! What mints tokens: a login, and a rotation.

use std::sync::Arc;

use super::{Admitted, Current, Live, Outgoing, Scope};
use crate::data::SessionData;
use crate::error::Error;
use crate::event::{Event, Revoked};
use crate::id::SessionId;
use crate::store::{Created, EndReason, NewSession, Record, Rotated, Rotation};
use crate::token::{Secret, SecretHash, SessionToken, new_session_id};

impl<T: SessionData> Scope<T> {
    /// Creates a session and ends the presented one, or the one that this request logged in before.
    pub(crate) async fn login(
        &self,
        data: T,
        remembered: bool,
        begins_now: bool,
    ) -> Result<(Admitted<T>, SessionToken), Error> {
        let (replaces, others, client) = {
            let state = self.state();
            if state.closed {
                return Err(Error::ResponseBegun);
            }
            let mut presented = self.live_ids(&state).into_iter();
            (presented.next().map(|(id, _)| id), presented, state.client.clone())
        };
        // A session that should be bound must not begin unbound.
        let fingerprint = client.fingerprint?;
        let id = new_session_id().map_err(Error::Randomness)?;
        let secret = Secret::generate().map_err(Error::Randomness)?;
        let sessions = &self.sessions;
        // First, or a failure here would leave a session behind whose token nobody has.
        for (other, proof) in others {
            sessions.revoke(other, proof, EndReason::Replaced).await?;
        }
        let created = sessions
            .store
            .create(NewSession {
                idle: sessions.idle,
                absolute: sessions.absolute,
                replaces,
                remembered,
                began: self.arrived.filter(|_| !begins_now),
                origin: client.origin,
                fingerprint,
                ..NewSession::new(id, secret.hash(), Arc::new(data))
            })
            .await?;
        let (record, ended) = match created {
            Created::Session { record, ended } => (Arc::new(record), ended),
            Created::SubjectFull => return Err(Error::TooManySessions),
        };
        for id in ended {
            sessions.watches.ended(id);
            let which = Revoked::One(id);
            sessions.emit(&Event::Revoked { which, count: 1, reason: EndReason::Overflow });
        }
        if let Some(replaced) = replaces {
            sessions.watches.ended(replaced);
        }
        let token = SessionToken::sign(id, &secret, &sessions.keys);
        if !self.found_created(&record, secret.hash(), &token) {
            sessions.revoke(id, None, EndReason::Revoked).await?;
            return Err(Error::ResponseBegun);
        }
        sessions.emit(&Event::Created { session: &record, replaced: replaces });
        let now = record.created_at;
        Ok((Admitted { record, now, current_secret: true }, token))
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
        let live = Live {
            now: record.created_at,
            record: Arc::clone(record),
            secret: Some(secret),
            touch: false,
            resigned: None,
        };
        state.outgoing = Outgoing::Issue { token: token.clone(), lifetime: live.lifetime() };
        state.current = Current::Live(live);
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
                Current::Live(live) if live.record.id == id => match live.secret {
                    Some(secret) => (secret, live.lifetime()),
                    None => return Ok(None),
                },
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
