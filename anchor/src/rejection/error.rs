//! [`Error`]: why an operation on a session failed.

use std::error::Error as StdError;
use std::sync::Arc;

use super::Rejection;
use crate::error::StoreError;
use crate::id::SessionId;

/// An error of an operation on a session.
///
/// As a response, it becomes the matching [`Rejection`]: 503 for a store that cannot answer, 409
/// for a row that the table's constraints refused, 401 for an ended session.
///
/// It is logged once, with the target `anchor` and the text of its sources: by the method of
/// anchor's that returns it, or, if it was made from the [`StoreError`] of a store that the
/// application called itself, when it becomes a response.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// use axum::http::StatusCode;
///
/// # async fn example(
/// #     auth: Auth<UserSession>, user: UserSession,
/// # ) -> Result<StatusCode, anchor::Error> {
/// // `?` answers 503 if the store cannot answer. One case has an answer of its own here:
/// match auth.login(user).await {
///     Ok(_) => Ok(StatusCode::NO_CONTENT),
///     Err(anchor::Error::TooManySessions { .. }) => Ok(StatusCode::CONFLICT),
///     Err(error) => Err(error),
/// }
/// # }
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store could not carry out the operation.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The session has ended in the meantime; nothing was written.
    #[error("session {id} has ended")]
    Ended {
        /// The session.
        id: SessionId,
    },
    /// The application's [`Verifier`](crate::manager::Verifier) refuses the session of a handle
    /// that the application kept; nothing was written.
    #[error("the verifier refused session {id}")]
    RefusedByVerifier {
        /// The session.
        id: SessionId,
    },
    /// The verifier itself failed; nothing was written.
    #[error("the verifier failed: {0}")]
    Verifier(Arc<dyn StdError + Send + Sync>),
    /// Another request gave the session a new secret, so the secret of this request is no longer
    /// sufficient. Nothing was written. The client repeats the request with its new token.
    #[error("the secret of session {id} was replaced: repeat the request with the new one")]
    SecretReplaced {
        /// The session.
        id: SessionId,
    },
    /// The change would have given the session to another subject, or to another
    /// [impersonator](crate::SessionData::impersonator); nothing was written.
    #[error(
        "an update would give session {id} to another subject or impersonator: log in as that \
         subject with `auth.login(..)`"
    )]
    SubjectChanged {
        /// The session.
        id: SessionId,
    },
    /// The session is an [impersonator's](crate::SessionData::impersonator), and a login or a
    /// re-authentication of its subject would hide that; nothing was written.
    #[error(
        "session {id} is an impersonator's, and this would hide it: end it first with \
         `auth.logout()`, or give the login the same impersonator; its subject cannot \
         re-authenticate in it"
    )]
    Impersonated {
        /// The session.
        id: SessionId,
    },
    /// Other requests kept changing the session; nothing was written.
    #[error("session {id} is being changed by too many requests at once: tried {attempts} times")]
    Contended {
        /// The session.
        id: SessionId,
        /// How many times the change was tried.
        attempts: u32,
    },
    /// [`update_subject`](crate::SessionManager::update_subject) has not changed all of a subject's
    /// sessions. Its response has the status of `error`.
    #[error(
        "{updated} sessions of the subject were updated, and at least one was not (once the cause \
         is removed, call `update_subject` again): {error}"
    )]
    SubjectPartlyUpdated {
        /// How many sessions were changed.
        updated: u64,
        /// Why another one was not.
        error: Box<Error>,
    },
    /// This release cannot decode sessions of the subject, so
    /// [`update_subject`](crate::SessionManager::update_subject) has not changed them. They may be
    /// live on a node that runs another release.
    #[error(
        "{count} sessions of the subject cannot be decoded, so they were not changed: call \
         `update_subject` with the release that wrote them, or end them with `revoke_subject`"
    )]
    UndecodableSessions {
        /// How many there are.
        count: u64,
    },
    /// [`begin`](crate::SessionManager::begin) or [`within`](crate::SessionManager::within) was
    /// given another store than the one that the manager was built with; nothing was begun.
    #[error(
        "the manager of `{table}` was built with another store than this one: build it with \
         `SessionManager::builder(store.clone())`, and pass `&store` (a store that wraps another \
         one forwards `SessionStore::identity`)"
    )]
    OtherStore {
        /// The table of the payload.
        table: &'static str,
    },
    /// The response's headers have been sent, so a cookie can no longer be set. Call the method
    /// before the handler returns.
    #[error(
        "the response has begun, so no session cookie can be set: log in before the handler returns"
    )]
    ResponseBegun,
    /// A login asked for a frontend that its manager does not have; nothing was written.
    #[error(
        "the manager has no frontend `{channel}`: add it with `.add_frontend(..)` before \
         `.build()`, or remove `.via(..)` from the login"
    )]
    UnknownFrontend {
        /// The [`channel`](crate::frontend::Frontend::channel) of the frontend.
        channel: String,
    },
    /// The subject already has as many live sessions as
    /// `#[session(max_per_subject = .., on_limit = "refuse")]` allows; nothing was written.
    #[error("the subject has reached its limit of sessions: let it end one of them first")]
    TooManySessions,
    /// A callback of the application panicked, and the operation depends on the callback's answer;
    /// nothing was written.
    #[error("the application's callback `{callback}` panicked")]
    Callback {
        /// The builder's method that the callback was passed to.
        callback: &'static str,
    },
    /// The request is refused for a reason that only a [`Rejection`] names, such as a token that
    /// cannot be judged. [`Auth::logout`](crate::Auth::logout) returns it.
    #[error(transparent)]
    Rejected(Box<Rejection>),
    /// The operating system could not provide randomness.
    #[error("the operating system gave no randomness for a new session: {0}")]
    Randomness(getrandom::Error),
}

/// Lets a handler that returns [`Error`] also use `?` on the rejection of an extractor or a guard.
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
