//! A login: the only verb that creates a row.

use std::sync::Arc;

use super::Shared;
use super::row::{End, Extra, Row};
use super::rows::Rows;
use super::shards::Locked;
use super::slab::{Address, Slot};
use super::subjects::{SubjectKey, Subjects};
use crate::error::{StoreError, StoreErrorKind};
use crate::id::SessionId;
use crate::payload::{LimitExceeded, SessionData, SubjectLimit};
use crate::store::{Created, EndReason, NewSession, Record};
use crate::timestamp::Timestamp;

/// How many ended rows a `create` removes: more than it adds, so that their number shrinks, and
/// few, so that no login waits long.
const SWEPT_BY_CREATE: usize = 4;

impl<T: SessionData> Shared<T> {
    pub(super) fn create(&self, new: &NewSession<T>) -> Result<Created<T>, StoreError> {
        let key = self.key_of(&new.data)?;
        new.check()?;
        let created = loop {
            let mut dropped = Vec::new();
            if let Some(created) = self.try_to_create(new, key, &mut dropped)? {
                break created;
            }
        };
        if let Created::Session { .. } = created {
            self.sweep_due(self.ids.shard(new.id), SWEPT_BY_CREATE)?;
            if let Some(key) = key.filter(|_| T::schema().options.cut_off) {
                self.forget_cut_offs(key.shard(), SWEPT_BY_CREATE)?;
            }
        }
        Ok(created)
    }

    /// Creates the row, and ends those that it replaces, while holding the locks of all of them.
    /// Returns `None` when the session to replace changed to another subject before its lock was
    /// taken.
    fn try_to_create(
        &self,
        new: &NewSession<T>,
        key: Option<SubjectKey>,
        dropped: &mut Vec<Row<T>>,
    ) -> Result<Option<Created<T>>, StoreError> {
        let (home, mut replaced) = (self.ids.shard(new.id), None);
        if let Some(of) = new.replaces {
            let rows = self.rows.lock(self.ids.shard(of.id))?;
            let slot = rows.find(of.id).filter(|slot| rows.get(*slot).is_proven_by(of.proof));
            replaced = slot.map(|slot| (of.id, rows.get(slot).member));
        }
        let of_replaced = replaced.and_then(|(_, member)| member);
        let mut subjects = self.subjects.lock_all(
            key.map(SubjectKey::shard).into_iter().chain(of_replaced.map(Address::shard)),
        )?;
        let mut overflowing = Vec::new();
        if let (Some(limit), Some(key)) = (new.limit, key) {
            if self.rows.lock(home)?.find(new.id).is_some() {
                return Err(taken(new.id));
            }
            let replaced = replaced.map(|(id, _)| id);
            let rows = subjects.shard(key.shard()).rows_of(key);
            match self.over(limit, rows, replaced)? {
                Some(over) => overflowing = over,
                None => return Ok(Some(Created::SubjectFull)),
            }
        }
        let of_replaced = replaced.map(|(id, _)| self.ids.shard(id));
        let of_overflowing = overflowing.iter().map(|address| address.shard());
        let mut rows =
            self.rows.lock_all([home].into_iter().chain(of_replaced).chain(of_overflowing))?;
        // From here on, nothing else can change any of them.
        let now = self.clock.now();
        if rows.shard(home).find(new.id).is_some() {
            return Err(taken(new.id));
        }
        if rows.shard(home).is_full()
            || key.is_some_and(|key| subjects.shard(key.shard()).is_full())
        {
            return Err(full());
        }
        if let Some((id, member)) = replaced {
            let rows = rows.shard(self.ids.shard(id));
            if let Some(slot) = rows.find(id) {
                if rows.get(slot).member != member {
                    return Ok(None);
                }
                let (_, removed) = rows.end_for_good(slot, now, EndReason::Replaced);
                leave(&mut subjects, removed, dropped);
            }
        }
        let mut ended = Vec::with_capacity(overflowing.len());
        for address in overflowing {
            let rows = rows.shard(address.shard());
            let id = rows.get(address.slot()).record.id;
            let (was_live, removed) =
                rows.end_for_good(address.slot(), now, EndReason::LimitExceeded);
            leave(&mut subjects, removed, dropped);
            ended.extend(was_live.then_some(id));
        }
        let rows = rows.shard(home);
        let (row, mut extra) = self.row(new, now);
        let record = Record::clone(&row.record);
        match key {
            Some(key) => {
                let subjects = subjects.shard(key.shard());
                extra.end = dead_on_arrival(subjects, key, record.authenticated_at);
                let slot = rows.insert(row, extra);
                join(subjects, key, rows, slot);
            }
            None => drop(rows.insert(row, extra)),
        }
        Ok(Some(Created::Session { record, ended }))
    }

    /// Returns the oldest of these rows of a subject, those for which the limit leaves no room,
    /// oldest first. Returns `None` when the limit refuses the login.
    fn over(
        &self,
        limit: SubjectLimit,
        rows_of: Vec<(Slot, Address)>,
        replaced: Option<SessionId>,
    ) -> Result<Option<Vec<Address>>, StoreError> {
        let mut live: Vec<(Timestamp, SessionId, Address)> = Vec::new();
        for (_, address) in rows_of {
            let rows = self.rows.lock(address.shard())?;
            let record = &rows.get(address.slot()).record;
            if replaced != Some(record.id) && rows.is_live(address.slot(), self.clock.now()) {
                live.push((record.created_at, record.id, address));
            }
        }
        let max = usize::try_from(limit.max.get()).unwrap_or(usize::MAX);
        if live.len() < max {
            return Ok(Some(Vec::new()));
        }
        if limit.overflow == LimitExceeded::Refuse {
            return Ok(None);
        }
        live.sort_unstable_by_key(|(created_at, id, _)| (*created_at, *id));
        live.truncate(live.len() - (max - 1));
        Ok(Some(live.into_iter().map(|(_, _, address)| address).collect()))
    }

    /// Returns the new row, which does not belong to a subject yet.
    fn row(&self, new: &NewSession<T>, now: Timestamp) -> (Row<T>, Extra) {
        let extras = T::schema().options;
        let deadline = now.saturating_add(new.absolute);
        let record = Record {
            id: new.id,
            created_at: now,
            authenticated_at: new.began.map_or(now, |began| self.clock.at(began).min(now)),
            last_seen_at: now,
            expires_at: now.saturating_add(new.idle).min(deadline),
            deadline,
            version: 1,
            remembered: new.remembered,
            client: new.client.clone().filter(|_| extras.track),
            data: Arc::clone(&new.data),
        };
        let row = Row {
            record: Arc::new(record),
            lasting: new.lasting,
            current: new.secret,
            extra: None,
            member: None,
        };
        let fingerprint = new.fingerprint.filter(|_| extras.fingerprint);
        (row, Extra { fingerprint, ..Extra::default() })
    }
}

/// Returns how a session of this subject ends if its subject authenticated before the latest
/// cut-off.
pub(super) fn dead_on_arrival(
    subjects: &Subjects,
    key: SubjectKey,
    authenticated_at: Timestamp,
) -> Option<End> {
    let cut_off = subjects.cut_off_of(key).filter(|at| authenticated_at <= *at)?;
    Some(End::OnArrival { cut_off })
}

/// Assigns a row to this subject.
pub(super) fn join<T: Clone>(
    subjects: &mut Subjects,
    key: SubjectKey,
    rows: &mut Rows<T>,
    slot: Slot,
) {
    let member = subjects.join(key, rows.address(slot));
    rows.set_member(slot, Some(Address::new(key.shard(), member)));
}

/// Takes a removed row out of the list of its subject.
fn leave<T>(
    subjects: &mut Locked<'_, Subjects>,
    removed: Option<Row<T>>,
    dropped: &mut Vec<Row<T>>,
) {
    let Some(row) = removed else { return };
    if let Some(member) = row.member {
        subjects.shard(member.shard()).leave(member.slot());
    }
    dropped.push(row);
}

fn taken(id: SessionId) -> StoreError {
    StoreError::new(StoreErrorKind::Constraint, format!("the session {id} already exists"))
}

pub(super) fn full() -> StoreError {
    StoreError::unavailable("the `MemoryStore` is full: use a database for this many sessions")
}
