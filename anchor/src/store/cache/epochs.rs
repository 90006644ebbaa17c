//! [`Epochs`]: decides whether a session that was loaded at some time may have changed since.
//!
//! A counter is increased by each change. A load notes the count before it begins. A change notes
//! the new count for what it has changed, once the store has answered. So a load that began before
//! that answer is recognized, however late it returns, and nothing has to be locked: what it found
//! is never served. A load that begins later finds the change.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use super::stale::{Stale, SubjectTag};
use crate::id::SessionId;

/// The count of changes at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Epoch(u64);

/// When sessions have last changed. Several sessions share a place, and so do several subjects: a
/// change of one makes the others be loaded once more.
pub(super) struct Epochs {
    now: AtomicU64,
    everyone: AtomicU64,
    sessions: Box<[AtomicU64]>,
    subjects: Box<[AtomicU64]>,
}

impl Epochs {
    /// `places` is a power of two.
    pub(super) fn new(places: usize) -> Self {
        let places = || (0..places).map(|_| AtomicU64::new(0)).collect();
        Self {
            now: AtomicU64::new(0),
            everyone: AtomicU64::new(0),
            sessions: places(),
            subjects: places(),
        }
    }

    /// Returns the epoch of a load that begins after this call.
    pub(super) fn now(&self) -> Epoch {
        Epoch(self.now.load(SeqCst))
    }

    /// Notes a change that the store has answered.
    pub(super) fn changed(&self, stale: &Stale) {
        let place = match stale {
            Stale::Session(id) | Stale::Use(id) => self.session(*id),
            Stale::Subject(tag) => self.subject(*tag),
            Stale::Everyone => &self.everyone,
        };
        place.fetch_max(self.now.fetch_add(1, SeqCst) + 1, SeqCst);
    }

    /// Returns whether a session has not changed since a load that began then.
    pub(super) fn holds(&self, loaded: Epoch, id: SessionId, subject: SubjectTag) -> bool {
        [&self.everyone, self.session(id), self.subject(subject)]
            .iter()
            .all(|changed| changed.load(SeqCst) <= loaded.0)
    }

    fn session(&self, id: SessionId) -> &AtomicU64 {
        // The last bits of an id are random.
        &self.sessions[id.as_uuid().as_u128() as usize & (self.sessions.len() - 1)]
    }

    fn subject(&self, SubjectTag(tag): SubjectTag) -> &AtomicU64 {
        &self.subjects[tag as usize & (self.subjects.len() - 1)]
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const SUBJECT: SubjectTag = SubjectTag(70);

    fn id(number: u128) -> SessionId {
        SessionId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn what_was_loaded_before_a_change_does_not_hold_after_it() {
        for stale in
            [Stale::Session(id(1)), Stale::Use(id(1)), Stale::Subject(SUBJECT), Stale::Everyone]
        {
            let epochs = Epochs::new(64);
            let before = epochs.now();
            assert!(epochs.holds(before, id(1), SUBJECT));
            epochs.changed(&stale);
            assert!(!epochs.holds(before, id(1), SUBJECT), "{stale:?}");
            assert!(epochs.holds(epochs.now(), id(1), SUBJECT), "{stale:?}");
        }
    }

    #[test]
    fn a_change_of_another_session_or_subject_changes_nothing() {
        let epochs = Epochs::new(64);
        let before = epochs.now();
        epochs.changed(&Stale::Session(id(2)));
        epochs.changed(&Stale::Subject(SubjectTag(71)));
        assert!(epochs.holds(before, id(1), SUBJECT));
        // They share a place with these.
        assert!(!epochs.holds(before, id(66), SUBJECT));
        assert!(!epochs.holds(before, id(1), SubjectTag(7)));
    }
}
