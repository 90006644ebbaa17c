//! Logouts: plain commands, which concurrent callers send together. A script would cost the server
//! twice as much, and the callers could not share it.
//!
//! First the sessions are read, for their proofs. Then a transaction ends those that are proven.
//! What may change in between is no matter: a session's proof stays the same, and of several
//! callers that end the same session, the one that removes its field `@session` has ended it.

use std::time::Duration;

use redis::{Pipeline, RedisError, RedisResult, Value};

use super::database::Database;
use super::failure::store_error;
use super::keys::{ID, LoginKeys};
use super::own::{OWN, Own};
use super::reply::{Reply, refused, unexpected};
use super::transaction::{NUMBER, Transaction, command, done, millis_after};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::store::gather::{Batch, Outcome};
use crate::store::{EndReason, Ending};
use crate::timestamp::Timestamp;
use crate::token::LastingHash;

/// How many sessions are ended together.
const LARGEST: usize = 64;

/// The logouts of one store on one server.
pub(super) struct Logouts(Database);

/// A session that a caller ends.
#[derive(Clone, Copy)]
pub(super) struct Logout {
    pub(super) id: SessionId,
    pub(super) proof: LastingHash,
    pub(super) reason: EndReason,
}

/// What a logout has come to; `None` if the script has to end the session.
type Done = Result<Option<Ending>, StoreError>;

/// What a session is before it is ended.
enum Found {
    Absent,
    Unproven,
    /// It is there, and the caller may end it.
    Proven {
        is_live: bool,
        has_subject: bool,
        /// Until when a mark takes its place.
        late_until: Option<Timestamp>,
    },
    /// The script has to look at it.
    Other,
}

impl Logouts {
    pub(super) fn new(database: &Database) -> Self {
        Self(database.clone())
    }

    /// Ends these sessions.
    async fn end(&self, logouts: &[Logout]) -> Result<Vec<Done>, StoreError> {
        let (now, found) = self.find(logouts).await?;
        let Database { connection, server, keys, .. } = &self.0;
        let failed = |error: RedisError| store_error(server, &error);
        let mut transaction = Transaction::with_capacity(COMMANDS * logouts.len());
        let mut commands = Vec::with_capacity(logouts.len());
        for (logout, found) in logouts.iter().zip(&found) {
            commands.push(transaction.add(|commands| {
                if let Found::Proven { has_subject, late_until, .. } = found {
                    let keys = keys.of_login(logout.id);
                    remove(commands, &keys, *has_subject, late_until.map(|until| (now, until)));
                }
            }));
        }
        let mut done = Vec::new().into_iter();
        if let Some(first) = logouts.first()
            && commands.iter().any(|count| *count > 0)
        {
            let shard = keys.shard(first.id.placement());
            let answers = connection.run_together(&shard, &transaction.end()).await;
            match self::done(answers.map_err(failed)?) {
                Ok(answers) => done = answers?.into_iter(),
                // Nothing of it has happened. A server without memory accepts the script.
                Err(_) => return Ok(logouts.iter().map(|_| Ok(None)).collect()),
            }
        }
        let endings = found.iter().zip(commands).map(|(found, commands)| {
            let has_removed = has_removed(done.by_ref().take(commands)).map_err(failed)?;
            Ok(match found {
                Found::Absent => Some(Ending::NotLive),
                Found::Unproven => Some(Ending::Unproven),
                Found::Proven { is_live: true, .. } if has_removed => Some(Ending::Ended),
                Found::Proven { .. } => Some(Ending::NotLive),
                Found::Other => None,
            })
        });
        Ok(endings.collect())
    }

    /// Reads these sessions, and the server's time.
    async fn find(&self, logouts: &[Logout]) -> Result<(Timestamp, Vec<Found>), StoreError> {
        let Database { connection, server, keys, .. } = &self.0;
        let failed = |error: RedisError| store_error(server, &error);
        let first = logouts.first().ok_or_else(unexpected)?;
        let mut commands = Pipeline::with_capacity(1 + logouts.len());
        commands.cmd("TIME");
        for logout in logouts {
            let key = keys.session(logout.id);
            let mut read = command("HGET", 2, key.len() + OWN.len());
            read.arg(key).arg(OWN);
            commands.add_command(read);
        }
        let shard = keys.shard(first.id.placement());
        let answers = connection.run_together(&shard, &commands).await.map_err(failed)?;
        let mut answers = answers.into_iter();
        let time = refused(answers.next().ok_or_else(unexpected)?).map_err(failed)?;
        let now = Reply::new(time)?.time()?;
        let found = logouts.iter().zip(answers).map(|(logout, answer)| match answer {
            Value::Nil => Found::Absent,
            Value::BulkString(own) => found(&own, logout, now).unwrap_or(Found::Other),
            _ => Found::Other,
        });
        Ok((now, found.collect()))
    }
}

/// Returns whether the commands that remove a session have found it. It takes all of their answers,
/// whatever they are: those of the next one follow.
fn has_removed(answers: impl Iterator<Item = Value>) -> RedisResult<bool> {
    let answers: Vec<_> = answers.map(refused).collect();
    let answers = answers.into_iter().collect::<RedisResult<Vec<_>>>()?;
    Ok(matches!(answers.first(), Some(Value::Int(1))))
}

/// Returns what a session is; `None` if the script has to look at it.
fn found(own: &[u8], logout: &Logout, now: Timestamp) -> Option<Found> {
    let own = Own::of(own).ok()?;
    if own.lasting().ok()? != logout.proof {
        return Some(Found::Unproven);
    }
    let late_until = own.created_at().ok()?.saturating_add(LATE_AT_MOST);
    own.deadline().ok()?;
    Some(Found::Proven {
        is_live: !own.has_ended(now).ok()?,
        has_subject: own.subject().is_some(),
        late_until: (now < late_until).then_some(late_until),
    })
}

/// Adds the commands that remove a session, of which the first says whether it was there. As the
/// scripts do it in `remove`.
fn remove(
    commands: &mut Pipeline,
    keys: &LoginKeys,
    has_subject: bool,
    mark: Option<(Timestamp, Timestamp)>,
) {
    let LoginKeys { session, index, .. } = keys;
    let mut claim = command("HDEL", 2, session.len() + OWN.len());
    claim.arg(session).arg(OWN);
    commands.add_command(claim);
    let mut delete = command("DEL", 1, session.len());
    delete.arg(session);
    commands.add_command(delete);
    if has_subject {
        let mut leave = command("ZREM", 2, index.len() + ID);
        leave.arg(index).arg(&session[session.len() - ID..]);
        commands.add_command(leave);
    }
    if let Some((now, until)) = mark {
        let mut mark = command("HSET", 3, session.len() + GONE.len() + NUMBER);
        mark.arg(session).arg(GONE).arg(now.as_micros());
        commands.add_command(mark);
        let mut expire = command("PEXPIREAT", 2, session.len() + NUMBER);
        expire.arg(session).arg(millis_after(until));
        commands.add_command(expire);
    }
}

/// The field of a mark, which an ended session leaves against a login that comes late.
const GONE: &str = "@gone";

/// How late such a login may come; `late_at_most` of the scripts.
const LATE_AT_MOST: Duration = Duration::from_secs(900);

/// How many commands end one session.
const COMMANDS: usize = 5;

impl Batch for Logouts {
    const VERB: &'static str = "revoke";

    type Item = Logout;

    type Answer = Ending;

    type Kept = ();

    fn size(waiting: usize) -> usize {
        waiting.min(LARGEST)
    }

    async fn run_alone(&self, Logout { id, proof, reason }: Logout) -> Result<Ending, StoreError> {
        self.0.end(id, Some(proof), None, reason).await
    }

    async fn run(&self, logouts: Vec<Logout>, (): &mut ()) -> Vec<Outcome<Logout, Ending>> {
        let endings = match self.end(&logouts).await {
            Ok(endings) => endings,
            Err(error) => {
                return logouts.iter().map(|_| Outcome::Answered(Err(error.clone()))).collect();
            }
        };
        let outcomes = logouts.into_iter().zip(endings).map(|(logout, ending)| match ending {
            Ok(Some(ending)) => Outcome::Answered(Ok(ending)),
            Ok(None) => Outcome::RunAlone(logout),
            Err(error) => Outcome::Answered(Err(error)),
        });
        outcomes.collect()
    }
}
