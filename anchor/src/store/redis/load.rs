//! `load`: plain commands, which concurrent callers send together.
//!
//! A script that reads a session makes a text of each field twice, and costs the server three times
//! what these commands cost. They do not run as a whole: a session was live when its fields were
//! read, if the index has it afterwards. If it does not, the script is asked: an update may have
//! given the session to another subject in between.
//!
//! In a cluster, the script alone knows that a slot is being moved.

use std::sync::Arc;

use redis::{Pipeline, RedisError, Value};

use super::connection::RedisConnection;
use super::database::{Arguments, Database};
use super::failure::store_error;
use super::keys::Keys;
use super::reply::{Reply, fields, number, refused, unexpected};
use super::row::{Fields, ends_on_change, of_live};
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
}

/// What the server has of one session, not read yet.
pub(super) struct Found {
    now: Timestamp,
    fields: Value,
    /// The number of the session's subject in the index.
    number: Value,
}

impl Lookups {
    pub(super) fn new(database: &Database) -> Self {
        let Database { connection, server, keys, names, .. } = database.clone();
        Self { connection, server, keys, names }
    }

    async fn look_up(&self, ids: &[SessionId]) -> Result<Vec<Found>, StoreError> {
        let Some(first) = ids.first() else { return Ok(Vec::new()) };
        let mut commands = Pipeline::with_capacity(1 + 2 * ids.len());
        commands.cmd("TIME");
        for id in ids {
            let shard = self.keys.shard(id.placement());
            let key = format!("{shard}session:{id}");
            commands.cmd("HMGET").arg(key).arg(of_live(&self.names));
            commands.cmd("ZSCORE").arg(format!("{shard}index")).arg(id.to_string());
        }
        let shard = self.keys.shard(first.placement());
        let answers = self.connection.run_together(&shard, &commands).await;
        let answers = answers.map_err(|error| store_error(&self.server, &error))?;
        let mut answers = answers.into_iter();
        let now = answers.next().ok_or_else(unexpected).and_then(|time| self.time(time))?;
        let found = ids.iter().map(|_| {
            let (Some(fields), Some(number)) = (answers.next(), answers.next()) else {
                return Err(unexpected());
            };
            Ok(Found { now, fields, number })
        });
        found.collect()
    }

    fn time(&self, time: Value) -> Result<Timestamp, StoreError> {
        let time = refused(time).map_err(|error| store_error(&self.server, &error))?;
        Reply::new(time)?.time()
    }
}

impl Batch for Lookups {
    type Item = SessionId;

    type Answer = Found;

    type Kept = ();

    fn size(waiting: usize) -> usize {
        waiting.min(LARGEST)
    }

    async fn run_alone(&self, id: SessionId) -> Result<Found, StoreError> {
        self.look_up(&[id]).await?.pop().ok_or_else(unexpected)
    }

    async fn run(&self, ids: Vec<SessionId>, (): &mut ()) -> Vec<Outcome<SessionId, Found>> {
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
            if row.is_indexed() {
                return Ok(row.read(id, now));
            }
        }
        let (now, row) = self.row(id).await?;
        Ok(row.read(id, now))
    }

    /// Returns a session, as a script finds it, and the server's time.
    pub(super) async fn row(&self, id: SessionId) -> Result<(Timestamp, Row), StoreError> {
        let arguments = Arguments::of(id).texts(of_live(&self.names));
        let mut reply = self.call(&script::LOAD, id.placement(), arguments).await?;
        let now = reply.list()?.time()?;
        let (fields, number) = (reply.next()?, reply.next()?);
        self.read_row(Found { now, fields, number })
    }

    fn read_row(&self, found: Found) -> Result<(Timestamp, Row), StoreError> {
        let Found { now, fields: found, number: indexed } = found;
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

impl Row {
    /// Returns whether the index has the session under its subject, if it has one. Otherwise nobody
    /// would find it to end it.
    fn is_indexed(&self) -> bool {
        let own = self.fields.subject_number().ok().flatten();
        !self.fields.has_subject() || (own.is_some() && own == self.number)
    }

    fn read<T: SessionData>(&self, id: SessionId, now: Timestamp) -> Load<T> {
        match self.live(id, now) {
            Ok(Some(loaded)) => Load::Live(loaded),
            Ok(None) if self.fields.is_empty() => Load::Absent,
            Ok(None) => Load::Ended,
            Err(error) if ends_on_change(T::schema(), &error) => Load::Ended,
            Err(error) => Load::Undecodable(error),
        }
    }

    pub(super) fn live<T: SessionData>(
        &self,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Option<Loaded<T>>, DecodeError> {
        if self.fields.is_empty() || self.fields.has_ended(now)? || !self.is_indexed() {
            return Ok(None);
        }
        self.fields.loaded(id, now).map(Some)
    }
}
