//! [`Faulty`]: a store that fails or stalls when the test says so.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Hold, Verb};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::{CutOff, SessionData};
#[cfg(feature = "cache")]
use crate::store::Notices;
use crate::store::verbs::for_each_verb;
use crate::store::{
    Change, Consumed, Created, EndReason, EndedRecord, Ending, Listed, Load, NewSession, Page,
    Placement, Reauthenticated, Record, RecordUses, Rotated, Rotation, SessionStore, StoreFuture,
    StoreIdentity, Touch, Touched, Updated, Use,
};
use crate::token::{LastingHash, SecretHash};

/// A store in front of another one, which fails, stalls or holds the calls that a test names, and
/// counts all of them. For a test of what the application answers when its database does not.
/// Clones share everything.
///
/// A call that fails does not reach the store behind. A failed load is 503, never 401, and a failed
/// logout is 503, and leaves the session live.
///
/// ```
/// use std::time::Duration;
///
/// use anchor::prelude::*;
/// use anchor::testing::{Faulty, Verb};
///
/// #[derive(Clone, SessionData)]
/// struct UserSession { user_id: i64 }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), anchor::ConfigError> {
/// let store = Faulty::new(MemoryStore::new());
/// let sessions = SessionManager::<UserSession>::builder(store.clone())
///     .keys(KeyRing::generate()?)
///     .store_timeout(Duration::from_millis(20))
///     .build()?;
/// let session = sessions.test_session(UserSession { user_id: 1 }).await;
///
/// store.fail(Verb::ALL);
/// assert_eq!(session.session().await.unwrap_err().status(), 503);
/// store.heal(Verb::ALL);
/// store.stall(Verb::Load, Duration::from_secs(60));
/// assert_eq!(session.session().await.unwrap_err().status(), 503);
/// store.heal(Verb::Load);
/// assert!(session.session().await.is_ok());
/// # Ok(())
/// # }
/// ```
pub struct Faulty<T> {
    store: Arc<dyn SessionStore<T>>,
    calls: Arc<Mutex<BTreeMap<Verb, Calls>>>,
}

/// The calls of one verb.
#[derive(Default)]
struct Calls {
    count: usize,
    /// Where they wait, and how long at most.
    wait: Option<(Hold, Duration)>,
    fail: bool,
}

impl<T: SessionData> Faulty<T> {
    /// Puts a store without faults in front of `store`.
    pub fn new(store: impl SessionStore<T>) -> Self {
        Self { store: Arc::new(store), calls: Arc::default() }
    }

    /// Lets calls of these verbs fail from now on, as if the database did not answer.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # use anchor::testing::{Faulty, Verb};
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Faulty::new(MemoryStore::new());
    /// # let sessions = SessionManager::<UserSession>::builder(store.clone())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build()?;
    /// # let session = sessions.test_session(UserSession { user_id: 1 }).await;
    /// store.fail([Verb::Load, Verb::Revoke]);
    /// let answer = session.session().await;
    /// assert_eq!(answer.unwrap_err().status(), 503);
    /// # Ok(())
    /// # }
    /// ```
    pub fn fail(&self, verbs: impl IntoIterator<Item = Verb>) {
        self.change(verbs, |calls| calls.fail = true);
    }

    /// Lets calls of these verbs wait so long from now on, before they reach the store behind.
    /// [`Duration::MAX`] is forever, and then `store_timeout` ends the wait.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # use anchor::testing::{Faulty, Verb};
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Faulty::new(MemoryStore::new());
    /// # let sessions = SessionManager::<UserSession>::builder(store.clone())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build()?;
    /// # let session = sessions.test_session(UserSession { user_id: 1 }).await;
    /// use std::time::Duration;
    ///
    /// store.stall(Verb::Load, Duration::from_millis(10));
    /// assert!(session.session().await.is_ok(), "it only takes longer");
    /// # Ok(())
    /// # }
    /// ```
    pub fn stall(&self, verbs: impl IntoIterator<Item = Verb>, duration: Duration) {
        self.change(verbs, |calls| calls.wait(Hold::new(), duration));
    }

    /// Lets calls of a verb wait from now on, before they reach the store behind, until
    /// [`Hold::release`].
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # use anchor::testing::{Faulty, Verb};
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Faulty::new(MemoryStore::new());
    /// # let sessions = SessionManager::<UserSession>::builder(store.clone())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build()?;
    /// # let session = sessions.test_session(UserSession { user_id: 1 }).await;
    /// let hold = store.hold(Verb::Load);
    /// let request = tokio::spawn(async move { session.session().await.is_ok() });
    /// hold.reached().await;
    /// // The request waits for its session. This is the moment to test.
    /// hold.release();
    /// assert!(request.await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn hold(&self, verb: Verb) -> Hold {
        let hold = Hold::new();
        self.change(verb, |calls| calls.wait(hold.clone(), Duration::MAX));
        hold
    }

    /// Ends the faults of these verbs. Calls that are waiting go on.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # use anchor::testing::{Faulty, Verb};
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Faulty::new(MemoryStore::new());
    /// # let sessions = SessionManager::<UserSession>::builder(store.clone())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build()?;
    /// # let session = sessions.test_session(UserSession { user_id: 1 }).await;
    /// store.fail(Verb::ALL);
    /// store.heal(Verb::Load);
    /// assert!(session.session().await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn heal(&self, verbs: impl IntoIterator<Item = Verb>) {
        self.change(verbs, |calls| {
            calls.fail = false;
            calls.go_on();
        });
    }

    /// Returns how often these verbs were called, including the calls that failed.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # use anchor::testing::{Faulty, Verb};
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let store = Faulty::new(MemoryStore::new());
    /// # let sessions = SessionManager::<UserSession>::builder(store.clone())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build()?;
    /// # let session = sessions.test_session(UserSession { user_id: 1 }).await;
    /// store.reset_calls();
    /// session.session().await?;
    /// assert_eq!(store.calls(Verb::Load), 1);
    /// assert_eq!(store.calls(Verb::ALL), 1, "one round trip for a request");
    /// # Ok(())
    /// # }
    /// ```
    pub fn calls(&self, verbs: impl IntoIterator<Item = Verb>) -> usize {
        let calls = self.locked();
        verbs.into_iter().filter_map(|verb| Some(calls.get(&verb)?.count)).sum()
    }

    /// Counts from zero again.
    pub fn reset_calls(&self) {
        self.locked().values_mut().for_each(|calls| calls.count = 0);
    }

    fn change(&self, verbs: impl IntoIterator<Item = Verb>, change: impl Fn(&mut Calls)) {
        let mut calls = self.locked();
        verbs.into_iter().for_each(|verb| change(calls.entry(verb).or_default()));
    }

    /// Counts a call, and lets it wait or fail if it has to.
    async fn admit(&self, verb: Verb) -> Result<(), StoreError> {
        let wait = {
            let mut calls = self.locked();
            let calls = calls.entry(verb).or_default();
            calls.count += 1;
            calls.wait.clone()
        };
        if let Some((hold, longest)) = wait {
            let _ = tokio::time::timeout(longest, hold.pass()).await;
        }
        if self.locked().get(&verb).is_some_and(|calls| calls.fail) {
            let name = verb.name();
            return Err(StoreError::unavailable(format!("`Faulty` lets `{name}` fail")));
        }
        Ok(())
    }
}

impl<T> Faulty<T> {
    fn locked(&self) -> MutexGuard<'_, BTreeMap<Verb, Calls>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Calls {
    fn wait(&mut self, hold: Hold, longest: Duration) {
        self.go_on();
        self.wait = Some((hold, longest));
    }

    fn go_on(&mut self) {
        if let Some((hold, _)) = self.wait.take() {
            hold.release();
        }
    }
}

impl<T> Clone for Faulty<T> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), calls: Arc::clone(&self.calls) }
    }
}

/// Shows which verbs fail, and which wait.
impl<T> fmt::Debug for Faulty<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = self.locked();
        let which = |is_it: fn(&Calls) -> bool| {
            let verbs = calls.iter().filter(move |(_, calls)| is_it(calls));
            verbs.map(|(verb, _)| *verb).collect::<Vec<_>>()
        };
        f.debug_struct("Faulty")
            .field("fail", &which(|calls| calls.fail))
            .field("wait", &which(|calls| calls.wait.is_some()))
            .finish_non_exhaustive()
    }
}

impl<T: SessionData> RecordUses for Faulty<T> {
    fn record_uses(&self, uses: Vec<Use>) -> StoreFuture<'_, Vec<SessionId>> {
        Box::pin(async move {
            self.admit(Verb::RecordUses).await?;
            match self.store.uses_recorder() {
                Some(recorder) => recorder.record_uses(uses).await,
                None => Ok(Vec::new()),
            }
        })
    }
}

macro_rules! faulty {
    ($(
        $verb:ident($($argument:ident: $ty:ty),*) -> $answer:ty $(where $bound:ident)?
            => $stale:expr;
    )+) => {
        impl<T: SessionData> SessionStore<T> for Faulty<T> {
            fn placement(&self, data: &T) -> Option<Placement> {
                self.store.placement(data)
            }

            fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>> {
                Box::pin(async move {
                    self.admit(Verb::Load).await?;
                    self.store.load(id).await
                })
            }

            fn uses_recorder(&self) -> Option<&dyn RecordUses> {
                self.store.uses_recorder().map(|_| self as &dyn RecordUses)
            }

            #[cfg(feature = "cache")]
            fn notices(&self) -> Option<Arc<dyn Notices>> {
                self.store.notices()
            }

            fn identity(&self) -> Option<StoreIdentity> {
                self.store.identity()
            }

            fn database_system(&self) -> Option<&'static str> {
                self.store.database_system()
            }

            #[cfg(feature = "metrics")]
            fn live_count(&self) -> Option<StoreFuture<'_, u64>> {
                self.store.live_count()
            }

            $(
                fn $verb<'a>(&'a self, $($argument: $ty),*) -> StoreFuture<'a, $answer>
                $(where T: $bound)?
                {
                    Box::pin(async move {
                        self.admit(Verb::named(stringify!($verb))).await?;
                        self.store.$verb($($argument),*).await
                    })
                }
            )+
        }
    };
}

for_each_verb!(faulty);
