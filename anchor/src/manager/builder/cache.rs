//! [`CacheSettings`]: whether loaded sessions are kept, for how long, and how many.

use std::time::Duration;

use super::SessionManagerBuilder;
use crate::error::ConfigError;
use crate::payload::SessionData;
use crate::store::Bounded;

/// The longest lease. With it, a session that is always in use costs one load per minute: a longer
/// one saves next to nothing.
const LONGEST_LEASE: Duration = Duration::from_secs(60);

/// How many sessions are kept if the builder does not say.
const CAPACITY: usize = 10_000;

/// The largest number of sessions.
const LARGEST_CAPACITY: usize = 10_000_000;

#[derive(Default)]
pub(super) struct CacheSettings {
    lease: Option<Duration>,
    capacity: Option<usize>,
}

impl CacheSettings {
    /// Checks the settings, given the idle timeout and the touch interval.
    pub(super) fn check(&self, idle: Duration, touch: Duration) -> Result<(), ConfigError> {
        let Some(lease) = self.lease else {
            return match self.capacity {
                None => Ok(()),
                Some(_) => Err(ConfigError::new(
                    "`.cache_capacity(..)` has no effect without a cache: add \
                     `.cache(Duration::from_secs(5))`, or remove it",
                )),
            };
        };
        let longest = LONGEST_LEASE.min(idle);
        if lease.is_zero() {
            return Err(ConfigError::new(
                "the cache has a lease of zero, so it would serve nothing: write \
                 `.cache(Duration::from_secs(5))`, or remove it",
            ));
        }
        if lease > longest {
            return Err(ConfigError::new(format_args!(
                "the cache has a lease of {lease:?}, for which a session may still be served after \
                 it has ended on another node: shorten it to at most {longest:?}, as in \
                 `.cache(Duration::from_secs(5))`"
            )));
        }
        if touch.is_zero() {
            return Err(ConfigError::new(
                "`.touch_interval(Duration::ZERO)` records each request in the store, so the cache \
                 would serve none: remove `.touch_interval(..)` or `.cache(..)`",
            ));
        }
        match self.capacity {
            Some(0) => Err(ConfigError::new(
                "the cache has room for no session: write `.cache_capacity(10_000)`, or remove \
                 `.cache(..)`",
            )),
            Some(capacity) if capacity > LARGEST_CAPACITY => Err(ConfigError::new(format_args!(
                "the cache has room for {capacity} sessions: write at most \
                 `.cache_capacity({LARGEST_CAPACITY})`"
            ))),
            _ => Ok(()),
        }
    }

    pub(super) fn in_front_of<T: SessionData>(&self, store: Bounded<T>) -> Bounded<T> {
        match self.lease {
            Some(lease) => store.with_cache(lease, self.capacity.unwrap_or(CAPACITY)),
            None => store,
        }
    }
}

impl<T: SessionData> SessionManagerBuilder<T> {
    /// Serves a session that a request has loaded to the next requests without the store, for at
    /// most `lease` after the load was sent. Default: no cache. The lease is at most 60 seconds,
    /// and at most the idle timeout. A few seconds are enough for a session in use.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use anchor::prelude::*;
    /// # fn demo<T: SessionData>(store: impl SessionStore<T>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<T>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .cache(Duration::from_secs(5))
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # What it changes
    ///
    /// | an end, or a change | is seen by the next request |
    /// | --- | --- |
    /// | that this manager, or a clone of it, has answered | at once |
    /// | through another node's manager that has a cache, on PostgreSQL | usually within milliseconds, in any case within the lease |
    /// | any other: on another store, through another manager of this process, by another program, by a call that failed or was dropped | within the lease |
    /// | any, for a handler with `#[require_session(.., authoritative)]` | at once |
    ///
    /// Until then, an ended session is let in, with the payload and the rights that it had. The
    /// lease is what you can rely on: a notification may be lost. It is measured by this node's
    /// clock, which stands still while the machine is suspended. A secret that another node has
    /// replaced counts as the current one, for `fresh` too; an update with it is a 409.
    ///
    /// If the subject's column takes different texts to be equal, because of a collation of your
    /// own, declare its `sql_type`: the end of all sessions of a subject then concerns the whole
    /// cache.
    ///
    /// # What it does not change
    ///
    /// The cache only lets requests in. If a session in it has expired, or does not match the
    /// presented secret or the client's fingerprint, or if the verifier or the guard's policy
    /// refuses it, then the store is read, and decides. A verifier is still asked for each request.
    /// [`Session::update`](crate::Session::update) of a session that has changed meanwhile runs
    /// again on the new payload, as always.
    ///
    /// Everything else reads the store: [`SessionManager::get`](crate::SessionManager::get),
    /// lists, [`Session::wait_until_ended`](crate::Session::wait_until_ended), and whatever ends
    /// other sessions of the subject.
    ///
    /// # Cost
    ///
    /// A request that is served from the cache makes no statement. One whose use is to be recorded
    /// ([`touch_interval`](Self::touch_interval)) reads the store first, and so does one that
    /// presents a secret whose rotation is not settled.
    ///
    /// A session in the cache takes about 500 bytes and its payload
    /// ([`cache_capacity`](Self::cache_capacity)). It is not removed when its lease is over, but
    /// when it is asked for, or another one needs its place. The end of all sessions of a subject
    /// may make a few other sessions be loaded once more. If the subject's column has a `sql_type`
    /// of your own, by which the database may compare in its own way, it makes all of them be
    /// loaded once more.
    ///
    /// On PostgreSQL, a manager with a cache also
    ///
    /// - keeps one connection, in addition to those of the pool, with the pool's options but
    ///   without its hooks, and listens on it;
    /// - sends one `NOTIFY` after each end, update and rotation of a session, before the call
    ///   returns. Concurrent ones share a statement. It names the session's id, or 32 bits of the
    ///   hash of a subject. The server commits transactions that notify one after the other;
    /// - sends itself a message every five seconds. Without an answer, such as while the connection
    ///   is lost, each request reads the store. The log says so. Behind a pooler in transaction
    ///   mode, it does not listen at all.
    ///
    /// It listens from the first request until [`SessionManager::shutdown`] or the end of the
    /// manager. After the shutdown, requests read the store.
    ///
    /// [`SessionManager::shutdown`]: crate::SessionManager::shutdown
    pub fn cache(mut self, lease: Duration) -> Self {
        self.cache.lease = Some(lease);
        self
    }

    /// Sets how many sessions the [`cache`](Self::cache) has room for, approximately. Default:
    /// 10,000, which take about 5 MB and their payloads. Sessions that are used often stay longer.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use anchor::prelude::*;
    /// # fn demo<T: SessionData>(store: impl SessionStore<T>) -> Result<(), anchor::ConfigError> {
    /// let sessions = SessionManager::<T>::builder(store)
    ///     .keys(KeyRing::generate()?)
    ///     .cache(Duration::from_secs(5))
    ///     .cache_capacity(100_000)
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn cache_capacity(mut self, sessions: usize) -> Self {
        self.cache.capacity = Some(sessions);
        self
    }
}
