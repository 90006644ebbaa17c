//! A new payload, which may assign a session to another subject.

use std::sync::Arc;

use super::Shared;
use super::create::{dead_on_arrival, full, join};
use super::slab::Address;
use super::subjects::SubjectKey;
use super::used;
use crate::error::StoreError;
use crate::payload::SessionData;
use crate::store::{Change, Updated};

impl<T: SessionData> Shared<T> {
    pub(super) fn update(&self, change: &Change<T>) -> Result<Updated, StoreError> {
        let key = self.key_of(&change.to)?;
        loop {
            let mut before = None;
            if let Some(updated) = self.try_to_update(change, key, &mut before)? {
                return Ok(updated);
            }
        }
    }

    /// Writes while holding the locks of the row and of its subjects before and after the change.
    /// Returns `None` when the row changed to another subject before its lock was taken.
    fn try_to_update(
        &self,
        change: &Change<T>,
        key: Option<SubjectKey>,
        before: &mut Option<Arc<T>>,
    ) -> Result<Option<Updated>, StoreError> {
        let home = self.ids.shard(change.id);
        let member = {
            let rows = self.rows.lock(home)?;
            let Some(slot) = rows.find(change.id) else { return Ok(Some(Updated::Gone)) };
            rows.get(slot).member
        };
        let shards = member.map(Address::shard).into_iter().chain(key.map(SubjectKey::shard));
        let mut subjects = self.subjects.lock_all(shards)?;
        let mut rows = self.rows.lock(home)?;
        let now = self.clock.now();
        let Some(slot) = rows.find_live(change.id, now) else { return Ok(Some(Updated::Gone)) };
        if rows.get(slot).member != member {
            return Ok(None);
        }
        let is_current = rows.get(slot).record.version == change.version;
        if !is_current || !rows.secrets(slot).accepts(change.secret, now) {
            return Ok(Some(Updated::Conflict));
        }
        let key_before = member.map(|member| subjects.shard(member.shard()).key_of(member.slot()));
        if key != key_before {
            if let Some(key) = key
                && subjects.shard(key.shard()).is_full()
            {
                return Err(full());
            }
            if let Some(member) = member {
                subjects.shard(member.shard()).leave(member.slot());
                rows.set_member(slot, None);
            }
            if let Some(key) = key {
                let subjects = subjects.shard(key.shard());
                join(subjects, key, &mut rows, slot);
                let authenticated_at = rows.get(slot).record.authenticated_at;
                let end = dead_on_arrival(subjects, key, authenticated_at);
                rows.change_extra(slot, |extra| extra.end = end);
            }
        }
        let version = rows.change_record(slot, |record| {
            record.version += 1;
            used(record, now, change.idle);
            *before = Some(std::mem::replace(&mut record.data, Arc::clone(&change.to)));
            record.version
        });
        Ok(Some(Updated::Written { version }))
    }
}
