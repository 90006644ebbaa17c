//! What can go wrong in a store and in an operation on a session.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::excerpt::{ERROR, excerpt};
use crate::payload::EncodeError;

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

/// A configuration that cannot work, found at start-up. The message says what to write instead, and
/// quotes no secret.
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
