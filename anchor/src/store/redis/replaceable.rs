//! [`Replaceable`]: a connection that all calls share, and that is replaced when it seems to be
//! dead.
//!
//! A connection can be dead without either side having been told: a machine has lost its power, a
//! router has forgotten it, or the client of a cluster waits for itself. So if calls wait in vain,
//! and nothing is answered meanwhile, another connection is made, in the background and one at a
//! time. Calls that come meanwhile wait for it, unless something is answered on the earlier one
//! after all. Only when the other connection works does it take the place of the earlier one: a
//! server that is slow for a while is not asked for one connection after the other.

#[cfg(test)]
mod tests;

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{Client, ErrorKind, RedisError, RedisResult};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::silence::{Outcome, Silence};

/// How long a call waits for a connection that is being made. The runtime that makes it may not be
/// running.
const DOUBT: Duration = Duration::from_secs(5);

/// What becomes of a call whose connection is replaced while it waits. The server may get it later
/// all the same, when the network has held it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenReplaced {
    /// It is repeated. For calls that may also come after later ones.
    Repeat,
    /// It fails. A login that comes after the logout would begin the session again.
    Fail,
}

/// A kind of connection.
pub(super) trait Connection: Clone + Send + Sync + 'static {
    /// What makes one.
    type Origin: Clone + Send + Sync + 'static;

    /// How long calls wait in vain on a connection that is given up.
    const SILENCE: Duration;

    /// The longest time that making one may take.
    const MAKING: Duration;

    /// Whether a call that waits in vain has the connection replaced, and waits no longer when it
    /// is. Otherwise, only a call that was given up has it replaced.
    const IS_WATCHED: bool;

    fn make(origin: Self::Origin) -> impl Future<Output = RedisResult<Self>> + Send;

    /// Returns whether the connection may be dead although this is what a call has come to.
    fn says_nothing(error: &RedisError) -> bool;
}

impl Connection for ConnectionManager {
    type Origin = (Client, ConnectionManagerConfig);

    /// Longer than any script takes.
    const SILENCE: Duration = Duration::from_millis(250);

    /// Longer than both attempts may take.
    const MAKING: Duration = Duration::from_secs(5);

    const IS_WATCHED: bool = false;

    async fn make((client, config): Self::Origin) -> RedisResult<Self> {
        Self::new_with_config(client, config).await
    }

    /// A connection that was lost makes itself anew.
    fn says_nothing(error: &RedisError) -> bool {
        error.is_timeout()
    }
}

/// Its one task sends and reads everything. When many connections are lost at the same time, it may
/// wait for a lock that goes to a call, which it does not let go on meanwhile. Then nothing is
/// answered ever again.
impl Connection for ClusterConnection {
    type Origin = ClusterClient;

    /// Longer than it takes to find a primary's successor in most cases. Whoever waits does so for
    /// this time when the client has stopped.
    const SILENCE: Duration = Duration::from_secs(1);

    /// Each server may take two seconds, at first and when it is found among the others, and more
    /// if it accepts a connection and then does not answer.
    const MAKING: Duration = Duration::from_secs(10);

    const IS_WATCHED: bool = true;

    async fn make(client: Self::Origin) -> RedisResult<Self> {
        client.get_async_connection().await
    }

    /// A connection whose task has ended calls itself lost.
    fn says_nothing(error: &RedisError) -> bool {
        error.is_timeout() || is_lost(error)
    }
}

/// Makes a connection within the time that this may take.
async fn made<C: Connection>(origin: C::Origin) -> RedisResult<C> {
    match timeout(C::MAKING, C::make(origin)).await {
        Ok(made) => made,
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

/// Returns whether the connection was lost, before or after the command was carried out.
fn is_lost(error: &RedisError) -> bool {
    // The system's own word for it, such as that nothing was acknowledged for too long.
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let by_system = io.is_some_and(|io| io.raw_os_error().is_some());
    // An answer that ends in the middle.
    let is_cut = error.kind() == ErrorKind::Parse;
    (error.is_connection_dropped() || by_system || is_cut) && !error.is_connection_refusal()
}

pub(super) struct Replaceable<C: Connection> {
    /// What makes another connection; `None` if the application made this one.
    origin: Option<C::Origin>,
    /// How long the server may take because a command makes it wait.
    waits: Duration,
    shared: Arc<Shared<C>>,
}

struct Shared<C> {
    state: Mutex<State<C>>,
    /// Tells those who wait that the connection is no longer in doubt.
    settled: Notify,
}

struct State<C> {
    connection: C,
    /// How many connections came before this one.
    number: u64,
    silence: Silence,
    /// The connection that is being made to replace this one.
    replacement: Option<Replacement>,
}

struct Replacement {
    began: Instant,
    /// Whether nothing was answered since on the connection that it is to replace.
    is_needed: bool,
}

impl<C> Shared<C> {
    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Connection> State<C> {
    fn new(connection: C, number: u64) -> Self {
        Self { connection, number, silence: Silence::new(Instant::now()), replacement: None }
    }

    /// Returns until when to wait for another connection, if this one seems to be dead.
    fn in_doubt_until(&self) -> Option<Instant> {
        let replacement = self.replacement.as_ref().filter(|it| it.is_needed)?;
        Some(replacement.began + C::MAKING)
    }
}

impl<C: Connection> Replaceable<C> {
    /// Uses a connection that the application has made.
    pub(super) fn given(connection: C) -> Self {
        Self::new(connection, None, Duration::ZERO)
    }

    /// Connects, for commands of which none makes the server wait for longer than this.
    pub(super) async fn connect(origin: C::Origin, waits: Duration) -> RedisResult<Self> {
        let connection = made(origin.clone()).await?;
        Ok(Self::new(connection, Some(origin), waits))
    }

    fn new(connection: C, origin: Option<C::Origin>, waits: Duration) -> Self {
        let state = Mutex::new(State::new(connection, 0));
        Self { origin, waits, shared: Arc::new(Shared { state, settled: Notify::new() }) }
    }

    /// Asks the server, and once more if the connection was lost.
    pub(super) async fn ask<R, F>(
        &self,
        when_replaced: WhenReplaced,
        ask: impl Fn(C) -> F,
    ) -> RedisResult<R>
    where
        F: Future<Output = RedisResult<R>>,
    {
        let answer = self.begin().await.answer(when_replaced, &ask).await;
        match answer {
            Err(error) if is_lost(&error) => self.begin().await.answer(when_replaced, &ask).await,
            answer => answer,
        }
    }

    /// Begins a call.
    async fn begin(&self) -> Asked<'_, C> {
        let longest = Instant::now() + DOUBT;
        loop {
            let settled = self.shared.settled.notified();
            // Whoever settles it after this look wakes this call.
            let until = self.shared.state().in_doubt_until();
            match until.map(|until| until.min(longest)).filter(|until| *until > Instant::now()) {
                Some(until) => _ = timeout_at(until, settled).await,
                None => break,
            }
        }
        let mut state = self.shared.state();
        state.silence.begin(Instant::now());
        let (connection, number) = (state.connection.clone(), state.number);
        Asked { server: self, connection, number, outcome: Outcome::GivenUp }
    }

    /// Has the connection replaced if it seems to be dead, and returns when to look again; `None`
    /// if this is no longer the connection.
    fn look_after(&self, number: u64) -> Option<Instant> {
        let began = Instant::now();
        let mut state = self.shared.state();
        if state.number != number {
            return None;
        }
        let making = state.replacement.as_ref().map(|replacement| replacement.began + C::MAKING);
        if let Some(until) = making.filter(|until| began < *until) {
            return Some(until);
        }
        let dead_at = state.silence.reaches(self.waits + C::SILENCE, began);
        if began < dead_at {
            return Some(dead_at);
        }
        if let (Some(origin), Ok(runtime)) = (self.origin.clone(), Handle::try_current()) {
            state.replacement = Some(Replacement { began, is_needed: true });
            // A runtime that shuts down drops the task here.
            drop(state);
            let replacing = Replacing { shared: Arc::clone(&self.shared), began };
            runtime.spawn(async move { replacing.end_with(made(origin).await.ok()) });
        }
        Some(began + C::MAKING)
    }
}

/// A connection that is being made, until this is dropped.
struct Replacing<C: Connection> {
    shared: Arc<Shared<C>>,
    began: Instant,
}

impl<C: Connection> Replacing<C> {
    /// Puts the new connection in the place of the earlier one, if that has not answered since.
    fn end_with(self, made: Option<C>) {
        let mut state = self.shared.state();
        let is_needed = state
            .replacement
            .as_ref()
            .is_some_and(|replacement| replacement.began == self.began && replacement.is_needed);
        if let Some(connection) = made.filter(|_| is_needed) {
            *state = State::new(connection, state.number + 1);
        }
    }
}

impl<C: Connection> Drop for Replacing<C> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if state.replacement.as_ref().is_some_and(|it| it.began == self.began) {
            state.replacement = None;
            state.silence.begin_again(Instant::now());
        }
        drop(state);
        self.shared.settled.notify_waiters();
    }
}

/// A call that has begun.
struct Asked<'s, C: Connection> {
    server: &'s Replaceable<C>,
    connection: C,
    number: u64,
    outcome: Outcome,
}

impl<C: Connection> Asked<'_, C> {
    /// Waits for the answer. An error is an answer, too, except that there was none in time.
    async fn answer<R, F>(
        mut self,
        when_replaced: WhenReplaced,
        ask: &impl Fn(C) -> F,
    ) -> RedisResult<R>
    where
        F: Future<Output = RedisResult<R>>,
    {
        let call = ask(self.connection.clone());
        let answer = match C::IS_WATCHED && self.server.origin.is_some() {
            true => self.watch(when_replaced, call).await,
            false => call.await,
        };
        self.outcome = match &answer {
            Err(error) if C::says_nothing(error) => Outcome::Unanswered,
            Ok(_) | Err(_) => Outcome::Answered,
        };
        answer
    }

    /// Waits for the answer, and has the connection replaced if it seems to be dead meanwhile.
    async fn watch<R>(
        &self,
        when_replaced: WhenReplaced,
        call: impl Future<Output = RedisResult<R>>,
    ) -> RedisResult<R> {
        let mut call = pin!(call);
        loop {
            let mut settled = pin!(self.server.shared.settled.notified());
            let until = self.server.look_after(self.number);
            // Without a time to wait for, its answer may be there by now all the same.
            let mut waits = pin!(until.map(sleep_until));
            let answer = poll_fn(|context| {
                if let Poll::Ready(answer) = call.as_mut().poll(context) {
                    return Poll::Ready(Some(answer));
                }
                let is_over = match waits.as_mut().as_pin_mut() {
                    Some(wait) => wait.poll(context).is_ready(),
                    None => true,
                };
                match is_over || settled.as_mut().poll(context).is_ready() {
                    true => Poll::Ready(None),
                    false => Poll::Pending,
                }
            });
            match (answer.await, until) {
                (Some(answer), _) => return answer,
                (None, Some(_)) => {}
                (None, None) => {
                    let error = match when_replaced {
                        WhenReplaced::Repeat => io::ErrorKind::ConnectionAborted,
                        WhenReplaced::Fail => io::ErrorKind::TimedOut,
                    };
                    return Err(io::Error::from(error).into());
                }
            }
        }
    }
}

impl<C: Connection> Drop for Asked<'_, C> {
    /// A caller may give up by dropping its call.
    fn drop(&mut self) {
        let Shared { state, settled } = &*self.server.shared;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.number != self.number {
            return;
        }
        state.silence.end(self.outcome, Instant::now());
        if !matches!(self.outcome, Outcome::Answered) {
            drop(state);
            self.server.look_after(self.number);
            return;
        }
        if let Some(replacement) = &mut state.replacement
            && replacement.is_needed
        {
            replacement.is_needed = false;
            drop(state);
            settled.notify_waiters();
        }
    }
}
