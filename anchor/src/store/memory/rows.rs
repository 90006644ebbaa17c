//! [`Rows`]: the rows of one shard, by id, and by the time when the sweep has to handle them.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::row::{End, Ended, Extra, LastRotation, Row};
use super::shards::SHARDS;
use super::slab::{Address, Slab, Slot};
use super::sweep_queue::{NextDue, SweepQueue};
use crate::id::SessionId;
use crate::store::{EndReason, EndedRecord, Loaded, Record, Rotation, RotationState, Secrets};
use crate::timestamp::Timestamp;

/// Finds the row of an id: the same hash chooses the shard and the place in it.
#[derive(Clone, Default)]
pub(super) struct IdHasher(DefaultHashBuilder);

impl IdHasher {
    fn hash(&self, id: SessionId) -> u64 {
        self.0.hash_one(id.as_uuid().as_u128())
    }

    pub(super) fn shard(&self, id: SessionId) -> usize {
        // The table uses the lowest and the highest bits.
        (self.hash(id) >> 40) as usize % SHARDS
    }
}

/// The rows of one shard. A removed row is returned, so that the caller drops it when no lock is
/// held.
pub(super) struct Rows<T> {
    shard: usize,
    /// How long ended rows are kept, if they are.
    keep: Option<Duration>,
    hasher: IdHasher,
    by_id: HashTable<Slot>,
    rows: Slab<Row<T>>,
    extras: Slab<Extra>,
    due: SweepQueue,
    next_due: NextDue,
}

impl<T: Clone> Rows<T> {
    pub(super) fn new(
        shard: usize,
        keep: Option<Duration>,
        hasher: IdHasher,
        next_due: NextDue,
    ) -> Self {
        Self {
            shard,
            keep,
            hasher,
            by_id: HashTable::new(),
            rows: Slab::new(),
            extras: Slab::new(),
            due: SweepQueue::new(),
            next_due,
        }
    }

    pub(super) fn find(&self, id: SessionId) -> Option<Slot> {
        let is_it = |slot: &Slot| self.rows.get(*slot).record.id == id;
        self.by_id.find(self.hasher.hash(id), is_it).copied()
    }

    pub(super) fn get(&self, slot: Slot) -> &Row<T> {
        self.rows.get(slot)
    }

    pub(super) fn address(&self, slot: Slot) -> Address {
        Address::new(self.shard, slot)
    }

    pub(super) fn ids(&self) -> Vec<SessionId> {
        self.by_id.iter().map(|slot| self.rows.get(*slot).record.id).collect()
    }

    #[cfg(feature = "metrics")]
    pub(super) fn live_count(&self, now: Timestamp) -> u64 {
        self.by_id.iter().filter(|slot| self.is_live(**slot, now)).count() as u64
    }

    fn extra(&self, slot: Slot) -> Option<&Extra> {
        self.rows.get(slot).extra.map(|extra| self.extras.get(extra))
    }

    /// Returns how the row ended, if that has been recorded.
    pub(super) fn end(&self, slot: Slot) -> Option<End> {
        self.extra(slot)?.end
    }

    /// Returns whether the row is live. The idle expiry is never later than the deadline, so it
    /// alone decides.
    pub(super) fn is_live(&self, slot: Slot, now: Timestamp) -> bool {
        now < self.rows.get(slot).record.expires_at && self.end(slot).is_none()
    }

    pub(super) fn find_live(&self, id: SessionId, now: Timestamp) -> Option<Slot> {
        self.find(id).filter(|slot| self.is_live(*slot, now))
    }

    pub(super) fn secrets(&self, slot: Slot) -> Secrets {
        let Row { lasting, current, .. } = *self.rows.get(slot);
        let settled = Secrets::new(lasting, current);
        match self.extra(slot).and_then(|extra| extra.rotation) {
            Some(LastRotation { previous, previous_until, state }) => {
                Secrets { previous, previous_until, rotation: state, ..settled }
            }
            None => settled,
        }
    }

    pub(super) fn loaded(&self, slot: Slot, now: Timestamp) -> Loaded<T> {
        Loaded {
            record: Arc::clone(&self.rows.get(slot).record),
            secrets: self.secrets(slot),
            fingerprint: self.extra(slot).and_then(|extra| extra.fingerprint),
            now,
        }
    }

    /// Returns how a row ended, if it has ended, whether or not the sweep has recorded it.
    pub(super) fn ended(&self, slot: Slot, now: Timestamp) -> Option<EndedRecord<T>> {
        let record = &self.rows.get(slot).record;
        let ended = match self.end(slot) {
            Some(end) => self.final_end(slot, end),
            None if now >= record.expires_at => Ended::expired(record.expires_at),
            None => return None,
        };
        let Ended { status, at: ended_at, reason } = ended;
        Some(EndedRecord { record: Record::clone(record), status, ended_at, reason })
    }

    fn final_end(&self, slot: Slot, end: End) -> Ended {
        match end {
            End::Kept(ended) => ended,
            End::OnArrival { cut_off } => {
                let at = cut_off.max(self.rows.get(slot).record.created_at);
                Ended::revoked(at, EndReason::CutOff)
            }
        }
    }

    /// Returns whether there is no room to [insert](Self::insert) another row.
    pub(super) fn is_full(&self) -> bool {
        self.rows.is_full()
    }

    /// Inserts a row with an id that no row has.
    pub(super) fn insert(&mut self, row: Row<T>, extra: Extra) -> Slot {
        let hash = self.hasher.hash(row.record.id);
        let slot = self.rows.insert(row);
        self.change_extra(slot, |of_new| *of_new = extra);
        let Self { hasher, rows, by_id, .. } = self;
        by_id.insert_unique(hash, slot, |slot| hasher.hash(rows.get(*slot).record.id));
        self.due.insert(slot, due_of(self.keep, &self.rows, &self.extras));
        self.note_next_due();
        slot
    }

    fn remove(&mut self, slot: Slot) -> Row<T> {
        self.due.remove(slot, due_of(self.keep, &self.rows, &self.extras));
        let row = self.rows.remove(slot);
        let entry = self.by_id.find_entry(self.hasher.hash(row.record.id), |found| *found == slot);
        if let Ok(entry) = entry {
            entry.remove();
        }
        if let Some(extra) = row.extra {
            self.extras.remove(extra);
        }
        self.note_next_due();
        row
    }

    /// Records the place of a row in its subject's list, or that it is in no list.
    pub(super) fn set_member(&mut self, slot: Slot, member: Option<Address>) {
        self.rows.get_mut(slot).member = member;
    }

    /// Changes what only a few rows have. A row that then has none of it uses no memory for it.
    pub(super) fn change_extra(&mut self, slot: Slot, change: impl FnOnce(&mut Extra)) {
        let row = self.rows.get_mut(slot);
        let mut extra = row.extra.take().map(|extra| self.extras.remove(extra)).unwrap_or_default();
        change(&mut extra);
        if extra != Extra::default() {
            // There is room: a row has at most one, and there was room for the row.
            row.extra = Some(self.extras.insert(extra));
        }
    }

    /// Changes a row's record, which may change its expiry.
    pub(super) fn change_record<R>(
        &mut self,
        slot: Slot,
        change: impl FnOnce(&mut Record<T>) -> R,
    ) -> R {
        // Records that were returned before stay as they were.
        let record = Arc::make_mut(&mut self.rows.get_mut(slot).record);
        let expired_at = record.expires_at;
        let changed = change(record);
        if record.expires_at != expired_at {
            self.due_has_changed(slot);
        }
        changed
    }

    /// Settles the last rotation, because the current secret has been presented.
    pub(super) fn settle_rotation(&mut self, slot: Slot) {
        let is_open = |last: &LastRotation| last.state != RotationState::Settled;
        if self.extra(slot).and_then(|extra| extra.rotation).as_ref().is_some_and(is_open) {
            self.change_extra(slot, |extra| {
                extra.rotation = extra
                    .rotation
                    .map(|last| LastRotation { state: RotationState::Settled, ..last });
            });
        }
    }

    /// Replaces the secret, if the rotation may begin from `rotation.from`.
    pub(super) fn rotate(
        &mut self,
        slot: Slot,
        rotation: &Rotation,
        now: Timestamp,
        reauthenticates: bool,
    ) -> bool {
        let may_rotate = self.secrets(slot).may_rotate(rotation.from, now, reauthenticates);
        if may_rotate {
            self.rows.get_mut(slot).current = rotation.to;
            let last = LastRotation {
                previous: rotation.old.remembered(rotation.from),
                previous_until: Some(now.saturating_add(rotation.grace)),
                state: rotation.old.state(),
            };
            self.change_extra(slot, |extra| extra.rotation = Some(last));
        }
        may_rotate
    }

    /// Ends a row whether or not it is live, and returns whether it was live. The row is removed,
    /// or kept as an ended row.
    pub(super) fn end_for_good(
        &mut self,
        slot: Slot,
        now: Timestamp,
        reason: EndReason,
    ) -> (bool, Option<Row<T>>) {
        if self.end(slot).is_some() {
            return (false, None);
        }
        let expires_at = self.rows.get(slot).record.expires_at;
        let is_live = now < expires_at;
        let ended = if is_live { Ended::revoked(now, reason) } else { Ended::expired(expires_at) };
        (is_live, self.settle(slot, ended))
    }

    /// Ends a row if it was never live. This happens when the sweep runs, or when the row's cut-off
    /// is forgotten.
    pub(super) fn end_on_arrival(&mut self, slot: Slot) -> Option<Option<Row<T>>> {
        let end @ End::OnArrival { .. } = self.end(slot)? else { return None };
        Some(self.settle(slot, self.final_end(slot, end)))
    }

    /// Returns at most `most` rows that are due for the sweep.
    pub(super) fn due(&self, now: Timestamp, most: usize) -> Vec<SessionId> {
        let due = self.due.until(now, most, due_of(self.keep, &self.rows, &self.extras));
        due.into_iter().map(|slot| self.rows.get(slot).record.id).collect()
    }

    /// Removes a row if it is due, or first marks it as ended if ended rows are kept. Returns
    /// whether it was due.
    pub(super) fn sweep(&mut self, slot: Slot, now: Timestamp) -> (bool, Option<Row<T>>) {
        if now < due_of(self.keep, &self.rows, &self.extras)(slot) {
            return (false, None);
        }
        let removed = match self.end(slot) {
            Some(End::Kept(_)) => Some(self.remove(slot)),
            Some(end) => self.settle(slot, self.final_end(slot, end)),
            None => self.settle(slot, Ended::expired(self.rows.get(slot).record.expires_at)),
        };
        (true, removed)
    }

    /// Removes a row that ends, or keeps it as an ended row.
    fn settle(&mut self, slot: Slot, ended: Ended) -> Option<Row<T>> {
        if self.keep.is_none() {
            return Some(self.remove(slot));
        }
        let record = Arc::make_mut(&mut self.rows.get_mut(slot).record);
        record.expires_at = record.expires_at.min(ended.at);
        self.change_extra(slot, |extra| extra.end = Some(End::Kept(ended)));
        self.due_has_changed(slot);
        None
    }

    fn due_has_changed(&mut self, slot: Slot) {
        self.due.changed(slot, due_of(self.keep, &self.rows, &self.extras));
        self.note_next_due();
    }

    fn note_next_due(&self) {
        let due = due_of(self.keep, &self.rows, &self.extras);
        self.next_due.set(self.shard, self.due.first().map(due));
    }
}

/// Returns when the sweep has to handle a row.
fn due_of<T>(
    keep: Option<Duration>,
    rows: &Slab<Row<T>>,
    extras: &Slab<Extra>,
) -> impl Fn(Slot) -> Timestamp {
    move |slot| {
        let row = rows.get(slot);
        match (row.extra.and_then(|extra| extras.get(extra).end), keep) {
            (Some(End::Kept(ended)), Some(keep)) => ended.at.saturating_add(keep),
            _ => row.record.expires_at,
        }
    }
}
