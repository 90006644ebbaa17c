//! `load`: plain commands, which concurrent callers send together.
//!
//! A script that reads a session makes a text of each field twice, and costs the server several
//! times what these commands cost. They do not ask the index: a session is live when its fields say
//! so, and when the sessions of its subject were not ended since it began ([`EndLog`]). If they
//! were, it is read again, together with the index. These two do not run as a whole: the session
//! was live when its fields were read, if the index has it afterwards. If it does not, the script
//! is asked: an update may have given the session to another subject in between. The script is also
//! asked if the payload has no subject any more.
//!
//! In a cluster, the script alone knows that a slot is being moved.

use std::sync::Arc;

use redis::{Cmd, Pipeline, RedisError, Value};

use super::connection::RedisConnection;
use super::create::home_of;
use super::database::{Arguments, Database};
use super::end_log::{EndLog, entries_from};
use super::failure::store_error;
use super::keys::{ID, Keys, shard_name};
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
    /// The ends of subjects' sessions; `None` if the sessions have no subjects.
    ends: Option<Arc<EndLog>>,
}

/// Which session is looked up.
#[derive(Clone, Copy)]
pub(super) struct Lookup {
    id: SessionId,
    /// Whether the index is asked for it.
    asks_index: bool,
}

/// What the server has of one session, not read yet.
pub(super) struct Read {
    now: Timestamp,
    fields: Value,
    /// The number of its subject in the index, nil if it is not there; `None` if nobody asked.
    indexed: Option<Value>,
    ends: Option<Arc<EndLog>>,
}

impl Lookups {
    pub(super) fn new(database: &Database, have_subjects: bool) -> Self {
        let Database { connection, server, keys, names, .. } = database.clone();
        Self { connection, server, keys, names, ends: have_subjects.then(Arc::default) }
    }

    async fn look_up(&self, lookups: &[Lookup]) -> Result<Vec<Read>, StoreError> {
        let Some(first) = lookups.first() else { return Ok(Vec::new()) };
        let mut commands = Pipeline::with_capacity(2 + lookups.len());
        commands.cmd("TIME");
        if let Some(ends) = &self.ends {
            commands.add_command(ends.unread(&self.keys.ends()));
        }
        let lengths = self.names.iter().map(String::len).sum::<usize>();
        for Lookup { id, asks_index } in lookups {
            let key = self.keys.session(*id);
            let mut fields = Cmd::with_capacity(2 + self.names.len(), 5 + key.len() + lengths);
            fields.arg("HMGET").arg(&key).arg(&self.names[..]);
            commands.add_command(fields);
            if *asks_index {
                let index = self.keys.index(id.placement());
                commands.cmd("ZSCORE").arg(index).arg(&key[key.len() - ID..]);
            }
        }
        let shard = self.keys.shard(first.id.placement());
        let answers = self.connection.run_together(&shard, &commands).await;
        let mut answers = answers.map_err(|error| self.failed(&error))?.into_iter();
        let now = self.time(self.answered(answers.next())?)?;
        if let Some(ends) = &self.ends
            && !ends.add(self.answered(answers.next())?)?
        {
            let mut all = Pipeline::with_capacity(1);
            all.add_command(entries_from(&self.keys.ends(), 0));
            let all = self.connection.run_together(&shard, &all).await;
            let mut all = all.map_err(|error| self.failed(&error))?;
            ends.begin_again(self.answered(all.pop())?)?;
        }
        let found = lookups.iter().map(|lookup| {
            let fields = answers.next().ok_or_else(unexpected)?;
            let indexed = match lookup.asks_index {
                true => Some(answers.next().ok_or_else(unexpected)?),
                false => None,
            };
            Ok(Read { now, fields, indexed, ends: self.ends.clone() })
        });
        found.collect()
    }

    fn answered(&self, answer: Option<Value>) -> Result<Value, StoreError> {
        refused(answer.ok_or_else(unexpected)?).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &RedisError) -> StoreError {
        store_error(&self.server, error)
    }

    fn time(&self, time: Value) -> Result<Timestamp, StoreError> {
        Reply::new(time)?.time()
    }
}

impl Batch for Lookups {
    const VERB: &'static str = "load";

    type Item = Lookup;

    type Answer = Read;

    type Kept = ();

    fn size(waiting: usize) -> usize {
        waiting.min(LARGEST)
    }

    async fn run_alone(&self, lookup: Lookup) -> Result<Read, StoreError> {
        self.look_up(&[lookup]).await?.pop().ok_or_else(unexpected)
    }

    async fn run(&self, lookups: Vec<Lookup>, (): &mut ()) -> Vec<Outcome<Lookup, Read>> {
        match self.look_up(&lookups).await {
            Ok(found) => found.into_iter().map(|found| Outcome::Answered(Ok(found))).collect(),
            Err(error) => lookups.iter().map(|_| Outcome::Answered(Err(error.clone()))).collect(),
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
            for asks_index in [false, true] {
                let found = lookups.get(Lookup { id, asks_index }).await?;
                let (now, row) = self.read_row(found)?;
                let Some(load) = row.read(id, now) else { continue };
                if !asks_index {
                    return Ok(load);
                }
                let (spared, home) = (row.spared(), self.home_elsewhere(id, row));
                let load = self.unless_strayed(home, load).await?;
                if let (Load::Live(_), Some((ends, number))) = (&load, spared) {
                    ends.remember(id, number, now);
                }
                return Ok(load);
            }
        }
        let (now, row) = self.row(id).await?;
        let load = row.read(id, now).unwrap_or(Load::Ended);
        self.unless_strayed(self.home_elsewhere(id, row), load).await
    }

    /// Returns what asks the shard of a session's subject whether it knows that it has sessions in
    /// the shard of this one, to which an update has given it.
    fn home_elsewhere(&self, id: SessionId, row: Row) -> Option<Cmd> {
        let own = row.fields.own().ok()?;
        let (subject, shard) = (own.subject()?, id.placement());
        let home = home_of(subject);
        (home != shard).then(|| {
            let mut known = redis::cmd("ZSCORE");
            known.arg(self.keys.away(home, subject)).arg(shard_name(shard));
            known
        })
    }

    /// Returns what a session is. If its subject's shard does not know of it, the end of all
    /// sessions of the subject does not find it, so it has ended.
    async fn unless_strayed<T>(
        &self,
        home: Option<Cmd>,
        load: Load<T>,
    ) -> Result<Load<T>, StoreError> {
        match (home, &load) {
            (Some(known), Load::Live(_)) => {
                let known: Option<f64> = self.read(&known).await?;
                Ok(known.map_or(Load::Ended, |_| load))
            }
            _ => Ok(load),
        }
    }

    /// Returns a session, as a script finds it, and the server's time.
    pub(super) async fn row(&self, id: SessionId) -> Result<(Timestamp, Row), StoreError> {
        let arguments = Arguments::of(id).texts(&self.names);
        let mut reply = self.call(&script::LOAD, id.placement(), arguments).await?;
        let now = reply.list()?.time()?;
        let (fields, indexed) = (reply.next()?, reply.next()?);
        self.read_row(Read { now, fields, indexed: Some(indexed), ends: None })
    }

    fn read_row(&self, read: Read) -> Result<(Timestamp, Row), StoreError> {
        let Read { now, fields: found, indexed, ends } = read;
        let failed = |error: RedisError| store_error(&self.server, &error);
        let fields = fields(refused(found).map_err(failed)?, &self.names)?;
        let indexed = match indexed {
            Some(indexed) => Indexed::Under(number(refused(indexed).map_err(failed)?)?),
            None => Indexed::Unknown,
        };
        Ok((now, Row { fields, indexed, ends }))
    }
}

/// A session as the server has it.
pub(super) struct Row {
    fields: Fields,
    indexed: Indexed,
    ends: Option<Arc<EndLog>>,
}

/// What the index has said.
enum Indexed {
    /// It has the session under this number, or does not have it.
    Under(Option<u64>),
    /// Nobody asked.
    Unknown,
}

/// What a session is.
enum Found<T> {
    Absent,
    Ended,
    /// The index does not have it under its subject, or has to be asked whether it does.
    NotIndexed,
    Live(Loaded<T>),
}

impl Row {
    /// Returns whether the index has the session under its subject, if it has one, or would have it
    /// if it was still needed.
    fn is_indexed(&self, own: &Own<'_>, id: SessionId) -> Result<bool, DecodeError> {
        let (subject, number) = (own.subject(), own.subject_number()?);
        let (Some(_), Some(number)) = (subject, number) else { return Ok(subject.is_none()) };
        Ok(match (&self.indexed, &self.ends) {
            (Indexed::Under(indexed), _) => *indexed == Some(number),
            (Indexed::Unknown, Some(ends)) => ends.has_spared(id, number, own.created_at()?),
            (Indexed::Unknown, None) => false,
        })
    }

    /// Returns where it is remembered that the index has the session, and its subject's number.
    fn spared(&self) -> Option<(Arc<EndLog>, u64)> {
        let number = self.fields.own().ok()?.subject_number().ok()??;
        self.ends.clone().map(|ends| (ends, number))
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
        if !self.is_indexed(&own, id)? {
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
