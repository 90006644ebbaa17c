//! [`Bounded`]: a manager's store, in which every call ends within a time limit.

use std::future::poll_fn;
#[cfg(feature = "cache")]
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

#[cfg(feature = "cache")]
use super::cache::{Cache, Stale};
use super::call::{Call, Outcome};
use super::verbs::for_each_verb;
use super::*;

/// A store that answers every call within a time limit, if necessary with an error.
///
/// The manager has no other way to reach its store, so no call can wait forever. A call that
/// exceeds the limit is dropped: the store may or may not have carried it out. The verbs are those
/// of [`SessionStore`], without a second box for their futures. Only a call that has to wait gets a
/// second box, for its timer.
///
/// If there is a cache, each call that may change a session tells it. Only
/// [`cached`](Self::cached) reads it: every other call asks the store.
pub(crate) struct Bounded<T> {
    store: Box<dyn SessionStore<T>>,
    timeout: Duration,
    #[cfg(feature = "cache")]
    cache: Option<Arc<Cache<T>>>,
}

impl<T: SessionData> Bounded<T> {
    pub(crate) fn new(store: Box<dyn SessionStore<T>>, timeout: Duration) -> Self {
        Self {
            store,
            timeout,
            #[cfg(feature = "cache")]
            cache: None,
        }
    }

    /// Keeps the sessions that requests load, at most this many, each for at most `lease`.
    #[cfg(feature = "cache")]
    pub(crate) fn with_cache(self, lease: Duration, capacity: usize) -> Self {
        let cache = Cache::new(lease, capacity, self.store.notices(), self.timeout);
        Self { cache: Some(Arc::new(cache)), ..self }
    }

    #[cfg(feature = "cache")]
    pub(crate) fn cache(&self) -> Option<&Arc<Cache<T>>> {
        self.cache.as_ref()
    }

    /// Returns a session that was live a moment ago, if there is a cache and it has the session.
    pub(crate) fn cached(&self, id: SessionId) -> Option<Loaded<T>> {
        #[cfg(feature = "cache")]
        return self.cache.as_ref()?.get(id);
        #[cfg(not(feature = "cache"))]
        {
            let _ = id;
            None
        }
    }

    /// Loads a session for a request, and keeps it for the next ones if there is a cache.
    pub(crate) async fn load_for_request(&self, id: SessionId) -> Result<Load<T>, StoreError> {
        #[cfg(feature = "cache")]
        let began = self.cache.as_ref().map(|cache| cache.begin());
        let load = self.load(id).await?;
        #[cfg(feature = "cache")]
        if let (Some(cache), Some(began), Load::Live(loaded)) = (&self.cache, began, &load) {
            cache.keep(began, loaded);
        }
        Ok(load)
    }

    pub(crate) fn placement(&self, data: &T) -> Option<Placement> {
        self.store.placement(data)
    }

    pub(crate) async fn load(&self, id: SessionId) -> Result<Load<T>, StoreError> {
        let load = match self.store.try_load(id) {
            Some(answer) => answer,
            None => self.in_time("load", self.store.load(id)).await,
        };
        #[cfg(feature = "cache")]
        if let (Some(cache), Ok(Load::Ended | Load::Absent | Load::Undecodable(_))) =
            (&self.cache, &load)
        {
            cache.forget(id);
        }
        load
    }

    /// Announces a change that does not go through this store, if there is a cache.
    #[cfg(all(feature = "_sql", feature = "cache"))]
    pub(crate) fn changing(&self, stale: Vec<Stale>) -> Option<super::cache::Changing<T>> {
        self.cache.as_ref().map(|cache| cache.changing(stale))
    }

    #[cfg(feature = "_sql")]
    pub(crate) fn identity(&self) -> Option<StoreIdentity> {
        self.store.identity()
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

    /// Returns how many sessions are live; `None` if the store cannot count them.
    #[cfg(feature = "metrics")]
    pub(crate) async fn live_count(&self) -> Result<Option<u64>, StoreError> {
        match self.store.live_count() {
            Some(count) => self.in_time("live_count", count).await.map(Some),
            None => Ok(None),
        }
    }

    async fn in_time<R>(
        &self,
        verb: &'static str,
        mut future: StoreFuture<'_, R>,
    ) -> Result<R, StoreError> {
        let call = Call::begin(T::schema().table, verb, self.store.database_system());
        // A store that answers at once, such as memory, needs no timer, and no box for one.
        let first = poll_fn(|context| Poll::Ready(call.poll(|| future.as_mut().poll(context))));
        if let Poll::Ready(answer) = first.await {
            call.end(Outcome::of(&answer));
            return answer;
        }
        let mut timed = Box::pin(tokio::time::timeout(self.timeout, future));
        let answer = poll_fn(|context| call.poll(|| timed.as_mut().poll(context))).await;
        call.end(answer.as_ref().map_or(Outcome::Timeout, Outcome::of));
        answer.unwrap_or_else(|_| {
            Err(StoreError::unavailable(format!(
                "`{verb}` took longer than the {:?} of `store_timeout`",
                self.timeout
            )))
        })
    }
}

macro_rules! bounded {
    ($(
        $verb:ident($($argument:ident: $ty:ty),*) -> $answer:ty $(where $bound:ident)?
            => $stale:expr;
    )+) => {
        #[expect(clippy::needless_lifetimes, reason = "the verbs with a subject need them")]
        impl<T: SessionData> Bounded<T> {
            $(
                pub(crate) async fn $verb<'a>(
                    &'a self,
                    $($argument: $ty),*
                ) -> Result<$answer, StoreError>
                $(where T: $bound)?
                {
                    #[cfg(feature = "cache")]
                    let changing = self.cache.as_ref().map(|cache| cache.changing($stale));
                    let call = self.store.$verb($($argument),*);
                    let answer = self.in_time(stringify!($verb), call).await;
                    #[cfg(feature = "cache")]
                    if let Some(changing) = changing {
                        Box::pin(changing.done()).await;
                    }
                    answer
                }
            )+
        }
    };
}

for_each_verb!(bounded);
