//! Decides whether a request may use the session whose token it presents.

use std::any::type_name;

use http::request::Parts;

use super::presentation::Presentation;
use super::{Live, Scope};
use crate::id::SessionId;
use crate::manager::Event;
use crate::manager::client::FingerprintMismatch;
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::rejection::Rejection;
use crate::store::{EndReason, Load, Loaded, Standing, Touch, Touched};
use crate::token::Secret;

impl<T: SessionData> Scope<T> {
    /// Returns the id and the secret of the token that the request presents, and whether it was
    /// signed with an old key.
    fn presented_token(
        &self,
        request: Option<&Parts>,
    ) -> Result<(SessionId, Secret, bool), Rejection> {
        if let Some(request) = request {
            self.read(request);
        }
        match &self.state().presentation {
            None | Some(Presentation::Nothing) => Err(Rejection::NoSession),
            Some(Presentation::Refused { reason, .. }) => Err(Rejection::BadToken(*reason)),
            Some(Presentation::Token(token)) => {
                Ok((token.id, token.secret.clone(), token.stale_key))
            }
        }
    }

    /// Loads the presented session, decides whether it is admitted, and records its use.
    ///
    /// Futures that few requests need are boxed: every future between here and the server contains
    /// this one, and each of them is copied.
    pub(super) async fn admit(&self, request: Option<&Parts>) -> Result<Live<T>, Rejection> {
        let (id, secret, stale_key) = self.presented_token(request)?;
        let sessions = &self.sessions;
        let loaded = match sessions.store.load(id).await? {
            Load::Live(loaded) => loaded,
            Load::Ended => return Err(Rejection::Ended { id }),
            Load::Absent => return Err(Rejection::Unknown { id }),
            Load::Undecodable(error) => return Err(Rejection::Undecodable { id, error }),
        };
        let standing = loaded.secrets.standing(&secret, loaded.now);
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
            is_current: matches!(standing, Standing::Current { .. }),
            is_new: false,
            is_due: is_due && sessions.frontend.reissues(),
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
        let sessions = &self.sessions;
        let (Some(bound), Some((_, on_mismatch))) =
            (loaded.fingerprint, &sessions.client.fingerprint)
        else {
            return Ok(());
        };
        // If the fingerprint function panicked, the client is unknown. This is not a mismatch,
        // because a mismatch may end the session.
        let presented = self.state().client.fingerprint.map_err(Error::from)?;
        if presented == Some(bound) {
            return Ok(());
        }
        let id = loaded.record.id;
        if *on_mismatch == FingerprintMismatch::End {
            Box::pin(sessions.revoke_detached(id, EndReason::Fingerprint)).await?;
        }
        Err(Rejection::OtherClient { id })
    }
}
