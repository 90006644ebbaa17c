//! [`Notices`]: a channel between the managers that share a store, for those that have a cache.

use super::StoreFuture;

/// A channel on which the managers of several nodes tell one another which sessions have changed,
/// so that their caches (`SessionManagerBuilder::cache`) do not serve them any longer.
///
/// The messages are the manager's: one line of printable ASCII, of at most 200 bytes, without a
/// secret. A message may be lost, be delivered twice, or come from somebody else: then a cache
/// serves a session for as long as its lease allows, or reads one more time. Each manager sends
/// itself a message every few seconds, and uses its cache only while these arrive.
pub trait Notices: Send + Sync + 'static {
    /// Sends a message to all who have subscribed, on all nodes, including this one.
    ///
    /// # Errors
    ///
    /// Fails when the message was not, or perhaps not, sent.
    fn publish(&self, message: String) -> StoreFuture<'_, ()>;

    /// Subscribes to the messages that are sent from now on.
    ///
    /// # Errors
    ///
    /// Fails when the store does not answer.
    fn subscribe(&self) -> StoreFuture<'_, Box<dyn Subscription>>;
}

/// What [`Notices::subscribe`] returns. Dropping it ends the subscription.
pub trait Subscription: Send {
    /// Returns the next message. If the future is dropped, no message is lost.
    ///
    /// # Errors
    ///
    /// Fails when messages may have been lost, such as with a connection. It is then not asked
    /// again.
    fn next(&mut self) -> StoreFuture<'_, String>;
}
