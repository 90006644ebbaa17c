//! [`Rejection`]: why a request is refused; [`Error`]: why an operation on a session failed. Each
//! converts to the other, so that `?` accepts both in one handler.

mod accept;
mod error;
mod page;
mod response;

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

pub use accept::wants_html;
pub use error::Error;
use http::{Method, StatusCode};
pub(crate) use response::{is_made_of_rejection, show_as_page};

use crate::error::{StoreError, StoreErrorKind};
use crate::excerpt::{ERROR, excerpt, sources};
use crate::id::SessionId;
use crate::payload::DecodeError;
use crate::token::BadToken;

/// The reason why an extractor or a guard refuses a request.
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
/// | `Store` | `transaction_conflict`: run the transaction again | 503 | the same |
/// | `Store` | `store_refused` | 409 | the same |
/// | `Store` | `store_encode` | 500 | the same |
/// | `Operation` | `too_many_sessions`, `secret_replaced` | 409 | the same |
/// | `Operation` | `impersonated` | 403 | the same |
/// | `Operation` | `operation_failed` | 503; 500 for [`Error::ResponseBegun`], [`Error::SubjectChanged`], [`Error::UnknownFrontend`], [`Error::UndecodableSessions`], [`Error::OtherStore`], [`Error::Callback`]; that of its cause for [`Error::SubjectPartlyUpdated`] | `operation_failed` |
/// | `Verifier` | `verifier_failed` | 503 | `verifier_failed` |
/// | `MissingLayer` | `missing_layer` | 500 | `missing_layer`, and the message |
/// | `UntypedGuard` | `untyped_guard` | 500 | `untyped_guard`, and the message |
/// | `SeveralManagers` | `several_managers` | 500 | `several_managers`, and the message |
///
/// The response's body is `{"error":"<public code>"}`. For a request whose `Accept` names HTML and
/// does not prefer JSON, as those of a browser's links and forms, the session layer shows a small
/// page instead, with the same status. Neither shows an outsider which of the 401 cases it was; the
/// log (target `anchor`) does. The response carries the rejection in its
/// extensions, so a layer of your own can count or log it.
/// [`SessionManagerBuilder::on_reject`](crate::manager::SessionManagerBuilder::on_reject) replaces
/// the response.
///
/// ```
/// # use anchor::prelude::*;
/// use anchor::Rejection;
/// use axum::http::StatusCode;
///
/// let refusal = Rejection::NoSession;
/// assert_eq!(refusal.status(), StatusCode::UNAUTHORIZED);
/// assert_eq!(refusal.code(), "no_session");
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The request carries no token.
    #[error("the request carries no session token")]
    NoSession,
    /// The request's token is not one that this application issued. It is refused without a store
    /// call.
    #[error("the presented token was refused: {0}")]
    BadToken(BadToken),
    /// The store has no session with this id: it was revoked and removed, or it never existed.
    #[error("session {id} does not exist")]
    Unknown {
        /// The session that the token names.
        id: SessionId,
    },
    /// The token belongs to the session, but a rotation has replaced it.
    #[error("the presented secret of session {id} was replaced")]
    Superseded {
        /// The session that the token names.
        id: SessionId,
    },
    /// The token's signature is valid, but its secret was never the session's: the signing key has
    /// leaked, or the store has lost writes.
    #[error("the presented secret is not that of session {id}")]
    WrongSecret {
        /// The session that the token names.
        id: SessionId,
    },
    /// The session has expired or was revoked.
    #[error("session {id} has ended")]
    Ended {
        /// The session.
        id: SessionId,
    },
    /// The session's row does not match the struct, so the session counts as ended.
    #[error("session {id} cannot be decoded, so it counts as ended: {error}")]
    Undecodable {
        /// The session.
        id: SessionId,
        /// The column, and what is wrong with it.
        error: DecodeError,
    },
    /// The session is bound to another client: the fingerprints differ.
    #[error("session {id} was used by a client other than the one that it is bound to")]
    OtherClient {
        /// The session.
        id: SessionId,
    },
    /// The application's [`Verifier`](crate::manager::Verifier) refused the session.
    #[error("the verifier refused session {id}")]
    RefusedByVerifier {
        /// The session.
        id: SessionId,
    },
    /// The session is valid, but the handler's policy refuses it.
    #[error("the policy `{policy}` refused session {id}")]
    Forbidden {
        /// The session.
        id: SessionId,
        /// The policy, as [`Policy::describe`](crate::guard::Policy::describe) describes it.
        policy: String,
    },
    /// The session is valid, but its subject has to authenticate again.
    #[error("session {id} was authenticated more than {max_age:?} ago")]
    ReauthenticationRequired {
        /// The session.
        id: SessionId,
        /// The maximum time since the authentication.
        max_age: Duration,
    },
    /// Another site made a browser send the request with the session's cookie (CSRF). The layer
    /// refuses the request before any handler runs.
    #[error(
        "a browser sent this request for another origin: {}; if that origin is another one of the \
         application's own, name it with `.trusted_origin(..)` before `.build()`; for one \
         callback, name its path with `.allow_cross_origin_post(..)`",
        compared(origin.as_deref(), host.as_deref())
    )]
    CrossOrigin {
        /// The request's `Origin`: quoted, escaped, and cut to 100 characters.
        origin: Option<String>,
        /// The `Host` that the `Origin` was compared with, likewise. `None` if the browser has
        /// compared by itself, and sent `Sec-Fetch-Site`.
        host: Option<String>,
    },
    /// The request reached a `#[logout]` handler with a safe method. A link or an image on another
    /// site can make a browser send such a request, so no session was ended.
    #[error(
        "`{method}` does not log out, because a link on another site could send it: route \
         `#[logout]` with `post(..)`, and send `POST`, as a form with `method=\"post\"` does"
    )]
    LogoutBySafeMethod {
        /// The request's method: `GET`, `HEAD`, `OPTIONS` or `TRACE`.
        method: Method,
    },
    /// The store could not answer. The request is never treated as anonymous, and the response is
    /// never 401.
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
         router, after its routes and guards \
         (axum applies a layer to what was added before it), where `sessions` is a \
         `SessionManager<{payload}>`"
    )]
    MissingLayer {
        /// The payload type whose layer is missing.
        payload: &'static str,
    },
    /// The handler's guard does not name its session type, and the process has had managers of
    /// several payload types.
    #[error(
        "this application has several kinds of sessions, and the handler's guard does not say \
         which one it means: name the type, as in `#[require_session(UserSession)]` \
         or `#[logout(UserSession)]`"
    )]
    UntypedGuard,
    /// The route has layers of two managers of the same payload type. The inner one would replace
    /// the outer one's verifier.
    #[error(
        "two managers of `{payload}` have a layer or a guard on this route: build one \
         `SessionManager<{payload}>` and clone it, or add each one's `.layer(sessions.layer())` \
         to a router that is not nested in the other's"
    )]
    SeveralManagers {
        /// The payload type of the two managers.
        payload: &'static str,
    },
}

impl Rejection {
    /// Returns a stable, machine-readable name of the case, for logs and metrics.
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
            Rejection::Store(error) => error.kind().code(),
            Rejection::Operation(Error::TooManySessions) => "too_many_sessions",
            Rejection::Operation(Error::SecretReplaced { .. }) => "secret_replaced",
            Rejection::Operation(Error::Impersonated { .. }) => "impersonated",
            Rejection::Operation(_) => "operation_failed",
            Rejection::Verifier(_) => "verifier_failed",
            Rejection::MissingLayer { .. } => "missing_layer",
            Rejection::UntypedGuard => "untyped_guard",
            Rejection::SeveralManagers { .. } => "several_managers",
        }
    }

    /// Returns the response's status.
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
            | Rejection::CrossOrigin { .. }
            | Rejection::Operation(Error::Impersonated { .. }) => StatusCode::FORBIDDEN,
            Rejection::LogoutBySafeMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Rejection::Store(error) => match error.kind() {
                StoreErrorKind::Unavailable
                | StoreErrorKind::NotMigrated
                | StoreErrorKind::TransactionConflict => StatusCode::SERVICE_UNAVAILABLE,
                StoreErrorKind::Constraint => StatusCode::CONFLICT,
                StoreErrorKind::Encode => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Rejection::Operation(Error::TooManySessions | Error::SecretReplaced { .. }) => {
                StatusCode::CONFLICT
            }
            Rejection::Operation(
                Error::ResponseBegun
                | Error::SubjectChanged { .. }
                | Error::UnknownFrontend { .. }
                | Error::UndecodableSessions { .. }
                | Error::OtherStore { .. }
                | Error::Callback { .. },
            ) => StatusCode::INTERNAL_SERVER_ERROR,
            Rejection::Operation(Error::SubjectPartlyUpdated { error, .. }) => {
                Rejection::from(Error::clone(error)).status()
            }
            Rejection::Operation(_) | Rejection::Verifier(_) => StatusCode::SERVICE_UNAVAILABLE,
            Rejection::MissingLayer { .. }
            | Rejection::UntypedGuard
            | Rejection::SeveralManagers { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns the code in the response's body: one code for all 401 cases, otherwise
    /// [`code`](Self::code).
    ///
    /// ```
    /// use anchor::{Rejection, SessionId};
    /// use uuid::Uuid;
    ///
    /// // The log says which case it was. The client does not learn it.
    /// let refusal = Rejection::Ended { id: SessionId::from_uuid(Uuid::nil()) };
    /// assert_eq!((refusal.code(), refusal.public_code()), ("session_ended", "unauthenticated"));
    /// ```
    pub fn public_code(&self) -> &'static str {
        match self.status() {
            StatusCode::UNAUTHORIZED => "unauthenticated",
            _ => self.code(),
        }
    }

    /// Returns whether the request simply has no valid session: the cases that `Option<Session<T>>`
    /// turns into `None`.
    ///
    /// ```
    /// use anchor::{Rejection, StoreError};
    ///
    /// assert!(Rejection::NoSession.is_unauthenticated());
    /// let failed = Rejection::Store(StoreError::unavailable("connection refused"));
    /// assert!(!failed.is_unauthenticated(), "the visitor may have a session");
    /// ```
    pub fn is_unauthenticated(&self) -> bool {
        self.status() == StatusCode::UNAUTHORIZED
    }

    /// Returns the first cause whose text is not yet part of the message.
    fn cause(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Rejection::Verifier(error) => error.source(),
            other => other.source(),
        }
    }

    /// Writes one log line, with the payload's type if it is known. Its level is high if something
    /// is wrong with the application, and low if a visitor merely has no session.
    pub(crate) fn log(&self, payload: Option<&'static str>) {
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
            // A row that the table refused is answered with 409, but the store still did not do
            // what it was asked to do.
            other if matches!(other, Rejection::Store(_)) || other.status().is_server_error() => {
                tracing::error!(target: "anchor", code, payload, "{self}{because}");
            }
            _ => tracing::info!(target: "anchor", code, payload, "{self}{because}"),
        }
    }
}

impl Rejection {
    /// Marks the store's error as logged, if this is one.
    pub(crate) fn mark_logged(&mut self) {
        if let Rejection::Store(error) | Rejection::Operation(Error::Store(error)) = self {
            error.mark_logged();
        }
    }

    /// Returns whether this is an error that the application received from its store itself, and
    /// that the log does not have.
    pub(super) fn is_unlogged(&self) -> bool {
        match self {
            Rejection::Store(error) | Rejection::Operation(Error::Store(error)) => {
                !error.is_logged()
            }
            _ => false,
        }
    }
}

/// Returns what a cross-origin request shows about its origin, and what a proxy may have changed.
fn compared(origin: Option<&str>, host: Option<&str>) -> String {
    match (origin, host) {
        (Some(origin), Some(host)) => format!(
            "its `Origin` is {origin}, and its `Host` is {host}; if a proxy has replaced `Host`, \
             configure it to forward what the browser sent, as nginx does with \
             `proxy_set_header Host $host;`"
        ),
        (Some(origin), None) => format!("its `Origin` is {origin}"),
        (None, _) => "it has no `Origin`".to_owned(),
    }
}

impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        Rejection::Store(error)
    }
}
