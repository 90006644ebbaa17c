//! [`SessionId`]: the public locator of a session.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::timestamp::Timestamp;

/// The public locator of a session: its primary key, a UUIDv7.
///
/// It can be listed, logged and put into a URL. It is not a credential: knowing it does not give
/// access (OWASP ASVS 5.0 7.2.3 asks for 128 bits of entropy, and 11.5.1 says that a UUID does not
/// have them). The credential is the [`SessionToken`](crate::token::SessionToken).
///
/// ```
/// use anchor::SessionId;
///
/// let id: SessionId = "0197a2b4-7c5e-7d3a-9f10-2b6c8d4e5f60".parse()?;
/// assert_eq!(id.to_string(), "0197a2b4-7c5e-7d3a-9f10-2b6c8d4e5f60");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct SessionId(Uuid);

impl SessionId {
    /// Creates a session id from a UUID.
    ///
    /// ```
    /// use anchor::SessionId;
    /// use uuid::Uuid;
    ///
    /// let uuid = Uuid::from_u128(7);
    /// assert_eq!(SessionId::from_uuid(uuid).as_uuid(), &uuid);
    /// ```
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// Returns when the session began, by the clock of the node that created it: the id's first 48
    /// bits.
    pub(crate) fn began_at(&self) -> Timestamp {
        let millis = self.0.as_u128() >> 80;
        Timestamp::from_micros(i64::try_from(millis * 1_000).unwrap_or(i64::MAX))
    }

    /// Returns the underlying UUID.
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({})", self.0)
    }
}

/// Parses the textual form of a UUID.
impl FromStr for SessionId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}
