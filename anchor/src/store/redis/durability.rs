//! [`Durability`]: what has to confirm the end of a session before it is answered.

use std::time::Duration;

use redis::{ErrorKind, Pipeline, Script, ServerErrorKind, Value};

use super::connection::{ANSWER, RedisConnection};
use super::database::{Arguments, Database};
use super::failure::store_error;
use super::reply::{Reply, unexpected};
use crate::error::StoreError;
use crate::store::Placement;

/// What has to confirm the end of a session before the end is answered.
///
/// Redis replicates asynchronously. If the primary fails right after it has ended a session, a
/// replica that has not received the end may take its place, and the session is live again,
/// although the logout was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// The server alone, as it is set up. This is the default.
    #[default]
    Server,
    /// The server, and then so many replicas, in memory (`WAIT`). If fewer confirm in time, the end
    /// is an error, and a logout is answered with 503. The session has usually ended on the server
    /// then, but a failover might bring it back. The logout can be repeated, which asks the
    /// replicas again.
    ///
    /// Ends take turns on one connection, so that each one waits for its own write. Replicas that
    /// need 100 ms confirm ten ends per second. An end whose turn does not come in time is a 503,
    /// too, and may be carried out later or not at all.
    Replicas {
        /// How many.
        replicas: u32,
        /// How long they may take: at most four seconds.
        within: Duration,
    },
}

/// The longest time that replicas may take. It leaves the answer some time to arrive.
const LONGEST_WAIT: Duration = ANSWER.saturating_sub(Duration::from_secs(1));

/// What waits for replicas.
#[derive(Clone)]
pub(super) struct Confirmation {
    /// A connection of its own: nothing else on it has to wait, too.
    connection: RedisConnection,
    replicas: u32,
    within: Duration,
}

impl Confirmation {
    pub(super) async fn new(
        database: &Database,
        durability: Durability,
    ) -> Result<Option<Self>, StoreError> {
        let Durability::Replicas { replicas, within } = durability else { return Ok(None) };
        if within.is_zero() || within > LONGEST_WAIT {
            return Err(StoreError::unavailable(format!(
                "replicas may take {LONGEST_WAIT:?} at most, and not {within:?}: write another \
                 `within`"
            )));
        }
        let another = database.connection.another(within).await;
        let another = another.map_err(|error| store_error(&database.server, &error))?;
        let connection = another.ok_or_else(|| {
            StoreError::unavailable(
                "waiting for replicas needs a second connection: let the store connect, with \
                 `RedisStore::connect` or `RedisStore::connect_cluster`",
            )
        })?;
        Ok(Some(Self { connection, replicas, within }))
    }
}

impl Database {
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
        let mut together = Pipeline::with_capacity(3);
        let call = together.cmd("EVALSHA").arg(script.get_hash()).arg(1);
        for argument in self.all_arguments(&start, arguments) {
            call.arg(argument);
        }
        // A replica that has this write has everything before it: also the end that an earlier
        // attempt has carried out, on another connection.
        together.cmd("SET").arg(format!("{start}confirmed")).arg("").arg("PX").arg(1);
        // At least one millisecond: 0 waits forever.
        let millis = confirmation.within.as_millis().max(1) as u64;
        together.cmd("WAIT").arg(confirmation.replicas).arg(millis);
        let mut answers = confirmation.run(&together).await;
        if let Ok([Value::ServerError(error), ..]) = answers.as_deref()
            && error.kind() == Some(ServerErrorKind::NoScript)
        {
            answers = match confirmation.connection.load(script).await {
                Ok(()) => confirmation.run(&together).await,
                Err(error) => Err(error),
            };
        }
        let answers = answers.map_err(|error| store_error(&self.server, &error))?;
        let mut checked = Vec::with_capacity(answers.len());
        for answer in answers {
            checked
                .push(answer.extract_error().map_err(|error| store_error(&self.server, &error))?);
        }
        match <[Value; 3]>::try_from(checked) {
            Ok([answer, _, Value::Int(confirmed)])
                if confirmed >= i64::from(confirmation.replicas) =>
            {
                Reply::new(answer)
            }
            Ok([_, _, Value::Int(confirmed)]) => Err(StoreError::unavailable(format!(
                "{} has ended the session, but only {confirmed} of {} replicas have confirmed it \
                 within {:?}: see `INFO replication`",
                self.server, confirmation.replicas, confirmation.within
            ))),
            _ => Err(unexpected()),
        }
    }
}

impl Confirmation {
    /// Runs commands. If the connection was lost, they are run once more on a new one.
    async fn run(&self, together: &Pipeline) -> redis::RedisResult<Vec<Value>> {
        match self.connection.run_together(together).await {
            Err(error) if error.kind() == ErrorKind::Io && !error.is_timeout() => {
                self.connection.run_together(together).await
            }
            answers => answers,
        }
    }
}
