//! What can go wrong in a store and in an operation on a session.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::data::EncodeError;
use crate::excerpt::{ERROR, excerpt};
use crate::id::SessionId;
use crate::rejection::Rejection;

/// What kind of failure a [`StoreError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store did not answer, or not with what it should: answered to the client as 503.
    Unavailable,
    /// The store's table, or a column of it, does not exist: 503. The migrations have not run.
    NotMigrated,
    /// The table's constraints refused the row: 409.
    Constraint,
    /// The payload has no form in the table: 500.
    Encode,
}

/// A store could not do what it was asked. Cheap to clone.
///
/// `Debug` and `Display` print the first 1,000 characters of the cause's message, in one line, and
/// never the values that were bound: a database's detail text can quote a row.
#[derive(Clone)]
pub struct StoreError {
    kind: StoreErrorKind,
    source: Arc<dyn StdError + Send + Sync>,
}

impl StoreError {
    /// A failure of this kind.
    pub fn new(kind: StoreErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, source: source.into().into() }
    }

    /// The store did not answer.
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(StoreErrorKind::Unavailable, source)
    }

    /// The same error, of an end that a table's constraint kept from being carried out: the session
    /// lives on, so the store has not done what it must, which is 503.
    pub(crate) fn not_carried_out(self) -> Self {
        match self.kind {
            StoreErrorKind::Unavailable | StoreErrorKind::NotMigrated => self,
            StoreErrorKind::Constraint | StoreErrorKind::Encode => Self::unavailable(self),
        }
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }
}

impl From<EncodeError> for StoreError {
    fn from(error: EncodeError) -> Self {
        Self::new(StoreErrorKind::Encode, error)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            StoreErrorKind::Unavailable => "the session store did not answer: ",
            StoreErrorKind::NotMigrated => "the session table is not there as declared: ",
            StoreErrorKind::Constraint => "the session table refused the row: ",
            StoreErrorKind::Encode => "the session cannot be stored: ",
        })?;
        excerpt(&self.source, ERROR).fmt(f)
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreError({:?}: {})", self.kind, excerpt(&self.source, ERROR))
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.source()
    }
}

/// A configuration that cannot work, found at start-up. The message says what to write instead, and quotes no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    /// An error with this message.
    pub fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }

    /// The same error, said of a place.
    pub(crate) fn within(self, place: impl fmt::Display) -> Self {
        Self(format!("{place}: {}", self.0))
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What `fn main() -> Result<(), ConfigError>` prints, so the message itself.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for ConfigError {}

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
    /// The application's [`Verifier`](crate::Verifier) refuses the session of a handle that was
    /// kept; nothing was written.
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
    /// The response's headers have been sent, so no cookie can be set any more: call this before the handler returns.
    #[error(
        "the response has begun, so no session cookie can be set: log in before the handler returns"
    )]
    ResponseBegun,
    /// The subject has as many live sessions as `#[session(max_per_subject = .., overflow = "refuse")]` allows; nothing was written.
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
