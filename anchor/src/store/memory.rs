//! [`MemoryStore`]: sessions in this process.
//!
//! One table of rows behind one lock, with two indexes derived from it: by subject, and by expiry. No user code runs while the lock is
//! held (a payload may have a `Drop`), so a panic elsewhere cannot leave the three in disagreement.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::{
    Change, EndReason, Load, Loaded, NewSession, Record, Rotated, Rotation, SessionStore,
    StoreFuture, Touched, Updated,
};
use crate::column::Column;
use crate::data::{EncodeError, SessionData};
use crate::error::{StoreError, StoreErrorKind};
use crate::id::SessionId;
use crate::timestamp::Timestamp;
use crate::token::SecretHash;
use crate::value::Value;

/// How many ended rows a `create` clears away: more than it adds, so that garbage shrinks, and few, so that no login waits.
const SWEPT_BY_CREATE: usize = 4;

/// Sessions in this process: for tests, tools, and applications of one node that may forget everyone when they restart.
///
/// Clones share their rows. Nothing survives the process, and two processes share nothing.
///
/// **Payloads are shared, never copied**: what `load` hands out is the `Arc` that `create` or `update` was given. A payload with interior
/// mutability (a `Mutex`, an atomic) would therefore change under everyone who holds it; do not put one into a session.
///
/// **It is no SQL table**: `unique`, `references` and `CHECK` are not enforced, a value that SQL cannot hold is
/// accepted, and a `#[session(skip)]` field keeps its value as long as the row lives.
///
/// **Its clock** is the wall clock at [`new`](Self::new) plus the time passed since by [`tokio::time::Instant`]. So it never goes
/// backwards, it does not jump when the machine's clock is set, and a test can make sessions expire without waiting:
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use anchor::{Load, MemoryStore, NewSession, SecretHash, SessionData, SessionId, SessionStore};
///
/// #[derive(Clone, SessionData)]
/// #[session(table = "sessions", idle = "2h", absolute = "14d")]
/// struct Visit {
///     page: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// tokio::time::pause();
/// let store = MemoryStore::new();
/// # let (id, secret) = (SessionId::from_uuid(uuid::Uuid::from_u128(1)), SecretHash::from_bytes([1; 32]));
/// let visit = Visit { page: "/".into() };
/// store.create(NewSession::new(id, secret, Arc::new(visit))).await.unwrap();
/// tokio::time::advance(Duration::from_secs(2 * 3600)).await;
/// assert!(matches!(store.load(id).await.unwrap(), Load::Ended));
/// # }
/// ```
///
/// **It sweeps itself**: every `create` removes up to four ended rows. Calling `sweep` is allowed and not needed.
///
/// # Cost
///
/// One short lock a verb; `load` allocates its future and nothing else. `list`, `revoke_subject` and `revoke_others` cost what the
/// subject's own sessions cost.
///
/// # Errors
///
/// [`StoreErrorKind::Constraint`] from `create` when the id is taken; [`StoreErrorKind::Encode`] when the subject has no form as
/// a column.
pub struct MemoryStore<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    started_at: Timestamp,
    started: Instant,
    rows: Mutex<Rows<T>>,
}

impl<T: SessionData> MemoryStore<T> {
    /// An empty store.
    pub fn new() -> Self {
        let rows =
            Rows { by_id: HashMap::new(), by_subject: HashMap::new(), by_expiry: BTreeSet::new() };
        Self {
            shared: Arc::new(Shared {
                started_at: Timestamp::now(),
                started: Instant::now(),
                rows: Mutex::new(rows),
            }),
        }
    }

    /// The rows, and the time: read under the lock, so that it never runs backwards from one verb to the next.
    ///
    /// Whatever a verb takes out of the rows, it keeps in a variable declared before this guard, and so drops after it.
    ///
    /// # Errors
    ///
    /// When a panic poisoned the lock. Only a defect of this file can; the rows may then be half-written, so nobody is let in on them.
    fn lock(&self) -> Result<(MutexGuard<'_, Rows<T>>, Timestamp), StoreError> {
        let rows = self
            .shared
            .rows
            .lock()
            .map_err(|_| StoreError::unavailable("an earlier operation panicked half way"))?;
        let now = self.shared.started_at.saturating_add(self.shared.started.elapsed());
        Ok((rows, now))
    }
}

impl<T: SessionData> Default for MemoryStore<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for MemoryStore<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for MemoryStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl<T: SessionData> SessionStore<T> for MemoryStore<T> {
    fn create(&self, new: NewSession<T>) -> StoreFuture<'_, Record<T>> {
        Box::pin(async move {
            let subject = new.data.subject().map(subject_value::<T>).transpose()?.flatten();
            let (_swept, _replaced);
            let (mut rows, now) = self.lock()?;
            if rows.by_id.contains_key(&new.id) {
                return Err(StoreError::new(
                    StoreErrorKind::Constraint,
                    format!("a session {} exists already", new.id),
                ));
            }
            _swept = rows.sweep(now, SWEPT_BY_CREATE);
            _replaced = new.replaces.and_then(|id| rows.remove(id));
            let deadline = now.saturating_add(new.absolute);
            let record = Record {
                id: new.id,
                created_at: now,
                authenticated_at: now,
                last_seen_at: now,
                expires_at: now.saturating_add(new.idle).min(deadline),
                deadline,
                version: 1,
                data: Arc::clone(&new.data),
            };
            rows.insert(Row {
                record: Arc::new(record.clone()),
                secret: new.secret,
                previous: None,
                subject,
            });
            Ok(record)
        })
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>> {
        Box::pin(async move {
            let (rows, now) = self.lock()?;
            Ok(match rows.by_id.get(&id) {
                Some(row) if row.is_live(now) => Load::Live(Loaded {
                    record: Arc::clone(&row.record),
                    secret: row.secret,
                    previous: row.previous,
                    now,
                }),
                Some(_) => Load::Ended,
                None => Load::Absent,
            })
        })
    }

    fn update(&self, change: Change<T>) -> StoreFuture<'_, Updated> {
        Box::pin(async move {
            let subject = change.to.subject().map(subject_value::<T>).transpose()?.flatten();
            let _before;
            let (mut rows, now) = self.lock()?;
            let Some(row) = rows.live(change.id, now) else { return Ok(Updated::Gone) };
            if row.record.version != change.version {
                return Ok(Updated::Conflict);
            }
            let record = Arc::make_mut(&mut row.record);
            record.version += 1;
            let version = record.version;
            _before = std::mem::replace(&mut record.data, Arc::clone(&change.to));
            rows.assign(change.id, subject);
            Ok(Updated::Written { version })
        })
    }

    fn touch(&self, id: SessionId, idle: Duration) -> StoreFuture<'_, Touched> {
        Box::pin(async move {
            let (mut rows, now) = self.lock()?;
            let Some(row) = rows.live(id, now) else { return Ok(Touched::Gone) };
            let record = Arc::make_mut(&mut row.record);
            let expires_at = now.saturating_add(idle).min(record.deadline);
            let before = std::mem::replace(&mut record.expires_at, expires_at);
            record.last_seen_at = now;
            rows.by_expiry.remove(&(before, id));
            rows.by_expiry.insert((expires_at, id));
            Ok(Touched::Written { expires_at })
        })
    }

    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated> {
        Box::pin(async move {
            let (mut rows, now) = self.lock()?;
            let Some(row) = rows.live(rotation.id, now) else { return Ok(Rotated::Gone) };
            if row.secret != rotation.from {
                return Ok(Rotated::Conflict);
            }
            row.secret = rotation.to;
            row.previous = Some((rotation.from, now.saturating_add(rotation.grace)));
            Ok(Rotated::Written)
        })
    }

    fn revoke(
        &self,
        id: SessionId,
        proof: Option<SecretHash>,
        _reason: EndReason,
    ) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let removed;
            let (mut rows, now) = self.lock()?;
            let proven = rows.live(id, now).is_some_and(|row| match proof {
                Some(proof) => row.has_secret(proof),
                None => true,
            });
            removed = if proven { rows.remove(id) } else { None };
            Ok(u64::from(removed.is_some()))
        })
    }

    fn revoke_subject<'a>(
        &'a self,
        subject: &'a T::Subject,
        _reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let Some(subject) = subject_value::<T>(subject)? else { return Ok(0) };
            let removed;
            let (mut rows, now) = self.lock()?;
            removed = rows.remove_subject(&subject, now, None);
            Ok(removed.len() as u64)
        })
    }

    fn revoke_others<'a>(
        &'a self,
        subject: &'a T::Subject,
        keep: SessionId,
        _reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let Some(subject) = subject_value::<T>(subject)? else { return Ok(0) };
            let removed;
            let (mut rows, now) = self.lock()?;
            removed = rows.remove_subject(&subject, now, Some(keep));
            Ok(removed.len() as u64)
        })
    }

    fn list<'a>(&'a self, subject: &'a T::Subject) -> StoreFuture<'a, Vec<Record<T>>> {
        Box::pin(async move {
            let Some(subject) = subject_value::<T>(subject)? else { return Ok(Vec::new()) };
            let mut records: Vec<Record<T>> = {
                let (rows, now) = self.lock()?;
                rows.live_of(&subject, now).map(|row| Record::clone(&row.record)).collect()
            };
            records.sort_unstable_by_key(|record| (record.created_at, record.id));
            records.reverse();
            Ok(records)
        })
    }

    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let removed;
            let (mut rows, now) = self.lock()?;
            removed = rows.sweep(now, usize::try_from(batch).unwrap_or(usize::MAX));
            Ok(removed.len() as u64)
        })
    }
}

/// A subject as the index's key. `NULL` is nobody's, as in SQL.
///
/// It runs the subject's own `Column` code, so it is called before the lock is taken.
fn subject_value<T: SessionData>(subject: &T::Subject) -> Result<Option<Value>, StoreError> {
    match subject.to_value() {
        Ok(Value::Null) => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(reason) => {
            let column = T::schema().subject().map_or("subject", |(_, column)| column.name);
            Err(EncodeError::new(column, reason).into())
        }
    }
}

struct Row<T> {
    record: Arc<Record<T>>,
    secret: SecretHash,
    previous: Option<(SecretHash, Timestamp)>,
    subject: Option<Value>,
}

impl<T> Row<T> {
    /// The idle expiry is never after the deadline, so it alone decides.
    fn is_live(&self, now: Timestamp) -> bool {
        now < self.record.expires_at
    }

    fn has_secret(&self, proof: SecretHash) -> bool {
        proof == self.secret || self.previous.is_some_and(|(previous, _)| proof == previous)
    }
}

/// The rows, and the two indexes that every change here keeps in step with them.
struct Rows<T> {
    by_id: HashMap<SessionId, Row<T>>,
    by_subject: HashMap<Value, HashSet<SessionId>>,
    by_expiry: BTreeSet<(Timestamp, SessionId)>,
}

impl<T> Rows<T> {
    fn live(&mut self, id: SessionId, now: Timestamp) -> Option<&mut Row<T>> {
        self.by_id.get_mut(&id).filter(|row| row.is_live(now))
    }

    fn live_of(&self, subject: &Value, now: Timestamp) -> impl Iterator<Item = &Row<T>> {
        let ids = self.by_subject.get(subject).into_iter().flatten();
        ids.filter_map(|id| self.by_id.get(id)).filter(move |row| row.is_live(now))
    }

    fn insert(&mut self, row: Row<T>) {
        let id = row.record.id;
        if let Some(subject) = row.subject.clone() {
            self.by_subject.entry(subject).or_default().insert(id);
        }
        self.by_expiry.insert((row.record.expires_at, id));
        self.by_id.insert(id, row);
    }

    fn remove(&mut self, id: SessionId) -> Option<Row<T>> {
        self.assign(id, None);
        let row = self.by_id.remove(&id)?;
        self.by_expiry.remove(&(row.record.expires_at, id));
        Some(row)
    }

    /// Makes a row this subject's.
    fn assign(&mut self, id: SessionId, subject: Option<Value>) {
        let Some(row) = self.by_id.get_mut(&id).filter(|row| row.subject != subject) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut row.subject, subject.clone())
            && let Some(ids) = self.by_subject.get_mut(&before)
        {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_subject.remove(&before);
            }
        }
        if let Some(subject) = subject {
            self.by_subject.entry(subject).or_default().insert(id);
        }
    }

    fn remove_subject(
        &mut self,
        subject: &Value,
        now: Timestamp,
        keep: Option<SessionId>,
    ) -> Vec<Row<T>> {
        let ids: Vec<SessionId> = self
            .live_of(subject, now)
            .map(|row| row.record.id)
            .filter(|id| Some(*id) != keep)
            .collect();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    fn sweep(&mut self, now: Timestamp, batch: usize) -> Vec<Row<T>> {
        let ended: Vec<SessionId> = self
            .by_expiry
            .iter()
            .take_while(|(expires_at, _)| *expires_at <= now)
            .take(batch)
            .map(|(_, id)| *id)
            .collect();
        ended.into_iter().filter_map(|id| self.remove(id)).collect()
    }
}
