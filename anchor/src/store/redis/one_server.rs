//! [`OneServer`]: the connection to one server, and when it is given up.
//!
//! A connection can be dead without either side having been told: a machine has lost its power, a
//! router has forgotten it. All calls share the connection. So if a call waits in vain, and nothing
//! else is answered meanwhile either, another connection is made, in the background and one at a
//! time. Calls that come meanwhile wait for it, unless something is answered on the earlier one
//! after all. Only when the other connection works does it take the place of the earlier one: a
//! server that is slow for a while is not asked for one connection after the other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, RedisResult};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How long nothing is answered on a connection that is given up: longer than any script takes.
const SILENCE: Duration = Duration::from_millis(250);

/// After how long nobody waits any more for a connection that is being made: longer than both
/// attempts may take. The runtime that makes it may not be running.
const REPLACEMENT: Duration = Duration::from_secs(5);

pub(super) struct OneServer {
    /// What makes another connection; `None` if the application made this one.
    origin: Option<(Client, ConnectionManagerConfig)>,
    /// How long the server may take because a command makes it wait.
    waits: Duration,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Tells those who wait that the connection is no longer in doubt.
    settled: Notify,
}

struct State {
    manager: ConnectionManager,
    /// How many connections came before this one.
    number: u64,
    /// When the connection was made, or something was last answered on it.
    heard_at: Instant,
    /// The connection that is being made to replace this one.
    replacement: Option<Replacement>,
}

struct Replacement {
    began: Instant,
    /// Whether nothing was answered since on the connection that it is to replace.
    is_needed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns until when to wait for another connection, if this one seems to be dead.
    fn in_doubt_until(&self) -> Option<Instant> {
        let replacement = self.replacement.as_ref().filter(|it| it.is_needed)?;
        Some(replacement.began + REPLACEMENT)
    }
}

impl OneServer {
    /// Uses a connection that the application has made.
    pub(super) fn given(manager: ConnectionManager) -> Self {
        Self::new(manager, None, Duration::ZERO)
    }

    /// Connects, for commands of which none makes the server wait for longer than this.
    pub(super) async fn connect(
        client: Client,
        config: ConnectionManagerConfig,
        waits: Duration,
    ) -> RedisResult<Self> {
        let manager = ConnectionManager::new_with_config(client.clone(), config.clone()).await?;
        Ok(Self::new(manager, Some((client, config)), waits))
    }

    fn new(
        manager: ConnectionManager,
        origin: Option<(Client, ConnectionManagerConfig)>,
        waits: Duration,
    ) -> Self {
        let state = State { manager, number: 0, heard_at: Instant::now(), replacement: None };
        let shared = Shared { state: Mutex::new(state), settled: Notify::new() };
        Self { origin, waits, shared: Arc::new(shared) }
    }

    /// Begins a call.
    pub(super) async fn ask(&self) -> Asked<'_> {
        let longest = Instant::now() + REPLACEMENT;
        loop {
            let settled = self.shared.settled.notified();
            // Whoever settles it after this look wakes this call.
            let until = self.shared.state().in_doubt_until();
            match until.map(|until| until.min(longest)).filter(|until| *until > Instant::now()) {
                Some(until) => _ = timeout_at(until, settled).await,
                None => break,
            }
        }
        let state = self.shared.state();
        let (connection, number) = (state.manager.clone(), state.number);
        Asked { server: self, connection, number, at: Instant::now(), is_answered: false }
    }

    /// Notes that a call was given up, and replaces the connection if it seems to be dead.
    fn given_up(&self, asked: &Asked<'_>) {
        let Some((client, config)) = self.origin.clone() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        if asked.at.elapsed() < self.waits + SILENCE {
            return;
        }
        let began = Instant::now();
        {
            let mut state = self.shared.state();
            let is_replacing =
                state.replacement.as_ref().is_some_and(|it| began < it.began + REPLACEMENT);
            // Something was answered since, or another call has noticed it.
            if state.number != asked.number || state.heard_at > asked.at || is_replacing {
                return;
            }
            state.replacement = Some(Replacement { began, is_needed: true });
        }
        let replacing = Replacing { shared: Arc::clone(&self.shared), began };
        runtime.spawn(async move {
            let made = ConnectionManager::new_with_config(client, config).await;
            replacing.end_with(made.ok());
        });
    }
}

/// A connection that is being made, until this is dropped.
struct Replacing {
    shared: Arc<Shared>,
    began: Instant,
}

impl Replacing {
    /// Puts the new connection in the place of the earlier one, if that has not answered since.
    fn end_with(self, made: Option<ConnectionManager>) {
        let mut state = self.shared.state();
        let is_needed = state
            .replacement
            .as_ref()
            .is_some_and(|replacement| replacement.began == self.began && replacement.is_needed);
        if let Some(manager) = made.filter(|_| is_needed) {
            let number = state.number + 1;
            *state = State { manager, number, heard_at: Instant::now(), replacement: None };
        }
    }
}

impl Drop for Replacing {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if state.replacement.as_ref().is_some_and(|it| it.began == self.began) {
            state.replacement = None;
        }
        drop(state);
        self.shared.settled.notify_waiters();
    }
}

/// A call that has begun.
pub(super) struct Asked<'s> {
    server: &'s OneServer,
    connection: ConnectionManager,
    number: u64,
    at: Instant,
    is_answered: bool,
}

impl Asked<'_> {
    pub(super) fn connection(&self) -> ConnectionManager {
        self.connection.clone()
    }

    /// Ends the call. An error is an answer, too, except that there was none in time.
    pub(super) fn heard<R>(mut self, answer: RedisResult<R>) -> RedisResult<R> {
        self.is_answered = !answer.as_ref().is_err_and(RedisError::is_timeout);
        answer
    }
}

impl Drop for Asked<'_> {
    /// A caller may give up by dropping its call.
    fn drop(&mut self) {
        if !self.is_answered {
            return self.server.given_up(self);
        }
        let mut state = self.server.shared.state();
        if state.number != self.number {
            return;
        }
        state.heard_at = Instant::now();
        if let Some(replacement) = &mut state.replacement
            && replacement.is_needed
        {
            replacement.is_needed = false;
            drop(state);
            self.server.shared.settled.notify_waiters();
        }
    }
}
