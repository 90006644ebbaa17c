//! [`Changing`]: a call of the store that may change sessions, until the caches know about it.

use std::any::type_name;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::runtime::Handle;

use super::message::{Content, Message};
use super::stale::Stale;
use super::{Cache, StoreError};
use crate::payload::SessionData;
use crate::store::Notices;

/// A call of the store that may change sessions. Nobody knows what a call has changed that failed
/// or was dropped half way, so the cache is told in each case, by [`done`](Self::done) or by the
/// drop.
pub(crate) struct Changing<T: SessionData> {
    cache: Arc<Cache<T>>,
    /// Empty once the caches know.
    stale: Vec<Stale>,
}

impl<T: SessionData> Changing<T> {
    pub(super) fn new(cache: Arc<Cache<T>>, stale: Vec<Stale>) -> Self {
        Self { cache, stale }
    }

    /// Tells the cache of this node, and then those of the others, that the store has answered.
    pub(crate) async fn done(mut self) {
        self.cache.changed(&self.stale);
        if let Some(publisher) = self.cache.publisher() {
            publisher.tell::<T>(&self.stale).await;
        }
        self.stale.clear();
    }
}

#[cfg(feature = "_sql")]
impl<T: SessionData> Changing<T> {
    /// Adds what else may have changed.
    pub(crate) fn add(&mut self, stale: Vec<Stale>) {
        self.stale
            .extend(stale.into_iter().filter(|new| !self.stale.contains(new)).collect::<Vec<_>>());
    }

    /// Returns what a database tells every node by itself, this one included: it may have committed
    /// long before it answers this node.
    pub(crate) fn messages(&self) -> Vec<String> {
        if self.cache.publisher().is_none() {
            return Vec::new();
        }
        let told = self.stale.iter().filter(|stale| !matches!(stale, Stale::Use(_)));
        let message = |stale: &Stale| {
            let content = Content::Stale(vec![*stale]);
            Message { sender: Message::NOBODY, content }.to_string()
        };
        told.map(message).collect()
    }

    /// Tells the cache of this node that the store may have changed the sessions, and may still do
    /// so.
    pub(crate) fn in_doubt(&self) {
        self.cache.changed(&self.stale);
    }
}

impl<T: SessionData> Drop for Changing<T> {
    fn drop(&mut self) {
        if self.stale.is_empty() {
            return;
        }
        self.cache.changed(&self.stale);
        if self.cache.publisher().is_some()
            && let Ok(runtime) = Handle::try_current()
        {
            let (cache, stale) = (Arc::clone(&self.cache), std::mem::take(&mut self.stale));
            runtime.spawn(async move {
                if let Some(publisher) = cache.publisher() {
                    publisher.tell::<T>(&stale).await;
                }
            });
        }
    }
}

/// Tells the caches of other nodes what has changed.
pub(crate) struct Publisher {
    channel: Arc<dyn Notices>,
    /// Distinguishes this manager's own messages.
    sender: u64,
    timeout: Duration,
    lease: Duration,
    /// Whether the last message could not be sent, which is logged once.
    is_failing: AtomicBool,
}

impl Publisher {
    pub(super) fn new(channel: Arc<dyn Notices>, timeout: Duration, lease: Duration) -> Self {
        // Without randomness, it is nobody's.
        let sender = getrandom::u64().unwrap_or(Message::NOBODY);
        Self { channel, sender, timeout, lease, is_failing: AtomicBool::new(false) }
    }

    pub(crate) fn channel(&self) -> &Arc<dyn Notices> {
        &self.channel
    }

    /// Returns whether this manager has sent a message.
    pub(crate) fn is_own(&self, message: &Message) -> bool {
        self.sender != Message::NOBODY && message.sender == self.sender
    }

    fn message(&self, content: Content) -> String {
        Message { sender: self.sender, content }.to_string()
    }

    /// Sends a message, unless that takes too long.
    pub(crate) async fn send(&self, content: Content, limit: Duration) -> Result<(), StoreError> {
        let message = self.message(content);
        let sent = tokio::time::timeout(limit, self.channel.publish(message)).await;
        let late = || StoreError::unavailable(format!("it was not sent within {limit:?}"));
        sent.unwrap_or_else(|_| Err(late()))
    }

    /// Tells other nodes what has changed. If it fails, their leases end.
    async fn tell<T>(&self, stale: &[Stale]) {
        let told: Vec<Stale> =
            stale.iter().filter(|stale| !matches!(stale, Stale::Use(_))).copied().collect();
        if told.is_empty() {
            return;
        }
        match self.send(Content::Stale(told), self.timeout).await {
            Ok(()) => self.is_failing.store(false, Relaxed),
            Err(error) => {
                if !self.is_failing.swap(true, Relaxed) {
                    tracing::warn!(
                        target: "anchor", payload = type_name::<T>(),
                        "other nodes were not told that a session has ended or changed, and may \
                         serve it from their caches for up to {:?}: {error}", self.lease
                    );
                }
            }
        }
    }
}
