//! [`Clock`]: the store's time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

#[cfg(feature = "testing")]
use super::test_clock::TestClock;
use crate::timestamp::Timestamp;

/// The wall clock at the time when the store was created, plus the time that has passed since then.
///
/// Read it while holding the lock of the data that the instant is written to, so that the instants
/// of one session never go backwards.
pub(super) struct Clock {
    steady: SteadyClock,
    /// The earliest instant that the clock may return, in microseconds.
    earliest: AtomicI64,
    /// The clock of a test, instead of the steady one.
    #[cfg(feature = "testing")]
    test: Option<TestClock>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            steady: SteadyClock::new(),
            earliest: AtomicI64::new(i64::MIN),
            #[cfg(feature = "testing")]
            test: None,
        }
    }

    /// Makes a clock that shows what the clock of a test shows.
    #[cfg(feature = "testing")]
    pub(super) fn moved_by(test: TestClock) -> Self {
        Self { test: Some(test), ..Self::new() }
    }

    pub(super) fn now(&self) -> Timestamp {
        let earliest = Timestamp::from_micros(self.earliest.load(Ordering::Acquire));
        self.at(Instant::now()).max(earliest)
    }

    /// Returns what the clock shows, or showed, at an instant.
    pub(super) fn at(&self, instant: Instant) -> Timestamp {
        #[cfg(feature = "testing")]
        if let Some(test) = &self.test {
            return test.at(instant);
        }
        self.steady.at(instant)
    }

    /// Makes every later reading greater than this instant, even within the same microsecond.
    pub(super) fn pass(&self, instant: Timestamp) {
        let next = instant.saturating_add(Duration::from_micros(1));
        self.earliest.fetch_max(next.as_micros(), Ordering::AcqRel);
    }
}

/// A clock that nobody sets.
pub(super) struct SteadyClock {
    started_at: Timestamp,
    started: Instant,
}

impl SteadyClock {
    pub(super) fn new() -> Self {
        Self { started_at: Timestamp::now(), started: Instant::now() }
    }

    pub(super) fn at(&self, instant: Instant) -> Timestamp {
        match instant.checked_duration_since(self.started) {
            Some(since) => self.started_at.saturating_add(since),
            None => self.started_at.saturating_sub(self.started.duration_since(instant)),
        }
    }
}
