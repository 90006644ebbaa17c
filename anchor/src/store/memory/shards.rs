//! [`Shards`]: a table in parts, each behind a lock of its own.

use std::sync::{Mutex, MutexGuard};

use crate::error::StoreError;

/// How many parts a table has. With a million sessions, one part has about 8,000: what a login
/// that makes its part grow has to wait for is short.
pub(super) const SHARDS: usize = 128;

/// Locks are taken in one order: subjects before rows, and of each by the part's number.
pub(super) struct Shards<P>(Box<[Mutex<P>]>);

impl<P> Shards<P> {
    pub(super) fn new(part: impl Fn(usize) -> P) -> Self {
        Self((0..SHARDS).map(|shard| Mutex::new(part(shard))).collect())
    }

    /// # Errors
    ///
    /// When a panic poisoned the lock. Only a defect of this folder can; the part may then be
    /// half-written, so nobody is let in on it.
    pub(super) fn lock(&self, shard: usize) -> Result<MutexGuard<'_, P>, StoreError> {
        self.0[shard]
            .lock()
            .map_err(|_| StoreError::unavailable("an earlier operation panicked half way"))
    }

    /// Locks several parts; one may be named more than once.
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

/// Several parts, locked.
pub(super) struct Locked<'a, P> {
    parts: Vec<(usize, MutexGuard<'a, P>)>,
}

impl<P> Locked<'_, P> {
    /// # Panics
    ///
    /// When the part was not among those to be locked.
    pub(super) fn shard(&mut self, shard: usize) -> &mut P {
        let part = self.parts.iter_mut().find(|(locked, _)| *locked == shard);
        &mut part.expect("the part was locked").1
    }
}
