//! [`Database`]: calls the scripts on the keys of one payload.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Script};
use tokio::task::JoinSet;

use super::codec::{hex, subject_number};
use super::connection::RedisConnection;
use super::durability::Confirmation;
use super::failure::store_error;
use super::keys::Keys;
use super::reply::Reply;
use super::row::Changes;
use super::script;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::store::Placement;
use crate::timestamp::Timestamp;

/// The longest span that a script gets. The sum of such a span and today is still exact in Lua.
pub(super) const LONGEST_SPAN: Duration = Duration::from_secs(200 * 365 * 86_400);

/// How many calls one verb makes at the same time.
pub(super) const AT_ONCE: usize = 128;

#[derive(Clone)]
pub(super) struct Database {
    pub(super) connection: RedisConnection,
    pub(super) table: &'static str,
    /// How errors call the server.
    pub(super) server: Arc<str>,
    /// What is a risk about how it is reached.
    pub(super) warnings: Arc<[String]>,
    pub(super) keys: Keys,
    /// The names of the fields from which a session is read.
    pub(super) names: Arc<[String]>,
    /// How long ended sessions are kept, if they are.
    pub(super) keep: Option<Duration>,
    /// The shards that a sweep has found due and has not finished.
    pub(super) due: Arc<Mutex<Vec<Placement>>>,
    /// What has to confirm the end of a session besides the server.
    pub(super) confirmation: Option<Confirmation>,
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
        let mut arguments = self.all_arguments(&start, arguments);
        call.key(arguments.next());
        for argument in arguments {
            call.arg(argument);
        }
        let answer = self.connection.call(&call, script::when_replaced(script)).await;
        Reply::new(answer.map_err(|error| store_error(&self.server, &error))?)
    }

    /// Returns the key and the arguments of a script. The key decides which server of a cluster
    /// runs the script, which makes the names of the other keys. They are in the same slot.
    pub(super) fn all_arguments(
        &self,
        start: &str,
        arguments: Arguments,
    ) -> impl Iterator<Item = Vec<u8>> + use<> {
        let keep = self.keep.map_or_else(|| "-1".to_owned(), micros);
        let common = [format!("{start}due"), start.to_owned(), keep].map(String::into_bytes);
        common.into_iter().chain(arguments.0)
    }

    /// Runs a command that only reads.
    pub(super) async fn read<R: FromRedisValue>(&self, command: &Cmd) -> Result<R, StoreError> {
        let answer = self.connection.read(command).await;
        answer.map_err(|error| store_error(&self.server, &error))
    }

    /// Makes a call for each of these items, so many at the same time, and returns their answers in
    /// any order.
    pub(super) async fn for_each<I, R, F>(
        &self,
        at_once: usize,
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
            while calls.len() < at_once
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

    /// Returns the time of the server that has this shard.
    pub(super) async fn now(&self, shard: Placement) -> Result<Timestamp, StoreError> {
        self.call(&script::NOW, shard, Arguments::default()).await?.instant()
    }
}

/// Returns a span in microseconds, as scripts take it.
pub(super) fn micros(span: Duration) -> String {
    span.min(LONGEST_SPAN).as_micros().to_string()
}

/// Returns a text that no other call for the same session has. It is no secret, and each login
/// needs one, so it does not ask the system for randomness.
pub(super) fn distinct() -> String {
    hex(&RandomState::new().hash_one(()).to_be_bytes())
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

    /// Adds the name of a subject and its number, or twice nothing.
    pub(super) fn subject(self, name: Option<&str>) -> Self {
        let number = name.map_or_else(String::new, |name| subject_number(name).to_string());
        self.text(name.unwrap_or_default()).text(number)
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

    /// Adds the names of fields.
    pub(super) fn texts(mut self, texts: &[String]) -> Self {
        self.0.extend(texts.iter().map(|text| text.as_bytes().to_vec()));
        self
    }

    /// Adds the names and the values of fields. They are always the last arguments.
    pub(super) fn fields(mut self, fields: &Changes) -> Self {
        for (name, value) in &fields.set {
            self = self.text(*name).text(value.as_slice());
        }
        self
    }

    /// Adds what the script writes into a hash. It is always the last argument.
    pub(super) fn changes(mut self, changes: &Changes) -> Self {
        self = self.text(changes.set.len().to_string()).fields(changes);
        for name in &changes.removed {
            self = self.text(*name);
        }
        self
    }
}
