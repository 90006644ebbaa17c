//! [`Scope`]: what one request knows of its session, from the token it presents to the cookie it sends back.
//!
//! Lazy: opening a scope reads nothing. The first question parses the token, the first demand for the session loads it, once; the
//! response's way out writes what changed.

use std::any::{Any, TypeId, type_name};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::auth::LoggedIn;
use crate::data::SessionData;
use crate::error::{Error, StoreError};
use crate::frontend::Presented;
use crate::id::SessionId;
use crate::manager::ManagerInner;
use crate::rejection::Rejection;
use crate::session::Session;
use crate::store::{EndReason, Load, Loaded, NewSession, Record, Touched};
use crate::timestamp::Timestamp;
use crate::token::{BadToken, Secret, SecretHash, SessionToken, Verified, new_session_id};
use crate::verifier::{BoxError, Verdict};

pub(crate) struct Scope<T: SessionData> {
    pub(crate) manager: Arc<ManagerInner<T>>,
    outer: Option<CurrentScope>,
    /// Held while the session is loaded, so that it is loaded once.
    loading: tokio::sync::Mutex<()>,
    state: Mutex<State<T>>,
}

struct State<T> {
    /// `None` until something asks.
    presentation: Option<Presentation>,
    current: Current<T>,
    outgoing: Outgoing,
    /// The application's own response to this request's last refusal, until the way out.
    refusal: Option<(Rejection, Response)>,
    /// The response has passed the layer.
    closed: bool,
}

/// What the request presents, decoded and verified.
enum Presentation {
    Nothing,
    Token(Verified),
    Refused { reason: BadToken, genuine: Vec<Verified> },
}

impl Presentation {
    fn genuine(&self) -> &[Verified] {
        match self {
            Presentation::Nothing => &[],
            Presentation::Token(token) => std::slice::from_ref(token),
            Presentation::Refused { genuine, .. } => genuine,
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
    /// Its use is to be recorded.
    touch: bool,
    /// The token again, signed with the newest key.
    resigned: Option<SessionToken>,
}

/// What the response is to tell the token's owner.
enum Outgoing {
    Nothing,
    Issue { token: SessionToken, lifetime: Duration },
    Remove,
}

/// What remains to be done when the response is ready.
pub(crate) enum Closing {
    /// Nothing more: the headers can be written.
    Done,
    /// First record the session's use.
    Touch(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl<T: SessionData> Scope<T> {
    pub(crate) fn open(manager: Arc<ManagerInner<T>>, outer: Option<CurrentScope>) -> Arc<Self> {
        Arc::new(Self {
            manager,
            outer,
            loading: tokio::sync::Mutex::new(()),
            state: Mutex::new(State {
                presentation: None,
                current: Current::Unasked,
                outgoing: Outgoing::Nothing,
                refusal: None,
                closed: false,
            }),
        })
    }

    /// The scope that the layer of payload `T` opened for this request.
    pub(crate) fn of(request: &Parts) -> Result<Arc<Self>, Rejection> {
        let found = scopes(request)
            .find(|scope| scope.payload() == TypeId::of::<T>())
            .and_then(|scope| Arc::clone(scope).into_any().downcast::<Self>().ok());
        let Some(scope) = found else {
            return Err(logged::<T>(Rejection::MissingLayer { payload: type_name::<T>() }));
        };
        // Two payloads behind one cookie would overwrite each other's tokens: a mistake to be told, not to be lived with.
        let shares_channel = |other: &Arc<dyn AnyScope>| {
            other.payload() != TypeId::of::<T>() && other.channel() == scope.manager.channel
        };
        if scopes(request).any(shares_channel) {
            return Err(logged::<T>(Rejection::SharedChannel {
                payload: type_name::<T>(),
                channel: scope.manager.channel.clone(),
            }));
        }
        Ok(scope)
    }

    /// A poisoned lock means a panic in a few lines of assignments: the state is whole.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decodes and verifies what the request presents, the first time that something asks.
    pub(crate) fn read(&self, headers: &HeaderMap) {
        let mut state = self.state();
        if state.presentation.is_none() {
            state.presentation = Some(self.presentation(headers));
        }
    }

    fn presentation(&self, headers: &HeaderMap) -> Presentation {
        let keys = &self.manager.keys;
        match self.manager.frontend.presented(headers) {
            Presented::Nothing => Presentation::Nothing,
            Presented::Token(text) => match Verified::parse(text, keys) {
                Ok(token) => Presentation::Token(token),
                Err(reason) => Presentation::Refused { reason, genuine: Vec::new() },
            },
            Presented::Conflicting(texts) => Presentation::Refused {
                reason: BadToken::Conflicting,
                genuine: texts
                    .into_iter()
                    .filter_map(|text| Verified::parse(text, keys).ok())
                    .collect(),
            },
            Presented::Oversized => {
                Presentation::Refused { reason: BadToken::Oversized, genuine: Vec::new() }
            }
        }
    }

    /// The request's live session: loaded, checked and verified at most once a request.
    pub(crate) async fn resolve(
        self: &Arc<Self>,
        request: Option<&Parts>,
    ) -> Result<Session<T>, Rejection> {
        if let Some(known) = self.known() {
            return known;
        }
        let _loading = self.loading.lock().await;
        if let Some(known) = self.known() {
            return known;
        }
        let found = match self.admit(request).await {
            Ok(live) => Current::Live(live),
            Err(rejection) => Current::Refused(logged::<T>(rejection)),
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

    fn known(self: &Arc<Self>) -> Option<Result<Session<T>, Rejection>> {
        match &self.state().current {
            Current::Unasked => None,
            Current::Refused(rejection) => Some(Err(rejection.clone())),
            Current::Live(live) => {
                Some(Ok(Session::new(Arc::clone(self), Arc::clone(&live.record), live.now)))
            }
            Current::Ended(Some(id)) => Some(Err(Rejection::Ended { id: *id })),
            Current::Ended(None) => Some(Err(Rejection::NoSession)),
        }
    }

    /// Loads the presented session and decides whether it is let in.
    async fn admit(&self, request: Option<&Parts>) -> Result<Live<T>, Rejection> {
        if let Some(request) = request {
            self.read(&request.headers);
        }
        let (id, presented, stale_key) = match &self.state().presentation {
            None | Some(Presentation::Nothing) => return Err(Rejection::NoSession),
            Some(Presentation::Refused { reason, .. }) => return Err(Rejection::BadToken(*reason)),
            Some(Presentation::Token(token)) => (token.id, token.secret.hash(), token.stale_key),
        };
        let loaded = match self.manager.store.load(id).await? {
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
        let current_secret = presented == loaded.secret;
        if !current_secret && !within_grace(&loaded, presented) {
            return Err(Rejection::WrongSecret { id });
        }
        if let Some(verifier) = &self.manager.verifier {
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
        let resigned = (stale_key && current_secret).then(|| self.resign()).flatten();
        Ok(Live {
            touch: unrecorded >= self.manager.touch_interval || resigned.is_some(),
            resigned,
            now: loaded.now,
            record: loaded.record,
        })
    }

    fn resign(&self) -> Option<SessionToken> {
        match &self.state().presentation {
            Some(Presentation::Token(token)) => {
                Some(SessionToken::sign(token.id, &token.secret, &self.manager.keys))
            }
            _ => None,
        }
    }

    /// Creates a session and ends the presented one, or the one that this request logged in before.
    pub(crate) async fn login(self: &Arc<Self>, data: T) -> Result<LoggedIn<T>, Error> {
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
        let manager = &self.manager;
        let record = Arc::new(
            manager
                .store
                .create(NewSession {
                    idle: manager.idle,
                    absolute: manager.absolute,
                    replaces,
                    ..NewSession::new(id, secret.hash(), Arc::new(data))
                })
                .await?,
        );
        for (other, proof) in others {
            manager.store.revoke(other, proof, EndReason::Replaced).await?;
        }
        let token = SessionToken::sign(id, &secret, &manager.keys);
        if !self.found_created(&record, &token) {
            manager.store.revoke(id, None, EndReason::Revoked).await?;
            return Err(Error::ResponseBegun);
        }
        tracing::info!(target: "anchor", %id, payload = type_name::<T>(), "session created");
        let now = record.created_at;
        Ok(LoggedIn::new(Session::new(Arc::clone(self), record, now), token))
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

    /// Ends the request's session, and every other one whose genuine token it presents. Goes on when the client has gone.
    pub(crate) async fn logout(&self) -> Result<u64, Rejection> {
        let (ending, presented) = {
            let state = self.state();
            // A token that was not looked at may be a live one: say that it was not ended.
            if let Some(Presentation::Refused { reason: reason @ BadToken::Oversized, .. }) =
                state.presentation
            {
                return Err(logged::<T>(Rejection::BadToken(reason)));
            }
            let presented = !matches!(state.presentation, None | Some(Presentation::Nothing));
            (self.live_ids(&state), presented)
        };
        let first = ending.first().map(|(id, _)| *id);
        let ended = if ending.is_empty() {
            0
        } else {
            let manager = Arc::clone(&self.manager);
            // A task of its own, for this future is dropped when the client closes its connection.
            let revocation = tokio::spawn(async move {
                let mut ended = 0;
                for (id, proof) in ending {
                    ended += manager.store.revoke(id, proof, EndReason::Logout).await?;
                    tracing::info!(target: "anchor", %id, payload = type_name::<T>(), "session revoked: logout");
                }
                Ok::<_, StoreError>(ended)
            });
            revocation
                .await
                .unwrap_or_else(|error| Err(StoreError::unavailable(error)))
                .map_err(|error| logged::<T>(Rejection::Store(error)))?
        };
        let mut state = self.state();
        if presented || matches!(state.outgoing, Outgoing::Issue { .. }) {
            state.outgoing = Outgoing::Remove;
        }
        state.current = Current::Ended(first);
        Ok(ended)
    }

    /// The session was created; says whether its token can still be sent.
    fn found_created(&self, record: &Arc<Record<T>>, token: &SessionToken) -> bool {
        let mut state = self.state();
        if state.closed {
            return false;
        }
        let lifetime = self.manager.absolute;
        state.outgoing = Outgoing::Issue { token: token.clone(), lifetime };
        state.current = Current::Live(Live {
            now: record.created_at,
            record: Arc::clone(record),
            touch: false,
            resigned: None,
        });
        true
    }

    /// The session turned out to have ended meanwhile: nothing more is sent for it.
    pub(crate) fn found_ended(&self, id: SessionId) {
        let mut state = self.state();
        if matches!(&state.current, Current::Live(live) if live.record.id == id) {
            state.current = Current::Ended(Some(id));
            state.outgoing = Outgoing::Nothing;
        }
    }

    /// The session's payload was updated: later extractors see it.
    pub(crate) fn found_updated(&self, record: &Arc<Record<T>>) {
        if let Current::Live(live) = &mut self.state().current {
            if live.record.id == record.id {
                live.record = Arc::clone(record);
            }
        }
    }

    /// Remembers the application's own response to a refusal, where it wants one.
    pub(crate) fn refuse(&self, rejection: Rejection, request: &Parts) -> Rejection {
        // A handler may have taken an earlier refusal as a `Result` and gone on: that one is not the answer.
        scopes(request).for_each(|scope| scope.forget_refusal());
        if let Some(on_reject) = &self.manager.on_reject {
            let response = on_reject(&rejection, request);
            self.state().refusal = Some((rejection.clone(), response));
        }
        rejection
    }

    /// The response is ready: after this, no cookie can be set.
    pub(crate) fn close(self: &Arc<Self>) -> Closing {
        let mut state = self.state();
        state.closed = true;
        let Current::Live(live) = &mut state.current else { return Closing::Done };
        if !live.touch {
            return Closing::Done;
        }
        let id = live.record.id;
        let lifetime = live.record.deadline.saturating_since(live.now);
        let resigned = live.resigned.take();
        drop(state);
        let scope = Arc::clone(self);
        Closing::Touch(Box::pin(async move {
            match scope.manager.store.touch(id, scope.manager.idle).await {
                Ok(Touched::Written { .. }) => {
                    if let Some(token) = resigned {
                        scope.state().outgoing = Outgoing::Issue { token, lifetime };
                    }
                }
                Ok(Touched::Gone) => scope.found_ended(id),
                // The request was admitted and has its answer; the next one will find the store.
                Err(error) => tracing::warn!(
                    target: "anchor", %id, payload = type_name::<T>(),
                    "the session's use was not recorded: {error}"
                ),
            }
        }))
    }

    /// Writes the session's headers into the response.
    pub(crate) fn write(&self, response: &mut Response) {
        let mut state = self.state();
        if state.presentation.is_none() {
            return;
        }
        let frontend = &self.manager.frontend;
        if let Some(rejection) = response.extensions().get::<Rejection>().cloned() {
            // The handler may have failed with another rejection than the one that it was given.
            if let Some((refused, mut refusal)) = state.refusal.take()
                && refused.code() == rejection.code()
            {
                refusal.extensions_mut().insert(rejection);
                *response = refusal;
            }
            if response.status() == StatusCode::UNAUTHORIZED {
                if let Some(challenge) = frontend.challenge() {
                    response.headers_mut().entry(header::WWW_AUTHENTICATE).or_insert(challenge);
                }
            }
        }
        let headers = response.headers_mut();
        let changes = match std::mem::replace(&mut state.outgoing, Outgoing::Nothing) {
            Outgoing::Nothing => false,
            Outgoing::Issue { token, lifetime } => {
                frontend.issue(&token, lifetime, headers);
                true
            }
            Outgoing::Remove => {
                frontend.remove(headers);
                true
            }
        };
        let no_store = HeaderValue::from_static("no-store");
        if changes {
            headers.insert(header::CACHE_CONTROL, no_store);
        } else {
            // A handler that merely reads the session may know better.
            headers.entry(header::CACHE_CONTROL).or_insert(no_store);
        }
        vary(headers, frontend.vary());
    }
}

fn logged<T>(rejection: Rejection) -> Rejection {
    rejection.log(type_name::<T>());
    rejection
}

/// Whether the presented secret is the one before the last rotation, and still accepted.
fn within_grace<T>(loaded: &Loaded<T>, presented: SecretHash) -> bool {
    loaded.previous.is_some_and(|(previous, until)| presented == previous && loaded.now < until)
}

/// Adds a field to `Vary`, unless it names it, or everything, already.
fn vary(headers: &mut HeaderMap, name: http::HeaderName) {
    let named = headers.get_all(header::VARY).iter().any(|value| {
        value.as_bytes().split(|byte| *byte == b',').any(|field| {
            let field = field.trim_ascii();
            field == b"*" || field.eq_ignore_ascii_case(name.as_str().as_bytes())
        })
    });
    if !named {
        headers.append(header::VARY, name.into());
    }
}

/// The innermost session scope of a request, whatever its payload; the others hang behind it.
#[derive(Clone)]
pub(crate) struct CurrentScope(pub(crate) Arc<dyn AnyScope>);

type RejectionFuture<'a> = Pin<Box<dyn Future<Output = Result<(), Rejection>> + Send + 'a>>;

/// A scope of any payload type.
pub(crate) trait AnyScope: Send + Sync {
    fn payload(&self) -> TypeId;
    fn channel(&self) -> &str;
    fn outer(&self) -> Option<&CurrentScope>;
    fn forget_refusal(&self);
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
    fn guard<'a>(self: Arc<Self>, request: &'a Parts) -> RejectionFuture<'a>;
    fn revoke<'a>(self: Arc<Self>, request: &'a Parts) -> RejectionFuture<'a>;
}

impl<T: SessionData> AnyScope for Scope<T> {
    fn payload(&self) -> TypeId {
        TypeId::of::<T>()
    }

    fn channel(&self) -> &str {
        &self.manager.channel
    }

    fn outer(&self) -> Option<&CurrentScope> {
        self.outer.as_ref()
    }

    fn forget_refusal(&self) {
        self.state().refusal = None;
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn guard<'a>(self: Arc<Self>, request: &'a Parts) -> RejectionFuture<'a> {
        Box::pin(async move {
            match self.resolve(Some(request)).await {
                Ok(_) => Ok(()),
                Err(rejection) => Err(self.refuse(rejection, request)),
            }
        })
    }

    fn revoke<'a>(self: Arc<Self>, request: &'a Parts) -> RejectionFuture<'a> {
        Box::pin(async move {
            self.read(&request.headers);
            match self.logout().await {
                Ok(_) => Ok(()),
                Err(rejection) => Err(self.refuse(rejection, request)),
            }
        })
    }
}

/// A request's scopes, the innermost layer's first.
fn scopes(request: &Parts) -> impl Iterator<Item = &Arc<dyn AnyScope>> {
    let innermost = request.extensions.get::<CurrentScope>();
    std::iter::successors(innermost, |CurrentScope(scope)| scope.outer())
        .map(|CurrentScope(scope)| scope)
}

/// The one session scope of a request; where there are several payloads, nobody can tell which is meant.
pub(crate) fn only(request: &Parts) -> Result<Arc<dyn AnyScope>, Rejection> {
    let refused = |rejection: Rejection| {
        rejection.log("any");
        Err(rejection)
    };
    let Some(scope) = scopes(request).next() else {
        return refused(Rejection::MissingLayer { payload: "the application's session type" });
    };
    if scopes(request).any(|other| other.payload() != scope.payload()) {
        return refused(Rejection::AmbiguousLayer);
    }
    Ok(Arc::clone(scope))
}
