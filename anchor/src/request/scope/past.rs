//! [`Past`]: what the session of a test has behind it when it is created.

use std::time::Duration;

use tokio::time::Instant;

use crate::store::NewSession;

/// The store's `create` gives a session the present time, so a session with a past gets less time
/// to live instead.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Past {
    /// How much of its absolute timeout has passed.
    pub(crate) age: Duration,
    /// How much of its idle timeout has passed.
    pub(crate) unused: Duration,
    /// When its subject proved who they are, if that was not just now.
    pub(crate) authenticated: Option<Instant>,
}

impl Past {
    pub(super) fn given_to<T>(self, new: NewSession<T>) -> NewSession<T> {
        NewSession {
            idle: new.idle.saturating_sub(self.unused),
            absolute: new.absolute.saturating_sub(self.age),
            began: self.authenticated.or(new.began),
            is_backdated: self.authenticated.is_some(),
            ..new
        }
    }
}
