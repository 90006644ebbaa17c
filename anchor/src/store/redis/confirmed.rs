//! [`Ends`]: sends ends together, and waits for one confirmation of all of them.
//!
//! `WAIT` and `WAITAOF` confirm everything that was written before them on the same connection, and
//! a connection on which one waits does nothing else. So the ends that come while one waits gather,
//! and go together on the next connection, directly before a wait of their own.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use redis::cluster_routing::Slot;
use redis::{Pipeline, RedisError, RedisResult, Script, ServerErrorKind, Value};

use super::connection::RedisConnection;
use super::database::Database;
use super::durability::Asked;
use super::failure::store_error;
use super::reply::{Reply, unexpected};
use super::script;
use super::servers::Node;
use crate::error::StoreError;
use crate::store::gather::{Batch, Gather, Outcome};

/// How many connections wait: as many as [`Gather`] sends statements at the same time, and one.
const CONNECTIONS: usize = 6;

/// How many ends go together at most. Other clients wait while the server carries them out.
const TOGETHER: usize = 256;

/// The scripts that end sessions.
static SCRIPTS: [&LazyLock<Script>; 4] =
    [&script::CONSUME, &script::END, &script::END_SUBJECT, &script::CREATE];

fn is_no_script(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript))
}

/// A call of a script that ends sessions.
pub(super) struct End {
    pub(super) script: &'static Script,
    /// What the names of its shard's keys begin with.
    pub(super) start: String,
    /// The key, and the arguments.
    pub(super) arguments: Vec<Vec<u8>>,
}

/// The ends that wait for a confirmation.
pub(super) struct Ends {
    table: &'static str,
    waiters: Arc<Waiters>,
    /// Those of each server gather for themselves.
    gathers: Mutex<BTreeMap<Node, Arc<Gather<Together>>>>,
    owners: Arc<Owners>,
}

/// Which server of a cluster has which slot; `None` if it has to be looked up.
type Owners = Mutex<Option<Arc<HashMap<Slot, Node>>>>;

/// What waits for confirmations.
struct Waiters {
    /// How errors call the server.
    server: Arc<str>,
    asked: Asked,
    /// Connections on which nothing waits, that which was used last at the end.
    free: Mutex<VecDeque<RedisConnection>>,
    /// One for when none is free.
    spare: RedisConnection,
}

/// A connection, until it is free again.
struct Waiter<'w> {
    waiters: &'w Waiters,
    connection: Option<RedisConnection>,
}

impl Waiters {
    fn free(&self) -> MutexGuard<'_, VecDeque<RedisConnection>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Waiter<'_> {
        let connection = self.free().pop_front();
        Waiter { waiters: self, connection }
    }
}

impl Waiter<'_> {
    fn connection(&self) -> &RedisConnection {
        self.connection.as_ref().unwrap_or(&self.waiters.spare)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.waiters.free().push_back(connection);
        }
    }
}

impl Ends {
    /// Makes the connections; `None` if the application made the store's.
    pub(super) async fn new(database: &Database, asked: Asked) -> RedisResult<Option<Self>> {
        let mut free = VecDeque::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            match database.connection.another(asked.within).await? {
                Some(another) => free.push_back(another),
                None => return Ok(None),
            }
        }
        let Some(spare) = free.pop_back() else { return Ok(None) };
        // Ends that a server does not know would wait for a confirmation in vain. A server that
        // comes later, such as a replica that is promoted, is given them when it asks.
        for script in SCRIPTS {
            let _ = spare.load(script).await;
        }
        let (server, free) = (Arc::clone(&database.server), Mutex::new(free));
        let waiters = Arc::new(Waiters { server, asked, free, spare });
        Ok(Some(Self {
            table: database.table,
            waiters,
            gathers: Mutex::default(),
            owners: Arc::default(),
        }))
    }

    /// Carries out an end, and waits for its confirmation.
    pub(super) async fn confirmed(&self, end: End) -> Result<Reply, StoreError> {
        let node = self.owner(&end.start).await;
        let gather = {
            let mut gathers = self.gathers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(gathers.entry(node).or_insert_with(|| {
                let (waiters, owners) = (Arc::clone(&self.waiters), Arc::clone(&self.owners));
                Gather::new(self.table, Together { waiters, owners }, NonZeroU32::MIN)
            }))
        };
        gather.get(end).await
    }

    /// Returns which server has a key. If that is not known, or wrong, the ends of several servers
    /// are sent together, and then again, each alone.
    async fn owner(&self, key: &str) -> Node {
        let connection = &self.waiters.spare;
        if !connection.is_cluster() {
            return None;
        }
        let known = owners(&self.owners).clone();
        let known = match known {
            Some(known) => known,
            None => {
                let found = connection.servers().await.ok()?.owners;
                let slots = |(slots, node): (Range<u16>, Node)| {
                    slots.filter_map(Slot::new).map(move |slot| (slot, node.clone()))
                };
                let found = Arc::new(found.into_iter().flat_map(slots).collect());
                *owners(&self.owners) = Some(Arc::clone(&found));
                found
            }
        };
        known.get(&Slot::for_key(key)).cloned().flatten()
    }
}

fn owners(owners: &Owners) -> MutexGuard<'_, Option<Arc<HashMap<Slot, Node>>>> {
    owners.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The ends on one server.
struct Together {
    waiters: Arc<Waiters>,
    owners: Arc<Owners>,
}

impl Batch for Together {
    const VERB: &'static str = "revoke";

    type Item = End;
    type Answer = Reply;
    type Kept = ();

    fn size(waiting: usize) -> usize {
        waiting.min(TOGETHER)
    }

    async fn run_alone(&self, end: End) -> Result<Reply, StoreError> {
        let waiter = self.waiters.take();
        let ends = [end];
        let mut answers = self.waiters.run(waiter.connection(), &ends).await;
        if answers.as_ref().is_ok_and(|answers| answers.first().is_some_and(is_no_script)) {
            // Another server of the cluster may have refused it, which is no matter.
            let _ = waiter.connection().load(ends[0].script).await;
            answers = self.waiters.run(waiter.connection(), &ends).await;
        }
        let mut answers = answers.map_err(|error| store_error(&self.waiters.server, &error))?;
        let confirmed = self.waiters.confirmed(&mut answers);
        let answer = answers.pop().ok_or_else(unexpected)?;
        self.waiters.answer(answer, &confirmed)
    }

    async fn run(&self, ends: Vec<End>, (): &mut ()) -> Vec<Outcome<End, Reply>> {
        let waiter = self.waiters.take();
        let answers = self.waiters.run(waiter.connection(), &ends).await;
        if answers.as_ref().is_ok_and(|answers| answers.iter().any(is_no_script)) {
            // The server is new, or has forgotten some of them. The others were carried out, and
            // only their first answers say what they have ended.
            for script in SCRIPTS {
                let _ = waiter.connection().load(script).await;
            }
        }
        let mut answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                // All are refused because of one, such as one whose slot is on another server.
                if error.code().is_some() {
                    *owners(&self.owners) = None;
                    return ends.into_iter().map(Outcome::RunAlone).collect();
                }
                let error = store_error(&self.waiters.server, &error);
                let failed = |_| Outcome::Answered(Err(error.clone()));
                return ends.into_iter().map(failed).collect();
            }
        };
        let confirmed = self.waiters.confirmed(&mut answers);
        answers.resize(ends.len(), Value::Nil);
        let outcome = |(end, answer)| match &answer {
            answer if is_no_script(answer) => Outcome::RunAlone(end),
            _ => Outcome::Answered(self.waiters.answer(answer, &confirmed)),
        };
        ends.into_iter().zip(answers).map(outcome).collect()
    }
}

impl Waiters {
    /// Sends ends, and what confirms them.
    async fn run(&self, connection: &RedisConnection, ends: &[End]) -> RedisResult<Vec<Value>> {
        // All of it goes to one server, on one connection. After a script on another connection,
        // a failover could come in between, and the new primary would confirm what it has not got.
        let mut together = Pipeline::with_capacity(ends.len() + 2);
        for end in ends {
            let call = together.cmd("EVALSHA").arg(end.script.get_hash()).arg(1);
            for argument in &end.arguments {
                call.arg(argument);
            }
        }
        let Some(End { start, .. }) = ends.last() else { return Ok(Vec::new()) };
        // Whoever has this write has everything before it: also the end that an earlier attempt
        // has carried out, on another connection.
        together.cmd("SET").arg(format!("{start}confirmed")).arg("").arg("PX").arg(1);
        self.asked.wait(&mut together);
        connection.run_together(start, &together).await
    }

    /// Takes the last two answers, and returns whether they confirm the ends before them.
    fn confirmed(&self, answers: &mut Vec<Value>) -> Result<(), StoreError> {
        let failed = |error: RedisError| store_error(&self.server, &error);
        let (waited, written) = (answers.pop(), answers.pop());
        written.ok_or_else(unexpected)?.extract_error().map_err(failed)?;
        let waited = waited.ok_or_else(unexpected)?.extract_error().map_err(failed)?;
        match self.asked.lacks(&waited)? {
            None => Ok(()),
            Some(lacks) => Err(StoreError::unavailable(format!(
                "{} has ended the session, but {lacks} within {:?}: see `INFO replication` and \
                 `INFO persistence`",
                self.server, self.asked.within
            ))),
        }
    }

    /// Returns what an end has answered, if it was carried out and confirmed.
    fn answer(
        &self,
        answer: Value,
        confirmed: &Result<(), StoreError>,
    ) -> Result<Reply, StoreError> {
        let answer = answer.extract_error().map_err(|error| store_error(&self.server, &error))?;
        confirmed.clone()?;
        Reply::new(answer)
    }
}
