//! [`MemoryStore`]: sessions in this process.
//!
//! Rows are in shards by id. Each shard has one lock, which is held for a short time only, and a
//! guarded request takes no other lock. The subject of each row is recorded in other shards, by
//! subject. A verb that ends rows, or changes the subject of a row, holds the subject's lock from
//! beginning to end, so the logins, limits, cut-offs and revocations of one subject run one after
//! the other.
//!
//! No user code runs while a lock is held (a payload may have a `Drop`), so a panic elsewhere
//! cannot leave the tables inconsistent.

mod clock;
mod create;
mod ending;
mod row;
mod rows;
mod shards;
mod slab;
mod subjects;
mod sweep_queue;
#[cfg(feature = "testing")]
pub(crate) mod test_clock;
mod update;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use rows::{IdHasher, Rows};
use shards::Shards;
use slab::Slot;
use subjects::{SubjectKey, SubjectKeys, Subjects};
use sweep_queue::NextDue;
#[cfg(feature = "testing")]
use test_clock::TestClock;

use super::{
    Change, Consumed, Created, Cursor, EndReason, EndedRecord, Ending, Listed, Load, NewSession,
    Page, Reauthenticated, Record, Rotated, Rotation, SessionStore, StoreFuture, Touch, Touched,
    Updated,
};
use crate::column::{Column, Value};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::{CutOff, EncodeError, SessionData};
use crate::timestamp::Timestamp;
use crate::token::{LastingHash, SecretHash};

/// Stores sessions in this process: for tests, tools, and applications on one node that may lose
/// all sessions when they restart.
///
/// Clones share their rows. Nothing survives the process, and two processes share nothing.
///
/// **Payloads are shared, never copied**: `load` returns the `Arc` that `create` or `update` was
/// given. A payload with interior mutability (a `Mutex`, an atomic) would therefore change for
/// everyone who holds it. Do not put such a payload into a session.
///
/// **It is not a SQL table**: `unique`, `references` and `CHECK` are not enforced, a value that SQL
/// cannot store is accepted, and a `#[session(skip)]` field keeps its value as long as the row
/// lives.
///
/// **Its clock** is the wall clock at [`new`](Self::new) plus the time that has passed since then
/// according to [`tokio::time::Instant`]. So it never goes backwards, it does not jump when the
/// machine's clock is set, and a test can make sessions expire without waiting:
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use anchor::{MemoryStore, SessionData, SessionId};
/// use anchor::store::{Load, NewSession, SessionStore};
/// use anchor::token::{LastingHash, SecretHash};
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
/// # let id = SessionId::from_uuid(uuid::Uuid::from_u128(1));
/// # let (lasting, secret) = (LastingHash::from_bytes([0; 32]), SecretHash::from_bytes([1; 32]));
/// let visit = Visit { page: "/".into() };
/// store.create(NewSession::new(id, lasting, secret, Arc::new(visit))).await.unwrap();
/// tokio::time::advance(Duration::from_secs(2 * 3600)).await;
/// assert!(matches!(store.load(id).await.unwrap(), Load::Ended));
/// # }
/// ```
///
/// **It sweeps itself**: every `create` removes up to four ended rows. Calling `sweep` is allowed,
/// but not needed. The memory of removed rows is kept for new rows, so most of the memory stays at
/// its peak.
///
/// # Cost
///
/// A session takes at most 250 bytes in addition to its payload, and less if one subject has
/// several sessions. A session that was rotated, or that has a fingerprint, takes about 110 bytes
/// more. Sessions are spread over many locks, each of which is held for a short time, and the table
/// grows one part at a time, so no login waits until the whole table is moved.
///
/// `load`, `touch`, `rotate` and `reauthenticate` take one lock. `load` allocates its future and
/// nothing else. The cost of `list`, `revoke_subject` and `revoke_others` depends on the subject's
/// own sessions only. `benches/README.md` has figures.
///
/// # Errors
///
/// [`StoreErrorKind::Constraint`](crate::StoreErrorKind::Constraint) from `create` when the id is
/// taken; [`StoreErrorKind::Encode`](crate::StoreErrorKind::Encode) when the subject cannot be
/// represented as a column; [`StoreErrorKind::Unavailable`](crate::StoreErrorKind::Unavailable)
/// from `create` and `update` when there is no room for another session. There is room for about
/// four billion sessions, and for 33 million of one subject.
#[derive(Clone)]
pub struct MemoryStore<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    clock: Clock,
    ids: IdHasher,
    rows: Shards<Rows<T>>,
    next_due: NextDue,
    keys: SubjectKeys,
    subjects: Shards<Subjects>,
}

impl<T: SessionData> MemoryStore<T> {
    /// Creates an empty store.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// let store = MemoryStore::<UserSession>::new();
    /// // The clone has the same sessions.
    /// let same = store.clone();
    /// ```
    pub fn new() -> Self {
        Self::timed_by(Clock::new())
    }

    /// Creates an empty store whose time a test moves:
    /// [`Clock::advance`](crate::testing::Clock::advance).
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// use anchor::testing::Clock;
    ///
    /// let clock = Clock::new();
    /// let store = MemoryStore::<UserSession>::with_clock(&clock);
    /// ```
    #[cfg(feature = "testing")]
    pub fn with_clock(clock: &TestClock) -> Self {
        Self::timed_by(Clock::moved_by(clock.clone()))
    }

    fn timed_by(clock: Clock) -> Self {
        let (ids, next_due) = (IdHasher::default(), NextDue::new());
        let rows = |shard| Rows::new(shard, T::KEEP_ENDED, ids.clone(), next_due.clone());
        let rows = Shards::new(rows);
        let subjects = Shards::new(|_| Subjects::new());
        let keys = SubjectKeys::new();
        Self { shared: Arc::new(Shared { clock, ids, rows, next_due, keys, subjects }) }
    }
}

impl<T: SessionData> Shared<T> {
    /// Returns the key of a subject in the index; `None` for `NULL`, which is not a subject, as in
    /// SQL.
    ///
    /// It runs the subject's own `Column` code, so call it before a lock is taken.
    fn key(&self, subject: &T::Subject) -> Result<Option<SubjectKey>, StoreError> {
        match subject.to_value() {
            Ok(Value::Null) => Ok(None),
            Ok(value) => Ok(Some(self.keys.key(&value))),
            Err(reason) => {
                let column = T::schema().subject().map_or("subject", |(_, column)| column.name);
                Err(EncodeError::new(column, reason).into())
            }
        }
    }

    fn key_of(&self, payload: &T) -> Result<Option<SubjectKey>, StoreError> {
        Ok(payload.subject().map(|subject| self.key(subject)).transpose()?.flatten())
    }

    #[cfg(feature = "metrics")]
    fn live_count(&self) -> Result<u64, StoreError> {
        let mut count = 0;
        for shard in 0..shards::SHARDS {
            count += self.rows.lock(shard)?.live_count(self.clock.now());
        }
        Ok(count)
    }

    fn load(&self, id: SessionId) -> Result<Load<T>, StoreError> {
        let rows = self.rows.lock(self.ids.shard(id))?;
        let Some(slot) = rows.find(id) else { return Ok(Load::Absent) };
        let now = self.clock.now();
        Ok(match rows.is_live(slot, now) {
            true => Load::Live(rows.loaded(slot, now)),
            false => Load::Ended,
        })
    }
}

impl<T: SessionData> Default for MemoryStore<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for MemoryStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl<T: SessionData> SessionStore<T> for MemoryStore<T> {
    fn create(&self, new: NewSession<T>) -> StoreFuture<'_, Created<T>> {
        Box::pin(async move { self.shared.create(&new) })
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>> {
        Box::pin(async move { self.shared.load(id) })
    }

    fn try_load(&self, id: SessionId) -> Option<Result<Load<T>, StoreError>> {
        Some(self.shared.load(id))
    }

    #[cfg(feature = "metrics")]
    fn live_count(&self) -> Option<StoreFuture<'_, u64>> {
        Some(Box::pin(async move { self.shared.live_count() }))
    }

    fn update(&self, change: Change<T>) -> StoreFuture<'_, Updated> {
        Box::pin(async move { self.shared.update(&change) })
    }

    fn touch(&self, touch: Touch) -> StoreFuture<'_, Touched> {
        Box::pin(async move {
            let Touch { id, idle, client, presented } = touch;
            let client = client.filter(|_| T::schema().options.track);
            let Shared { clock, rows, ids, .. } = &*self.shared;
            let mut rows = rows.lock(ids.shard(id))?;
            let now = clock.now();
            let Some(slot) = rows.find_live(id, now) else { return Ok(Touched::Gone) };
            if presented == Some(rows.get(slot).current) {
                rows.settle_rotation(slot);
            }
            let expires_at = rows.change_record(slot, |record| {
                if client.is_some() {
                    record.client = client;
                }
                used(record, now, idle)
            });
            Ok(Touched::Written { expires_at })
        })
    }

    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated> {
        Box::pin(async move {
            Ok(match self.shared.rotate(&rotation, false)? {
                Reauthenticated::Written { .. } => Rotated::Written,
                Reauthenticated::Conflict => Rotated::Conflict,
                Reauthenticated::Gone => Rotated::Gone,
            })
        })
    }

    fn reauthenticate(&self, rotation: Rotation) -> StoreFuture<'_, Reauthenticated> {
        Box::pin(async move { self.shared.rotate(&rotation, true) })
    }

    fn consume(&self, id: SessionId, secret: SecretHash) -> StoreFuture<'_, Consumed<T>> {
        Box::pin(async move { self.shared.consume(id, secret) })
    }

    fn revoke(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, Ending> {
        Box::pin(async move { self.shared.end_one(id, proof, reason) })
    }

    fn revoke_of<'a>(
        &'a self,
        subject: &'a T::Subject,
        id: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, Ending> {
        Box::pin(async move { self.shared.end_one_of(subject, id, reason) })
    }

    fn revoke_subject<'a>(
        &'a self,
        subject: &'a T::Subject,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move { self.shared.end_all_of(subject, None, reason) })
    }

    fn revoke_others<'a>(
        &'a self,
        subject: &'a T::Subject,
        keep: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move { self.shared.end_all_of(subject, Some(keep), reason) })
    }

    fn revoke_everyone(&self, reason: EndReason) -> StoreFuture<'_, u64> {
        Box::pin(async move { self.shared.end_everyone(reason) })
    }

    fn cut_off<'a>(&'a self, subject: &'a T::Subject, reason: EndReason) -> StoreFuture<'a, u64>
    where
        T: CutOff,
    {
        Box::pin(async move { self.shared.cut_off(subject, reason) })
    }

    fn list<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<Record<T>>> {
        Box::pin(async move {
            let records = self.shared.of_subject(subject, |rows, slot, now| {
                rows.is_live(slot, now).then(|| Record::clone(&rows.get(slot).record))
            })?;
            Ok(listed(records, page, |record| Cursor { at: record.created_at, id: record.id }))
        })
    }

    fn history<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<EndedRecord<T>>> {
        Box::pin(async move {
            if T::KEEP_ENDED.is_none() {
                return Ok(Listed::default());
            }
            let ended = self.shared.of_subject(subject, |rows, slot, now| rows.ended(slot, now))?;
            Ok(listed(ended, page, |ended| Cursor { at: ended.ended_at, id: ended.record.id }))
        })
    }

    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64> {
        Box::pin(async move { self.shared.sweep(batch) })
    }
}

impl<T: SessionData> Shared<T> {
    /// Rotates, and also records a re-authentication if `reauthenticates`.
    fn rotate(
        &self,
        rotation: &Rotation,
        reauthenticates: bool,
    ) -> Result<Reauthenticated, StoreError> {
        let mut rows = self.rows.lock(self.ids.shard(rotation.id))?;
        let now = self.clock.now();
        let Some(slot) = rows.find_live(rotation.id, now) else { return Ok(Reauthenticated::Gone) };
        if !rows.rotate(slot, rotation, now, reauthenticates) {
            return Ok(Reauthenticated::Conflict);
        }
        rows.change_record(slot, |record| {
            if reauthenticates {
                record.authenticated_at = now;
            }
            used(record, now, rotation.idle)
        });
        Ok(Reauthenticated::Written { authenticated_at: now })
    }

    /// Returns what `found` returns for each row of a subject.
    fn of_subject<R>(
        &self,
        subject: &T::Subject,
        found: impl Fn(&Rows<T>, Slot, Timestamp) -> Option<R>,
    ) -> Result<Vec<R>, StoreError> {
        let Some(key) = self.key(subject)? else { return Ok(Vec::new()) };
        // Declared before the guards, so it is dropped after them.
        let mut all = Vec::new();
        let subjects = self.subjects.lock(key.shard())?;
        for (_, address) in subjects.rows_of(key) {
            let rows = self.rows.lock(address.shard())?;
            all.extend(found(&rows, address.slot(), self.clock.now()));
        }
        Ok(all)
    }
}

/// Marks a session as used now, and returns its new expiry.
fn used<T>(record: &mut Record<T>, now: Timestamp, idle: Duration) -> Timestamp {
    record.last_seen_at = now;
    record.expires_at = now.saturating_add(idle).min(record.deadline);
    record.expires_at
}

/// Returns a page of these entries, which may be in any order.
fn listed<R>(mut entries: Vec<R>, page: Page, place: impl Fn(&R) -> Cursor) -> Listed<R> {
    entries.retain(|entry| page.cursor().is_none_or(|cursor| place(entry) < cursor));
    entries.sort_unstable_by_key(|entry| std::cmp::Reverse(place(entry)));
    Listed::cut(entries, page, place)
}
