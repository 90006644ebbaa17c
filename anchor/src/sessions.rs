//! [`Sessions`]: what the manager's clones, the layers and the requests of one payload type share.

use std::time::Duration;

use axum::response::Response;
use http::request::Parts;

use crate::column::Column;
use crate::data::SessionData;
use crate::error::StoreError;
use crate::event::{Event, Revoked};
use crate::frontend::Frontend;
use crate::id::SessionId;
use crate::keys::TokenKeys;
use crate::rejection::Rejection;
use crate::store::{EndReason, SessionStore};
use crate::token::SecretHash;
use crate::turns::Turns;
use crate::verifier::AnyVerifier;
use crate::watch::Watched;

pub(crate) struct Sessions<T> {
    pub(crate) store: Box<dyn SessionStore<T>>,
    pub(crate) frontend: Box<dyn Frontend>,
    pub(crate) channel: String,
    pub(crate) keys: TokenKeys,
    pub(crate) verifier: Option<Box<dyn AnyVerifier<T>>>,
    pub(crate) on_reject: Option<Box<OnReject>>,
    pub(crate) on_event: Option<Box<OnEvent<T>>>,
    pub(crate) watched: Watched,
    pub(crate) turns: Turns,
    pub(crate) idle: Duration,
    pub(crate) absolute: Duration,
    pub(crate) touch_interval: Duration,
    pub(crate) rotation_grace: Duration,
    pub(crate) revocation_poll: Duration,
}

pub(crate) type OnReject = dyn Fn(&Rejection, &Parts) -> Response + Send + Sync;
pub(crate) type OnEvent<T> = dyn Fn(&Event<'_, T>) + Send + Sync;

impl<T: SessionData> Sessions<T> {
    /// Logs an event and tells the application's hook.
    pub(crate) fn emit(&self, event: &Event<'_, T>) {
        event.log();
        if let Some(on_event) = &self.on_event {
            on_event(event);
        }
    }

    /// Ends one session: in the store, then for those on this node who wait for it.
    pub(crate) async fn revoke(
        &self,
        id: SessionId,
        proof: Option<SecretHash>,
        reason: EndReason,
    ) -> Result<u64, StoreError> {
        let count = self.store.revoke(id, proof, reason).await?;
        self.watched.ended(id);
        self.emit(&Event::Revoked { which: Revoked::One(id), count, reason });
        Ok(count)
    }

    /// Ends a subject's sessions, all or all but one.
    pub(crate) async fn revoke_subject(
        &self,
        subject: &T::Subject,
        keep: Option<SessionId>,
        reason: EndReason,
    ) -> Result<u64, StoreError> {
        let (count, which) = match keep {
            Some(keep) => {
                (self.store.revoke_others(subject, keep, reason).await?, Revoked::Others(keep))
            }
            None => (self.store.revoke_subject(subject, reason).await?, Revoked::Subject),
        };
        // A subject that has no form in SQL has no sessions either.
        if let Ok(subject) = subject.to_value() {
            self.watched.ended_all(Some(&subject), keep);
        }
        self.emit(&Event::Revoked { which, count, reason });
        Ok(count)
    }

    pub(crate) async fn sweep(&self, batch: u32) -> Result<u64, StoreError> {
        let count = self.store.sweep(batch).await?;
        if count > 0 {
            self.emit(&Event::Expired { count });
        }
        Ok(count)
    }
}
