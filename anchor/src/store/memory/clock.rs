//! [`Clock`]: the store's time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::timestamp::Timestamp;

/// The wall clock at the time when the store was created, plus the time that has passed since then.
///
/// Read it while holding the lock of the data that the instant is written to, so that the instants
/// of one session never go backwards.
pub(super) struct Clock {
    started_at: Timestamp,
    started: Instant,
    /// The earliest instant that the clock may return, in microseconds.
    earliest: AtomicI64,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            started_at: Timestamp::now(),
            started: Instant::now(),
            earliest: AtomicI64::new(i64::MIN),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        let earliest = Timestamp::from_micros(self.earliest.load(Ordering::Acquire));
        self.at(Instant::now()).max(earliest)
    }

    /// Returns what the clock shows, or showed, at an instant.
    pub(super) fn at(&self, instant: Instant) -> Timestamp {
        match instant.checked_duration_since(self.started) {
            Some(since) => self.started_at.saturating_add(since),
            None => self.started_at.saturating_sub(self.started.duration_since(instant)),
        }
    }

    /// Makes every later reading greater than this instant, even within the same microsecond.
    pub(super) fn pass(&self, instant: Timestamp) {
        let next = instant.saturating_add(Duration::from_micros(1));
        self.earliest.fetch_max(next.as_micros(), Ordering::AcqRel);
    }
}
