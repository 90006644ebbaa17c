//! Decides whether a request may use the session whose token it presents.

use std::any::type_name;

use http::request::Parts;

use super::presentation::Presentation;
use super::{Current, Live, Outgoing, Reading, Scope};
use crate::id::SessionId;
use crate::manager::Event;
use crate::manager::channels::ChannelId;
use crate::manager::client::FingerprintMismatch;
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::rejection::Rejection;
use crate::store::{EndReason, Load, Loaded, Standing, Touch, Touched};
use crate::token::Secret;

impl<T: SessionData> Scope<T> {
    /// Returns the token that the request presents. If the session was read from the cache before,
    /// it is the secret that the request has by now.
    fn held(&self, request: Option<&Parts>) -> Result<Held, Rejection> {
        if let Some(request) = request {
            self.read(request);
        }
        let state = self.state();
        if let Current::Live(Live { record, secret, channel, is_due, .. }) = &state.current {
            return Ok(Held {
                id: record.id,
                secret: secret.clone(),
                channel: *channel,
                stale_key: *is_due,
                is_presented: !matches!(state.outgoing, Outgoing::Issue(_)),
            });
        }
        match &state.presentation {
            None | Some(Presentation::Nothing) => Err(Rejection::NoSession),
            Some(Presentation::Refused(refused)) => Err(Rejection::BadToken(refused.reason)),
            Some(Presentation::Token(token, channel)) => {
                let (secret, stale_key) = (token.secret.clone(), token.stale_key);
                Ok(Held { id: token.id, secret, channel: *channel, stale_key, is_presented: true })
            }
        }
    }

    /// Loads the presented session, decides whether it is admitted, and records its use.
    ///
    /// Futures that few requests need are boxed: every future between here and the server contains
    /// this one, and each of them is copied.
    pub(super) async fn admit(
        &self,
        request: Option<&Parts>,
        reading: Reading,
    ) -> Result<Live<T>, Rejection> {
        let held = self.held(request)?;
        if reading == Reading::MayBeCached
            && let Some(loaded) = self.sessions.store.cached(held.id)
            && let Some(live) = self.admit_cached(loaded, &held, request).await
        {
            return Ok(live);
        }
        #[cfg(feature = "cache")]
        self.sessions.listener.listen(&self.sessions.store, &self.sessions.tasks);
        let Held { id, secret, channel, stale_key, is_presented } = held;
        let sessions = &self.sessions;
        let loaded = match sessions.store.load_for_request(id).await? {
            Load::Live(loaded) => loaded,
            Load::Ended => return Err(Rejection::Ended { id }),
            Load::Absent => return Err(Rejection::Unknown { id }),
            Load::Undecodable(error) => return Err(Rejection::Undecodable { id, error }),
        };
        let mut standing = loaded.secrets.standing(&secret, loaded.now);
        if standing == (Standing::Current { settled: false }) && !is_presented {
            // The rotation is settled when the client presents the secret.
            standing = Standing::Current { settled: true };
        }
        match standing {
            Standing::Current { .. } | Standing::Previous { .. } => {}
            Standing::Superseded { theft } => {
                // A slow upload may have been sent before the rotation: the time of its arrival
                // counts.
                let arrived = loaded.now.saturating_sub(self.arrived.elapsed());
                let late = Standing::Superseded { theft: true };
                if theft && loaded.secrets.standing(&secret, arrived) == late {
                    sessions.emit(&Event::TheftSuspected { id });
                    Box::pin(sessions.revoke_detached(id, EndReason::Theft)).await?;
                }
                return Err(Rejection::Superseded { id });
            }
            Standing::Foreign => return Err(Rejection::WrongSecret { id }),
        }
        self.check_client(&loaded).await?;
        sessions.verify(&loaded.record, request).await?;
        self.record_use(&loaded, &secret, standing).await?;
        let is_due = match standing {
            Standing::Current { .. } => stale_key,
            Standing::Previous { exchange } => exchange,
            Standing::Superseded { .. } | Standing::Foreign => false,
        };
        Ok(Live {
            record: loaded.record,
            now: loaded.now,
            secret,
            channel,
            is_current: matches!(standing, Standing::Current { .. }),
            is_new: false,
            is_due: is_due && sessions.channels[channel].frontend.reissues(),
            is_cached: false,
        })
    }

    /// Admits a session from the cache, if nothing speaks against it and nothing has to be written.
    /// In every other case, the store decides: what the cache has may be out of date.
    async fn admit_cached(
        &self,
        loaded: Loaded<T>,
        held: &Held,
        request: Option<&Parts>,
    ) -> Option<Live<T>> {
        let sessions = &self.sessions;
        let Loaded { record, now, .. } = &loaded;
        let is_live = *now < record.expires_at.min(record.deadline);
        let standing = loaded.secrets.standing(&held.secret, *now);
        let is_current = standing == Standing::Current { settled: true };
        let is_recorded = now.saturating_since(record.last_seen_at) < sessions.touch_interval;
        let admitted = is_live
            && is_current
            && is_recorded
            && self.is_from_its_client(&loaded).is_ok_and(|it_is| it_is)
            && sessions.verify(record, request).await.is_ok();
        admitted.then(|| Live {
            record: loaded.record,
            now: loaded.now,
            secret: held.secret.clone(),
            channel: held.channel,
            is_current: true,
            is_new: false,
            is_due: held.stale_key && sessions.channels[held.channel].frontend.reissues(),
            is_cached: true,
        })
    }

    /// Marks the session as used at the request's beginning, unless a use was recorded recently. If
    /// the store records several uses together, this one is written a little later.
    async fn record_use(
        &self,
        loaded: &Loaded<T>,
        secret: &Secret,
        standing: Standing,
    ) -> Result<(), Rejection> {
        let sessions = &self.sessions;
        let id = loaded.record.id;
        let settles = standing == Standing::Current { settled: false };
        let unrecorded = loaded.now.saturating_since(loaded.record.last_seen_at);
        if !settles && unrecorded < sessions.touch_interval {
            return Ok(());
        }
        let client = self.state().client.info.clone();
        // A rotation is settled before the response is sent.
        if !settles && sessions.touch_later(loaded, client.clone()) {
            return Ok(());
        }
        let presented = settles.then(|| secret.hash());
        let touch = Touch { id, idle: sessions.idle, client, presented };
        match Box::pin(sessions.store.touch(touch)).await {
            Ok(Touched::Written { .. }) => {
                sessions.touches.forget(id, loaded.now);
                sessions.emit(&Event::Touched { id });
            }
            Ok(Touched::Gone) => return Err(Rejection::Ended { id }),
            // The session was live a moment ago. The next request will try the store again.
            Err(error) => tracing::warn!(
                target: "anchor", %id, payload = type_name::<T>(),
                "the session's use was not recorded: {error}"
            ),
        }
        Ok(())
    }

    /// Checks that a session that is bound to a client is used by no other client.
    async fn check_client(&self, loaded: &Loaded<T>) -> Result<(), Rejection> {
        if self.is_from_its_client(loaded)? {
            return Ok(());
        }
        let sessions = &self.sessions;
        let id = loaded.record.id;
        if let Some((_, FingerprintMismatch::End)) = &sessions.client.fingerprint {
            Box::pin(sessions.revoke_detached(id, EndReason::Fingerprint)).await?;
        }
        Err(Rejection::OtherClient { id })
    }

    /// Returns whether a session is bound to this request's client, or to none.
    fn is_from_its_client(&self, loaded: &Loaded<T>) -> Result<bool, Error> {
        let (Some(bound), Some(_)) = (loaded.fingerprint, &self.sessions.client.fingerprint) else {
            return Ok(true);
        };
        // If the fingerprint function panicked, the client is unknown. This is not a mismatch,
        // because a mismatch may end the session.
        Ok(self.state().client.fingerprint? == Some(bound))
    }
}

/// The token that a request has.
struct Held {
    id: SessionId,
    secret: Secret,
    /// The channel that it is for.
    channel: ChannelId,
    /// Whether it was signed with an old key.
    stale_key: bool,
    /// Whether the client has it. It has not if this request has replaced the secret.
    is_presented: bool,
}
