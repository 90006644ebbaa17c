//! The way out: the use of the session is recorded, and the response gets its headers.

use std::any::type_name;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{Current, Outgoing, Scope};
use crate::data::SessionData;
use crate::event::Event;
use crate::id::SessionId;
use crate::rejection::Rejection;
use crate::store::{Load, Touch, Touched};

/// What remains to be done when the response is ready.
pub(crate) enum Closing {
    /// Nothing more: the headers can be written.
    Done,
    /// First record the session's use.
    Touch(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl<T: SessionData> Scope<T> {
    /// The response is ready: after this, no cookie can be set.
    pub(crate) fn close(self: &Arc<Self>) -> Closing {
        let mut state = self.state();
        state.closed = true;
        let Current::Live(live) = &mut state.current else { return Closing::Done };
        if !live.touch {
            return Closing::Done;
        }
        let id = live.record.id;
        let lifetime = live.lifetime();
        let resigned = live.resigned.take();
        let touch = Touch { id, idle: self.sessions.idle, origin: state.client.origin.take() };
        drop(state);
        let scope = Arc::clone(self);
        Closing::Touch(Box::pin(async move {
            match scope.sessions.store.touch(touch).await {
                Ok(Touched::Written { .. }) => {
                    scope.sessions.emit(&Event::Touched { id });
                    let resigned = match resigned {
                        Some(token) if scope.has_its_secret_still(id).await => Some(token),
                        _ => None,
                    };
                    let mut state = scope.state();
                    // What the handler left running may have logged out or rotated meanwhile: that stands.
                    if let (Some(token), Outgoing::Nothing) = (resigned, &state.outgoing)
                        && state.live(id).is_some()
                    {
                        state.outgoing = Outgoing::Issue { token, lifetime };
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

    /// Whether no other request has rotated the session since it was loaded: its token is not to come back. One statement, and only where a token is to be signed
    /// again, which is once a session and key.
    async fn has_its_secret_still(&self, id: SessionId) -> bool {
        let Some(secret) = self.state().live(id).and_then(|live| live.secret) else { return false };
        let found = self.sessions.store.load(id).await;
        matches!(found, Ok(Load::Live(loaded)) if loaded.secret == secret)
    }

    /// Writes the session's headers into the response.
    pub(crate) fn write(&self, response: &mut Response) {
        let mut state = self.state();
        if state.presentation.is_none() {
            return;
        }
        let frontend = &self.sessions.frontend;
        if let Some(rejection) = response.extensions().get::<Rejection>().cloned() {
            // The handler may have failed with another rejection than the one that it was given.
            if let Some((refused, mut refusal)) = state.refusal.take()
                && refused.code() == rejection.code()
            {
                refusal.extensions_mut().insert(rejection);
                *response = refusal;
            }
            if response.status() == StatusCode::UNAUTHORIZED
                && let Some(challenge) = frontend.challenge()
            {
                response.headers_mut().entry(header::WWW_AUTHENTICATE).or_insert(challenge);
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
        for name in frontend.headers() {
            vary(headers, name);
        }
    }
}

/// Adds a field to `Vary`, unless it names it, or everything, already.
fn vary(headers: &mut HeaderMap, name: &HeaderName) {
    let named = headers.get_all(header::VARY).iter().any(|value| {
        value.as_bytes().split(|byte| *byte == b',').any(|field| {
            let field = field.trim_ascii();
            field == b"*" || field.eq_ignore_ascii_case(name.as_str().as_bytes())
        })
    });
    if !named {
        headers.append(header::VARY, name.clone().into());
    }
}
