//! [`Row`]: a session as it is kept in memory, in few bytes.

use std::sync::Arc;

use super::slab::{Address, Slot};
use crate::store::{EndReason, EndStatus, Fingerprint, Record, RotationState};
use crate::timestamp::Timestamp;
use crate::token::{LastingHash, SecretHash};

/// What every session has.
pub(super) struct Row<T> {
    pub(super) record: Arc<Record<T>>,
    pub(super) lasting: LastingHash,
    pub(super) current: SecretHash,
    /// Where its [`Extra`] is, if it has one.
    pub(super) extra: Option<Slot>,
    /// Its place in its subject's list of sessions, if it has a subject.
    pub(super) member: Option<Address>,
}

/// What only a few sessions have.
#[derive(Default, PartialEq)]
pub(super) struct Extra {
    pub(super) rotation: Option<LastRotation>,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) end: Option<End>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) struct LastRotation {
    pub(super) previous: Option<SecretHash>,
    pub(super) previous_until: Option<Timestamp>,
    pub(super) state: RotationState,
}

/// The end of a row that has not been removed.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum End {
    /// Its login began before a cut-off, and inserted it after the cut-off: it was never live. It
    /// waits for the sweep.
    OnArrival {
        /// The cut-off.
        cut_off: Timestamp,
    },
    /// It ended, and is kept.
    Kept(Ended),
}

#[derive(Clone, Copy, PartialEq)]
pub(super) struct Ended {
    pub(super) status: EndStatus,
    pub(super) at: Timestamp,
    pub(super) reason: Option<EndReason>,
}

impl Ended {
    /// The end of a row that is ended before it expires.
    pub(super) fn revoked(at: Timestamp, reason: EndReason) -> Self {
        Self { status: EndStatus::Revoked, at, reason: Some(reason) }
    }

    /// The end of a row that was unused for too long.
    pub(super) fn expired(at: Timestamp) -> Self {
        Self { status: EndStatus::Expired, at, reason: None }
    }
}

impl<T> Row<T> {
    pub(super) fn is_proven_by(&self, proof: LastingHash) -> bool {
        proof == self.lasting
    }
}
