//! [`Durability`]: what has to confirm the end of a session before it is answered.

use std::sync::Arc;
use std::time::Duration;

use redis::{Pipeline, Script, Value};

use super::confirmed::{End, Ends};
use super::connection::ANSWER;
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
///
/// If too few confirm in time, the end is an error, and a logout is answered with 503. The session
/// has usually ended on the server then, but a failover or a restart might bring it back. The
/// logout can be repeated, which asks again. A login that ends another session, and is not
/// confirmed, has failed: it has usually ended both sessions.
///
/// The store waits on connections of its own. Ends that come while others wait are sent together,
/// and one confirmation is for all of them: many ends at the same time take hardly longer than one.
/// An end that comes while others wait may wait for their confirmation first, and an end whose turn
/// does not come in time is a 503, too, and may be carried out later or not at all.
///
/// ```no_run
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use anchor::RedisStore;
/// use anchor::store::Durability;
/// use std::time::Duration;
///
/// let store = RedisStore::<UserSession>::connect("redis://127.0.0.1:6379").await?;
/// let confirmed = Durability::Replicas { replicas: 1, within: Duration::from_secs(1) };
/// let store = store.durability(confirmed).await?;
/// # Ok(())
/// # }
/// ```
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
    /// With `appendfsync everysec`, a confirmation takes up to a second, and `within` has to be
    /// longer: `appendfsync always` suits it better.
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

/// What waits for the confirmation of ends.
#[derive(Clone)]
pub(super) struct Confirmation {
    ends: Arc<Ends>,
    pub(super) asked: Asked,
}

/// What has to confirm an end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) replicas: u32,
    pub(super) within: Duration,
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
        let asked = Asked { replicas, within, is_on_disks };
        let ends = Ends::new(database, asked).await;
        let ends = ends.map_err(|error| store_error(&database.server, &error))?;
        let ends = ends.ok_or_else(|| {
            StoreError::unavailable(
                "waiting for a confirmation needs more connections: let the store connect, with \
                 `RedisStore::connect` or `RedisStore::connect_cluster`",
            )
        })?;
        Ok(Some(Self { ends: Arc::new(ends), asked }))
    }
}

impl Database {
    /// Returns what has to confirm each end.
    pub(super) fn asks_for(&self) -> Option<Asked> {
        self.confirmation.as_ref().map(|confirmation| confirmation.asked)
    }

    /// Calls a script that ends sessions, and waits for what has to confirm it.
    pub(super) async fn call_end(
        &self,
        script: &'static Script,
        shard: Placement,
        arguments: Arguments,
    ) -> Result<Reply, StoreError> {
        let Some(confirmation) = &self.confirmation else {
            return self.call(script, shard, arguments).await;
        };
        let start = self.keys.shard(shard);
        let arguments = self.all_arguments(&start, arguments).collect();
        confirmation.ends.confirmed(End { script, start, arguments }).await
    }
}

impl Asked {
    /// Adds the command that waits.
    pub(super) fn wait(self, together: &mut Pipeline) {
        // At least one millisecond: 0 waits forever.
        let millis = self.within.as_millis().max(1) as u64;
        match self.is_on_disks {
            true => together.cmd("WAITAOF").arg(1).arg(self.replicas).arg(millis),
            false => together.cmd("WAIT").arg(self.replicas).arg(millis),
        };
    }

    /// Returns what is missing in the answer of that command.
    pub(super) fn lacks(self, confirmed: &Value) -> Result<Option<String>, StoreError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_lacks_what_has_not_confirmed() {
        let asked = |replicas, is_on_disks| Asked {
            replicas,
            within: Duration::from_millis(100),
            is_on_disks,
        };
        let both = |here, there| Value::Array(vec![Value::Int(here), Value::Int(there)]);
        for (asked, answer, lacks) in [
            (asked(0, true), both(1, 0), None),
            (asked(0, true), both(0, 0), Some("its own disk")),
            (asked(2, true), both(0, 2), Some("its own disk")),
            (asked(2, true), both(1, 1), Some("only 1 of 2 replicas")),
            (asked(2, true), both(1, 2), None),
            (asked(2, false), Value::Int(1), Some("only 1 of 2 replicas")),
            (asked(2, false), Value::Int(2), None),
            (asked(1, false), Value::Int(2), None),
        ] {
            let said = asked.lacks(&answer).unwrap();
            assert_eq!(said.is_some(), lacks.is_some(), "{asked:?} {answer:?} {said:?}");
            assert!(said.unwrap_or_default().contains(lacks.unwrap_or_default()), "{asked:?}");
        }
        for other in [Value::Nil, Value::Array(vec![Value::Int(1)]), Value::Okay] {
            assert!(asked(1, true).lacks(&other).is_err(), "{other:?}");
        }
    }
}
