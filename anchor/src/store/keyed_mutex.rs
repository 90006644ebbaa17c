//! [`KeyedMutex`]: who of this node may go next where several want the same, first come, first
//! served.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as Queue, OwnedMutexGuard};

/// A queue for each key that somebody waits for or holds, and for no other: what is wanted for one
/// key never waits for another.
pub(crate) struct KeyedMutex<K> {
    queues: Mutex<HashMap<K, Arc<Queue<()>>>>,
}

impl<K: Hash + Eq + Clone> KeyedMutex<K> {
    pub(crate) fn new() -> Self {
        Self { queues: Mutex::default() }
    }

    /// Waits for its turn, which lasts until the result is dropped.
    pub(crate) async fn take(self: &Arc<Self>, key: K) -> KeyedMutexGuard<K> {
        let queue = Arc::clone(self.queues().entry(key.clone()).or_default());
        let place = Place { keyed_mutex: Arc::clone(self), key, queue };
        let held = Arc::clone(&place.queue).lock_owned().await;
        KeyedMutexGuard { _held: held, _place: place }
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<K, Arc<Queue<()>>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn of one who waited.
pub(crate) struct KeyedMutexGuard<K: Hash + Eq + Clone> {
    // Dropped before the place, which would count it as somebody else otherwise.
    _held: OwnedMutexGuard<()>,
    _place: Place<K>,
}

/// A place in a queue; the last one to leave removes the queue.
struct Place<K: Hash + Eq + Clone> {
    keyed_mutex: Arc<KeyedMutex<K>>,
    key: K,
    queue: Arc<Queue<()>>,
}

impl<K: Hash + Eq + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        let mut queues = self.keyed_mutex.queues();
        // The table's own, and this one: whoever joins does so under the lock.
        if Arc::strong_count(&self.queue) == 2 {
            queues.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_turn_waits_for_its_own_key_alone_and_leaves_nothing_behind() {
        let keyed_mutex = Arc::new(KeyedMutex::new());
        let Poll::Ready(first) = poll(std::pin::pin!(keyed_mutex.take(1))) else {
            panic!("it is free")
        };
        let Poll::Ready(other) = poll(std::pin::pin!(keyed_mutex.take(2))) else {
            panic!("it is free")
        };
        let mut second = Box::pin(keyed_mutex.take(1));
        let mut third = Box::pin(keyed_mutex.take(1));
        assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
        drop((first, other));
        assert!(poll(third.as_mut()).is_pending(), "the second came first");
        // One who gives up lets the next go.
        drop(second);
        let Poll::Ready(third) = poll(third.as_mut()) else { panic!("it is free") };
        assert_eq!(keyed_mutex.queues().len(), 1);
        drop(third);
        assert!(keyed_mutex.queues().is_empty());
    }
}
