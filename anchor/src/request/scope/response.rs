//! The end of a request: the response gets its headers.

use std::any::type_name;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{Current, Outgoing, Scope};
use crate::id::SessionId;
use crate::payload::SessionData;
use crate::rejection::{Error, Rejection, is_made_of_rejection, show_as_page};
use crate::store::{EndReason, OldSecret};

/// How far the request has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The response can still carry a token.
    Open,
    /// The response has passed the layer.
    Answered,
    /// There will be no response: the client has disconnected, or the handler panicked.
    Dropped,
}

/// What remains to be done when the response is ready.
pub(crate) enum Closing {
    /// Nothing, because nothing has asked for a session: the response stays as it is.
    Unasked,
    /// Nothing: the headers can be written.
    Done,
    /// This future has to run before the headers are written.
    Pending(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl<T: SessionData> Scope<T> {
    /// Closes the scope when the response is ready. After this, the handler can set no cookie.
    pub(crate) fn close(self: &Arc<Self>, status: StatusCode) -> Closing {
        let mut state = self.state();
        state.stage = Stage::Answered;
        if state.presentation.is_none() {
            return Closing::Unasked;
        }
        let failed = status.is_client_error() || status.is_server_error();
        let grace = self.sessions.rotation_grace;
        let Current::Live(live) = &state.current else { return Closing::Done };
        let id = live.record.id;
        if live.is_new && failed {
            state.outgoing = Outgoing::Nothing;
            state.current = Current::Ended(Some(id));
            return Closing::Pending(Box::pin(Arc::clone(self).abandon(id)));
        }
        if live.is_due && matches!(state.outgoing, Outgoing::Nothing) {
            return Closing::Pending(Box::pin(Arc::clone(self).renew(id)));
        }
        // Once the grace is over, another request with the old token gets its own new secret.
        if let Outgoing::Issue(issue) = &state.outgoing
            && issue.rotated.is_some_and(|rotated| rotated.elapsed() >= grace / 2)
        {
            return Closing::Pending(Box::pin(Arc::clone(self).confirm(id)));
        }
        Closing::Done
    }

    /// Handles a request whose future was dropped before there was a response: its client has
    /// disconnected, or the handler panicked. A session that it logged in belongs to nobody.
    pub(crate) fn dropped(self: &Arc<Self>) {
        let mut state = self.state();
        state.stage = Stage::Dropped;
        let Current::Live(live) = &state.current else { return };
        if !live.is_new || tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        let id = live.record.id;
        state.current = Current::Ended(Some(id));
        drop(state);
        self.sessions.tasks.spawn(Arc::clone(self).abandon(id));
    }

    /// Discards the new token if another request has replaced its secret while the handler was
    /// running.
    async fn confirm(self: Arc<Self>, id: SessionId) {
        match self.sessions.load_live(id).await {
            Ok(Some(loaded)) if matches!(self.found_again(&loaded), Ok(true)) => {}
            Ok(Some(_)) => self.state().outgoing = Outgoing::Nothing,
            Ok(None) => self.found_ended(id),
            // Most likely, the session has not changed.
            Err(_) => {}
        }
    }

    /// Ends the session that a handler logged in before it failed: nobody receives the token.
    async fn abandon(self: Arc<Self>, id: SessionId) {
        let ended = self.sessions.revoke_detached(id, EndReason::Abandoned).await;
        if let Err(error) = ended {
            tracing::warn!(
                target: "anchor", %id, payload = type_name::<T>(),
                "a session whose token was never sent stays live until it expires: {error}"
            );
        }
    }

    /// Gives the session a new secret along with the response. If several requests try this, one
    /// succeeds. The others continue with the secret that they have.
    async fn renew(self: Arc<Self>, id: SessionId) {
        match self.rotate_from_here(id, OldSecret::Exchanged).await {
            Ok(_) | Err(Error::Ended { .. }) => {}
            Err(error) => tracing::warn!(
                target: "anchor", %id, payload = type_name::<T>(),
                "the session's token was not renewed; the next request tries again: {error}"
            ),
        }
    }

    /// Writes the session's headers into the response.
    pub(crate) fn write(&self, response: &mut Response) {
        let mut state = self.state();
        let channels = &self.sessions.channels;
        if let Some(rejection) = response.extensions().get::<Rejection>().cloned() {
            // The handler may have failed with another rejection than the one that it received, or
            // the application may have made a response of its own of it.
            if let Some((refused, mut refusal)) = state.refusal.take().map(|refusal| *refusal)
                && refused.code() == rejection.code()
                && is_made_of_rejection(response, state.is_head)
            {
                refusal.extensions_mut().insert(rejection);
                *response = refusal;
            }
            if state.wants_html {
                show_as_page(response);
            }
            // A handler may have set something better.
            if response.status() == StatusCode::UNAUTHORIZED
                && !response.headers().contains_key(header::WWW_AUTHENTICATE)
            {
                for challenge in channels.iter().filter_map(|(_, it)| it.frontend.challenge()) {
                    response.headers_mut().append(header::WWW_AUTHENTICATE, challenge);
                }
            }
        }
        let headers = response.headers_mut();
        let changes = match std::mem::replace(&mut state.outgoing, Outgoing::Nothing) {
            Outgoing::Nothing => false,
            Outgoing::Issue(issue) => {
                channels.of(issue.forgets).for_each(|channel| channel.frontend.remove(headers));
                let frontend = &channels[issue.channel].frontend;
                frontend.issue(&issue.token, issue.lifetime, headers);
                true
            }
            Outgoing::Remove(carried) => {
                channels.of(carried).for_each(|channel| channel.frontend.remove(headers));
                true
            }
        };
        let no_store = HeaderValue::from_static("no-store");
        if changes {
            remove_cache_directives(headers);
            headers.insert(header::CACHE_CONTROL, no_store);
        } else {
            // A handler that only reads the session may set something better.
            headers.entry(header::CACHE_CONTROL).or_insert(no_store);
        }
        for name in channels.headers() {
            vary(headers, name);
        }
    }
}

/// Removes a handler's instructions to caches, including caches in front of the server: a response
/// that hands out a token is only for its owner. Besides `Expires`, these are the targeted fields
/// of RFC 9213, which end in `Cache-Control` and override it, and the fields that such caches used
/// before that RFC.
fn remove_cache_directives(headers: &mut HeaderMap) {
    let directives: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            name.ends_with("cache-control")
                || matches!(
                    name,
                    "expires" | "edge-control" | "surrogate-control" | "x-accel-expires"
                )
        })
        .cloned()
        .collect();
    for name in directives {
        headers.remove(name);
    }
}

/// Adds a field to `Vary`, unless `Vary` already names that field or everything.
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
