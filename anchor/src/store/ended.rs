//! How and why sessions ended: [`EndReason`], and the [`EndedRecord`] of a table that keeps ended
//! rows.

use std::fmt;

use super::Record;
use crate::timestamp::Timestamp;

/// Why a session was ended before it expired.
///
/// ```
/// use anchor::store::EndReason;
///
/// assert_eq!(EndReason::Theft.as_str(), "theft");
/// assert_eq!(EndReason::from_word("theft"), Some(EndReason::Theft));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The requester logged out.
    Logout,
    /// The requester logged out everywhere.
    LogoutAll,
    /// The requester logged out everywhere else.
    LogoutOthers,
    /// A login in the same browser replaced it.
    Replaced,
    /// The application revoked it.
    Revoked,
    /// A secret that had been replaced was presented after its grace period: the token was copied.
    Theft,
    /// Its subject logged in again, and had as many sessions as `#[session(max_per_subject = ..)]`
    /// allows.
    LimitExceeded,
    /// Its subject's sessions were cut off, such as for a new password.
    CutOff,
    /// The sessions of all subjects were ended.
    Everyone,
    /// It was used by a client other than the one that it is bound to.
    Fingerprint,
    /// The handler that logged in answered with an error, so its token was never sent.
    Abandoned,
    /// It was consumed: [`Session::consume`](crate::Session::consume), or
    /// [`OneTimeTokens::redeem`](crate::manager::OneTimeTokens::redeem).
    Consumed,
}

impl EndReason {
    const ALL: [EndReason; 12] = [
        EndReason::Logout,
        EndReason::LogoutAll,
        EndReason::LogoutOthers,
        EndReason::Replaced,
        EndReason::Revoked,
        EndReason::Theft,
        EndReason::LimitExceeded,
        EndReason::CutOff,
        EndReason::Everyone,
        EndReason::Fingerprint,
        EndReason::Abandoned,
        EndReason::Consumed,
    ];

    /// Returns the reason as one stable word, for logs and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            EndReason::Logout => "logout",
            EndReason::LogoutAll => "logout_all",
            EndReason::LogoutOthers => "logout_others",
            EndReason::Replaced => "replaced",
            EndReason::Revoked => "revoked",
            EndReason::Theft => "theft",
            EndReason::LimitExceeded => "overflow",
            EndReason::CutOff => "cut_off",
            EndReason::Everyone => "everyone",
            EndReason::Fingerprint => "fingerprint",
            EndReason::Abandoned => "abandoned",
            EndReason::Consumed => "consumed",
        }
    }

    /// Returns the reason with this word; `None` for a word that this version does not know.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// How a session ended.
///
/// ```
/// use anchor::store::EndStatus;
///
/// assert_eq!(EndStatus::Expired.as_str(), "expired");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndStatus {
    /// It was ended before it expired.
    Revoked,
    /// It was unused for too long, or reached its deadline.
    Expired,
}

impl EndStatus {
    /// Returns the status as one stable word, for tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            EndStatus::Revoked => "revoked",
            EndStatus::Expired => "expired",
        }
    }
}

/// A session that has ended, kept by `#[session(keep_ended = "..")]`.
///
/// ```
/// use anchor::prelude::*;
/// use anchor::store::{EndReason, EndStatus};
///
/// #[derive(Clone, SessionData)]
/// #[session(keep_ended = "30d")]
/// struct UserSession {
///     #[session(subject)]
///     user_id: i64,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
/// #     .keys(KeyRing::generate()?)
/// #     .build()?;
/// let id = sessions.test_session(UserSession { user_id: 1 }).await.id();
/// sessions.revoke(id).await?;
/// let ended = &sessions.history(&1).await?[0];
/// assert_eq!(ended.record.id, id);
/// assert_eq!((ended.status, ended.reason), (EndStatus::Revoked, Some(EndReason::Revoked)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct EndedRecord<T> {
    /// The session in its last state; its `expires_at` is never later than its end.
    pub record: Record<T>,
    /// How it ended.
    pub status: EndStatus,
    /// When it ended, by the store's clock.
    pub ended_at: Timestamp,
    /// Why it was ended before it expired; `None` if it expired, or if this version does not know
    /// the reason.
    pub reason: Option<EndReason>,
}

/// Prints everything except the payload and the client.
impl<T> fmt::Debug for EndedRecord<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndedRecord")
            .field("record", &self.record)
            .field("status", &self.status)
            .field("ended_at", &self.ended_at)
            .field("reason", &self.reason)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words are in the databases of users.
    #[test]
    fn every_status_has_its_word() {
        assert_eq!(EndStatus::Revoked.as_str(), "revoked");
        assert_eq!(EndStatus::Expired.as_str(), "expired");
    }

    #[test]
    fn every_reason_is_read_back_from_its_word() {
        for reason in EndReason::ALL {
            assert_eq!(EndReason::from_word(reason.as_str()), Some(reason));
        }
        assert_eq!(EndReason::from_word("a reason of a later version"), None);
    }
}
