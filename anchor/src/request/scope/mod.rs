//! [`Scope`]: what one request knows about its session, from the token that it presents to the
//! cookie that it sends back.
//!
//! A scope is lazy: opening it reads nothing. The token is parsed when something first needs it.
//! The session is loaded when something first needs it, and only once. What has changed is written
//! into the response at the end.

mod admission;
mod consumption;
mod login;
mod logout;
#[cfg(feature = "testing")]
mod past;
mod presentation;
mod response;
mod stack;

use std::any::{TypeId, type_name};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, Method};
pub(crate) use login::LoginOptions;
pub use logout::LogoutReach;
#[cfg(feature = "testing")]
pub(crate) use past::Past;
use presentation::Presentation;
pub(crate) use response::Closing;
use response::Stage;
pub(crate) use stack::{CurrentScope, only};
use stack::{innermost, scopes};
use tokio::time::Instant;

use crate::id::SessionId;
use crate::manager::Event;
use crate::manager::channels::{ChannelId, ChannelSet};
use crate::manager::client::Client;
use crate::manager::sessions::Sessions;
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::rejection::{Rejection, wants_html};
use crate::store::{Loaded, Record, Replaced, Standing};
use crate::timestamp::Timestamp;
use crate::token::{Secret, SecretHash, SessionToken};

pub(crate) struct Scope<T: SessionData> {
    pub(crate) sessions: Arc<Sessions<T>>,
    outer: Option<CurrentScope>,
    arrived: Instant,
    /// Held while the session is loaded, so that it is loaded only once.
    loading: tokio::sync::Mutex<()>,
    state: Mutex<State<T>>,
}

struct State<T> {
    /// `None` until it is first needed.
    presentation: Option<Presentation>,
    /// The channels on which the client has a token, or receives one with the response.
    carried: ChannelSet,
    client: Client,
    /// Whether the request asks for a page.
    wants_html: bool,
    /// Whether the response to the request has no body.
    is_head: bool,
    /// The origin of the page that sent the request, if it came over plain HTTP.
    plain_http: Option<HeaderValue>,
    current: Current<T>,
    outgoing: Outgoing,
    /// The application's own response to this request's last refusal, kept until the response is
    /// written. Boxed, because few requests have one.
    refusal: Option<Box<(Rejection, Response)>>,
    stage: Stage,
    /// Whether the end of the session earlier in this request has been logged as a refusal.
    end_is_logged: bool,
}

impl<T> State<T> {
    /// Returns whether no response can carry a token any more.
    fn is_closed(&self) -> bool {
        self.stage != Stage::Open
    }

    /// Returns the session with this id, if it is the request's and live.
    fn live(&mut self, id: SessionId) -> Option<&mut Live<T>> {
        match &mut self.current {
            Current::Live(live) if live.record.id == id => Some(live),
            _ => None,
        }
    }
}

/// What this request knows about its session.
enum Current<T> {
    /// Nothing has asked for it yet.
    Unasked,
    /// There is none, or it could not be determined whether there is one.
    Refused(Rejection),
    /// It is live.
    Live(Live<T>),
    /// It was ended in this request, or found to have ended meanwhile.
    Ended(Option<SessionId>),
}

impl<T> Current<T> {
    /// Returns whether the request may use a session, or `None` if nothing has asked for it yet, or
    /// the store has to be asked.
    fn known(&self, reading: Reading) -> Option<Result<Admitted<T>, Rejection>> {
        match self {
            Current::Unasked => None,
            Current::Live(live) if live.is_cached && reading == Reading::Authoritative => None,
            Current::Refused(rejection) => Some(Err(rejection.clone())),
            Current::Live(live) => Some(Ok(live.admitted())),
            Current::Ended(Some(id)) => Some(Err(Rejection::Ended { id: *id })),
            Current::Ended(None) => Some(Err(Rejection::NoSession)),
        }
    }
}

/// What may answer the question for the request's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The cache or the store.
    MayBeCached,
    /// Only the store.
    Authoritative,
}

struct Live<T> {
    record: Arc<Record<T>>,
    now: Timestamp,
    /// The secret that the request presents, or that it has received since.
    secret: Secret,
    /// The channel on which the request presents it, or has received it.
    channel: ChannelId,
    /// Whether that was the session's current secret when it was last checked.
    is_current: bool,
    /// Whether this request logged in.
    is_new: bool,
    /// Whether the response must carry another token: this one was signed with an old key, or the
    /// response with its successor seems to be lost.
    is_due: bool,
    /// Whether it was read from the cache, and not from the store.
    is_cached: bool,
}

impl<T> Live<T> {
    /// Takes over what the store says about a session that was read from the cache. What this
    /// request has done to it meanwhile stays.
    fn reloaded(&mut self, again: Live<T>) {
        if again.record.version >= self.record.version {
            self.record = again.record;
        }
        if again.secret.hash() == self.secret.hash() {
            self.is_current = again.is_current;
        }
        self.now = again.now;
        self.is_due |= again.is_due;
        self.is_cached = false;
    }

    fn admitted(&self) -> Admitted<T> {
        Admitted {
            record: Arc::clone(&self.record),
            now: self.now,
            current_secret: self.is_current,
        }
    }

    /// Returns how long the client keeps the token.
    fn lifetime(&self) -> Option<Duration> {
        self.record.remembered.then(|| self.record.deadline.saturating_since(self.now))
    }
}

/// What the response sends to the token's owner.
enum Outgoing {
    Nothing,
    /// Without a lifetime, the client keeps the token until the client is closed. Boxed, because
    /// few requests get a token.
    Issue(Box<Issue>),
    /// The client is to forget its tokens of these channels.
    Remove(ChannelSet),
}

struct Issue {
    token: SessionToken,
    channel: ChannelId,
    lifetime: Option<Duration>,
    /// The other channels, on which the client has tokens of sessions that the login replaced.
    forgets: ChannelSet,
    /// When the session got this secret in place of another one, or `None` for a new session.
    rotated: Option<Instant>,
}

/// A session that the request may use.
pub(crate) struct Admitted<T> {
    pub(crate) record: Arc<Record<T>>,
    /// The store's clock when the session was loaded.
    pub(crate) now: Timestamp,
    /// Whether the request presents the session's current secret, not the one from before the last
    /// rotation.
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
                carried: ChannelSet::default(),
                client: Client::default(),
                wants_html: false,
                is_head: false,
                plain_http: None,
                current: Current::Unasked,
                outgoing: Outgoing::Nothing,
                refusal: None,
                stage: Stage::Open,
                end_is_logged: false,
            }),
        })
    }

    /// Returns the scope that the layer of payload `T` opened for this request.
    pub(crate) fn of(request: &Parts) -> Result<Arc<Self>, Rejection> {
        let payload = type_name::<T>();
        let innermost = innermost(request, |scope| scope.payload() == TypeId::of::<T>(), payload)?;
        let scope = innermost.and_then(|scope| Arc::clone(scope).into_any().downcast().ok());
        scope.ok_or_else(|| logged(Rejection::MissingLayer { payload }, payload))
    }

    /// Returns the scope that the layer of this manager opened for this request.
    pub(crate) fn of_manager(
        manager: &Arc<Sessions<T>>,
        request: &Parts,
    ) -> Result<Arc<Self>, Rejection> {
        let payload = type_name::<T>();
        let scope = Self::of(request)?;
        match Arc::ptr_eq(&scope.sessions, manager) {
            true => Ok(scope),
            false => Err(logged(Rejection::SeveralManagers { payload }, payload)),
        }
    }

    /// Locks the state. A lock is only poisoned by a panic in a few lines of assignments, so the
    /// state is still consistent.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decodes and verifies what the request presents, the first time that something needs it.
    pub(crate) fn read(&self, request: &Parts) {
        if self.state().presentation.is_some() {
            return;
        }
        let sessions = &self.sessions;
        let (presentation, carried) =
            Presentation::of(&sessions.channels, &request.headers, sessions.absolute);
        let client = sessions.client.look::<T>(request);
        let mut state = self.state();
        state.client = client;
        state.wants_html = wants_html(&request.headers);
        state.is_head = request.method == Method::HEAD;
        state.plain_http = sessions.plain_http.origin(request);
        state.carried = carried;
        state.presentation = Some(presentation);
    }

    /// Returns the request's live session: loaded, checked and verified at most once per request.
    /// If it was read from the cache, and then has to be read from the store, all this is done once
    /// more.
    pub(crate) async fn resolve(
        self: &Arc<Self>,
        request: Option<&Parts>,
        reading: Reading,
    ) -> Result<Admitted<T>, Rejection> {
        if let Some(known) = self.known(reading) {
            return known.map_err(|rejection| self.refused_if_ended(rejection));
        }
        // Two extractors of one request rarely ask at the same time, so only a wait is boxed.
        let _loading = match self.loading.try_lock() {
            Ok(loading) => loading,
            Err(_) => Box::pin(self.loading.lock()).await,
        };
        if let Some(known) = self.known(reading) {
            return known.map_err(|rejection| self.refused_if_ended(rejection));
        }
        let found = match self.admit(request, reading).await {
            Ok(live) => Current::Live(live),
            Err(rejection) => Current::Refused(self.refused(rejection)),
        };
        self.found(found)
    }

    /// Records whether the session was loaded, and returns what the request knows now. A login or
    /// logout that was carried out during the load takes precedence.
    fn found(&self, found: Current<T>) -> Result<Admitted<T>, Rejection> {
        let mut state = self.state();
        match (&mut state.current, found) {
            (Current::Unasked, found) => state.current = found,
            (Current::Live(live), found) if live.is_cached => match found {
                Current::Live(again) => live.reloaded(again),
                refused => {
                    // If the store did not answer, the client needs the token all the same.
                    let ended = matches!(&refused, Current::Refused(no) if no.is_unauthenticated());
                    state.current = refused;
                    if ended {
                        state.outgoing = Outgoing::Nothing;
                    }
                }
            },
            _ => {}
        }
        state.current.known(Reading::MayBeCached).unwrap_or(Err(Rejection::NoSession))
    }

    fn known(&self, reading: Reading) -> Option<Result<Admitted<T>, Rejection>> {
        self.state().current.known(reading)
    }

    /// Returns whether the request's session was read from the cache.
    pub(crate) fn is_cached(&self) -> bool {
        matches!(&self.state().current, Current::Live(Live { is_cached: true, .. }))
    }

    /// Returns the sessions that this request stands for, with the proof that it may end them: the
    /// session that it logged in, or else those whose genuine tokens it presents.
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

    /// Records that the session has ended meanwhile: nothing more is sent for it.
    pub(crate) fn found_ended(&self, id: SessionId) {
        let mut state = self.state();
        if state.live(id).is_some() {
            state.current = Current::Ended(Some(id));
            state.outgoing = Outgoing::Nothing;
        }
    }

    /// Returns the hash of the secret that the request has.
    ///
    /// # Errors
    ///
    /// Returns an error if the session is no longer the request's.
    pub(crate) fn secret_of(&self, id: SessionId) -> Result<SecretHash, Error> {
        self.state().live(id).map(|live| live.secret.hash()).ok_or(Error::Ended { id })
    }

    /// Records that the session was loaded again for a handle of this request: later extractors see
    /// it. Returns whether the request's secret is still the current one.
    ///
    /// # Errors
    ///
    /// Returns an error if the secret was replaced meanwhile, because the holder of the old secret
    /// must not see how the session has changed since. Also returns an error if the session is no
    /// longer the request's.
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

    /// Records that the session's payload was updated: later extractors see it.
    pub(crate) fn found_updated(&self, record: &Arc<Record<T>>) {
        if let Some(live) = self.state().live(record.id) {
            live.record = Arc::clone(record);
        }
    }

    /// Reports a refusal, once, if its only reason is that the session ended earlier in this
    /// request. Every other known refusal was reported when it was found.
    fn refused_if_ended(&self, rejection: Rejection) -> Rejection {
        let is_news = {
            let mut state = self.state();
            let ended = matches!(state.current, Current::Ended(_));
            ended && !std::mem::replace(&mut state.end_is_logged, true)
        };
        if is_news { self.refused(rejection) } else { rejection }
    }

    /// Returns whether the request is over. A handle that asks this was kept longer than its
    /// request.
    pub(crate) fn is_over(&self) -> bool {
        self.state().is_closed()
    }

    /// Reports a refusal, once.
    pub(crate) fn refused(&self, mut rejection: Rejection) -> Rejection {
        self.sessions.emit(&Event::Refused { rejection: &rejection });
        rejection.mark_logged();
        rejection
    }

    /// Keeps the application's own response to a refusal, if it has one.
    pub(crate) fn refuse(&self, rejection: Rejection, request: &Parts) -> Rejection {
        // A handler may have received an earlier refusal as a `Result` and continued. That refusal
        // is not the answer.
        scopes(request).for_each(|scope| scope.forget_refusal());
        if let Some(response) = self.sessions.own_response(&rejection, request) {
            self.state().refusal = Some(Box::new((rejection.clone(), response)));
        }
        rejection
    }
}

fn logged(rejection: Rejection, payload: &'static str) -> Rejection {
    rejection.log(Some(payload));
    rejection
}
