//! [`OneServer`]: the connection to one server, and when it is given up.
//!
//! A connection can be dead without either side having been told: a machine has lost its power, a
//! router has forgotten it. TCP notices that after about 15 minutes, and all calls share the
//! connection. So if a call waits in vain, and nothing else is answered meanwhile either, the next
//! call makes another connection. Calls that still wait on the earlier one may be answered there.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, RedisResult};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// How long nothing is answered on a connection that is given up: longer than any script takes.
const SILENCE: Duration = Duration::from_millis(250);

pub(super) struct OneServer {
    /// What makes another connection; `None` if the application made this one.
    origin: Option<(Client, ConnectionManagerConfig)>,
    /// How long the server may take because a command makes it wait.
    waits: Duration,
    state: Mutex<State>,
}

struct State {
    manager: ConnectionManager,
    /// When the connection was made, or something was last answered on it.
    heard_at: Instant,
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
        Self { origin, waits, state: Mutex::new(State { manager, heard_at: Instant::now() }) }
    }

    /// Begins a call.
    pub(super) fn ask(&self) -> Asked<'_> {
        Asked { server: self, at: Instant::now(), is_answered: false }
    }

    /// Notes that a call, which began then, was given up.
    fn given_up(&self, asked_at: Instant) {
        let Some((client, config)) = &self.origin else { return };
        if asked_at.elapsed() < self.waits + SILENCE || Handle::try_current().is_err() {
            return;
        }
        let mut state = self.state();
        // Something was answered since, or another call has replaced the connection.
        if state.heard_at > asked_at {
            return;
        }
        // It connects when it is first used.
        let again = ConnectionManager::new_lazy_with_config(client.clone(), config.clone());
        if let Ok(manager) = again {
            *state = State { manager, heard_at: Instant::now() };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that has begun.
pub(super) struct Asked<'s> {
    server: &'s OneServer,
    at: Instant,
    is_answered: bool,
}

impl Asked<'_> {
    pub(super) fn connection(&self) -> ConnectionManager {
        self.server.state().manager.clone()
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
        match self.is_answered {
            true => self.server.state().heard_at = Instant::now(),
            false => self.server.given_up(self.at),
        }
    }
}
