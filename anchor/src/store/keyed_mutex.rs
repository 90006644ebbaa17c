//! [`KeyedMutex`]: lets the tasks of this node that want the same key go one after the other, first
//! come, first served.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as Queue, OwnedMutexGuard};

/// A queue for each key that a task holds or waits for, and for no other key. A task that wants one
/// key never waits for another key.
pub(crate) struct KeyedMutex<K> {
    queues: Mutex<HashMap<K, Arc<Queue<()>>>>,
}

impl<K: Hash + Eq + Clone> KeyedMutex<K> {
    pub(crate) fn new() -> Self {
        Self { queues: Mutex::default() }
    }

    /// Waits until the key is free, and holds it until the result is dropped.
    pub(crate) async fn lock(self: &Arc<Self>, key: K) -> KeyedMutexGuard<K> {
        let queue = Arc::clone(self.queues().entry(key.clone()).or_default());
        let place = Place { mutex: Arc::clone(self), key, queue };
        let held = Arc::clone(&place.queue).lock_owned().await;
        KeyedMutexGuard { _held: held, _place: place }
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<K, Arc<Queue<()>>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Holds a key until it is dropped.
pub(crate) struct KeyedMutexGuard<K: Hash + Eq + Clone> {
    // Dropped before the place, which would otherwise count it as another task.
    _held: OwnedMutexGuard<()>,
    _place: Place<K>,
}

/// A place in a queue. The last place to be dropped removes the queue.
struct Place<K: Hash + Eq + Clone> {
    mutex: Arc<KeyedMutex<K>>,
    key: K,
    queue: Arc<Queue<()>>,
}

impl<K: Hash + Eq + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        let mut queues = self.mutex.queues();
        // One is the map's, and one is this place's. A task joins only under the lock.
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
    fn a_task_waits_for_its_own_key_alone_and_leaves_nothing_behind() {
        let mutex = Arc::new(KeyedMutex::new());
        let Poll::Ready(first) = poll(std::pin::pin!(mutex.lock(1))) else { panic!("it is free") };
        let Poll::Ready(other) = poll(std::pin::pin!(mutex.lock(2))) else { panic!("it is free") };
        let mut second = Box::pin(mutex.lock(1));
        let mut third = Box::pin(mutex.lock(1));
        assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
        drop((first, other));
        assert!(poll(third.as_mut()).is_pending(), "the second came first");
        // A task that gives up lets the next one go.
        drop(second);
        let Poll::Ready(third) = poll(third.as_mut()) else { panic!("it is free") };
        assert_eq!(mutex.queues().len(), 1);
        drop(third);
        assert!(mutex.queues().is_empty());
    }
}
