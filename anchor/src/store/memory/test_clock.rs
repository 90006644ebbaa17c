//! [`TestClock`]: the time of a store, moved by a test.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::clock::SteadyClock;
use crate::timestamp::Timestamp;

/// The time of a [`MemoryStore`](crate::MemoryStore), which a test moves forward. Clones are the
/// same clock, and several stores may have it.
///
/// It begins with the machine's time, and runs by itself as well. What the store decides by its
/// time follows it: the idle and the absolute timeout, `fresh`, the grace of a rotation, what a
/// sweep removes, how long ended sessions are kept. What the manager counts by itself does not:
/// `store_timeout`, `verify_interval`, the lease of a cache, and the intervals of its tasks. For
/// those, there is `tokio::time::advance`, which this clock follows as well.
///
/// ```
/// use std::time::Duration;
///
/// use anchor::prelude::*;
/// use anchor::testing::Clock;
///
/// #[derive(Clone, SessionData)]
/// #[session(idle = "2h", absolute = "14d")]
/// struct UserSession { user_id: i64 }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), anchor::ConfigError> {
/// let clock = Clock::new();
/// let sessions = SessionManager::<UserSession>::builder(MemoryStore::with_clock(&clock))
///     .keys(KeyRing::generate()?)
///     .build()?;
/// let session = sessions.test_session(UserSession { user_id: 1 }).await;
/// clock.advance(Duration::from_secs(2 * 3600));
/// let refused = session.session().await.unwrap_err();
/// assert_eq!(refused.code(), Some("session_ended"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TestClock {
    shared: Arc<Shared>,
}

struct Shared {
    steady: SteadyClock,
    /// When the clock was moved, and how far. Kept one by one, so that the clock knows what it
    /// showed at an instant before a move.
    moves: Mutex<Vec<(Instant, Duration)>>,
}

impl TestClock {
    /// Creates a clock that shows the machine's time.
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared { steady: SteadyClock::new(), moves: Mutex::default() }) }
    }

    /// Moves the clock forward, for every store that has it.
    pub fn advance(&self, by: Duration) {
        let mut moves = self.shared.moves.lock().unwrap_or_else(PoisonError::into_inner);
        moves.push((Instant::now(), by));
    }

    /// Returns what the clock shows.
    ///
    /// ```
    /// use anchor::testing::Clock;
    /// use std::time::Duration;
    ///
    /// let clock = Clock::new();
    /// let before = clock.now();
    /// clock.advance(Duration::from_secs(60));
    /// assert!(clock.now().saturating_since(before) >= Duration::from_secs(60));
    /// ```
    pub fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    /// Returns what the clock shows, or showed, at an instant.
    pub(super) fn at(&self, instant: Instant) -> Timestamp {
        let moves = self.shared.moves.lock().unwrap_or_else(PoisonError::into_inner);
        let before = moves.iter().filter(|(moved, _)| *moved <= instant);
        before.fold(self.shared.steady.at(instant), |at, (_, by)| at.saturating_add(*by))
    }
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}
