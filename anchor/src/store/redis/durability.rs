//! [`Durability`]: what has to confirm the end of a session before it is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::{ErrorKind, Pipeline, Script, ServerErrorKind, Value};

use super::connection::{ANSWER, RedisConnection};
use super::database::{AT_ONCE, Arguments, Database};
use super::failure::store_error;
use super::reply::{Reply, unexpected};
use crate::error::StoreError;
use crate::store::Placement;

/// What has to confirm the end of a session before the end is answered.
///
/// Redis replicates asynchronously. If the primary fails right after it has ended a session, a
/// replica that has not received the end may take its place, and the session is live again,
/// although the logout was answered.
///
/// If too few confirm in time, the end is an error, and a logout is answered with 503. The session
/// has usually ended on the server then, but a failover or a restart might bring it back. The
/// logout can be repeated, which asks again.
///
/// The store waits on eight connections of its own, one end at a time on each, so that each end
/// waits for its own write. If a confirmation takes 100 ms, these are 80 ends per second. An end
/// whose turn does not come in time is a 503, too, and may be carried out later or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// The server alone, as it is set up. This is the default.
    #[default]
    Server,
    /// The server, and then so many replicas, in memory (`WAIT`).
    Replicas {
        /// How many.
        replicas: u32,
        /// How long they may take: at most four seconds.
        within: Duration,
    },
    /// The server and so many replicas, each in its append-only file on the disk (`WAITAOF`). This
    /// needs Redis 7.2 or newer, or Valkey, with `appendonly yes`; [`verify`] refuses another one.
    /// With `appendfsync everysec`, a confirmation takes up to a second, so these are some 8 ends
    /// per second: `appendfsync always` suits it better.
    ///
    /// [`verify`]: super::RedisStore::verify
    Disks {
        /// How many, besides the server itself: 0 for the server alone.
        replicas: u32,
        /// How long they may take: at most four seconds.
        within: Duration,
    },
}

/// The longest time that a confirmation may take. It leaves the answer some time to arrive.
const LONGEST_WAIT: Duration = ANSWER.saturating_sub(Duration::from_secs(1));

/// How many ends wait for their confirmation at the same time.
const CONNECTIONS: usize = 8;

/// What waits for the confirmation of ends.
#[derive(Clone)]
pub(super) struct Confirmation {
    /// Connections of their own. While an end waits on one, whatever else it is sent waits, too.
    connections: Arc<[RedisConnection]>,
    /// How many ends have begun to wait.
    turns: Arc<AtomicUsize>,
    replicas: u32,
    within: Duration,
    pub(super) is_on_disks: bool,
}

impl Confirmation {
    pub(super) async fn new(
        database: &Database,
        durability: Durability,
    ) -> Result<Option<Self>, StoreError> {
        let (replicas, within, is_on_disks) = match durability {
            Durability::Server => return Ok(None),
            Durability::Replicas { replicas, within } => (replicas, within, false),
            Durability::Disks { replicas, within } => (replicas, within, true),
        };
        if within.is_zero() || within > LONGEST_WAIT {
            return Err(StoreError::unavailable(format!(
                "a confirmation may take {LONGEST_WAIT:?} at most, and not {within:?}: write \
                 another `within`"
            )));
        }
        let mut connections = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            let another = database.connection.another(within).await;
            let another = another.map_err(|error| store_error(&database.server, &error))?;
            connections.push(another.ok_or_else(|| {
                StoreError::unavailable(
                    "waiting for a confirmation needs more connections: let the store connect, \
                     with `RedisStore::connect` or `RedisStore::connect_cluster`",
                )
            })?);
        }
        let (connections, turns) = (connections.into(), Arc::default());
        Ok(Some(Self { connections, turns, replicas, within, is_on_disks }))
    }
}

impl Database {
    /// Returns whether each end is confirmed on the disk.
    pub(super) fn waits_for_disks(&self) -> bool {
        self.confirmation.as_ref().is_some_and(|confirmation| confirmation.is_on_disks)
    }

    /// Returns how many ends to call at the same time. More than can be confirmed would wait for a
    /// connection until their time is over.
    pub(super) fn ends_at_once(&self) -> usize {
        self.confirmation.as_ref().map_or(AT_ONCE, |confirmation| confirmation.connections.len())
    }

    /// Calls a script that ends sessions, and waits for what has to confirm it.
    pub(super) async fn call_end(
        &self,
        script: &Script,
        shard: Placement,
        arguments: Arguments,
    ) -> Result<Reply, StoreError> {
        let Some(confirmation) = &self.confirmation else {
            return self.call(script, shard, arguments).await;
        };
        let start = self.keys.shard(shard);
        // All of it goes to one server, on one connection. After a script on another connection,
        // a failover could come in between, and the new primary would confirm what it has not got.
        let mut together = Pipeline::with_capacity(3);
        let call = together.cmd("EVALSHA").arg(script.get_hash()).arg(1);
        for argument in self.all_arguments(&start, arguments) {
            call.arg(argument);
        }
        // Whoever has this write has everything before it: also the end that an earlier attempt
        // has carried out, on another connection.
        together.cmd("SET").arg(format!("{start}confirmed")).arg("").arg("PX").arg(1);
        confirmation.wait(&mut together);
        let connection = confirmation.connection();
        let mut answers = run(connection, &together).await;
        if let Ok([Value::ServerError(error), ..]) = answers.as_deref()
            && error.kind() == Some(ServerErrorKind::NoScript)
        {
            answers = match connection.load(script).await {
                Ok(()) => run(connection, &together).await,
                Err(error) => Err(error),
            };
        }
        let answers = answers.map_err(|error| store_error(&self.server, &error))?;
        let mut checked = Vec::with_capacity(answers.len());
        for answer in answers {
            checked
                .push(answer.extract_error().map_err(|error| store_error(&self.server, &error))?);
        }
        let Ok([answer, _, confirmed]) = <[Value; 3]>::try_from(checked) else {
            return Err(unexpected());
        };
        match confirmation.lacks(&confirmed)? {
            None => Reply::new(answer),
            Some(lacks) => Err(StoreError::unavailable(format!(
                "{} has ended the session, but {lacks} within {:?}: see `INFO replication` and \
                 `INFO persistence`",
                self.server, confirmation.within
            ))),
        }
    }
}

impl Confirmation {
    fn connection(&self) -> &RedisConnection {
        &self.connections[self.turns.fetch_add(1, Ordering::Relaxed) % self.connections.len()]
    }

    /// Adds the command that waits.
    fn wait(&self, together: &mut Pipeline) {
        // At least one millisecond: 0 waits forever.
        let millis = self.within.as_millis().max(1) as u64;
        match self.is_on_disks {
            true => together.cmd("WAITAOF").arg(1).arg(self.replicas).arg(millis),
            false => together.cmd("WAIT").arg(self.replicas).arg(millis),
        };
    }

    /// Returns what is missing in the answer of that command.
    fn lacks(&self, confirmed: &Value) -> Result<Option<String>, StoreError> {
        let (here, there) = match confirmed {
            Value::Int(there) => (1, *there),
            Value::Array(both) => match both.as_slice() {
                [Value::Int(here), Value::Int(there)] => (*here, *there),
                _ => return Err(unexpected()),
            },
            _ => return Err(unexpected()),
        };
        Ok(match self.replicas {
            _ if here < 1 => Some("its own disk has not confirmed it".to_owned()),
            replicas if there < i64::from(replicas) => {
                Some(format!("only {there} of {replicas} replicas have confirmed it"))
            }
            _ => None,
        })
    }
}

/// Runs commands. If the connection was lost, they are run once more on a new one.
async fn run(connection: &RedisConnection, together: &Pipeline) -> redis::RedisResult<Vec<Value>> {
    match connection.run_together(together).await {
        Err(error) if error.kind() == ErrorKind::Io && !error.is_timeout() => {
            connection.run_together(together).await
        }
        answers => answers,
    }
}
