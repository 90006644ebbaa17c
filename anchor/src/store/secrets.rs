//! [`Secrets`]: which tokens of a session are accepted, and what a rotation does to the previous
//! secret.

use crate::timestamp::Timestamp;
use crate::token::{LastingHash, Secret, SecretHash};

/// The hashes of a session's secrets, and the state of its last rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Secrets {
    /// The hash of the half that all secrets of the session have in common.
    pub lasting: LastingHash,
    /// The hash of the current secret.
    pub current: SecretHash,
    /// The hash of the secret before the last rotation, unless that secret is refused at once.
    pub previous: Option<SecretHash>,
    /// The end of the last rotation's grace period. Until then, requests that were in flight may
    /// present an older secret without being suspected. `None` before the first rotation.
    pub previous_until: Option<Timestamp>,
    /// The state of the last rotation.
    pub rotation: RotationState,
}

impl Secrets {
    /// Returns the secrets of a new session.
    pub const fn new(lasting: LastingHash, current: SecretHash) -> Self {
        Self {
            lasting,
            current,
            previous: None,
            previous_until: None,
            rotation: RotationState::Settled,
        }
    }

    /// Returns whether a rotation may begin from the secret `from`. It may if `from` is the current
    /// secret. It also may if `from` is the previous secret and may still be exchanged, because its
    /// successor has never been presented. `reauthenticates` means that the requester has proved
    /// again who they are.
    pub fn may_rotate(&self, from: SecretHash, now: Timestamp, reauthenticates: bool) -> bool {
        let may_exchange = match self.rotation {
            RotationState::Settled => false,
            RotationState::Pending => reauthenticates,
            RotationState::Exchangeable => true,
        };
        from == self.current || (may_exchange && self.is_previous(from) && !self.in_grace(now))
    }

    /// Returns whether a secret may be used: it is the current secret, or it is the previous secret
    /// during its grace period or until its successor is first presented.
    pub fn accepts(&self, secret: SecretHash, now: Timestamp) -> bool {
        let settled = self.rotation == RotationState::Settled;
        secret == self.current || (self.is_previous(secret) && (self.in_grace(now) || !settled))
    }

    /// Returns what the presented secret means for the session.
    pub(crate) fn standing(&self, presented: &Secret, now: Timestamp) -> Standing {
        let hash = presented.hash();
        let settled = self.rotation == RotationState::Settled;
        if hash == self.current {
            return Standing::Current { settled };
        }
        let in_grace = self.in_grace(now);
        if self.accepts(hash, now) {
            let exchange = self.rotation == RotationState::Exchangeable && !in_grace;
            return Standing::Previous { exchange };
        }
        if presented.lasting_hash() == self.lasting {
            return Standing::Superseded { theft: settled && !in_grace };
        }
        Standing::Foreign
    }

    fn is_previous(&self, secret: SecretHash) -> bool {
        self.previous == Some(secret)
    }

    fn in_grace(&self, now: Timestamp) -> bool {
        self.previous_until.is_some_and(|until| now < until)
    }
}

/// The state of a session's last rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RotationState {
    /// The current secret has been presented, or the session was never rotated. Once the grace
    /// period is over, older secrets are refused, and an older secret that is presented then has
    /// been copied.
    Settled,
    /// Nobody has presented the current secret, so its response may have been lost. The previous
    /// secret is still accepted and, once the grace period is over, is exchanged for another new
    /// secret.
    Exchangeable,
    /// Nobody has presented the current secret, but what came with it is for its owner alone. The
    /// previous secret is still accepted if it is remembered, and it is exchanged only when the
    /// subject proves again who they are.
    Pending,
}

impl RotationState {
    const ALL: [Self; 3] = [Self::Settled, Self::Exchangeable, Self::Pending];

    /// Returns the state as one stable word, for tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            RotationState::Settled => "settled",
            RotationState::Exchangeable => "exchangeable",
            RotationState::Pending => "pending",
        }
    }

    /// Returns the state with this word; `None` for a word that this version does not know.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

/// What a rotation does to the secret that it replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OldSecret {
    /// It is accepted during the grace period. If its successor is never presented, it is still
    /// accepted after that, and is exchanged for another secret, so a lost response logs nobody
    /// out.
    Exchanged,
    /// It is accepted during the grace period, and until its successor is presented. It is
    /// exchanged only for a requester who proves again who they are.
    Kept,
    /// It is refused at once. A client that never receives its successor has to log in again.
    Refused,
}

impl OldSecret {
    /// Returns the state that the session has after the rotation.
    pub const fn state(self) -> RotationState {
        match self {
            OldSecret::Exchanged => RotationState::Exchangeable,
            OldSecret::Kept | OldSecret::Refused => RotationState::Pending,
        }
    }

    /// Returns the replaced secret, if a store has to remember it.
    pub fn remembered(self, from: SecretHash) -> Option<SecretHash> {
        match self {
            OldSecret::Exchanged | OldSecret::Kept => Some(from),
            OldSecret::Refused => None,
        }
    }
}

/// What a presented secret means for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The current secret. The last rotation is `settled` already, or is settled by this
    /// presentation.
    Current { settled: bool },
    /// The previous secret, which is still accepted. It is due for an `exchange` if its successor
    /// seems to be lost.
    Previous { exchange: bool },
    /// An older secret of this session. It is a sign of `theft` if its owner is known to have a
    /// newer secret, and had the time to use it.
    Superseded { theft: bool },
    /// Not a secret of this session: the signing key has leaked, or the row is a different one.
    Foreign,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    /// A session that was rotated from the first secret to the second at 100, with a grace period
    /// of 30 seconds.
    fn rotated(old: OldSecret) -> (Secret, Secret, Secrets) {
        let first = Secret::generate().unwrap();
        let second = first.rotated().unwrap();
        let secrets = Secrets {
            previous: old.remembered(first.hash()),
            previous_until: Some(at(100).saturating_add(Duration::from_secs(30))),
            rotation: old.state(),
            ..Secrets::new(first.lasting_hash(), second.hash())
        };
        (first, second, secrets)
    }

    #[test]
    fn until_its_successor_is_presented_the_old_secret_stays_good_and_is_exchanged() {
        let (first, second, secrets) = rotated(OldSecret::Exchanged);
        assert_eq!(secrets.standing(&first, at(129)), Standing::Previous { exchange: false });
        assert_eq!(secrets.standing(&first, at(130)), Standing::Previous { exchange: true });
        assert_eq!(secrets.standing(&second, at(999)), Standing::Current { settled: false });
        assert!(!secrets.may_rotate(first.hash(), at(129), true));
        assert!(secrets.may_rotate(first.hash(), at(130), false));
    }

    #[test]
    fn once_its_successor_was_presented_the_old_secret_is_good_for_the_grace_and_then_theft() {
        let (first, second, secrets) = rotated(OldSecret::Exchanged);
        let settled = Secrets { rotation: RotationState::Settled, ..secrets };
        assert_eq!(settled.standing(&first, at(129)), Standing::Previous { exchange: false });
        assert_eq!(settled.standing(&first, at(130)), Standing::Superseded { theft: true });
        assert_eq!(settled.standing(&second, at(130)), Standing::Current { settled: true });
        assert!(!settled.may_rotate(first.hash(), at(130), true));
    }

    #[test]
    fn a_kept_secret_is_exchanged_for_a_new_proof_alone() {
        let (first, _, secrets) = rotated(OldSecret::Kept);
        assert_eq!(secrets.standing(&first, at(130)), Standing::Previous { exchange: false });
        assert!(!secrets.may_rotate(first.hash(), at(130), false));
        assert!(!secrets.may_rotate(first.hash(), at(129), true));
        assert!(secrets.may_rotate(first.hash(), at(130), true));
    }

    #[test]
    fn a_refused_secret_is_refused_at_once_and_suspected_only_after_the_grace() {
        let (first, _, secrets) = rotated(OldSecret::Refused);
        assert_eq!(secrets.standing(&first, at(100)), Standing::Superseded { theft: false });
        assert_eq!(secrets.standing(&first, at(999)), Standing::Superseded { theft: false });
        let settled = Secrets { rotation: RotationState::Settled, ..secrets };
        assert_eq!(settled.standing(&first, at(129)), Standing::Superseded { theft: false });
        assert_eq!(settled.standing(&first, at(130)), Standing::Superseded { theft: true });
        assert!(!secrets.may_rotate(first.hash(), at(999), true));
    }

    #[test]
    fn every_older_secret_is_known_for_what_it_is_and_another_sessions_is_foreign() {
        let (first, second, secrets) = rotated(OldSecret::Exchanged);
        let third = second.rotated().unwrap();
        let twice = Secrets {
            previous: Some(second.hash()),
            rotation: RotationState::Settled,
            ..Secrets { current: third.hash(), ..secrets }
        };
        assert_eq!(twice.standing(&first, at(110)), Standing::Superseded { theft: false });
        assert_eq!(twice.standing(&first, at(130)), Standing::Superseded { theft: true });
        let other = Secret::generate().unwrap();
        assert_eq!(twice.standing(&other, at(130)), Standing::Foreign);
    }

    #[test]
    fn every_state_is_read_back_from_its_word() {
        for state in RotationState::ALL {
            assert_eq!(RotationState::from_word(state.as_str()), Some(state));
        }
        assert_eq!(RotationState::from_word("spun"), None);
    }
}
