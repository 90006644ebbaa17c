//! [`Shards`]: a table in parts, each behind its own lock.

use std::sync::{Mutex, MutexGuard};

use crate::error::StoreError;

/// How many parts a table has. With a million sessions, one part has about 8,000 sessions, so a
/// login that makes its part grow waits only a short time.
pub(super) const SHARDS: usize = 128;

/// A table in parts. Locks are taken in one order: subjects before rows, and within a table by the
/// number of the part.
pub(super) struct Shards<P>(Box<[Mutex<P>]>);

impl<P> Shards<P> {
    pub(super) fn new(part: impl Fn(usize) -> P) -> Self {
        Self((0..SHARDS).map(|shard| Mutex::new(part(shard))).collect())
    }

    /// # Errors
    ///
    /// Fails when a panic poisoned the lock. Only a bug in this folder can cause that. The part may
    /// then be half-written, so it is not used any more.
    pub(super) fn lock(&self, shard: usize) -> Result<MutexGuard<'_, P>, StoreError> {
        self.0[shard]
            .lock()
            .map_err(|_| StoreError::unavailable("an earlier operation panicked before its end"))
    }

    /// Locks several parts. A part may be named more than once.
    pub(super) fn lock_all(
        &self,
        shards: impl IntoIterator<Item = usize>,
    ) -> Result<Locked<'_, P>, StoreError> {
        let mut shards: Vec<usize> = shards.into_iter().collect();
        shards.sort_unstable();
        shards.dedup();
        let parts = shards.into_iter().map(|shard| Ok((shard, self.lock(shard)?)));
        Ok(Locked { parts: parts.collect::<Result<_, StoreError>>()? })
    }
}

/// Several parts that are locked.
pub(super) struct Locked<'a, P> {
    parts: Vec<(usize, MutexGuard<'a, P>)>,
}

impl<P> Locked<'_, P> {
    /// # Panics
    ///
    /// Panics if the part was not among those to be locked.
    pub(super) fn shard(&mut self, shard: usize) -> &mut P {
        let part = self.parts.iter_mut().find(|(locked, _)| *locked == shard);
        &mut part.expect("the part was locked").1
    }
}
