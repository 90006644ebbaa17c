//! [`MemoryStore`]: sessions in this process.
//!
//! One table of rows behind one lock, with two indexes derived from it: by subject, and by when the sweep is due. No user code runs while the lock is
//! held (a payload may have a `Drop`), so a panic elsewhere cannot leave the three in disagreement.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::{
    Change, Created, Cursor, EndReason, EndStatus, EndedRecord, Ending, Fingerprint, LONGEST_LOGIN,
    Listed, Load, Loaded, NewSession, Overflow, Page, Reauthenticated, Record, Rotated, Rotation,
    RotationState, Secrets, SessionStore, StoreFuture, Touch, Touched, Updated,
};
use crate::column::Column;
use crate::data::{CutOff, EncodeError, SessionData};
use crate::error::{StoreError, StoreErrorKind};
use crate::id::SessionId;
use crate::timestamp::Timestamp;
use crate::token::LastingHash;
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
/// use anchor::{
///     LastingHash, Load, MemoryStore, NewSession, SecretHash, SessionData, SessionId, SessionStore,
/// };
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
        let rows = Rows {
            keep: T::KEEP_ENDED,
            by_id: HashMap::new(),
            by_subject: HashMap::new(),
            by_due: BTreeSet::new(),
            cut_offs: HashMap::new(),
            cut_offs_in_order: VecDeque::new(),
        };
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
        let mut now = self.at(Instant::now());
        // What begins after a cut-off is answered is later than it, also where the clock shows the same microsecond.
        if let Some((latest, _)) = rows.cut_offs_in_order.back() {
            now = now.max(latest.saturating_add(Duration::from_micros(1)));
        }
        Ok((rows, now))
    }

    /// What the store's clock shows, or showed, at an instant.
    fn at(&self, instant: Instant) -> Timestamp {
        let Shared { started_at, started, .. } = &*self.shared;
        match instant.checked_duration_since(*started) {
            Some(since) => started_at.saturating_add(since),
            None => started_at.saturating_sub(started.duration_since(instant)),
        }
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
    fn create(&self, new: NewSession<T>) -> StoreFuture<'_, Created<T>> {
        Box::pin(async move {
            let subject = new.data.subject().map(subject_value::<T>).transpose()?.flatten();
            new.check()?;
            let mut dropped = Vec::new();
            let (mut rows, now) = self.lock()?;
            if rows.by_id.contains_key(&new.id) {
                return Err(StoreError::new(
                    StoreErrorKind::Constraint,
                    format!("a session {} exists already", new.id),
                ));
            }
            let replaced = new.replaces.filter(|replaced| {
                rows.by_id.get(&replaced.id).is_some_and(|row| row.is_proven_by(replaced.proof))
            });
            let mut overflowing = Vec::new();
            if let (Some(limit), Some(subject)) = (new.limit, &subject) {
                let mut live: Vec<(Timestamp, SessionId)> = rows
                    .live_of(subject, now)
                    .map(|row| (row.record.created_at, row.record.id))
                    .filter(|(_, id)| replaced.is_none_or(|replaced| replaced.id != *id))
                    .collect();
                let max = usize::try_from(limit.max.get()).unwrap_or(usize::MAX);
                if live.len() >= max {
                    if limit.overflow == Overflow::Refuse {
                        return Ok(Created::SubjectFull);
                    }
                    live.sort_unstable();
                    live.truncate(live.len() - (max - 1));
                    overflowing = live.into_iter().map(|(_, id)| id).collect();
                }
            }
            rows.sweep(now, SWEPT_BY_CREATE, &mut dropped);
            rows.forget_cut_offs(now, SWEPT_BY_CREATE, &mut dropped);
            if let Some(replaced) = replaced {
                rows.end_for_good(replaced.id, now, EndReason::Replaced, &mut dropped);
            }
            for id in &overflowing {
                rows.end_for_good(*id, now, EndReason::Overflow, &mut dropped);
            }
            let deadline = now.saturating_add(new.absolute);
            let authenticated_at = new.began.map_or(now, |began| self.at(began).min(now));
            let record = Record {
                id: new.id,
                created_at: now,
                authenticated_at,
                last_seen_at: now,
                expires_at: now.saturating_add(new.idle).min(deadline),
                deadline,
                version: 1,
                remembered: new.remembered,
                origin: new.origin.filter(|_| T::schema().extras.track),
                data: Arc::clone(&new.data),
            };
            rows.insert(Row {
                record: Arc::new(record.clone()),
                secrets: Secrets::new(new.lasting, new.secret),
                fingerprint: new.fingerprint.filter(|_| T::schema().extras.fingerprint),
                subject,
                ended: None,
            });
            Ok(Created::Session { record, ended: overflowing })
        })
    }

    fn load(&self, id: SessionId) -> StoreFuture<'_, Load<T>> {
        Box::pin(async move {
            let (rows, now) = self.lock()?;
            Ok(match rows.by_id.get(&id) {
                Some(row) if rows.is_live(row, now) => Load::Live(Loaded {
                    record: Arc::clone(&row.record),
                    secrets: row.secrets,
                    fingerprint: row.fingerprint,
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
            if row.record.version != change.version || !row.secrets.accepts(change.secret, now) {
                return Ok(Updated::Conflict);
            }
            let record = Arc::make_mut(&mut row.record);
            record.version += 1;
            let version = record.version;
            _before = std::mem::replace(&mut record.data, Arc::clone(&change.to));
            rows.assign(change.id, subject);
            rows.used(change.id, now, change.idle);
            Ok(Updated::Written { version })
        })
    }

    fn touch(&self, touch: Touch) -> StoreFuture<'_, Touched> {
        Box::pin(async move {
            let Touch { id, idle, origin, presented } = touch;
            let (mut rows, now) = self.lock()?;
            let Some(row) = rows.live(id, now) else { return Ok(Touched::Gone) };
            if presented == Some(row.secrets.current) {
                row.secrets.rotation = RotationState::Settled;
            }
            if T::schema().extras.track && origin.is_some() {
                Arc::make_mut(&mut row.record).origin = origin;
            }
            let used = rows.used(id, now, idle);
            Ok(used.map_or(Touched::Gone, |expires_at| Touched::Written { expires_at }))
        })
    }

    fn rotate(&self, rotation: Rotation) -> StoreFuture<'_, Rotated> {
        Box::pin(async move {
            let (mut rows, now) = self.lock()?;
            let Some(row) = rows.live(rotation.id, now) else { return Ok(Rotated::Gone) };
            if !row.rotate(&rotation, now, false) {
                return Ok(Rotated::Conflict);
            }
            rows.used(rotation.id, now, rotation.idle);
            Ok(Rotated::Written)
        })
    }

    fn reauthenticate(&self, rotation: Rotation) -> StoreFuture<'_, Reauthenticated> {
        Box::pin(async move {
            let (mut rows, now) = self.lock()?;
            let Some(row) = rows.live(rotation.id, now) else { return Ok(Reauthenticated::Gone) };
            if !row.rotate(&rotation, now, true) {
                return Ok(Reauthenticated::Conflict);
            }
            Arc::make_mut(&mut row.record).authenticated_at = now;
            rows.used(rotation.id, now, rotation.idle);
            Ok(Reauthenticated::Written { authenticated_at: now })
        })
    }

    fn revoke(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> StoreFuture<'_, Ending> {
        Box::pin(async move {
            let mut dropped = Vec::new();
            let (mut rows, now) = self.lock()?;
            let Some(row) = rows.by_id.get(&id) else { return Ok(Ending::NotLive) };
            if proof.is_some_and(|proof| !row.is_proven_by(proof)) {
                return Ok(Ending::Unproven);
            }
            Ok(match rows.end_for_good(id, now, reason, &mut dropped) {
                true => Ending::Ended,
                false => Ending::NotLive,
            })
        })
    }

    fn revoke_of<'a>(
        &'a self,
        subject: &'a T::Subject,
        id: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, Ending> {
        Box::pin(async move {
            let Some(subject) = subject_value::<T>(subject)? else { return Ok(Ending::NotLive) };
            let mut dropped = Vec::new();
            let (mut rows, now) = self.lock()?;
            let is_theirs =
                rows.by_id.get(&id).is_some_and(|row| row.subject.as_ref() == Some(&subject));
            Ok(match is_theirs && rows.end_for_good(id, now, reason, &mut dropped) {
                true => Ending::Ended,
                false => Ending::NotLive,
            })
        })
    }

    fn revoke_subject<'a>(
        &'a self,
        subject: &'a T::Subject,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let Some(subject) = subject_value::<T>(subject)? else { return Ok(0) };
            let mut dropped = Vec::new();
            let (mut rows, now) = self.lock()?;
            Ok(rows.end_subject(&subject, now, None, reason, &mut dropped))
        })
    }

    fn revoke_others<'a>(
        &'a self,
        subject: &'a T::Subject,
        keep: SessionId,
        reason: EndReason,
    ) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let Some(subject) = subject_value::<T>(subject)? else { return Ok(0) };
            let mut dropped = Vec::new();
            let (mut rows, now) = self.lock()?;
            Ok(rows.end_subject(&subject, now, Some(keep), reason, &mut dropped))
        })
    }

    fn revoke_everyone(&self, reason: EndReason) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let mut dropped = Vec::new();
            let (mut rows, now) = self.lock()?;
            let ids: Vec<SessionId> = rows.by_id.keys().copied().collect();
            let ended = ids
                .into_iter()
                .filter(|id| rows.end_for_good(*id, now, reason, &mut dropped))
                .count();
            Ok(ended as u64)
        })
    }

    fn cut_off<'a>(&'a self, subject: &'a T::Subject, reason: EndReason) -> StoreFuture<'a, u64>
    where
        T: CutOff,
    {
        Box::pin(async move {
            let Some(subject) = subject_value::<T>(subject)? else { return Ok(0) };
            let mut dropped = Vec::new();
            let (mut rows, now) = self.lock()?;
            let ended = rows.end_subject(&subject, now, None, reason, &mut dropped);
            rows.cut_offs.insert(subject.clone(), now);
            rows.cut_offs_in_order.push_back((now, subject));
            Ok(ended)
        })
    }

    fn list<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<Record<T>>> {
        Box::pin(async move {
            let Some(subject) = subject_value::<T>(subject)? else { return Ok(Listed::default()) };
            let records: Vec<Record<T>> = {
                let (rows, now) = self.lock()?;
                rows.live_of(&subject, now).map(|row| Record::clone(&row.record)).collect()
            };
            Ok(listed(records, page, |record| Cursor { at: record.created_at, id: record.id }))
        })
    }

    fn history<'a>(
        &'a self,
        subject: &'a T::Subject,
        page: Page,
    ) -> StoreFuture<'a, Listed<EndedRecord<T>>> {
        Box::pin(async move {
            let Some(subject) = subject_value::<T>(subject)? else { return Ok(Listed::default()) };
            let ended: Vec<EndedRecord<T>> = {
                let (rows, now) = self.lock()?;
                if rows.keep.is_none() {
                    return Ok(Listed::default());
                }
                rows.of(&subject).filter_map(|row| rows.ended(row, now)).collect()
            };
            Ok(listed(ended, page, |ended| Cursor { at: ended.ended_at, id: ended.record.id }))
        })
    }

    fn sweep(&self, batch: u32) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            let batch = usize::try_from(batch).unwrap_or(usize::MAX);
            let mut dropped = Vec::new();
            let (mut rows, now) = self.lock()?;
            let mut swept = rows.sweep(now, batch, &mut dropped);
            swept += rows.sweep_cut_off(now, batch - swept, &mut dropped);
            rows.forget_cut_offs(now, batch, &mut dropped);
            Ok(swept as u64)
        })
    }
}

/// The page of these entries, in whatever order they are.
fn listed<R>(mut entries: Vec<R>, page: Page, place: impl Fn(&R) -> Cursor) -> Listed<R> {
    entries.retain(|entry| page.cursor().is_none_or(|cursor| place(entry) < cursor));
    entries.sort_unstable_by_key(|entry| std::cmp::Reverse(place(entry)));
    Listed::cut(entries, page, place)
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
    secrets: Secrets,
    fingerprint: Option<Fingerprint>,
    subject: Option<Value>,
    /// Of a row that is kept although it ended.
    ended: Option<Ended>,
}

#[derive(Clone, Copy)]
struct Ended {
    status: EndStatus,
    at: Timestamp,
    reason: Option<EndReason>,
}

impl<T> Row<T> {
    fn is_proven_by(&self, proof: LastingHash) -> bool {
        proof == self.secrets.lasting
    }

    /// Replaces the secret, if the rotation may begin where it does.
    fn rotate(&mut self, rotation: &Rotation, now: Timestamp, reauthenticates: bool) -> bool {
        let may_rotate = self.secrets.may_rotate(rotation.from, now, reauthenticates);
        if may_rotate {
            self.secrets = Secrets {
                lasting: self.secrets.lasting,
                current: rotation.to,
                previous: rotation.old.remembered(rotation.from),
                previous_until: Some(now.saturating_add(rotation.grace)),
                rotation: rotation.old.state(),
            };
        }
        may_rotate
    }

    /// When the sweep has something to do with this row.
    fn due(&self, keep: Option<Duration>) -> Timestamp {
        match (self.ended, keep) {
            (Some(ended), Some(keep)) => ended.at.saturating_add(keep),
            _ => self.record.expires_at,
        }
    }
}

/// The rows, and the two indexes that every change here keeps in step with them.
///
/// Rows that leave the table go into the caller's `dropped`, to be dropped when the lock is free.
struct Rows<T> {
    /// How long ended rows are kept, if they are.
    keep: Option<Duration>,
    by_id: HashMap<SessionId, Row<T>>,
    by_subject: HashMap<Value, HashSet<SessionId>>,
    by_due: BTreeSet<(Timestamp, SessionId)>,
    /// A subject's latest cut-off.
    cut_offs: HashMap<Value, Timestamp>,
    /// Every cut-off that is remembered, the oldest first.
    cut_offs_in_order: VecDeque<(Timestamp, Value)>,
}

impl<T> Rows<T> {
    /// The idle expiry is never after the deadline, so it alone decides.
    fn is_live(&self, row: &Row<T>, now: Timestamp) -> bool {
        row.ended.is_none() && now < row.record.expires_at && self.cut_off(row).is_none()
    }

    /// The cut-off that came after the row's login began.
    fn cut_off(&self, row: &Row<T>) -> Option<Timestamp> {
        let at = *self.cut_offs.get(row.subject.as_ref()?)?;
        (row.record.authenticated_at <= at).then_some(at)
    }

    fn live(&mut self, id: SessionId, now: Timestamp) -> Option<&mut Row<T>> {
        let is_live = self.by_id.get(&id).is_some_and(|row| self.is_live(row, now));
        self.by_id.get_mut(&id).filter(|_| is_live)
    }

    fn of(&self, subject: &Value) -> impl Iterator<Item = &Row<T>> {
        let ids = self.by_subject.get(subject).into_iter().flatten();
        ids.filter_map(|id| self.by_id.get(id))
    }

    fn live_of(&self, subject: &Value, now: Timestamp) -> impl Iterator<Item = &Row<T>> {
        self.of(subject).filter(move |row| self.is_live(row, now))
    }

    /// How a row ended, if it has, whether the sweep has seen it or not.
    fn ended(&self, row: &Row<T>, now: Timestamp) -> Option<EndedRecord<T>> {
        let ended = match (row.ended, self.cut_off(row)) {
            (Some(ended), _) => ended,
            (None, Some(at)) => Ended {
                status: EndStatus::Revoked,
                at: at.max(row.record.created_at),
                reason: Some(EndReason::CutOff),
            },
            (None, None) if now >= row.record.expires_at => {
                Ended { status: EndStatus::Expired, at: row.record.expires_at, reason: None }
            }
            (None, None) => return None,
        };
        let Ended { status, at: ended_at, reason } = ended;
        Some(EndedRecord { record: Record::clone(&row.record), status, ended_at, reason })
    }

    fn insert(&mut self, row: Row<T>) {
        let id = row.record.id;
        if let Some(subject) = row.subject.clone() {
            self.by_subject.entry(subject).or_default().insert(id);
        }
        self.by_due.insert((row.due(self.keep), id));
        self.by_id.insert(id, row);
    }

    fn remove(&mut self, id: SessionId) -> Option<Row<T>> {
        self.assign(id, None);
        let row = self.by_id.remove(&id)?;
        self.by_due.remove(&(row.due(self.keep), id));
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

    /// Marks a row as used now, and says when it ends unless it is used again; `None` where there is
    /// no such row.
    fn used(&mut self, id: SessionId, now: Timestamp, idle: Duration) -> Option<Timestamp> {
        let row = self.by_id.get_mut(&id)?;
        let record = Arc::make_mut(&mut row.record);
        record.last_seen_at = now;
        let expires_at = now.saturating_add(idle).min(record.deadline);
        let before = std::mem::replace(&mut record.expires_at, expires_at);
        self.by_due.remove(&(before, id));
        self.by_due.insert((expires_at, id));
        Some(expires_at)
    }

    /// Ends a row before its time.
    fn end(&mut self, id: SessionId, now: Timestamp, reason: EndReason, dropped: &mut Vec<Row<T>>) {
        self.settle(
            id,
            Ended { status: EndStatus::Revoked, at: now, reason: Some(reason) },
            dropped,
        );
    }

    /// Removes a row that ends, or keeps it as an ended one.
    fn settle(&mut self, id: SessionId, ended: Ended, dropped: &mut Vec<Row<T>>) {
        let keep = self.keep;
        if keep.is_none() {
            dropped.extend(self.remove(id));
            return;
        }
        let Some(row) = self.by_id.get_mut(&id) else { return };
        self.by_due.remove(&(row.due(keep), id));
        let record = Arc::make_mut(&mut row.record);
        record.expires_at = record.expires_at.min(ended.at);
        row.ended = Some(ended);
        self.by_due.insert((row.due(keep), id));
    }

    /// Ends a row whether or not it is live, and says whether it was.
    fn end_for_good(
        &mut self,
        id: SessionId,
        now: Timestamp,
        reason: EndReason,
        dropped: &mut Vec<Row<T>>,
    ) -> bool {
        let is_live = self.live(id, now).is_some();
        if is_live {
            self.end(id, now, reason, dropped);
        } else if let Some(row) = self.by_id.get(&id)
            && row.ended.is_none()
            && self.cut_off(row).is_none()
        {
            let at = row.record.expires_at;
            self.settle(id, Ended { status: EndStatus::Expired, at, reason: None }, dropped);
        }
        is_live
    }

    fn end_subject(
        &mut self,
        subject: &Value,
        now: Timestamp,
        keep: Option<SessionId>,
        reason: EndReason,
        dropped: &mut Vec<Row<T>>,
    ) -> u64 {
        let ids: Vec<SessionId> =
            self.of(subject).map(|row| row.record.id).filter(|id| Some(*id) != keep).collect();
        let live = ids.iter().filter(|id| self.end_for_good(**id, now, reason, dropped));
        live.count() as u64
    }

    /// Removes what has ended, or marks it as expired first where ended rows are kept, and says how many it was.
    fn sweep(&mut self, now: Timestamp, batch: usize, dropped: &mut Vec<Row<T>>) -> usize {
        let due: Vec<(Timestamp, SessionId)> =
            self.by_due.iter().take_while(|(due, _)| *due <= now).take(batch).copied().collect();
        for (at, id) in &due {
            match self.by_id.get(id) {
                Some(row) if row.ended.is_none() => {
                    let ended = Ended { status: EndStatus::Expired, at: *at, reason: None };
                    self.settle(*id, ended, dropped);
                }
                _ => dropped.extend(self.remove(*id)),
            }
        }
        due.len()
    }

    /// Removes rows that were cut off before they arrived, or marks them, and says how many it was.
    fn sweep_cut_off(&mut self, now: Timestamp, batch: usize, dropped: &mut Vec<Row<T>>) -> usize {
        let dead: Vec<SessionId> = self
            .cut_offs
            .keys()
            .flat_map(|subject| self.of(subject))
            .filter(|row| row.ended.is_none() && self.cut_off(row).is_some())
            .map(|row| row.record.id)
            .take(batch)
            .collect();
        for id in &dead {
            self.end(*id, now, EndReason::CutOff, dropped);
        }
        dead.len()
    }

    /// Forgets cut-offs that no login can have begun before, and ends the rows that they kept from being live.
    fn forget_cut_offs(&mut self, now: Timestamp, batch: usize, dropped: &mut Vec<Row<T>>) {
        for _ in 0..batch {
            let Some((at, subject)) = self
                .cut_offs_in_order
                .pop_front_if(|(at, _)| at.saturating_add(LONGEST_LOGIN) < now)
            else {
                return;
            };
            // A later cut-off of the subject stands further back.
            if self.cut_offs.get(&subject) != Some(&at) {
                continue;
            }
            let dead: Vec<SessionId> = self
                .of(&subject)
                .filter(|row| row.ended.is_none() && self.cut_off(row).is_some())
                .map(|row| row.record.id)
                .collect();
            for id in dead {
                self.end(id, now, EndReason::CutOff, dropped);
            }
            self.cut_offs.remove(&subject);
        }
    }
}
