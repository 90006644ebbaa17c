//! [`Sessions`]: what the manager's clones, the layers and the requests of one payload type share.

use std::any::type_name;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::Request;
use http::request::Parts;

use crate::column::Column;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::manager::channels::Channels;
use crate::manager::client::ClientSettings;
use crate::manager::cross_origin::CrossOriginProtection;
#[cfg(feature = "cache")]
use crate::manager::listener::Listener;
use crate::manager::plain_http::PlainHttp;
use crate::manager::tasks::Tasks;
use crate::manager::touches::Touches;
use crate::manager::verifier::AnyVerifier;
use crate::manager::watch::table::Watches;
use crate::manager::{BoxError, Event, RevokedSessions, Verdict, callback};
use crate::payload::{CutOff, SessionData};
use crate::rejection::{Error, Rejection, show_as_page, wants_html};
use crate::store::keyed_mutex::KeyedMutex;
use crate::store::{Bounded, Consumed, EndReason, Ending, Load, Loaded, Record};
use crate::token::{LastingHash, SecretHash};

pub(crate) struct Sessions<T> {
    pub(crate) store: Bounded<T>,
    pub(crate) channels: Channels,
    pub(crate) verifier: Option<Box<dyn AnyVerifier<T>>>,
    pub(crate) on_reject: Option<Box<OnReject>>,
    pub(crate) cross_origin: Option<CrossOriginProtection>,
    pub(crate) on_event: Option<Box<OnEvent<T>>>,
    pub(crate) client: ClientSettings,
    pub(crate) plain_http: PlainHttp,
    pub(crate) watches: Watches<T>,
    /// The queues of requests that met a conflict.
    pub(crate) updates: Arc<KeyedMutex<SessionId>>,
    pub(crate) tasks: Tasks,
    pub(crate) touches: Touches,
    #[cfg(feature = "cache")]
    pub(crate) listener: Listener,
    pub(crate) idle: Duration,
    pub(crate) absolute: Duration,
    pub(crate) touch_interval: Duration,
    pub(crate) rotation_grace: Duration,
    pub(crate) revocation_poll: Duration,
    pub(crate) verify_interval: Duration,
}

pub(crate) type OnReject = dyn Fn(&Rejection, &Parts) -> Response + Send + Sync;
pub(crate) type OnEvent<T> = dyn Fn(&Event<'_, T>) + Send + Sync;

impl<T: SessionData> Sessions<T> {
    /// Logs an event and calls the application's hook with it.
    pub(crate) fn emit(&self, event: &Event<'_, T>) {
        event.log();
        #[cfg(feature = "metrics")]
        event.count();
        if let Some(on_event) = &self.on_event {
            // A panic of the hook does not undo the event.
            let _ = callback::call("on_event", || on_event(event));
        }
    }

    /// Logs an error that the application receives, and may respond with.
    pub(crate) fn failed(&self, error: impl Into<Error>) -> Error {
        let mut error = error.into();
        // A refusal by the verifier is an event, which has already been logged.
        if !matches!(error, Error::RefusedByVerifier { .. }) {
            let rejection = Rejection::from(error.clone());
            rejection.log(Some(type_name::<T>()));
            #[cfg(feature = "metrics")]
            crate::metrics::failed(T::schema().table, rejection.code());
        }
        if let Error::Store(error) = &mut error {
            error.mark_logged();
        }
        error
    }

    /// Returns the live session with this id. A row that cannot be decoded counts as ended, and is
    /// logged.
    pub(crate) async fn load_live(&self, id: SessionId) -> Result<Option<Loaded<T>>, StoreError> {
        Ok(match self.store.load(id).await? {
            Load::Live(loaded) => Some(loaded),
            Load::Ended | Load::Absent => None,
            Load::Undecodable(error) => {
                Rejection::Undecodable { id, error }.log(Some(type_name::<T>()));
                None
            }
        })
    }

    /// Asks the application's verifier, if there is one.
    pub(crate) async fn verify(
        &self,
        session: &Record<T>,
        request: Option<&Parts>,
    ) -> Result<(), Error> {
        let Some(verifier) = &self.verifier else { return Ok(()) };
        let request = request.ok_or_else(|| {
            Error::Verifier(BoxError::from("the request is no longer there").into())
        })?;
        match verifier.verify(session, request).await {
            Ok(Verdict::Accept) => Ok(()),
            Ok(Verdict::Refuse) => Err(Error::RefusedByVerifier { id: session.id }),
            Err(error) => Err(Error::Verifier(error.into())),
        }
    }

    /// Returns the refusal of a request that another site made a browser send.
    pub(crate) fn cross_origin_refusal<B>(&self, request: &Request<B>) -> Option<Rejection> {
        let rejection = self.cross_origin.as_ref()?.refusal(request)?;
        if self.channels.are_set_by_a_script(request.headers()) {
            return None;
        }
        self.emit(&Event::Refused { rejection: &rejection });
        Some(rejection)
    }

    /// Returns the response to a refusal: the application's own if it has one.
    pub(crate) fn respond(&self, rejection: Rejection, request: &Parts) -> Response {
        let mut response = match self.own_response(&rejection, request) {
            None => rejection.into_response(),
            Some(mut response) => {
                response.extensions_mut().insert(rejection);
                response
            }
        };
        if wants_html(&request.headers) {
            show_as_page(&mut response);
        }
        response
    }

    /// Returns the application's own response to a refusal, or `None` if it has none or panics.
    pub(crate) fn own_response(&self, rejection: &Rejection, request: &Parts) -> Option<Response> {
        let on_reject = self.on_reject.as_ref()?;
        callback::call("on_reject", || on_reject(rejection, request)).ok()
    }

    /// Ends one session in the store, then wakes those on this node who wait for its end.
    pub(crate) async fn revoke(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> Result<Ending, StoreError> {
        let ending = self.store.revoke(id, proof, reason).await?;
        if ending != Ending::Unproven {
            self.watches.ended(id);
            let count = ending.count();
            self.emit(&Event::Revoked { which: RevokedSessions::One(id), count, reason });
        }
        Ok(ending)
    }

    /// Ends a live session in the store, returns its last payload, and wakes those on this node who
    /// wait for its end.
    pub(crate) async fn consume(
        &self,
        id: SessionId,
        secret: SecretHash,
    ) -> Result<Consumed<T>, StoreError> {
        let consumed = self.store.consume(id, secret).await?;
        if matches!(consumed, Consumed::Ended(_)) {
            self.watches.ended(id);
            let (which, reason) = (RevokedSessions::One(id), EndReason::Consumed);
            self.emit(&Event::Revoked { which, count: 1, reason });
        }
        Ok(consumed)
    }

    /// Ends one session of a subject. A session of another subject is not ended.
    pub(crate) async fn revoke_of(
        &self,
        subject: &T::Subject,
        id: SessionId,
        reason: EndReason,
    ) -> Result<Ending, StoreError> {
        let ending = self.store.revoke_of(subject, id, reason).await?;
        if ending == Ending::Ended {
            self.watches.ended(id);
            self.emit(&Event::Revoked { which: RevokedSessions::One(id), count: 1, reason });
        }
        Ok(ending)
    }

    /// Ends one session in a separate task: a request's future is dropped when its client
    /// disconnects, and the session must end anyway.
    pub(crate) async fn revoke_detached(
        self: &Arc<Self>,
        id: SessionId,
        reason: EndReason,
    ) -> Result<Ending, StoreError> {
        let sessions = Arc::clone(self);
        let ending = async move { sessions.revoke(id, None, reason).await };
        self.tasks.complete(ending).await?.map_err(StoreError::not_carried_out)
    }

    /// Ends all of a subject's sessions, or all but one.
    pub(crate) async fn revoke_subject(
        &self,
        subject: &T::Subject,
        keep: Option<SessionId>,
        reason: EndReason,
    ) -> Result<u64, StoreError> {
        let (count, which) = match keep {
            Some(keep) => (
                self.store.revoke_others(subject, keep, reason).await?,
                RevokedSessions::Others(keep),
            ),
            None => (self.store.revoke_subject(subject, reason).await?, RevokedSessions::Subject),
        };
        self.ended_of(subject, keep);
        self.emit(&Event::Revoked { which, count, reason });
        Ok(count)
    }

    /// Ends the sessions of every subject.
    pub(crate) async fn revoke_everyone(&self) -> Result<u64, StoreError> {
        let reason = EndReason::Everyone;
        let count = self.store.revoke_everyone(reason).await?;
        self.watches.ended_all(None, None);
        self.emit(&Event::Revoked { which: RevokedSessions::Everyone, count, reason });
        Ok(count)
    }

    /// Ends a subject's sessions, and those of its logins that have begun.
    pub(crate) async fn cut_off(&self, subject: &T::Subject) -> Result<u64, StoreError>
    where
        T: CutOff,
    {
        let reason = EndReason::CutOff;
        let count = self.store.cut_off(subject, reason).await?;
        self.ended_of(subject, None);
        self.emit(&Event::Revoked { which: RevokedSessions::Subject, count, reason });
        Ok(count)
    }

    /// Wakes those who wait for the end of a subject's sessions.
    fn ended_of(&self, subject: &T::Subject, keep: Option<SessionId>) {
        // A subject that cannot be converted to SQL has no sessions either.
        if let Ok(subject) = subject.to_value() {
            self.watches.ended_all(Some(&subject), keep);
        }
    }

    pub(crate) async fn sweep(&self, batch: u32) -> Result<u64, StoreError> {
        let count = self.store.sweep(batch).await?;
        if count > 0 {
            self.emit(&Event::Expired { count });
        }
        Ok(count)
    }
}
