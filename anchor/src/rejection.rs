//! [`Rejection`]: why a request is refused; [`Error`]: why an operation on a session failed. Each
//! converts to the other, so that one `?` takes both in a handler.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};

use crate::error::{StoreError, StoreErrorKind};
use crate::excerpt::{ERROR, excerpt, sources};
use crate::id::SessionId;
use crate::payload::DecodeError;
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
/// | `Superseded` | `superseded_secret` | 401 | `unauthenticated` |
/// | `Ended` | `session_ended` | 401 | `unauthenticated` |
/// | `Undecodable` | `session_undecodable` | 401 | `unauthenticated` |
/// | `OtherClient` | `other_client` | 401 | `unauthenticated` |
/// | `RefusedByVerifier` | `refused_by_verifier` | 401 | `unauthenticated` |
/// | `Forbidden` | `forbidden` | 403 | `forbidden` |
/// | `ReauthenticationRequired` | `reauthentication_required` | 403 | `reauthentication_required` |
/// | `CrossOrigin` | `cross_origin` | 403 | `cross_origin` |
/// | `LogoutBySafeMethod` | `logout_by_safe_method` | 405, with `Allow` | `logout_by_safe_method`, and the message |
/// | `Store` | `store_unavailable`, `store_not_migrated`: a table or column is missing | 503 | the same |
/// | `Store` | `store_refused` | 409 | the same |
/// | `Store` | `store_encode` | 500 | the same |
/// | `Operation` | `too_many_sessions`, `secret_replaced` | 409 | the same |
/// | `Operation` | `operation_failed` | 503; 500 for [`Error::ResponseBegun`], [`Error::SubjectChanged`], [`Error::Callback`] | `operation_failed` |
/// | `Verifier` | `verifier_failed` | 503 | `verifier_failed` |
/// | `MissingLayer` | `missing_layer` | 500 | `missing_layer`, and the message |
/// | `UntypedGuard` | `untyped_guard` | 500 | `untyped_guard`, and the message |
/// | `SeveralManagers` | `several_managers` | 500 | `several_managers`, and the message |
///
/// The response's body is `{"error":"<public code>"}`. It never tells an outsider which of the 401
/// cases it was; the log (target `anchor`) does. The response carries the rejection in its
/// extensions, for a layer of your own to count or log, and
/// [`SessionManagerBuilder::on_reject`](crate::manager::SessionManagerBuilder::on_reject) replaces
/// it.
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
    /// The token is one of the session's, but was replaced by a rotation.
    #[error("the presented secret of session {id} was replaced")]
    Superseded {
        /// The session that the token names.
        id: SessionId,
    },
    /// The token's signature holds, yet its secret never was the session's: the signing key has
    /// leaked, or the store has lost writes.
    #[error("the presented secret is not that of session {id}")]
    WrongSecret {
        /// The session that the token names.
        id: SessionId,
    },
    /// The session has expired, or was revoked.
    #[error("session {id} has ended")]
    Ended {
        /// The session.
        id: SessionId,
    },
    /// The session's row does not fit the struct, so it counts as ended.
    #[error("session {id} cannot be decoded, so it counts as ended: {error}")]
    Undecodable {
        /// The session.
        id: SessionId,
        /// Which column, and what is wrong with it.
        error: DecodeError,
    },
    /// The session is bound to another client: its fingerprint is another one.
    #[error("session {id} was used by another client than the one that it is bound to")]
    OtherClient {
        /// The session.
        id: SessionId,
    },
    /// The application's [`Verifier`](crate::manager::Verifier) said no.
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
        /// The policy, as [`Policy::describe`](crate::guard::Policy::describe) puts it.
        policy: String,
    },
    /// The session is good, but its subject has to prove again who they are.
    #[error("session {id} was authenticated more than {max_age:?} ago")]
    ReauthenticationRequired {
        /// The session.
        id: SessionId,
        /// How long ago the authentication may be.
        max_age: Duration,
    },
    /// Another site made a browser send the request, with the session's cookie (CSRF). The layer
    /// refuses it before any handler runs.
    #[error(
        "a browser sent this request for another origin ({}): if that one is the application's \
         own, name it with \
         `.trusted_origin(..)` before `.build()`; for one callback, name its path with \
         `.allow_cross_origin_post(..)`; behind a proxy, have it forward `Host` and \
         `Origin` unchanged",
        origin.as_deref().unwrap_or("it does not say which")
    )]
    CrossOrigin {
        /// The request's `Origin`, quoted, escaped, and cut to 100 characters.
        origin: Option<String>,
    },
    /// The request reached a `#[logout]` by a safe method, which a link or an image on another site
    /// can make a browser send: nothing was ended.
    #[error(
        "`{method}` does not log out, because a link on another site could send it: route \
         `#[logout]` with `post(..)`, and send `POST`, as a form with `method=\"post\"` does"
    )]
    LogoutBySafeMethod {
        /// The request's method: `GET`, `HEAD`, `OPTIONS` or `TRACE`.
        method: Method,
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
        "no session layer for `{payload}` on this route: add `.layer(sessions.layer())` to the \
         router, after its routes \
         (axum applies a layer to the routes that were added before it), where `sessions` is a \
         `SessionManager<{payload}>`"
    )]
    MissingLayer {
        /// The payload type whose layer is missing.
        payload: &'static str,
    },
    /// The handler's guard does not name its session's type, and the process has had managers of
    /// several payloads.
    #[error(
        "this application has several kinds of sessions, and the handler's guard does not say \
         which one it means: name the type, as in `#[require_session(UserSession)]` \
         or `#[logout(UserSession)]`"
    )]
    UntypedGuard,
    /// The route has layers of two managers of one payload, of which the inner one would replace
    /// the outer one's verifier.
    #[error(
        "two managers of `{payload}` have a layer on this route: build one \
         `SessionManager<{payload}>` and clone it, or add each one's `.layer(sessions.layer())` \
         to a router that is not nested in the other's"
    )]
    SeveralManagers {
        /// The payload type of the two managers.
        payload: &'static str,
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
            Rejection::Superseded { .. } => "superseded_secret",
            Rejection::Ended { .. } => "session_ended",
            Rejection::Undecodable { .. } => "session_undecodable",
            Rejection::OtherClient { .. } => "other_client",
            Rejection::RefusedByVerifier { .. } => "refused_by_verifier",
            Rejection::Forbidden { .. } => "forbidden",
            Rejection::ReauthenticationRequired { .. } => "reauthentication_required",
            Rejection::CrossOrigin { .. } => "cross_origin",
            Rejection::LogoutBySafeMethod { .. } => "logout_by_safe_method",
            Rejection::Store(error) => match error.kind() {
                StoreErrorKind::Unavailable => "store_unavailable",
                StoreErrorKind::NotMigrated => "store_not_migrated",
                StoreErrorKind::Constraint => "store_refused",
                StoreErrorKind::Encode => "store_encode",
            },
            Rejection::Operation(Error::TooManySessions) => "too_many_sessions",
            Rejection::Operation(Error::SecretReplaced { .. }) => "secret_replaced",
            Rejection::Operation(_) => "operation_failed",
            Rejection::Verifier(_) => "verifier_failed",
            Rejection::MissingLayer { .. } => "missing_layer",
            Rejection::UntypedGuard => "untyped_guard",
            Rejection::SeveralManagers { .. } => "several_managers",
        }
    }

    /// The response's status.
    pub fn status(&self) -> StatusCode {
        match self {
            Rejection::NoSession
            | Rejection::BadToken(_)
            | Rejection::Unknown { .. }
            | Rejection::WrongSecret { .. }
            | Rejection::Superseded { .. }
            | Rejection::Ended { .. }
            | Rejection::Undecodable { .. }
            | Rejection::OtherClient { .. }
            | Rejection::RefusedByVerifier { .. } => StatusCode::UNAUTHORIZED,
            Rejection::Forbidden { .. }
            | Rejection::ReauthenticationRequired { .. }
            | Rejection::CrossOrigin { .. } => StatusCode::FORBIDDEN,
            Rejection::LogoutBySafeMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Rejection::Store(error) => match error.kind() {
                StoreErrorKind::Unavailable | StoreErrorKind::NotMigrated => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                StoreErrorKind::Constraint => StatusCode::CONFLICT,
                StoreErrorKind::Encode => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Rejection::Operation(Error::TooManySessions | Error::SecretReplaced { .. }) => {
                StatusCode::CONFLICT
            }
            Rejection::Operation(
                Error::ResponseBegun | Error::SubjectChanged { .. } | Error::Callback { .. },
            ) => StatusCode::INTERNAL_SERVER_ERROR,
            Rejection::Operation(_) | Rejection::Verifier(_) => StatusCode::SERVICE_UNAVAILABLE,
            Rejection::MissingLayer { .. }
            | Rejection::UntypedGuard
            | Rejection::SeveralManagers { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code that the body shows: one for all 401 cases, else [`code`](Self::code).
    pub fn public_code(&self) -> &'static str {
        match self.status() {
            StatusCode::UNAUTHORIZED => "unauthenticated",
            _ => self.code(),
        }
    }

    /// Whether the request simply has no valid session: what `Option<Session<T>>` keyed_mutex into
    /// `None`.
    pub fn is_unauthenticated(&self) -> bool {
        self.status() == StatusCode::UNAUTHORIZED
    }

    /// The message with the payload's name alone: an outsider who reads it learns nothing of the
    /// program's modules.
    fn without_paths(&self) -> String {
        let message = self.to_string();
        match self {
            Rejection::MissingLayer { payload } | Rejection::SeveralManagers { payload } => {
                message.replace(payload, &type_name::without_paths(payload))
            }
            _ => message,
        }
    }

    /// What the message leaves out: the cause whose own text it has already.
    fn cause(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Rejection::Verifier(error) => error.source(),
            other => other.source(),
        }
    }

    /// Writes one log line: loud where something is wrong with the application, quiet where a
    /// visitor merely has no session.
    pub(crate) fn log(&self, payload: &'static str) {
        let code = self.code();
        let because = sources(self.cause());
        match self {
            Rejection::NoSession => {
                tracing::debug!(target: "anchor", code, payload, "{self}{because}");
            }
            Rejection::WrongSecret { .. }
            | Rejection::OtherClient { .. }
            | Rejection::Undecodable { .. } => {
                tracing::warn!(target: "anchor", code, payload, "{self}{because}");
            }
            // Refused by the table: 409, and still a store that did not do what it was asked.
            Rejection::Store(_) => {
                tracing::error!(target: "anchor", code, payload, "{self}{because}");
            }
            other if other.status().is_server_error() => {
                tracing::error!(target: "anchor", code, payload, "{self}{because}");
            }
            _ => tracing::info!(target: "anchor", code, payload, "{self}{because}"),
        }
    }
}

/// An operation on a session failed.
///
/// As a response it is what [`Rejection`] makes of it: a store that cannot answer is 503, a row
/// refused by the table's constraints 409, an ended session 401.
///
/// The method that returns it has logged it, with the target `anchor` and the text of its sources.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The session has ended meanwhile; nothing was written.
    #[error("session {id} has ended")]
    Ended {
        /// The session.
        id: SessionId,
    },
    /// The application's [`Verifier`](crate::manager::Verifier) refuses the session of a handle
    /// that was kept; nothing was written.
    #[error("the verifier refused session {id}")]
    RefusedByVerifier {
        /// The session.
        id: SessionId,
    },
    /// The verifier itself failed; nothing was written.
    #[error("the verifier failed: {0}")]
    Verifier(Arc<dyn StdError + Send + Sync>),
    /// Another request gave the session a new secret: this one's is no longer enough. Nothing was
    /// written. The client repeats the request with its new token.
    #[error(
        "the secret of session {id} was replaced meanwhile: repeat the request with the new one"
    )]
    SecretReplaced {
        /// The session.
        id: SessionId,
    },
    /// The change would have made the session another subject's; nothing was written.
    #[error(
        "an update would make session {id} another subject's: log in as that one with \
         `auth.login(..)`"
    )]
    SubjectChanged {
        /// The session.
        id: SessionId,
    },
    /// Other requests changed the session again and again; nothing was written.
    #[error("session {id} is being changed by too many requests at once: tried {attempts} times")]
    Contended {
        /// The session.
        id: SessionId,
        /// How often the change was tried.
        attempts: u32,
    },
    /// The response's headers have been sent, so no cookie can be set any more: call this before
    /// the handler returns.
    #[error(
        "the response has begun, so no session cookie can be set: log in before the handler returns"
    )]
    ResponseBegun,
    /// The subject has as many live sessions as `#[session(max_per_subject = .., on_limit =
    /// "refuse")]` allows; nothing was written.
    #[error("the subject has as many sessions as it may have: let it end one of them first")]
    TooManySessions,
    /// A callback of the application's own panicked, and what was asked depends on its answer;
    /// nothing was written.
    #[error("the application's callback `{callback}` panicked")]
    Callback {
        /// The method of the builder that it was given to.
        callback: &'static str,
    },
    /// The request is refused for a reason that only a [`Rejection`] names, such as a token that
    /// cannot be judged: from [`Auth::logout`](crate::Auth::logout).
    #[error(transparent)]
    Rejected(Box<Rejection>),
    /// The operating system has no randomness to give.
    #[error("no randomness for a new session: {0}")]
    Randomness(getrandom::Error),
}

/// So that a handler which returns [`Error`] takes what an extractor or a guard refuses, too.
impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Store(error) => Error::Store(error),
            Rejection::Ended { id } => Error::Ended { id },
            Rejection::RefusedByVerifier { id } => Error::RefusedByVerifier { id },
            Rejection::Verifier(error) => Error::Verifier(error),
            Rejection::Operation(error) => error,
            other => Error::Rejected(Box::new(other)),
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
            Error::RefusedByVerifier { id } => Rejection::RefusedByVerifier { id },
            Error::Verifier(error) => Rejection::Verifier(error),
            Error::Rejected(rejection) => *rejection,
            other => Rejection::Operation(other),
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let mut body = format!("{{\"error\":\"{}\"", self.public_code());
        // A mistake of the application's author, made of type and method names: say it where they
        // look first. The log has the types' paths.
        if let Rejection::MissingLayer { .. }
        | Rejection::UntypedGuard
        | Rejection::SeveralManagers { .. }
        | Rejection::LogoutBySafeMethod { .. } = self
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
        if let Rejection::LogoutBySafeMethod { .. } = self {
            // RFC 9110 section 15.5.6: what the handler takes, wherever it is routed.
            let allowed = HeaderValue::from_static("POST, PUT, PATCH, DELETE");
            response.headers_mut().insert(header::ALLOW, allowed);
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Rejection::from(self).into_response()
    }
}
