//! [`SessionManager::record_live_count`]: how many sessions are live, as a metric.

use crate::manager::SessionManager;
use crate::metrics;
use crate::payload::SessionData;
use crate::rejection::Error;

impl<T: SessionData> SessionManager<T> {
    /// Counts the live sessions of the table, records their number as the gauge
    /// [`anchor_sessions_live`](metrics::SESSIONS_LIVE), and returns it. If the store cannot count,
    /// it records nothing and returns `None`: `RedisStore` would have to look at every key.
    ///
    /// Needs the feature `metrics`. Nothing calls it by itself, because of its cost: one statement
    /// that reads all live rows. Call it once a minute, on one node, or before a scrape that is as
    /// rare. All nodes would record the same number, so a query over several nodes takes the `max`,
    /// not the `sum`. `MemoryStore` locks one of its 128 parts after the other.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # async fn demo<T: SessionData>(sessions: SessionManager<T>) {
    /// use std::time::Duration;
    ///
    /// tokio::spawn(async move {
    ///     let mut minutes = tokio::time::interval(Duration::from_secs(60));
    ///     loop {
    ///         minutes.tick().await;
    ///         // An error has been logged and counted, and the gauge keeps its last value.
    ///         let _ = sessions.record_live_count().await;
    ///     }
    /// });
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot answer, or takes longer than `store_timeout`. The gauge
    /// keeps its value.
    pub async fn record_live_count(&self) -> Result<Option<u64>, Error> {
        let count = self.logged(self.inner.store.live_count().await)?;
        if let Some(count) = count {
            metrics::live(T::schema().table, count);
        }
        Ok(count)
    }
}
