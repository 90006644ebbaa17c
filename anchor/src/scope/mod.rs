//! [`Scope`]: what one request knows of its session, from the token it presents to the cookie it sends back.
//!
//! Lazy: opening a scope reads nothing. The first question parses the token, the first demand for the session loads it, once; the
//! response's way out writes what changed.

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
pub use logout::Reach;
use presentation::{Presentation, Which, which_secret};
use tokio::time::Instant;

use crate::client::{Client, Mismatch};
use crate::data::SessionData;
use crate::event::Event;
use crate::id::SessionId;
use crate::rejection::Rejection;
use crate::sessions::Sessions;
use crate::store::{EndReason, Load, Loaded, Record};
use crate::timestamp::Timestamp;
use crate::token::{SecretHash, SessionToken};
use crate::verifier::{BoxError, Verdict};

pub(crate) struct Scope<T: SessionData> {
    pub(crate) sessions: Arc<Sessions<T>>,
    outer: Option<CurrentScope>,
    /// When the request arrived, where a login is measured against cut-offs.
    arrived: Option<Instant>,
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
    /// The hash of the session's secret; `None` when the request presents the one before it, within its grace.
    secret: Option<SecretHash>,
    /// Its use is to be recorded.
    touch: bool,
    /// The token again, signed with the newest key.
    resigned: Option<SessionToken>,
}

impl<T> Live<T> {
    fn admitted(&self) -> Admitted<T> {
        Admitted {
            record: Arc::clone(&self.record),
            now: self.now,
            current_secret: self.secret.is_some(),
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
            arrived: T::schema().extras.cut_off.then(Instant::now),
            loading: tokio::sync::Mutex::new(()),
            state: Mutex::new(State {
                presentation: None,
                client: Client::default(),
                current: Current::Unasked,
                outgoing: Outgoing::Nothing,
                refusal: None,
                closed: false,
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
        let presentation = Presentation::of(presented, &sessions.keys);
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
            return known;
        }
        let _loading = self.loading.lock().await;
        if let Some(known) = self.known() {
            return known;
        }
        let found = match self.admit(request).await {
            Ok(live) => Current::Live(live),
            Err(rejection) => Current::Refused(self.refused(rejection)),
        };
        self.found(found);
        self.known().unwrap_or(Err(Rejection::NoSession))
    }

    /// The session was loaded, or not; a login or logout that was carried out during the load stands.
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

    /// Loads the presented session and decides whether it is let in.
    async fn admit(&self, request: Option<&Parts>) -> Result<Live<T>, Rejection> {
        if let Some(request) = request {
            self.read(request);
        }
        let (id, presented, stale_key) = match &self.state().presentation {
            None | Some(Presentation::Nothing) => return Err(Rejection::NoSession),
            Some(Presentation::Refused { reason, .. }) => return Err(Rejection::BadToken(*reason)),
            Some(Presentation::Token(token)) => (token.id, token.secret.hash(), token.stale_key),
        };
        let sessions = &self.sessions;
        let loaded = match sessions.store.load(id).await? {
            Load::Live(loaded) => loaded,
            Load::Ended => return Err(Rejection::Ended { id }),
            Load::Absent => return Err(Rejection::Unknown { id }),
            Load::Undecodable(error) => {
                tracing::warn!(
                    target: "anchor", %id, payload = type_name::<T>(),
                    "the session's row does not fit the struct, so it counts as ended: {error}"
                );
                return Err(Rejection::Ended { id });
            }
        };
        let secret = match which_secret(&loaded, presented) {
            Which::Current => Some(loaded.secret),
            Which::PreviousWithinGrace => None,
            Which::PreviousAfterGrace => {
                sessions.emit(&Event::TheftSuspected { id });
                sessions.revoke_detached(id, EndReason::Theft).await?;
                return Err(Rejection::WrongSecret { id });
            }
            Which::Neither => return Err(Rejection::WrongSecret { id }),
        };
        self.check_client(&loaded).await?;
        if let Some(verifier) = &sessions.verifier {
            let request = request.ok_or_else(|| {
                Rejection::Verifier(BoxError::from("the request is no longer there").into())
            })?;
            match verifier.verify(&loaded.record, request).await {
                Ok(Verdict::Accept) => {}
                Ok(Verdict::Refuse) => return Err(Rejection::RefusedByVerifier { id }),
                Err(error) => return Err(Rejection::Verifier(error.into())),
            }
        }
        let unrecorded = loaded.now.saturating_since(loaded.record.last_seen_at);
        let resigned = (stale_key && secret.is_some()).then(|| self.resign()).flatten();
        Ok(Live {
            touch: unrecorded >= sessions.touch_interval || resigned.is_some(),
            secret,
            resigned,
            now: loaded.now,
            record: loaded.record,
        })
    }

    /// A session that is bound to a client is used by no other.
    async fn check_client(&self, loaded: &Loaded<T>) -> Result<(), Rejection> {
        let sessions = &self.sessions;
        let (Some(bound), Some((_, on_mismatch))) =
            (loaded.fingerprint, &sessions.client.fingerprint)
        else {
            return Ok(());
        };
        if self.state().client.fingerprint == Some(bound) {
            return Ok(());
        }
        let id = loaded.record.id;
        if *on_mismatch == Mismatch::End {
            sessions.revoke_detached(id, EndReason::Fingerprint).await?;
        }
        Err(Rejection::OtherClient { id })
    }

    fn resign(&self) -> Option<SessionToken> {
        match &self.state().presentation {
            Some(Presentation::Token(token)) => {
                Some(SessionToken::sign(token.id, &token.secret, &self.sessions.keys))
            }
            _ => None,
        }
    }

    /// The sessions that this request stands for: the one that it logged in, else those whose genuine tokens it presents.
    fn live_ids(&self, state: &State<T>) -> Vec<(SessionId, Option<SecretHash>)> {
        match (&state.current, &state.presentation) {
            (Current::Live(live), _) => vec![(live.record.id, None)],
            (Current::Ended(_), _) | (_, None) => Vec::new(),
            (_, Some(presentation)) => presentation
                .genuine()
                .iter()
                .map(|token| (token.id, Some(token.secret.hash())))
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

    /// The session's payload was updated: later extractors see it.
    pub(crate) fn found_updated(&self, record: &Arc<Record<T>>) {
        if let Some(live) = self.state().live(record.id) {
            live.record = Arc::clone(record);
        }
    }

    /// Tells of a refusal, once.
    pub(crate) fn refused(&self, rejection: Rejection) -> Rejection {
        self.sessions.emit(&Event::Refused { rejection: &rejection });
        rejection
    }

    /// Remembers the application's own response to a refusal, where it wants one.
    pub(crate) fn refuse(&self, rejection: Rejection, request: &Parts) -> Rejection {
        // A handler may have taken an earlier refusal as a `Result` and gone on: that one is not the answer.
        scopes(request).for_each(|scope| scope.forget_refusal());
        if let Some(on_reject) = &self.sessions.on_reject {
            let response = on_reject(&rejection, request);
            self.state().refusal = Some((rejection.clone(), response));
        }
        rejection
    }
}

fn logged(rejection: Rejection, payload: &'static str) -> Rejection {
    rejection.log(payload);
    rejection
}
