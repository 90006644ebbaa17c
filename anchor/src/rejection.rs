//! [`Rejection`]: why a request is refused.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::error::{Error, StoreError, StoreErrorKind};
use crate::excerpt::{ERROR, excerpt};
use crate::id::SessionId;
use crate::token::BadToken;
use crate::type_name;

/// Why a request is refused, by an extractor or a guard.
///
/// | variant | [`code`](Self::code) | status | public code in the body |
/// | --- | --- | --- | --- |
/// | `NoSession` | `no_session` | 401 | `unauthenticated` |
/// | `BadToken` | `bad_token` | 401 | `unauthenticated` |
/// | `Unknown` | `unknown_session` | 401 | `unauthenticated` |
/// | `WrongSecret` | `wrong_secret` | 401 | `unauthenticated` |
/// | `Ended` | `session_ended` | 401 | `unauthenticated` |
/// | `OtherClient` | `other_client` | 401 | `unauthenticated` |
/// | `RefusedByVerifier` | `refused_by_verifier` | 401 | `unauthenticated` |
/// | `Forbidden` | `forbidden` | 403 | `forbidden` |
/// | `ReauthenticationRequired` | `reauthentication_required` | 403 | `reauthentication_required` |
/// | `CrossOrigin` | `cross_origin` | 403 | `cross_origin` |
/// | `Store` | `store_unavailable`, `store_refused` (409), `store_encode` (500) | 503 | the same |
/// | `Operation` | `too_many_sessions` | 409 | the same |
/// | `Operation` | `operation_failed` | 503, or 500 for [`Error::ResponseBegun`] | `operation_failed` |
/// | `Verifier` | `verifier_failed` | 503 | `verifier_failed` |
/// | `MissingLayer` | `missing_layer` | 500 | `missing_layer`, and the message |
/// | `AmbiguousLayer` | `ambiguous_layer` | 500 | `ambiguous_layer`, and the message |
/// | `SharedChannel` | `shared_channel` | 500 | `shared_channel`, and the message |
///
/// The response's body is `{"error":"<public code>"}`. It never tells an outsider which of the 401 cases it was; the log (target
/// `anchor`) does. The response carries the rejection in its extensions, for a layer of your own to count or log, and
/// [`SessionManagerBuilder::on_reject`](crate::SessionManagerBuilder::on_reject) replaces it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The request presents no token.
    #[error("the request presents no session")]
    NoSession,
    /// The request presents a token that is none of ours: refused without a store call.
    #[error("the presented token was refused: {0}")]
    BadToken(BadToken),
    /// The store has no session of this id: it has been revoked and removed, or never was.
    #[error("session {id} does not exist")]
    Unknown {
        /// The session that the token names.
        id: SessionId,
    },
    /// The token's signature holds, yet its secret is not the session's: it was replaced, or the signing key has leaked.
    #[error("the presented secret is not that of session {id}")]
    WrongSecret {
        /// The session that the token names.
        id: SessionId,
    },
    /// The session has expired, was revoked, or can no longer be decoded.
    #[error("session {id} has ended")]
    Ended {
        /// The session.
        id: SessionId,
    },
    /// The session is bound to another client: its fingerprint is another one.
    #[error("session {id} was used by another client than the one that it is bound to")]
    OtherClient {
        /// The session.
        id: SessionId,
    },
    /// The application's [`Verifier`](crate::Verifier) said no.
    #[error("the verifier refused session {id}")]
    RefusedByVerifier {
        /// The session.
        id: SessionId,
    },
    /// The session is good, but the handler's policy says no.
    #[error("the policy `{policy}` refused session {id}")]
    Forbidden {
        /// The session.
        id: SessionId,
        /// The policy's type.
        policy: &'static str,
    },
    /// The session is good, but its subject has to prove again who they are.
    #[error("session {id} was authenticated more than {max_age:?} ago")]
    ReauthenticationRequired {
        /// The session.
        id: SessionId,
        /// How long ago the authentication may be.
        max_age: Duration,
    },
    /// Another site made a browser send the request, with the session's cookie (CSRF). The layer refuses it before any handler runs.
    #[error(
        "a browser sent this request for another origin ({}): if that one is the application's own, name it with \
         `.trusted_origin(..)` before `.build()`; for one callback, name its path with \
         `.allow_cross_origin_post(..)`; behind a proxy, have it forward `Host` and \
         `Origin` unchanged",
        origin.as_deref().unwrap_or("it does not say which")
    )]
    CrossOrigin {
        /// The request's `Origin`, quoted, escaped, and cut to 100 characters.
        origin: Option<String>,
    },
    /// The store could not answer. Never anonymous, never 401.
    #[error(transparent)]
    Store(StoreError),
    /// An operation on the session could not be carried out.
    #[error(transparent)]
    Operation(Error),
    /// The verifier itself failed.
    #[error("the verifier failed: {}", excerpt(.0, ERROR))]
    Verifier(Arc<dyn StdError + Send + Sync>),
    /// The route has no session layer.
    #[error(
        "no session layer for `{payload}` on this route: add `.layer(sessions.layer())` to the router, after its routes \
         (axum applies a layer to the routes that were added before it), where `sessions` is a `SessionManager<{payload}>`"
    )]
    MissingLayer {
        /// The payload type whose layer is missing.
        payload: &'static str,
    },
    /// The handler does not say which session it means, and the application has several.
    #[error(
        "this route has several session layers, and its handler does not say which one it means: name the type, \
         as in `#[require_session(UserSession)]` or `#[logout(UserSession)]`"
    )]
    AmbiguousLayer,
    /// Two session layers of different payloads read the same cookie or header.
    #[error(
        "the sessions of `{payload}` and of another payload both travel by `{channel}`: give one of them another name, \
         as in `#[session(cookie = \"__Host-admin\")]`"
    )]
    SharedChannel {
        /// The payload type of the inner layer.
        payload: &'static str,
        /// The channel that both use.
        channel: String,
    },
}

impl Rejection {
    /// A stable, machine-readable name of the case, for logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Rejection::NoSession => "no_session",
            Rejection::BadToken(_) => "bad_token",
            Rejection::Unknown { .. } => "unknown_session",
            Rejection::WrongSecret { .. } => "wrong_secret",
            Rejection::Ended { .. } => "session_ended",
            Rejection::OtherClient { .. } => "other_client",
            Rejection::RefusedByVerifier { .. } => "refused_by_verifier",
            Rejection::Forbidden { .. } => "forbidden",
            Rejection::ReauthenticationRequired { .. } => "reauthentication_required",
            Rejection::CrossOrigin { .. } => "cross_origin",
            Rejection::Store(error) => match error.kind() {
                StoreErrorKind::Unavailable => "store_unavailable",
                StoreErrorKind::Constraint => "store_refused",
                StoreErrorKind::Encode => "store_encode",
            },
            Rejection::Operation(Error::TooManySessions) => "too_many_sessions",
            Rejection::Operation(_) => "operation_failed",
            Rejection::Verifier(_) => "verifier_failed",
            Rejection::MissingLayer { .. } => "missing_layer",
            Rejection::AmbiguousLayer => "ambiguous_layer",
            Rejection::SharedChannel { .. } => "shared_channel",
        }
    }

    /// The response's status.
    pub fn status(&self) -> StatusCode {
        match self {
            Rejection::NoSession
            | Rejection::BadToken(_)
            | Rejection::Unknown { .. }
            | Rejection::WrongSecret { .. }
            | Rejection::Ended { .. }
            | Rejection::OtherClient { .. }
            | Rejection::RefusedByVerifier { .. } => StatusCode::UNAUTHORIZED,
            Rejection::Forbidden { .. }
            | Rejection::ReauthenticationRequired { .. }
            | Rejection::CrossOrigin { .. } => StatusCode::FORBIDDEN,
            Rejection::Store(error) => match error.kind() {
                StoreErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                StoreErrorKind::Constraint => StatusCode::CONFLICT,
                StoreErrorKind::Encode => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Rejection::Operation(Error::TooManySessions) => StatusCode::CONFLICT,
            Rejection::Operation(Error::ResponseBegun) => StatusCode::INTERNAL_SERVER_ERROR,
            Rejection::Operation(_) | Rejection::Verifier(_) => StatusCode::SERVICE_UNAVAILABLE,
            Rejection::MissingLayer { .. }
            | Rejection::AmbiguousLayer
            | Rejection::SharedChannel { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code that the body shows: one for all 401 cases, else [`code`](Self::code).
    pub fn public_code(&self) -> &'static str {
        match self.status() {
            StatusCode::UNAUTHORIZED => "unauthenticated",
            _ => self.code(),
        }
    }

    /// Whether the request simply has no valid session: what `Option<Session<T>>` turns into `None`.
    pub fn is_unauthenticated(&self) -> bool {
        self.status() == StatusCode::UNAUTHORIZED
    }

    /// The message with the payload's name alone: an outsider who reads it learns nothing of the
    /// program's modules.
    fn without_paths(&self) -> String {
        let message = self.to_string();
        match self {
            Rejection::MissingLayer { payload } | Rejection::SharedChannel { payload, .. } => {
                message.replace(payload, &type_name::without_paths(payload))
            }
            _ => message,
        }
    }

    /// One log line a refusal: loud where something is wrong with the application, quiet where a visitor merely has no session.
    pub(crate) fn log(&self, payload: &'static str) {
        let code = self.code();
        match self {
            Rejection::NoSession => tracing::debug!(target: "anchor", code, payload, "{self}"),
            Rejection::WrongSecret { .. } | Rejection::OtherClient { .. } => {
                tracing::warn!(target: "anchor", code, payload, "{self}")
            }
            Rejection::Store(_)
            | Rejection::Operation(_)
            | Rejection::Verifier(_)
            | Rejection::MissingLayer { .. }
            | Rejection::AmbiguousLayer
            | Rejection::SharedChannel { .. } => {
                tracing::error!(target: "anchor", code, payload, "{self}");
            }
            _ => tracing::info!(target: "anchor", code, payload, "{self}"),
        }
    }
}

impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        Rejection::Store(error)
    }
}

impl From<Error> for Rejection {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => Rejection::Store(error),
            Error::Ended { id } => Rejection::Ended { id },
            other => Rejection::Operation(other),
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let mut body = format!("{{\"error\":\"{}\"", self.public_code());
        // A mistake of the application's author, made of type and cookie names: say it where they
        // look first. The log has the types' paths.
        if let Rejection::MissingLayer { .. }
        | Rejection::AmbiguousLayer
        | Rejection::SharedChannel { .. } = self
        {
            body.push_str(",\"message\":");
            body.push_str(&serde_json::Value::from(self.without_paths()).to_string());
        }
        body.push('}');
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Rejection::from(self).into_response()
    }
}
