//! [`Database`]: calls the scripts on the keys of one payload.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Script};
use tokio::task::JoinSet;

use super::codec::hex;
use super::connection::RedisConnection;
use super::failure::store_error;
use super::keys::Keys;
use super::reply::{Reply, unexpected};
use super::row::Changes;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::store::Placement;
use crate::timestamp::Timestamp;

/// The longest span that a script gets. The sum of such a span and today is still exact in Lua.
const LONGEST_SPAN: Duration = Duration::from_secs(200 * 365 * 86_400);

/// How many calls one verb makes at the same time.
const AT_ONCE: usize = 128;

#[derive(Clone)]
pub(super) struct Database {
    pub(super) connection: RedisConnection,
    /// How errors call the server.
    pub(super) server: Arc<str>,
    pub(super) keys: Keys,
    /// How long ended sessions are kept, if they are.
    pub(super) keep: Option<Duration>,
}

impl Database {
    /// Calls a script on the keys of one shard.
    pub(super) async fn call(
        &self,
        script: &Script,
        shard: Placement,
        arguments: Arguments,
    ) -> Result<Reply, StoreError> {
        let start = self.keys.shard(shard);
        let mut call = script.prepare_invoke();
        // It decides which server of a cluster runs the script. The script makes the names of the
        // other keys, which are in the same slot.
        call.key(format!("{start}due"));
        call.arg(start).arg(self.keep.map_or_else(|| "-1".to_owned(), micros));
        for argument in &arguments.0 {
            call.arg(argument.as_slice());
        }
        let answer = self.connection.call(&call).await;
        Reply::new(answer.map_err(|error| store_error(&self.server, &error))?)
    }

    /// Runs a command that only reads.
    pub(super) async fn read<R: FromRedisValue>(&self, command: &Cmd) -> Result<R, StoreError> {
        let answer = self.connection.read(command).await;
        answer.map_err(|error| store_error(&self.server, &error))
    }

    /// Makes a call for each of these items, many at the same time, and returns their answers in
    /// any order.
    pub(super) async fn for_each<I, R, F>(
        &self,
        items: Vec<I>,
        call: impl Fn(Self, I) -> F,
    ) -> Result<Vec<R>, StoreError>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, StoreError>> + Send + 'static,
    {
        let mut answers = Vec::with_capacity(items.len());
        let (mut items, mut calls) = (items.into_iter(), JoinSet::new());
        loop {
            while calls.len() < AT_ONCE
                && let Some(item) = items.next()
            {
                calls.spawn(call(self.clone(), item));
            }
            match calls.join_next().await {
                Some(answer) => answers.push(answer.map_err(StoreError::unavailable)??),
                None => return Ok(answers),
            }
        }
    }

    /// Returns the server's time.
    pub(super) async fn now(&self) -> Result<Timestamp, StoreError> {
        let (seconds, micros) = self.read::<(i64, i64)>(&redis::cmd("TIME")).await?;
        let now = seconds.checked_mul(1_000_000).and_then(|now| now.checked_add(micros));
        now.map(Timestamp::from_micros).ok_or_else(unexpected)
    }
}

/// Returns a span in microseconds, as scripts take it.
pub(super) fn micros(span: Duration) -> String {
    span.min(LONGEST_SPAN).as_micros().to_string()
}

/// Returns a text that no other call of a script has.
pub(super) fn distinct() -> Result<String, StoreError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(StoreError::unavailable)?;
    Ok(hex(&random))
}

/// The arguments of a script, one after the other.
#[derive(Clone, Default)]
pub(super) struct Arguments(Vec<Vec<u8>>);

impl Arguments {
    /// Begins with the session that the script is about.
    pub(super) fn of(id: SessionId) -> Self {
        Self::default().text(id.to_string())
    }

    pub(super) fn text(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.0.push(text.into());
        self
    }

    pub(super) fn span(self, span: Duration) -> Self {
        self.text(micros(span))
    }

    pub(super) fn instant(self, instant: Timestamp) -> Self {
        self.text(instant.as_micros().to_string())
    }

    pub(super) fn hash(self, hash: &[u8; 32]) -> Self {
        self.text(hex(hash))
    }

    /// Adds a hash, or nothing.
    pub(super) fn maybe_hash(self, hash: Option<&[u8; 32]>) -> Self {
        self.text(hash.map_or_else(String::new, |hash| hex(hash)))
    }

    /// Adds what the script writes into a hash. It is always the last argument.
    pub(super) fn changes(mut self, changes: &Changes) -> Self {
        self = self.text(changes.set.len().to_string());
        for (name, value) in &changes.set {
            self = self.text(name.as_str()).text(value.as_slice());
        }
        for name in &changes.removed {
            self = self.text(name.as_str());
        }
        self
    }
}
