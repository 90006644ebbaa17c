//! Logins that insert a session and do nothing else: plain commands in a transaction of Redis that
//! concurrent logins share. A script would cost the server three times as much.
//!
//! A session's times are instants of the server's clock, so it is asked first, once for all of
//! them. The session is written under another name and then renamed, which fails if there is one
//! with its id already: then the script has to find out why.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Pipeline, RedisError, RedisResult, RedisWrite, Value};

use super::codec::subject_number;
use super::create::{Began, Login};
use super::database::{Database, LONGEST_SPAN};
use super::failure::store_error;
use super::keys::{ID, Keys, LoginKeys};
use super::own::{OWN, Times};
use super::reply::{Reply, refused, unexpected};
use super::transaction::{NUMBER, Transaction, command, done, millis_after};
use crate::error::StoreError;
use crate::store::gather::{Batch, Outcome};
use crate::timestamp::Timestamp;

/// How many sessions are inserted together.
const LARGEST: usize = 64;

/// The logins of one store on one server.
pub(super) struct Inserts {
    database: Database,
    indexes: Indexes,
}

impl Inserts {
    pub(super) fn new(database: &Database) -> Self {
        Self { database: database.clone(), indexes: Indexes::default() }
    }

    /// Inserts these sessions.
    async fn insert(&self, logins: &[Login]) -> Result<Vec<Inserted>, StoreError> {
        let Database { connection, server, keys, .. } = &self.database;
        let failed = |error: RedisError| store_error(server, &error);
        let Some(first) = logins.first() else { return Ok(Vec::new()) };
        let shard = keys.shard(first.id.placement());
        let mut clock = Pipeline::with_capacity(1);
        clock.cmd("TIME");
        let time = connection.run_together(&shard, &clock).await.map_err(failed)?.pop();
        let time = refused(time.ok_or_else(unexpected)?).map_err(failed)?;
        let now = Reply::new(time)?.time()?;
        let times: Vec<_> = logins.iter().map(|login| times(login, now)).collect();
        let mut transaction = Transaction::with_capacity(COMMANDS * logins.len());
        let mut insertions = Vec::with_capacity(logins.len());
        for (login, times) in logins.iter().zip(&times) {
            let index_until = self.indexes.to_keep(login, times);
            let commands =
                transaction.add(|commands| add(commands, keys, login, times, index_until));
            insertions.push((login, times, index_until, commands));
        }
        // Sent twice, because the connection was lost, a session is found by the script.
        let answers = connection.run_together(&shard, &transaction.end()).await.map_err(failed)?;
        let mut done = match done(answers) {
            Ok(done) => done?.into_iter(),
            // Whatever was refused, nothing of the transaction has happened.
            Err(_) if logins.len() > 1 => return Ok(logins.iter().map(|_| Ok(None)).collect()),
            Err(error) => return Err(failed(error)),
        };
        let inserted = insertions.into_iter().map(|(login, times, index_until, commands)| {
            let is_inserted = outcome(done.by_ref().take(commands)).map_err(failed)??;
            if let (true, Some(until)) = (is_inserted, index_until) {
                self.indexes.keep(login, times, until);
            }
            Ok(is_inserted.then(|| reply(times)))
        });
        Ok(inserted.collect())
    }
}

/// What an insertion has come to: the script's answer, or `None` if the script has to insert the
/// session, because there already is one with its id, or because Redis refuses some login of the
/// batch. Each has its own outcome.
type Inserted = Result<Option<Reply>, StoreError>;

/// Returns whether the commands of a login have inserted its session. It takes all of their
/// answers, whatever they are: those of the next login follow.
fn outcome(answers: impl Iterator<Item = Value>) -> RedisResult<Result<bool, StoreError>> {
    let (mut is_renamed, mut refusal) = (Err(unexpected()), None);
    for (place, answer) in answers.enumerate() {
        if place == RENAMED {
            // It is an error if the session has expired before it was there.
            is_renamed = Ok(matches!(answer, Value::Int(1)));
        } else if let Err(error) = refused(answer) {
            refusal = refusal.or(Some(error));
        }
    }
    refusal.map_or(Ok(is_renamed), Err)
}

/// Adds the commands of one login. The index of its shard has to last until this millisecond, if it
/// does not already.
fn add(
    commands: &mut Pipeline,
    keys: &Keys,
    login: &Login,
    times: &Times,
    index_until: Option<i64>,
) {
    let LoginKeys { new, session, index } = keys.of_login(login.id);
    // As the scripts do it in `save` and in `with_update`.
    let own = format!("{};{}", times.entries(), login.entries);
    let fields = &login.fields.set;
    let payload = fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    let length = new.len() + own.len() + payload + FIXED_FIELDS;
    let mut write = command("HSET", 5 + 2 * fields.len(), length);
    write.arg(&new).arg(OWN).arg(own).arg("@updates");
    write.write_arg_fmt(format_args!("{}=1", login.distinct));
    for (name, value) in fields {
        write.arg(name).arg(value.as_slice());
    }
    commands.add_command(write);
    let mut expire = command("PEXPIREAT", 2, new.len() + NUMBER);
    expire.arg(&new).arg(millis_after(times.expires_at));
    commands.add_command(expire);
    let mut rename = command("RENAMENX", 2, new.len() + session.len());
    rename.arg(&new).arg(&session);
    commands.add_command(rename);
    if let Some(subject) = &login.subject {
        // As the scripts do it in `enter`.
        let id = &session[session.len() - ID..];
        let mut enter = command("ZADD", 4, index.len() + NUMBER + ID + 2);
        enter.arg(&index).arg("NX").arg(subject_number(subject)).arg(id);
        commands.add_command(enter);
        let at_first = millis_after(times.created_at.saturating_add(AT_FIRST));
        let expiries = [(at_first.max(index_end(times)), "NX")];
        for (until, condition) in expiries.into_iter().chain(index_until.map(|it| (it, "GT"))) {
            let mut keep = command("PEXPIREAT", 3, index.len() + NUMBER + 2);
            keep.arg(&index).arg(until).arg(condition);
            commands.add_command(keep);
        }
    }
}

/// The length of the names of anchor's fields, and of `@updates` itself.
const FIXED_FIELDS: usize = "@session@updates0123456789abcdef=1".len();

/// The place of the `RENAMENX` among the commands of a login.
const RENAMED: usize = 2;

/// How many commands insert one session of a subject.
const COMMANDS: usize = 6;

/// Until which millisecond the indexes of shards last, as this node has arranged it lately, and
/// when.
///
/// One of a login's six commands does nothing else, and a shard's next login often comes soon. A
/// key that is removed meanwhile, as it is when it becomes empty, lasts for [`AT_FIRST`] when it
/// comes again.
#[derive(Default)]
struct Indexes(Mutex<HashMap<u16, (i64, Timestamp)>>);

/// How long an index is known to last.
const KNOWN: Duration = Duration::from_secs(10);

/// How much longer than its sessions an index lasts. More than `KNOWN`, so that a login just after
/// another one has nothing to do.
const LONGER: i64 = 60_000;

/// How long an index lasts from its first session on, at least; `enter` of the scripts.
const AT_FIRST: Duration = Duration::from_secs(32 * 86_400);

/// Returns until which millisecond the index of a session lasts at least.
fn index_end(times: &Times) -> i64 {
    millis_after(times.deadline) + LONGER
}

impl Indexes {
    /// Returns until when this login has to keep the index of its shard, if the index does not last
    /// long enough.
    fn to_keep(&self, login: &Login, times: &Times) -> Option<i64> {
        login.subject.as_ref()?;
        let known = self.locked().get(&login.id.placement().number()).copied();
        let lasts = known.is_some_and(|(until, at)| {
            let is_recent = (at..at.saturating_add(KNOWN)).contains(&times.created_at);
            is_recent && millis_after(times.deadline) <= until
        });
        let lasts_anew = times.deadline < times.created_at.saturating_add(AT_FIRST);
        (!(lasts && lasts_anew)).then(|| index_end(times))
    }

    fn keep(&self, login: &Login, times: &Times, until: i64) {
        let number = login.id.placement().number();
        self.locked().insert(number, (until, times.created_at));
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<u16, (i64, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the times of a session that a login begins now.
fn times(login: &Login, now: Timestamp) -> Times {
    let deadline = now.saturating_add(login.absolute.min(LONGEST_SPAN));
    Times {
        created_at: now,
        authenticated_at: match login.began {
            Began::Here(began) => now.saturating_sub(began.elapsed()),
            Began::Now | Began::At { .. } => now,
        },
        last_seen_at: now,
        expires_at: now.saturating_add(login.idle.min(LONGEST_SPAN)).min(deadline),
        deadline,
    }
}

/// Returns what the script would answer.
fn reply(times: &Times) -> Reply {
    let Times { created_at, authenticated_at, expires_at, deadline, .. } = times;
    let times = [created_at, authenticated_at, expires_at, deadline];
    let times = times.map(|instant| Value::Int(instant.as_micros()));
    Reply::of([Value::SimpleString("created".to_owned())].into_iter().chain(times))
}

impl Batch for Inserts {
    const VERB: &'static str = "create";

    type Item = Login;

    type Answer = Reply;

    type Kept = ();

    fn size(waiting: usize) -> usize {
        waiting.min(LARGEST)
    }

    async fn run_alone(&self, login: Login) -> Result<Reply, StoreError> {
        self.database.insert_by_script(&login, "unknown").await
    }

    async fn run(&self, logins: Vec<Login>, (): &mut ()) -> Vec<Outcome<Login, Reply>> {
        let inserted = match self.insert(&logins).await {
            Ok(inserted) => inserted,
            Err(error) => {
                return logins.iter().map(|_| Outcome::Answered(Err(error.clone()))).collect();
            }
        };
        let outcomes = logins.into_iter().zip(inserted).map(|(login, inserted)| match inserted {
            Ok(Some(reply)) => Outcome::Answered(Ok(reply)),
            Ok(None) => Outcome::RunAlone(login),
            Err(error) => Outcome::Answered(Err(error)),
        });
        outcomes.collect()
    }
}
