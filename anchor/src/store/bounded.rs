//! [`Bounded`]: a manager's store, in which every call ends within a time limit.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use super::verbs::for_each_verb;
use super::*;

/// A store that answers every call within a time limit, if necessary with an error.
///
/// The manager has no other way to reach its store, so no call can wait forever. A call that
/// exceeds the limit is dropped: the store may or may not have carried it out. The verbs are those
/// of [`SessionStore`], without a second box for their futures. Only a call that has to wait gets a
/// second box, for its timer.
pub(crate) struct Bounded<T> {
    store: Box<dyn SessionStore<T>>,
    timeout: Duration,
}

impl<T: SessionData> Bounded<T> {
    pub(crate) fn new(store: Box<dyn SessionStore<T>>, timeout: Duration) -> Self {
        Self { store, timeout }
    }

    pub(crate) fn placement(&self, data: &T) -> Option<Placement> {
        self.store.placement(data)
    }

    pub(crate) async fn load(&self, id: SessionId) -> Result<Load<T>, StoreError> {
        let call = match self.store.try_load(id) {
            Some(answer) => return answer,
            None => self.store.load(id),
        };
        self.in_time("load", call).await
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns whether the store records uses together.
    pub(crate) fn records_uses(&self) -> bool {
        self.store.uses_recorder().is_some()
    }

    /// Records uses together, and returns which sessions are live.
    pub(crate) async fn record_uses(&self, uses: Vec<Use>) -> Result<Vec<SessionId>, StoreError> {
        match self.store.uses_recorder() {
            Some(store) => self.in_time("record_uses", store.record_uses(uses)).await,
            None => Ok(Vec::new()),
        }
    }

    async fn in_time<R>(&self, verb: &str, mut call: StoreFuture<'_, R>) -> Result<R, StoreError> {
        // A store that answers at once, such as memory, needs no timer, and no box for one.
        if let Poll::Ready(answer) =
            poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await
        {
            return answer;
        }
        let answer = Box::pin(tokio::time::timeout(self.timeout, call)).await;
        answer.unwrap_or_else(|_| {
            Err(StoreError::unavailable(format!(
                "`{verb}` took longer than the {:?} of `store_timeout`",
                self.timeout
            )))
        })
    }
}

macro_rules! bounded {
    ($($verb:ident($($argument:ident: $ty:ty),*) -> $answer:ty $(where $bound:ident)?;)+) => {
        #[expect(clippy::needless_lifetimes, reason = "the verbs with a subject need them")]
        impl<T: SessionData> Bounded<T> {
            $(
                pub(crate) async fn $verb<'a>(
                    &'a self,
                    $($argument: $ty),*
                ) -> Result<$answer, StoreError>
                $(where T: $bound)?
                {
                    self.in_time(stringify!($verb), self.store.$verb($($argument),*)).await
                }
            )+
        }
    };
}

for_each_verb!(bounded);
