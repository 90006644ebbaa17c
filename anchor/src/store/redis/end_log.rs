//! [`EndLog`]: whether the sessions of a subject were ended since a session began.
//!
//! "End all sessions of this subject" finds them by an index. A session that the index has lost
//! must not outlive it. So before the index is read, the end is recorded in a log, one sorted set
//! per payload, with the server's time. Each batch of lookups first reads what has been added to
//! the log since the last one, mostly nothing, which is one command for all of them. A session that
//! began after the latest end of its subject needs no index to be live. For one that began before
//! it, the index is asked.
//!
//! The log has at most one entry for each of 65,536 places, of which a subject's number is one. So
//! after many ends, of other subjects, too, the index is asked for most sessions that are older.
//! Its answer is remembered, for so many sessions.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use redis::{Cmd, Value};

use super::reply::{Reply, number, unexpected};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::timestamp::Timestamp;

/// Returns the place in the log of a subject with this number.
pub(super) fn place(subject_number: u64) -> u16 {
    // The lowest 16 bits.
    subject_number as u16
}

/// The log of one payload, as far as this node has read it.
#[derive(Default)]
pub(super) struct EndLog(RwLock<Known>);

#[derive(Default)]
struct Known {
    /// The instant of the latest entry, in microseconds.
    until: u64,
    /// The latest end of each place.
    ends: HashMap<u16, u64>,
    /// Sessions that the index had after this end, which has therefore spared them. When there are
    /// too many, the earlier half is forgotten.
    spared: [HashMap<SessionId, u64>; 2],
}

/// How many sessions are remembered in each half.
const REMEMBERED: usize = 1 << 15;

/// How long after its entry in the log an end has long been carried out, or has failed.
const CARRIED_OUT: Duration = Duration::from_secs(60);

impl EndLog {
    /// Returns the command that reads the entries since the latest known one, and that one itself:
    /// if it is gone, the server has lost the log.
    pub(super) fn unread(&self, key: &str) -> Cmd {
        entries_from(key, self.known().until)
    }

    /// Remembers what the server has answered. Returns whether it was all that is needed.
    pub(super) fn add(&self, answer: Value) -> Result<bool, StoreError> {
        let entries = entries_of(answer)?;
        let until = self.known().until;
        let Some(latest) = entries.iter().map(|(_, at)| *at).max() else { return Ok(until == 0) };
        if latest > until {
            self.write(&entries, latest);
        }
        Ok(true)
    }

    /// Remembers the whole log of a server that has lost entries: after a restart, for example.
    pub(super) fn begin_again(&self, answer: Value) -> Result<(), StoreError> {
        let entries = entries_of(answer)?;
        self.write(&entries, entries.iter().map(|(_, at)| *at).max().unwrap_or_default());
        Ok(())
    }

    fn write(&self, entries: &[(u16, u64)], until: u64) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (place, at) in entries {
            let end = known.ends.entry(*place).or_default();
            *end = (*at).max(*end);
        }
        known.until = until;
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether a session of a subject with this number began after the latest end of all of
    /// the subject's sessions, or was spared by it.
    pub(super) fn has_spared(&self, id: SessionId, number: u64, began: Timestamp) -> bool {
        let known = self.known();
        known.ends.get(&place(number)).is_none_or(|end| {
            let began = u64::try_from(began.as_micros()).unwrap_or_default();
            began > *end || known.spared.iter().any(|some| some.get(&id) == Some(end))
        })
    }

    /// Remembers that the index has a session at this time.
    pub(super) fn remember(&self, id: SessionId, number: u64, now: Timestamp) {
        let Some(end) = self.known().ends.get(&place(number)).copied() else { return };
        let long_ago = now.saturating_sub(CARRIED_OUT).as_micros();
        // One that is still to be carried out removes the session.
        if u64::try_from(long_ago).is_ok_and(|long_ago| end < long_ago) {
            let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
            if known.spared[0].len() >= REMEMBERED {
                known.spared.swap(0, 1);
                known.spared[0].clear();
            }
            known.spared[0].insert(id, end);
        }
    }
}

/// Returns the command that reads the log from an instant on.
pub(super) fn entries_from(key: &str, instant: u64) -> Cmd {
    let mut entries = Cmd::with_capacity(5, key.len() + 50);
    entries.arg("ZRANGEBYSCORE").arg(key).arg(instant).arg("+inf").arg("WITHSCORES");
    entries
}

/// Reads places and their scores, in one list (RESP2) or in pairs (RESP3).
fn entries_of(answer: Value) -> Result<Vec<(u16, u64)>, StoreError> {
    let mut entries = Vec::new();
    let mut answer = Reply::new(answer)?;
    while !answer.is_empty() {
        let first = answer.next()?;
        let (place, score) = match first {
            Value::Array(_) => {
                let mut pair = Reply::new(first)?;
                (pair.next()?, pair.next()?)
            }
            place => (place, answer.next()?),
        };
        let place = number(place)?.and_then(|place| u16::try_from(place).ok());
        entries.push(place.zip(number(score)?).ok_or_else(unexpected)?);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: SessionId = SessionId::from_uuid(uuid::Uuid::nil());

    fn text(text: impl ToString) -> Value {
        Value::BulkString(text.to_string().into_bytes())
    }

    fn entries(entries: &[(u16, u64)]) -> Value {
        Value::Array(entries.iter().flat_map(|(place, at)| [text(place), text(at)]).collect())
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    #[test]
    fn only_what_is_new_is_read() {
        let log = EndLog::default();
        let from =
            |log: &EndLog| String::from_utf8(log.unread("ends").get_packed_command()).unwrap();
        assert!(from(&log).contains("\r\n0\r\n"), "all of it at first");
        assert!(log.add(entries(&[])).unwrap());
        assert!(log.add(entries(&[(7, 100), (8, 200)])).unwrap());
        assert!(from(&log).contains("\r\n200\r\n"));
        // An answer to an earlier question comes late.
        assert!(log.add(entries(&[(7, 100)])).unwrap());
        assert!(from(&log).contains("\r\n200\r\n"));
        assert!(!log.add(entries(&[])).unwrap(), "the latest entry is gone");
        log.begin_again(entries(&[(7, 50)])).unwrap();
        assert!(from(&log).contains("\r\n50\r\n"));
        // What this node has known is not forgotten.
        let spares = |number, began| log.has_spared(ID, number, at(began));
        assert!(!spares(7, 100) && spares(7, 101));
        assert!(!spares(8, 200) && spares(8, 201));
        assert!(spares(9, 1));
        log.begin_again(entries(&[])).unwrap();
        assert!(from(&log).contains("\r\n0\r\n"));
        assert!(!spares(8 + (5 << 16), 200), "it has the same place");
    }

    #[test]
    fn a_session_that_an_end_has_spared_is_remembered_until_the_next_one() {
        let (log, other) = (EndLog::default(), SessionId::from_uuid(uuid::Uuid::max()));
        log.add(entries(&[(7, 100)])).unwrap();
        let minute = 60_000_000;
        // The end may not have been carried out.
        log.remember(ID, 7, at(100 + minute));
        assert!(!log.has_spared(ID, 7, at(50)));
        log.remember(ID, 7, at(101 + minute));
        assert!(log.has_spared(ID, 7, at(50)) && !log.has_spared(other, 7, at(50)));
        log.add(entries(&[(7, 200)])).unwrap();
        assert!(!log.has_spared(ID, 7, at(50)));
        // Those that came later are remembered longer.
        let id = |number: usize| SessionId::from_uuid(uuid::Uuid::from_u128(number as u128));
        for number in 1..=2 * REMEMBERED + 1 {
            log.remember(id(number), 7, at(minute * 2));
        }
        let is_remembered = |number| log.has_spared(id(number), 7, at(50));
        assert!(!is_remembered(1) && is_remembered(REMEMBERED + 1));
        assert!(is_remembered(2 * REMEMBERED + 1));
        let count: usize = log.known().spared.iter().map(HashMap::len).sum();
        assert_eq!(count, REMEMBERED + 2);
    }

    #[test]
    fn both_protocols_are_read_and_nothing_else() {
        let pair = Value::Array(vec![text(7), Value::Double(1_763_000_000_000_001.0)]);
        let log = EndLog::default();
        assert!(log.add(Value::Array(vec![pair])).unwrap());
        assert!(!log.has_spared(ID, 7, at(1_763_000_000_000_001)));
        assert!(log.has_spared(ID, 7, at(1_763_000_000_000_002)));
        for odd in [text(7), Value::Array(vec![text(7)]), entries(&[]), Value::Nil] {
            let is_empty = odd == entries(&[]);
            assert_eq!(EndLog::default().add(odd).is_ok(), is_empty);
        }
        for place in ["65536", "-1", "hunter2"] {
            let refused = log.add(Value::Array(vec![text(place), text(1)])).unwrap_err();
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
        }
    }
}
