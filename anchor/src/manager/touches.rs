//! [`Touches`]: the uses of sessions that wait to be recorded, at most one per session.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::id::SessionId;
use crate::store::Use;
use crate::timestamp::Timestamp;

/// The longest time that a use waits before it is written.
const DELAY: Duration = Duration::from_millis(500);

/// If the first use has waited for longer than this, the store is slow, and further uses are
/// recorded in their requests.
const LONGEST: Duration = Duration::from_secs(2);

/// The largest number of uses that wait. When this many wait, they are written at once, and further
/// uses are recorded in their requests.
const CAPACITY: usize = 1_024;

/// The uses of one manager's sessions that wait to be written. There is at most one per session.
#[derive(Default)]
pub(crate) struct Touches {
    state: Mutex<State>,
    /// Wakes the task when no more uses fit.
    is_full: Notify,
}

#[derive(Default)]
struct State {
    /// Whether a task that writes the waiting uses is running.
    is_running: bool,
    waiting: HashMap<SessionId, Use>,
    /// When the first of them began to wait.
    since: Option<Instant>,
    /// The uses that are being written, or were written last: each session with the time of its
    /// use. Another use within the touch interval after that time is not recorded.
    written: HashMap<SessionId, Timestamp>,
}

/// What happens to a use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It will be written, or an earlier use is recent enough.
    Waits,
    /// The same, and a task has to be started.
    IsFirst,
    /// There is no place for it.
    IsRefused,
}

impl Touches {
    /// Locks the state. It ignores poisoning, because no code that may panic runs while it is
    /// locked.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, one: Use, touch_interval: Duration) -> Added {
        let mut state = self.state();
        if state.since.is_some_and(|since| since.elapsed() > LONGEST) {
            return Added::IsRefused;
        }
        let written = state.written.get(&one.id);
        if written.is_some_and(|at| one.at.saturating_since(*at) < touch_interval) {
            return Added::Waits;
        }
        if let Some(waiting) = state.waiting.get_mut(&one.id) {
            if waiting.at <= one.at {
                *waiting = one;
            }
            return Added::Waits;
        }
        if state.waiting.len() >= CAPACITY {
            return Added::IsRefused;
        }
        state.waiting.insert(one.id, one);
        state.since.get_or_insert_with(Instant::now);
        if state.waiting.len() == CAPACITY {
            self.is_full.notify_one();
        }
        if std::mem::replace(&mut state.is_running, true) { Added::Waits } else { Added::IsFirst }
    }

    /// Lets another task be started after the one that writes ended before its time. Returns how
    /// many uses are lost: the sessions' next uses count.
    pub(crate) fn task_ended(&self) -> usize {
        std::mem::take(&mut *self.state()).waiting.len()
    }

    /// Removes the use of a session that a later touch makes unnecessary.
    pub(crate) fn forget(&self, id: SessionId) {
        let mut state = self.state();
        state.waiting.remove(&id);
        if state.waiting.is_empty() {
            state.since = None;
        }
    }

    /// Waits until it is time to write.
    pub(crate) async fn due(&self) {
        let since = self.state().since;
        if let Some(since) = since {
            // It may be full already, or again: a notification is kept until then.
            let _ = tokio::time::timeout_at(since + DELAY, self.is_full.notified()).await;
        }
    }

    /// Takes the uses that wait. `None` ends the task.
    pub(crate) fn take(&self) -> Option<Vec<Use>> {
        let mut state = self.state();
        if state.waiting.is_empty() {
            state.is_running = false;
            return None;
        }
        state.since = None;
        let uses: Vec<Use> = state.waiting.drain().map(|(_, one)| one).collect();
        state.written = uses.iter().map(|one| (one.id, one.at)).collect();
        Some(uses)
    }

    /// Notes that these uses could not be written, so that the sessions' next uses are recorded.
    pub(crate) fn failed(&self, ids: &[SessionId]) {
        let mut state = self.state();
        for id in ids {
            state.written.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::ClientInfo;

    const MINUTE: Duration = Duration::from_secs(60);

    fn id(number: usize) -> SessionId {
        SessionId::from_uuid(uuid::Uuid::from_u128(number as u128))
    }

    /// A use of a session, this many seconds after a certain time.
    fn used(session: usize, second: i64) -> Use {
        Use::new(id(session), Timestamp::from_micros(second * 1_000_000), MINUTE)
    }

    fn by(name: &str, one: Use) -> Use {
        Use { client: Some(ClientInfo::new(None, Some(name))), ..one }
    }

    impl Touches {
        /// What is written next: the session, the second, and the client.
        fn taken(&self) -> Vec<(SessionId, i64, Option<String>)> {
            let client = |one: &Use| Some(one.client.as_ref()?.user_agent()?.to_owned());
            let uses = self.take().unwrap_or_default();
            let mut taken: Vec<_> = uses
                .iter()
                .map(|one| (one.id, one.at.as_micros() / 1_000_000, client(one)))
                .collect();
            taken.sort();
            taken
        }
    }

    #[test]
    fn the_latest_use_of_each_session_is_written_with_its_client() {
        let touches = Touches::default();
        assert_eq!(touches.add(by("desk", used(1, 10)), MINUTE), Added::IsFirst);
        assert_eq!(touches.add(by("other", used(2, 11)), MINUTE), Added::Waits);
        assert_eq!(touches.add(by("phone", used(1, 12)), MINUTE), Added::Waits);
        // Two requests may add their uses in a different order than the one in which they loaded
        // the session.
        assert_eq!(touches.add(by("late", used(1, 11)), MINUTE), Added::Waits);
        let expected = [(id(1), 12, Some("phone".into())), (id(2), 11, Some("other".into()))];
        assert_eq!(touches.taken(), expected);
        assert!(touches.take().is_none(), "nothing is written twice");
        assert_eq!(touches.add(used(3, 13), MINUTE), Added::IsFirst, "another task is started");
    }

    #[test]
    fn a_use_within_the_interval_after_one_that_is_being_written_is_not_added() {
        let touches = Touches::default();
        touches.add(used(1, 10), MINUTE);
        touches.add(used(2, 10), MINUTE);
        assert_eq!(touches.taken().len(), 2);
        touches.add(used(1, 69), MINUTE);
        assert_eq!(touches.taken(), []);
        touches.add(used(1, 70), MINUTE);
        assert_eq!(touches.taken(), [(id(1), 70, None)]);
        // Without an interval, each use counts.
        touches.add(used(1, 70), Duration::ZERO);
        assert_eq!(touches.taken().len(), 1);
    }

    #[test]
    fn after_a_failure_the_next_use_counts() {
        let touches = Touches::default();
        touches.add(used(1, 10), MINUTE);
        touches.add(used(2, 10), MINUTE);
        assert_eq!(touches.taken().len(), 2);
        touches.failed(&[id(1)]);
        touches.add(used(1, 11), MINUTE);
        touches.add(used(2, 11), MINUTE);
        assert_eq!(touches.taken(), [(id(1), 11, None)]);
    }

    #[test]
    fn a_touch_in_a_request_replaces_the_use_that_waits() {
        let touches = Touches::default();
        touches.add(by("earlier", used(1, 10)), MINUTE);
        touches.add(used(2, 10), MINUTE);
        touches.forget(id(1));
        assert_eq!(touches.taken(), [(id(2), 10, None)]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_delay_is_counted_from_the_first_use() {
        let touches = Touches::default();
        let began = Instant::now();
        touches.add(used(1, 10), MINUTE);
        tokio::time::sleep(DELAY * 3 / 4).await;
        touches.add(used(2, 11), MINUTE);
        touches.due().await;
        assert!(began.elapsed() >= DELAY && began.elapsed() < DELAY * 5 / 4);
        // A use that arrived while these were being written has its own delay.
        assert_eq!(touches.taken().len(), 2);
        let began = Instant::now();
        touches.add(used(3, 12), MINUTE);
        touches.due().await;
        assert!(began.elapsed() >= DELAY && began.elapsed() < DELAY * 5 / 4);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_is_bounded_and_written_at_once_when_it_is_full() {
        let touches = Touches::default();
        let began = Instant::now();
        for session in 0..CAPACITY {
            assert_ne!(touches.add(used(session, 10), MINUTE), Added::IsRefused);
        }
        assert_eq!(touches.add(used(CAPACITY, 10), MINUTE), Added::IsRefused);
        assert_eq!(touches.add(used(0, 11), MINUTE), Added::Waits, "it has its place");
        touches.due().await;
        assert!(began.elapsed() < DELAY / 4, "{:?}", began.elapsed());
        assert_eq!(touches.taken().len(), CAPACITY);
        assert_eq!(touches.add(used(CAPACITY, 10), MINUTE), Added::Waits);
    }
}
