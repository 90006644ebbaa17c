//! `load`: plain commands, which concurrent callers send together.
//!
//! A script that reads a session makes a text of each field twice, and costs the server three times
//! what these commands cost. They do not run as a whole: a session was live when its fields were
//! read, if the index has it afterwards. If it does not, the script is asked: an update may have
//! given the session to another subject in between.
//!
//! A payload without a subject is in no index. If a session of an earlier release has one, the
//! script is asked, too.
//!
//! In a cluster, the script alone knows that a slot is being moved.

use std::sync::Arc;

use redis::{Cmd, Pipeline, RedisError, Value};

use super::connection::RedisConnection;
use super::database::{Arguments, Database};
use super::failure::store_error;
use super::keys::{ID, Keys};
use super::own::Own;
use super::reply::{Reply, fields, number, refused, unexpected};
use super::row::{Fields, ends_on_change};
use super::script;
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::{DecodeError, SessionData};
use crate::store::gather::{Batch, Gather, Outcome};
use crate::store::{Load, Loaded};
use crate::timestamp::Timestamp;

/// How many sessions are looked up together.
const LARGEST: usize = 128;

/// The lookups of one store on one server.
pub(super) struct Lookups {
    connection: RedisConnection,
    server: Arc<str>,
    keys: Keys,
    names: Arc<[String]>,
    /// Whether the index has the sessions.
    have_subjects: bool,
}

/// What the server has of one session, not read yet.
pub(super) struct Read {
    now: Timestamp,
    fields: Value,
    /// The number of the session's subject in the index; nil if it has none, or nobody asked.
    number: Value,
}

impl Lookups {
    pub(super) fn new(database: &Database, have_subjects: bool) -> Self {
        let Database { connection, server, keys, names, .. } = database.clone();
        Self { connection, server, keys, names, have_subjects }
    }

    async fn look_up(&self, ids: &[SessionId]) -> Result<Vec<Read>, StoreError> {
        let Some(first) = ids.first() else { return Ok(Vec::new()) };
        let mut commands = Pipeline::with_capacity(1 + 2 * ids.len());
        commands.cmd("TIME");
        let lengths = self.names.iter().map(String::len).sum::<usize>();
        for id in ids {
            let (key, index) = self.keys.session_and_index(*id);
            let mut fields = Cmd::with_capacity(2 + self.names.len(), 5 + key.len() + lengths);
            fields.arg("HMGET").arg(&key).arg(&self.names[..]);
            commands.add_command(fields);
            if self.have_subjects {
                let mut number = Cmd::with_capacity(3, 6 + index.len() + ID);
                number.arg("ZSCORE").arg(&index).arg(&key[key.len() - ID..]);
                commands.add_command(number);
            }
        }
        let shard = self.keys.shard(first.placement());
        let answers = self.connection.run_together(&shard, &commands).await;
        let answers = answers.map_err(|error| store_error(&self.server, &error))?;
        let mut answers = answers.into_iter();
        let now = answers.next().ok_or_else(unexpected).and_then(|time| self.time(time))?;
        let found = ids.iter().map(|_| {
            let fields = answers.next().ok_or_else(unexpected)?;
            let number = match self.have_subjects {
                true => answers.next().ok_or_else(unexpected)?,
                false => Value::Nil,
            };
            Ok(Read { now, fields, number })
        });
        found.collect()
    }

    fn time(&self, time: Value) -> Result<Timestamp, StoreError> {
        let time = refused(time).map_err(|error| store_error(&self.server, &error))?;
        Reply::new(time)?.time()
    }
}

impl Batch for Lookups {
    const VERB: &'static str = "load";

    type Item = SessionId;

    type Answer = Read;

    type Kept = ();

    fn size(waiting: usize) -> usize {
        waiting.min(LARGEST)
    }

    async fn run_alone(&self, id: SessionId) -> Result<Read, StoreError> {
        self.look_up(&[id]).await?.pop().ok_or_else(unexpected)
    }

    async fn run(&self, ids: Vec<SessionId>, (): &mut ()) -> Vec<Outcome<SessionId, Read>> {
        match self.look_up(&ids).await {
            Ok(found) => found.into_iter().map(|found| Outcome::Answered(Ok(found))).collect(),
            Err(error) => ids.iter().map(|_| Outcome::Answered(Err(error.clone()))).collect(),
        }
    }
}

impl Database {
    pub(super) async fn load<T: SessionData>(
        &self,
        lookups: &Arc<Gather<Lookups>>,
        id: SessionId,
    ) -> Result<Load<T>, StoreError> {
        if self.connection.takes_plain_commands() {
            let (now, row) = self.read_row(lookups.get(id).await?)?;
            if let Some(load) = row.read(id, now) {
                return Ok(load);
            }
        }
        let (now, row) = self.row(id).await?;
        Ok(row.read(id, now).unwrap_or(Load::Ended))
    }

    /// Returns a session, as a script finds it, and the server's time.
    pub(super) async fn row(&self, id: SessionId) -> Result<(Timestamp, Row), StoreError> {
        let arguments = Arguments::of(id).texts(&self.names);
        let mut reply = self.call(&script::LOAD, id.placement(), arguments).await?;
        let now = reply.list()?.time()?;
        let (fields, number) = (reply.next()?, reply.next()?);
        self.read_row(Read { now, fields, number })
    }

    fn read_row(&self, read: Read) -> Result<(Timestamp, Row), StoreError> {
        let Read { now, fields: found, number: indexed } = read;
        let failed = |error: RedisError| store_error(&self.server, &error);
        let fields = fields(refused(found).map_err(failed)?, &self.names)?;
        let number = number(refused(indexed).map_err(failed)?)?;
        Ok((now, Row { fields, number }))
    }
}

/// A session as the server has it.
pub(super) struct Row {
    fields: Fields,
    /// The number of its subject in the index.
    number: Option<u64>,
}

/// What a session is.
enum Found<T> {
    Absent,
    Ended,
    /// The index does not have it under its subject. Nobody would find it to end it.
    NotIndexed,
    Live(Loaded<T>),
}

impl Row {
    /// Returns whether the index has the session under its subject, if it has one.
    fn is_indexed(&self, own: &Own<'_>) -> Result<bool, DecodeError> {
        let number = own.subject_number()?;
        Ok(own.subject().is_none() || (number.is_some() && number == self.number))
    }

    /// Returns when the session ends at the latest.
    pub(super) fn deadline(&self) -> Result<Timestamp, DecodeError> {
        self.fields.own()?.deadline()
    }

    fn found<T: SessionData>(
        &self,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Found<T>, DecodeError> {
        if self.fields.is_empty() {
            return Ok(Found::Absent);
        }
        let own = self.fields.own()?;
        if own.has_ended(now)? {
            return Ok(Found::Ended);
        }
        if !self.is_indexed(&own)? {
            return Ok(Found::NotIndexed);
        }
        self.fields.loaded(&own, id, now).map(Found::Live)
    }

    /// Returns the session, or `None` if it would be live, but the index does not have it.
    fn read<T: SessionData>(&self, id: SessionId, now: Timestamp) -> Option<Load<T>> {
        Some(match self.found(id, now) {
            Ok(Found::Live(loaded)) => Load::Live(loaded),
            Ok(Found::Absent) => Load::Absent,
            Ok(Found::Ended) => Load::Ended,
            Ok(Found::NotIndexed) => return None,
            Err(error) if ends_on_change(T::schema(), &error) => Load::Ended,
            Err(error) => Load::Undecodable(error),
        })
    }

    pub(super) fn live<T: SessionData>(
        &self,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Option<Loaded<T>>, DecodeError> {
        Ok(match self.found(id, now)? {
            Found::Live(loaded) => Some(loaded),
            Found::Absent | Found::Ended | Found::NotIndexed => None,
        })
    }
}
