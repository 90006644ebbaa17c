//! The errors of a store and of a configuration: [`StoreError`], [`ConfigError`].

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::excerpt::{ERROR, excerpt};
use crate::payload::EncodeError;

/// The kind of failure of a [`StoreError`].
///
/// ```
/// use anchor::{Error, StoreErrorKind};
///
/// /// Whether it is worth trying again.
/// fn is_passing(error: &Error) -> bool {
///     let Error::Store(error) = error else { return false };
///     matches!(error.kind(), StoreErrorKind::Unavailable | StoreErrorKind::TransactionConflict)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The store did not answer, or not as it should. The client receives 503.
    Unavailable,
    /// The store's table, or one of its columns, does not exist: the migrations have not run. The
    /// client receives 503.
    NotMigrated,
    /// The database undid, or did not begin, what a transaction of the application's was about to
    /// write, because another transaction came first. Run the whole transaction again. The client
    /// receives 503.
    TransactionConflict,
    /// The table's constraints refused the row. The client receives 409.
    Constraint,
    /// The payload cannot be represented in the table: a value does not fit its column. The client
    /// receives 500.
    Encode,
}

/// An error of a store that could not do what it was asked to do. Cheap to clone.
///
/// `Debug` and `Display` print the first 1,000 characters of the cause's message, on one line. They
/// never print the bound values, because a database's detail text can quote a row.
///
/// ```
/// use anchor::{StoreError, StoreErrorKind};
///
/// let error = StoreError::unavailable("connection refused");
/// assert_eq!(error.kind(), StoreErrorKind::Unavailable);
/// ```
#[derive(Clone)]
pub struct StoreError {
    kind: StoreErrorKind,
    source: Arc<dyn StdError + Send + Sync>,
    is_logged: bool,
    #[cfg_attr(not(feature = "_sql"), expect(dead_code, reason = "only SQL stores share writes"))]
    is_refusal: bool,
}

impl StoreErrorKind {
    /// Returns a stable, machine-readable name.
    pub(crate) fn code(self) -> &'static str {
        match self {
            StoreErrorKind::Unavailable => "store_unavailable",
            StoreErrorKind::NotMigrated => "store_not_migrated",
            StoreErrorKind::TransactionConflict => "transaction_conflict",
            StoreErrorKind::Constraint => "store_refused",
            StoreErrorKind::Encode => "store_encode",
        }
    }
}

impl StoreError {
    /// Creates an error of this kind.
    ///
    /// ```
    /// use anchor::{StoreError, StoreErrorKind};
    ///
    /// let error = StoreError::new(StoreErrorKind::Constraint, "user 7 does not exist");
    /// assert_eq!(error.kind(), StoreErrorKind::Constraint);
    /// assert_eq!(error.to_string(), "the session table refused the row: user 7 does not exist");
    /// ```
    pub fn new(kind: StoreErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, source: source.into().into(), is_logged: false, is_refusal: false }
    }

    /// Creates an error of the kind [`StoreErrorKind::Unavailable`].
    pub fn unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(StoreErrorKind::Unavailable, source)
    }

    /// Returns this error as that of an end that was not carried out. If a constraint of a table
    /// prevented the end, the session is still live. The store has then failed to do what it must,
    /// so the answer is 503.
    pub(crate) fn not_carried_out(self) -> Self {
        match self.kind {
            StoreErrorKind::Unavailable
            | StoreErrorKind::NotMigrated
            | StoreErrorKind::TransactionConflict => self,
            StoreErrorKind::Constraint | StoreErrorKind::Encode => Self::unavailable(self),
        }
    }

    /// Marks this error as one with which the store refused a statement, and undid it.
    #[cfg(feature = "_sql")]
    pub(crate) fn refused(self) -> Self {
        Self { is_refusal: true, ..self }
    }

    /// Returns whether the store refused the statement. One of its rows may be the cause, so that a
    /// statement without that row may succeed.
    #[cfg(feature = "_sql")]
    pub(crate) fn is_refusal(&self) -> bool {
        self.is_refusal
    }

    /// Marks this error as logged, but not its clones.
    pub(crate) fn mark_logged(&mut self) {
        self.is_logged = true;
    }

    /// Returns whether the log has this error.
    pub(crate) fn is_logged(&self) -> bool {
        self.is_logged
    }

    /// Returns the kind of this failure.
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
            StoreErrorKind::NotMigrated => "the session table is not as declared: ",
            StoreErrorKind::TransactionConflict => "the transaction cannot go on: ",
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

/// An error in the configuration, found at start-up. The message says what to write instead and
/// never quotes a secret.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// use anchor::ConfigError;
///
/// fn sessions() -> Result<SessionManager<UserSession>, ConfigError> {
///     SessionManager::builder(MemoryStore::new()).build()
/// }
///
/// let error = sessions().unwrap_err();
/// assert!(error.to_string().contains("no signing keys: add `.keys("));
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// Creates an error with this message.
    pub fn new(message: impl fmt::Display) -> Self {
        Self(message.to_string())
    }

    /// Returns an error with all of these mistakes, if there are any. `place` is named if there are
    /// several.
    pub(crate) fn of_all(mistakes: &[String], place: &str) -> Result<(), Self> {
        match mistakes {
            [] => Ok(()),
            [only] => Err(Self(only.clone())),
            several => Err(Self(format!(
                "{} mistakes in {place}:\n- {}",
                several.len(),
                several.join("\n- ")
            ))),
        }
    }

    /// Puts the place of the error in front of its message.
    pub(crate) fn within(self, place: impl fmt::Display) -> Self {
        Self(format!("{place}: {}", self.0))
    }
}

/// Prints the message itself, because `fn main() -> Result<(), ConfigError>` prints an error's
/// `Debug`.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
