//! [`Listener`]: the task that hears from other nodes which sessions a cache must not serve any
//! longer.
//!
//! It sends itself a message every few seconds. The cache serves sessions only while these arrive:
//! a connection that is up is not enough, because a pooler between the node and its database may
//! pass on everything except notifications.

use std::any::type_name;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::tasks::Tasks;
use crate::error::StoreError;
use crate::jitter;
use crate::payload::SessionData;
use crate::store::cache::message::{Content, Message};
use crate::store::cache::{Cache, Publisher};
use crate::store::{Bounded, Subscription};

/// How often the listener sends itself a message.
const HELLO_INTERVAL: Duration = Duration::from_secs(5);

/// How long it waits for its own message, and for a subscription.
const PATIENCE: Duration = Duration::from_secs(5);

/// The approximate pause before it subscribes again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Whether the listener of a manager runs. It ends with the manager, and at its shutdown.
pub(crate) struct Listener {
    is_running: Arc<AtomicBool>,
    ended: CancellationToken,
}

impl Listener {
    pub(crate) fn new(stopping: &CancellationToken) -> Self {
        Self { is_running: Arc::default(), ended: stopping.child_token() }
    }

    /// Starts to listen for this store's cache, if it has one with a channel, and nobody listens.
    /// The first request does this, because a manager may be built before its runtime.
    pub(crate) fn listen<T: SessionData>(&self, store: &Bounded<T>, tasks: &Tasks) {
        let Self { is_running, ended } = self;
        let Some(cache) = store.cache().filter(|cache| cache.publisher().is_some()) else {
            return;
        };
        if is_running.load(SeqCst) || ended.is_cancelled() || is_running.swap(true, SeqCst) {
            return;
        }
        let listening = Listening { cache: Arc::clone(cache), is_running: Arc::clone(is_running) };
        let ended = ended.clone();
        tasks.spawn(async move {
            ended.run_until_cancelled(listening.run()).await;
        });
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

/// The running task. However it ends, even with its runtime, the cache serves nothing afterwards.
struct Listening<T: SessionData> {
    cache: Arc<Cache<T>>,
    is_running: Arc<AtomicBool>,
}

impl<T: SessionData> Listening<T> {
    async fn run(self) {
        let Some(publisher) = self.cache.publisher() else { return };
        let mut hello = 0;
        // Logged once, until it works again.
        let mut is_failing = false;
        loop {
            let Err(error) = self.hear(publisher, &mut hello).await;
            is_failing &= !self.cache.is_open();
            self.cache.close();
            if !std::mem::replace(&mut is_failing, true) {
                tracing::warn!(
                    target: "anchor", payload = type_name::<T>(),
                    "the cache is off until this node hears again which sessions end on other \
                     nodes: {error}"
                );
            }
            tokio::time::sleep(jitter::around(RETRY_PAUSE)).await;
        }
    }

    /// Applies what other nodes say, until it cannot be heard.
    async fn hear(&self, publisher: &Publisher, hello: &mut u64) -> Result<Infallible, StoreError> {
        let subscribing = timeout(PATIENCE, publisher.channel().subscribe());
        let mut subscription = subscribing.await.unwrap_or_else(|_| Err(silent()))?;
        loop {
            *hello += 1;
            let sent = Instant::now();
            publisher.send(Content::Hello(*hello), PATIENCE).await?;
            let answered = self.hear_until(&mut *subscription, sent + PATIENCE, Some(*hello));
            if !answered.await? {
                return Err(silent());
            }
            if !self.cache.is_open() {
                self.cache.open();
                tracing::info!(target: "anchor", payload = type_name::<T>(), "the cache is on");
            }
            self.hear_until(&mut *subscription, sent + HELLO_INTERVAL, None).await?;
        }
    }

    /// Applies what other nodes say until this instant, or until a message of this manager's own
    /// arrives. Returns whether that arrived.
    async fn hear_until(
        &self,
        subscription: &mut dyn Subscription,
        end: Instant,
        hello: Option<u64>,
    ) -> Result<bool, StoreError> {
        while let Ok(text) = timeout_at(end, subscription.next()).await {
            let message = Message::read(&text?);
            let is_own = self.cache.publisher().is_some_and(|own| own.is_own(&message));
            match message.content {
                Content::Hello(count) if is_own && Some(count) == hello => return Ok(true),
                // This node has applied its own changes already.
                Content::Stale(stale) if !is_own => self.cache.changed(&stale),
                Content::Hello(_) | Content::Stale(_) => {}
            }
        }
        Ok(false)
    }
}

impl<T: SessionData> Drop for Listening<T> {
    fn drop(&mut self) {
        self.cache.close();
        self.is_running.store(false, SeqCst);
    }
}

fn silent() -> StoreError {
    StoreError::unavailable(format!(
        "no message arrived within {PATIENCE:?}; PostgreSQL needs a connection of its own for \
         LISTEN, which a pooler in transaction mode does not give: connect to the database directly"
    ))
}
