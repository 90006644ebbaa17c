//! [`Scope`]: what one request knows of its session, from the token it presents to the cookie it
//! sends back.
//!
//! Lazy: opening a scope reads nothing. The first question parses the token, the first demand for
//! the session loads it, once; the response's way out writes what changed.

mod any;
mod closing;
mod login;
mod logout;
mod logout_guard;
mod presentation;

use std::any::{TypeId, type_name};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) use any::{CurrentScope, only};
use any::{innermost, scopes};
use axum::response::Response;
pub(crate) use closing::Closing;
use http::request::Parts;
pub(crate) use login::LoginOptions;
pub use logout::LogoutScope;
use presentation::Presentation;
use tokio::time::Instant;

use crate::id::SessionId;
use crate::manager::Event;
use crate::manager::client::{Client, FingerprintMismatch};
use crate::manager::sessions::Sessions;
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::rejection::Rejection;
use crate::store::{EndReason, Load, Loaded, Record, Replaced, Standing, Touch, Touched};
use crate::timestamp::Timestamp;
use crate::token::{Secret, SecretHash, SessionToken};

pub(crate) struct Scope<T: SessionData> {
    pub(crate) sessions: Arc<Sessions<T>>,
    outer: Option<CurrentScope>,
    arrived: Instant,
    /// Held while the session is loaded, so that it is loaded once.
    loading: tokio::sync::Mutex<()>,
    state: Mutex<State<T>>,
}

struct State<T> {
    /// `None` until something asks.
    presentation: Option<Presentation>,
    client: Client,
    current: Current<T>,
    outgoing: Outgoing,
    /// The application's own response to this request's last refusal, until the way out.
    refusal: Option<(Rejection, Response)>,
    /// The response has passed the layer.
    closed: bool,
    /// That the session was ended earlier in this request has been logged as a refusal.
    end_is_logged: bool,
}

impl<T> State<T> {
    /// The session of this id, if it is the request's and lives.
    fn live(&mut self, id: SessionId) -> Option<&mut Live<T>> {
        match &mut self.current {
            Current::Live(live) if live.record.id == id => Some(live),
            _ => None,
        }
    }
}

/// The session as far as this request knows.
enum Current<T> {
    /// Nobody has asked.
    Unasked,
    /// There is none, or nobody can tell.
    Refused(Rejection),
    /// It lives.
    Live(Live<T>),
    /// It was ended in this request, or found to have ended meanwhile.
    Ended(Option<SessionId>),
}

struct Live<T> {
    record: Arc<Record<T>>,
    now: Timestamp,
    /// The secret that the request presents, or that it was given since.
    secret: Secret,
    /// Whether that was the session's current secret when it was last asked.
    is_current: bool,
    /// This request logged in.
    is_new: bool,
    /// The response is to carry another token: this one bears an old key, or the response with its
    /// successor seems to be lost.
    is_due: bool,
}

impl<T> Live<T> {
    fn admitted(&self) -> Admitted<T> {
        Admitted {
            record: Arc::clone(&self.record),
            now: self.now,
            current_secret: self.is_current,
        }
    }

    /// How long the client is to keep the token.
    fn lifetime(&self) -> Option<Duration> {
        self.record.remembered.then(|| self.record.deadline.saturating_since(self.now))
    }
}

/// What the response is to tell the token's owner.
enum Outgoing {
    Nothing,
    /// Without a lifetime, until the client is closed.
    Issue {
        token: SessionToken,
        lifetime: Option<Duration>,
        /// When the session got this secret in place of another one; `None` for a new session.
        rotated: Option<Instant>,
    },
    Remove,
}

/// A session that the request may use.
pub(crate) struct Admitted<T> {
    pub(crate) record: Arc<Record<T>>,
    /// The store's clock when the session was loaded.
    pub(crate) now: Timestamp,
    /// The request presents the session's secret, not the one before the last rotation.
    pub(crate) current_secret: bool,
}

impl<T: SessionData> Scope<T> {
    pub(crate) fn open(sessions: Arc<Sessions<T>>, outer: Option<CurrentScope>) -> Arc<Self> {
        Arc::new(Self {
            sessions,
            outer,
            arrived: Instant::now(),
            loading: tokio::sync::Mutex::new(()),
            state: Mutex::new(State {
                presentation: None,
                client: Client::default(),
                current: Current::Unasked,
                outgoing: Outgoing::Nothing,
                refusal: None,
                closed: false,
                end_is_logged: false,
            }),
        })
    }

    /// The scope that the layer of payload `T` opened for this request.
    pub(crate) fn of(request: &Parts) -> Result<Arc<Self>, Rejection> {
        let payload = type_name::<T>();
        let innermost = innermost(request, |scope| scope.payload() == TypeId::of::<T>(), payload)?;
        let scope = innermost.and_then(|scope| Arc::clone(scope).into_any().downcast().ok());
        scope.ok_or_else(|| logged(Rejection::MissingLayer { payload }, payload))
    }

    /// A poisoned lock means a panic in a few lines of assignments: the state is whole.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decodes and verifies what the request presents, the first time that something asks.
    pub(crate) fn read(&self, request: &Parts) {
        if self.state().presentation.is_some() {
            return;
        }
        let sessions = &self.sessions;
        let presented = sessions.frontend.presented(&request.headers);
        let presentation = Presentation::of(presented, &sessions.keys, sessions.absolute);
        let client = sessions.client.look::<T>(request);
        let mut state = self.state();
        state.client = client;
        state.presentation = Some(presentation);
    }

    /// The request's live session: loaded, checked and verified at most once a request.
    pub(crate) async fn resolve(
        self: &Arc<Self>,
        request: Option<&Parts>,
    ) -> Result<Admitted<T>, Rejection> {
        if let Some(known) = self.known() {
            return known.map_err(|rejection| self.refused_if_ended(rejection));
        }
        let _loading = self.loading.lock().await;
        if let Some(known) = self.known() {
            return known.map_err(|rejection| self.refused_if_ended(rejection));
        }
        let found = match self.admit(request).await {
            Ok(live) => Current::Live(live),
            Err(rejection) => Current::Refused(self.refused(rejection)),
        };
        self.found(found);
        self.known().unwrap_or(Err(Rejection::NoSession))
    }

    /// The session was loaded, or not; a login or logout that was carried out during the load
    /// stands.
    fn found(&self, found: Current<T>) {
        let mut state = self.state();
        if let Current::Unasked = state.current {
            state.current = found;
        }
    }

    fn known(self: &Arc<Self>) -> Option<Result<Admitted<T>, Rejection>> {
        match &self.state().current {
            Current::Unasked => None,
            Current::Refused(rejection) => Some(Err(rejection.clone())),
            Current::Live(live) => Some(Ok(live.admitted())),
            Current::Ended(Some(id)) => Some(Err(Rejection::Ended { id: *id })),
            Current::Ended(None) => Some(Err(Rejection::NoSession)),
        }
    }

    /// Loads the presented session, decides whether it is let in, and records its use.
    async fn admit(&self, request: Option<&Parts>) -> Result<Live<T>, Rejection> {
        if let Some(request) = request {
            self.read(request);
        }
        let (id, secret, stale_key) = match &self.state().presentation {
            None | Some(Presentation::Nothing) => return Err(Rejection::NoSession),
            Some(Presentation::Refused { reason, .. }) => return Err(Rejection::BadToken(*reason)),
            Some(Presentation::Token(token)) => (token.id, token.secret.clone(), token.stale_key),
        };
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
                // A slow upload may have been sent before the rotation: its arrival is what counts.
                let arrived = loaded.now.saturating_sub(self.arrived.elapsed());
                let late = Standing::Superseded { theft: true };
                if theft && loaded.secrets.standing(&secret, arrived) == late {
                    sessions.emit(&Event::TheftSuspected { id });
                    sessions.revoke_detached(id, EndReason::Theft).await?;
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

    /// Marks the session as used from the request's beginning, unless that was recorded lately.
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
        let touch = Touch {
            id,
            idle: sessions.idle,
            client: self.state().client.info.clone(),
            presented: settles.then(|| secret.hash()),
        };
        match sessions.store.touch(touch).await {
            Ok(Touched::Written { .. }) => sessions.emit(&Event::Touched { id }),
            Ok(Touched::Gone) => return Err(Rejection::Ended { id }),
            // The session was live a moment ago; the next request will find the store.
            Err(error) => tracing::warn!(
                target: "anchor", %id, payload = type_name::<T>(),
                "the session's use was not recorded: {error}"
            ),
        }
        Ok(())
    }

    /// A session that is bound to a client is used by no other.
    async fn check_client(&self, loaded: &Loaded<T>) -> Result<(), Rejection> {
        let sessions = &self.sessions;
        let (Some(bound), Some((_, on_mismatch))) =
            (loaded.fingerprint, &sessions.client.fingerprint)
        else {
            return Ok(());
        };
        // Not a mismatch, which may end the session: nobody can tell.
        let presented = self.state().client.fingerprint.map_err(Error::from)?;
        if presented == Some(bound) {
            return Ok(());
        }
        let id = loaded.record.id;
        if *on_mismatch == FingerprintMismatch::End {
            sessions.revoke_detached(id, EndReason::Fingerprint).await?;
        }
        Err(Rejection::OtherClient { id })
    }

    /// The sessions that this request stands for, and the right to end them: the one that it logged
    /// in, else those whose genuine tokens it presents.
    fn presented(&self, state: &State<T>) -> Vec<Replaced> {
        match (&state.current, &state.presentation) {
            (Current::Live(live), _) => {
                vec![Replaced { id: live.record.id, proof: live.secret.lasting_hash() }]
            }
            (Current::Ended(_), _) | (_, None) => Vec::new(),
            (_, Some(presentation)) => presentation
                .genuine()
                .iter()
                .map(|token| Replaced { id: token.id, proof: token.secret.lasting_hash() })
                .collect(),
        }
    }

    /// The session turned out to have ended meanwhile: nothing more is sent for it.
    pub(crate) fn found_ended(&self, id: SessionId) {
        let mut state = self.state();
        if state.live(id).is_some() {
            state.current = Current::Ended(Some(id));
            state.outgoing = Outgoing::Nothing;
        }
    }

    /// The hash of the secret that the request has.
    ///
    /// # Errors
    ///
    /// When the session is the request's no more.
    pub(crate) fn secret_of(&self, id: SessionId) -> Result<SecretHash, Error> {
        self.state().live(id).map(|live| live.secret.hash()).ok_or(Error::Ended { id })
    }

    /// The session was loaded again for a handle of this request: later extractors see it. Says
    /// whether the request's secret is still the current one.
    ///
    /// # Errors
    ///
    /// When the secret was replaced meanwhile: what the session has become since is not for whoever
    /// holds the old one. When the session is the request's no more.
    pub(crate) fn found_again(&self, loaded: &Loaded<T>) -> Result<bool, Error> {
        let id = loaded.record.id;
        let mut state = self.state();
        let live = state.live(id).ok_or(Error::Ended { id })?;
        live.is_current = match loaded.secrets.standing(&live.secret, loaded.now) {
            Standing::Current { .. } => true,
            Standing::Previous { .. } => false,
            Standing::Superseded { .. } | Standing::Foreign => {
                return Err(Error::SecretReplaced { id });
            }
        };
        live.record = Arc::clone(&loaded.record);
        live.now = loaded.now;
        Ok(live.is_current)
    }

    /// The session's payload was updated: later extractors see it.
    pub(crate) fn found_updated(&self, record: &Arc<Record<T>>) {
        if let Some(live) = self.state().live(record.id) {
            live.record = Arc::clone(record);
        }
    }

    /// Tells of a refusal, once, that nothing but an end earlier in this request explains. Every
    /// other one that is known was told when it was found.
    fn refused_if_ended(&self, rejection: Rejection) -> Rejection {
        let is_news = {
            let mut state = self.state();
            let ended = matches!(state.current, Current::Ended(_));
            ended && !std::mem::replace(&mut state.end_is_logged, true)
        };
        if is_news { self.refused(rejection) } else { rejection }
    }

    /// Whether the response has passed the layer, so that a handle of this request was kept.
    pub(crate) fn is_answered(&self) -> bool {
        self.state().closed
    }

    /// Tells of a refusal, once.
    pub(crate) fn refused(&self, rejection: Rejection) -> Rejection {
        self.sessions.emit(&Event::Refused { rejection: &rejection });
        rejection
    }

    /// Remembers the application's own response to a refusal, where it wants one.
    pub(crate) fn refuse(&self, rejection: Rejection, request: &Parts) -> Rejection {
        // A handler may have taken an earlier refusal as a `Result` and gone on: that one is not
        // the answer.
        scopes(request).for_each(|scope| scope.forget_refusal());
        if let Some(response) = self.sessions.own_response(&rejection, request) {
            self.state().refusal = Some((rejection.clone(), response));
        }
        rejection
    }
}

fn logged(rejection: Rejection, payload: &'static str) -> Rejection {
    rejection.log(payload);
    rejection
}
