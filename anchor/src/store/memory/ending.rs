//! How sessions end: revoked one by one or by subject, cut off, or swept.

use std::sync::Arc;

use super::Shared;
use super::row::Row;
use super::rows::Rows;
use super::shards::SHARDS;
use super::slab::{Address, Slot};
use super::subjects::{SubjectKey, Subjects};
use crate::error::StoreError;
use crate::id::SessionId;
use crate::payload::SessionData;
use crate::store::{Consumed, EndReason, Ending};
use crate::timestamp::Timestamp;
use crate::token::{LastingHash, SecretHash};

impl<T: SessionData> Shared<T> {
    /// Ends a live session, and returns its last payload.
    pub(super) fn consume(
        &self,
        id: SessionId,
        secret: SecretHash,
    ) -> Result<Consumed<T>, StoreError> {
        let consumed = self.with_row(id, |rows, slot, now, _| {
            if !rows.is_live(slot, now) {
                return (Consumed::Gone, None);
            }
            if !rows.secrets(slot).may_rotate(secret, now, false) {
                return (Consumed::Conflict, None);
            }
            let last = Arc::clone(&rows.get(slot).record.data);
            let (_, removed) = rows.end_for_good(slot, now, EndReason::Consumed);
            (Consumed::Ended(last), removed)
        })?;
        Ok(consumed.unwrap_or(Consumed::Gone))
    }

    pub(super) fn end_one(
        &self,
        id: SessionId,
        proof: Option<LastingHash>,
        reason: EndReason,
    ) -> Result<Ending, StoreError> {
        self.end_unless(id, reason, |row, _| {
            proof.is_some_and(|proof| !row.is_proven_by(proof)).then_some(Ending::Unproven)
        })
    }

    /// Ends a session if it belongs to this subject.
    pub(super) fn end_one_of(
        &self,
        subject: &T::Subject,
        id: SessionId,
        reason: EndReason,
    ) -> Result<Ending, StoreError> {
        let Some(key) = self.key(subject)? else { return Ok(Ending::NotLive) };
        self.end_unless(id, reason, |_, owner| (owner != Some(key)).then_some(Ending::NotLive))
    }

    /// Ends a session, unless `refused` gives another answer about its row and its subject.
    fn end_unless(
        &self,
        id: SessionId,
        reason: EndReason,
        refused: impl FnOnce(&Row<T>, Option<SubjectKey>) -> Option<Ending>,
    ) -> Result<Ending, StoreError> {
        let ending = self.with_row(id, |rows, slot, now, owner| {
            if let Some(refused) = refused(rows.get(slot), owner) {
                return (refused, None);
            }
            let (was_live, removed) = rows.end_for_good(slot, now, reason);
            (if was_live { Ending::Ended } else { Ending::NotLive }, removed)
        })?;
        Ok(ending.unwrap_or(Ending::NotLive))
    }

    /// Ends a subject's sessions, except the one to keep, and returns how many of them were live.
    pub(super) fn end_all_of(
        &self,
        subject: &T::Subject,
        keep: Option<SessionId>,
        reason: EndReason,
    ) -> Result<u64, StoreError> {
        let Some(key) = self.key(subject)? else { return Ok(0) };
        let mut dropped = Vec::new();
        let mut subjects = self.subjects.lock(key.shard())?;
        self.end_members(&mut subjects, key, &mut dropped, |rows, slot| {
            if keep == Some(rows.get(slot).record.id) {
                return (false, None);
            }
            rows.end_for_good(slot, self.clock.now(), reason)
        })
    }

    pub(super) fn end_everyone(&self, reason: EndReason) -> Result<u64, StoreError> {
        let mut ended = 0;
        for shard in 0..SHARDS {
            let ids = self.rows.lock(shard)?.ids();
            for id in ids {
                ended += self.end_one(id, None, reason)?.count();
            }
        }
        Ok(ended)
    }

    pub(super) fn cut_off(
        &self,
        subject: &T::Subject,
        reason: EndReason,
    ) -> Result<u64, StoreError> {
        let Some(key) = self.key(subject)? else { return Ok(0) };
        let mut dropped = Vec::new();
        let mut subjects = self.subjects.lock(key.shard())?;
        let at = self.clock.now();
        subjects.cut_off(key, at);
        // A login that begins after the answer is later than the cut-off.
        self.clock.pass(at);
        self.end_members(&mut subjects, key, &mut dropped, |rows, slot| {
            rows.end_for_good(slot, self.clock.now(), reason)
        })
    }

    /// Sweeps at most `batch` rows, and returns how many it swept.
    pub(super) fn sweep(&self, batch: u32) -> Result<u64, StoreError> {
        let batch = usize::try_from(batch).unwrap_or(usize::MAX);
        let mut swept = self.sweep_due(0, batch)?;
        for shard in 0..SHARDS {
            swept += self.sweep_cut_off(shard, batch - swept)?;
            self.forget_cut_offs(shard, batch)?;
        }
        Ok(swept as u64)
    }

    /// Removes rows that are due, or first marks them as expired if ended rows are kept, and
    /// returns how many there were. It begins with this shard.
    pub(super) fn sweep_due(&self, shard: usize, batch: usize) -> Result<usize, StoreError> {
        let (mut swept, now) = (0, self.clock.now());
        for shard in (shard..SHARDS).chain(0..shard) {
            if swept == batch {
                break;
            }
            if !self.next_due.is_due(shard, now) {
                continue;
            }
            let due = self.rows.lock(shard)?.due(now, batch - swept);
            for id in due {
                let was_due = self.with_row(id, |rows, slot, now, _| rows.sweep(slot, now))?;
                swept += usize::from(was_due == Some(true));
            }
        }
        Ok(swept)
    }

    /// Removes rows that were cut off before they were inserted, or marks them, and returns how
    /// many there were.
    fn sweep_cut_off(&self, shard: usize, batch: usize) -> Result<usize, StoreError> {
        let mut dropped = Vec::new();
        let mut subjects = self.subjects.lock(shard)?;
        let mut swept = 0;
        for key in subjects.cut_off_subjects() {
            self.end_members(&mut subjects, key, &mut dropped, |rows, slot| {
                let dead = (swept < batch).then(|| rows.end_on_arrival(slot)).flatten();
                swept += usize::from(dead.is_some());
                (dead.is_some(), dead.flatten())
            })?;
        }
        Ok(swept)
    }

    /// Forgets cut-offs that no login can have begun before, and ends the rows that were never live
    /// because of them.
    pub(super) fn forget_cut_offs(&self, shard: usize, batch: usize) -> Result<(), StoreError> {
        let mut dropped = Vec::new();
        let mut subjects = self.subjects.lock(shard)?;
        for key in subjects.forget_cut_offs(self.clock.now(), batch) {
            self.end_members(&mut subjects, key, &mut dropped, |rows, slot| {
                let dead = rows.end_on_arrival(slot);
                (dead.is_some(), dead.flatten())
            })?;
        }
        Ok(())
    }

    /// Calls `end`, which may end a row, for each row of a subject, and returns how many rows it
    /// ended.
    ///
    /// `dropped` outlives the guard of `subjects`, so removed rows are dropped when no lock is
    /// held.
    fn end_members(
        &self,
        subjects: &mut Subjects,
        key: SubjectKey,
        dropped: &mut Vec<Row<T>>,
        mut end: impl FnMut(&mut Rows<T>, Slot) -> (bool, Option<Row<T>>),
    ) -> Result<u64, StoreError> {
        let mut ended = 0;
        for (member, address) in subjects.rows_of(key) {
            let mut rows = self.rows.lock(address.shard())?;
            let (has_ended, removed) = end(&mut rows, address.slot());
            ended += u64::from(has_ended);
            if let Some(row) = removed {
                subjects.leave(member);
                dropped.push(row);
            }
        }
        Ok(ended)
    }

    /// Calls `act`, which may remove a row, under the locks of the row and of its subject. `act`
    /// gets the subject's key. Returns `None` if there is no row.
    fn with_row<R>(
        &self,
        id: SessionId,
        act: impl FnOnce(&mut Rows<T>, Slot, Timestamp, Option<SubjectKey>) -> (R, Option<Row<T>>),
    ) -> Result<Option<R>, StoreError> {
        let home = self.ids.shard(id);
        // Declared before the guards, so it is dropped after them.
        let removed;
        loop {
            // The subject's lock comes first, and only the row knows its subject.
            let member = {
                let rows = self.rows.lock(home)?;
                let Some(slot) = rows.find(id) else { return Ok(None) };
                rows.get(slot).member
            };
            let mut subjects =
                member.map(Address::shard).map(|shard| self.subjects.lock(shard)).transpose()?;
            let mut rows = self.rows.lock(home)?;
            let Some(slot) = rows.find(id) else { return Ok(None) };
            if rows.get(slot).member != member {
                continue;
            }
            let answer;
            let owner = member.zip(subjects.as_ref());
            let owner = owner.map(|(member, subjects)| subjects.key_of(member.slot()));
            (answer, removed) = act(&mut rows, slot, self.clock.now(), owner);
            if let (Some(_), Some(member), Some(subjects)) = (&removed, member, &mut subjects) {
                subjects.leave(member.slot());
            }
            return Ok(Some(answer));
        }
    }
}
