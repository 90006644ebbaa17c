//! [`Subjects`]: which rows belong to which subject, and which subject was cut off when.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use sha2::{Digest, Sha256};

use super::shards::SHARDS;
use super::slab::{Address, Slab, Slot};
use crate::column::Value;
use crate::store::LONGEST_LOGIN;
use crate::timestamp::Timestamp;

/// Identifies the subject of a session: half of the SHA-256 hash of the subject and a secret of the
/// store. A subject costs 16 bytes, however long it is, and nobody can make two subjects with the
/// same key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SubjectKey([u8; 16]);

impl SubjectKey {
    pub(super) fn shard(self) -> usize {
        usize::from(self.0[15]) % SHARDS
    }

    /// Returns a part of the key. It is evenly distributed, because the key is a hash already.
    fn hash(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Makes the [`SubjectKey`]s of one store.
pub(super) struct SubjectKeys {
    begun: Sha256,
}

impl SubjectKeys {
    pub(super) fn new() -> Self {
        // Randomness from the standard library, 64 bits at a time.
        let salt = [(); 4].map(|()| RandomState::new().hash_one(()));
        let mut begun = Sha256::new();
        salt.iter().for_each(|word| begun.update(word.to_le_bytes()));
        Self { begun }
    }

    pub(super) fn key(&self, subject: &Value) -> SubjectKey {
        let mut digest = Digester(self.begun.clone());
        subject.hash(&mut digest);
        let hash: [u8; 32] = digest.0.finalize().into();
        let mut key = [0; 16];
        key.copy_from_slice(&hash[..16]);
        SubjectKey(key)
    }
}

/// Digests what `Hash` writes, which is different for different values.
struct Digester(Sha256);

impl Hasher for Digester {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("the whole digest is taken instead")
    }
}

/// The subjects of one shard. A row changes its subject, or ends, only under the lock of its
/// subject's shard, so a verb that holds this lock sees all of the subject's rows.
pub(super) struct Subjects {
    /// The first member of each subject's list.
    first: HashTable<Slot>,
    members: Slab<Member>,
    /// The latest cut-off of each subject.
    cut_offs: HashMap<SubjectKey, Timestamp>,
    /// Every cut-off that is remembered, oldest first.
    cut_offs_in_order: VecDeque<(Timestamp, SubjectKey)>,
}

/// A row in its subject's list.
struct Member {
    key: SubjectKey,
    row: Address,
    before: Option<Slot>,
    after: Option<Slot>,
}

impl Subjects {
    pub(super) fn new() -> Self {
        Self {
            first: HashTable::new(),
            members: Slab::new(),
            cut_offs: HashMap::new(),
            cut_offs_in_order: VecDeque::new(),
        }
    }

    /// Returns whether there is no room for another row to [`join`](Self::join).
    pub(super) fn is_full(&self) -> bool {
        self.members.is_full()
    }

    /// Assigns a row to this subject.
    pub(super) fn join(&mut self, key: SubjectKey, row: Address) -> Slot {
        let Self { first, members, .. } = self;
        let member = members.insert(Member { key, row, before: None, after: None });
        let entry = first.entry(
            key.hash(),
            |slot| members.get(*slot).key == key,
            |slot| members.get(*slot).key.hash(),
        );
        match entry {
            Entry::Occupied(mut entry) => {
                let after = std::mem::replace(entry.get_mut(), member);
                members.get_mut(member).after = Some(after);
                members.get_mut(after).before = Some(member);
            }
            Entry::Vacant(entry) => drop(entry.insert(member)),
        }
        member
    }

    /// Takes a row away from its subject.
    pub(super) fn leave(&mut self, slot: Slot) {
        let Member { key, before, after, .. } = self.members.remove(slot);
        if let Some(after) = after {
            self.members.get_mut(after).before = before;
        }
        match (before, after) {
            (Some(before), _) => self.members.get_mut(before).after = after,
            (None, after) => {
                let first = self.first.find_entry(key.hash(), |first| *first == slot);
                let Ok(mut first) = first else { unreachable!("a list begins with its first") };
                match after {
                    Some(after) => *first.get_mut() = after,
                    None => drop(first.remove()),
                }
            }
        }
    }

    pub(super) fn key_of(&self, member: Slot) -> SubjectKey {
        self.members.get(member).key
    }

    /// Returns every row of a subject.
    pub(super) fn rows_of(&self, key: SubjectKey) -> Vec<(Slot, Address)> {
        let first = self.first.find(key.hash(), |slot| self.members.get(*slot).key == key);
        std::iter::successors(first.copied(), |slot| self.members.get(*slot).after)
            .map(|slot| (slot, self.members.get(slot).row))
            .collect()
    }

    /// Returns a subject's latest cut-off, if it is remembered.
    pub(super) fn cut_off_of(&self, key: SubjectKey) -> Option<Timestamp> {
        self.cut_offs.get(&key).copied()
    }

    /// Remembers a cut-off, which is the latest one of this shard.
    pub(super) fn cut_off(&mut self, key: SubjectKey, at: Timestamp) {
        self.cut_offs.insert(key, at);
        self.cut_offs_in_order.push_back((at, key));
    }

    /// Returns every subject whose cut-off is remembered.
    pub(super) fn cut_off_subjects(&self) -> Vec<SubjectKey> {
        self.cut_offs.keys().copied().collect()
    }

    /// Forgets at most `batch` cut-offs that no login can have begun before, and returns their
    /// subjects.
    pub(super) fn forget_cut_offs(&mut self, now: Timestamp, batch: usize) -> Vec<SubjectKey> {
        let mut forgotten = Vec::new();
        for _ in 0..batch {
            let Some((at, key)) = self
                .cut_offs_in_order
                .pop_front_if(|(at, _)| at.saturating_add(LONGEST_LOGIN) < now)
            else {
                break;
            };
            // A later cut-off of the subject is further back in the queue.
            if self.cut_offs.get(&key) == Some(&at) {
                self.cut_offs.remove(&key);
                forgotten.push(key);
            }
        }
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_cut_off_is_forgotten_when_no_login_can_have_begun_before_it_and_no_later_one_is_known() {
        let mut subjects = Subjects::new();
        let [one, other] = [1, 2].map(|byte| SubjectKey([byte; 16]));
        let at =
            |second: u64| Timestamp::from_micros(0).saturating_add(Duration::from_secs(second));
        subjects.cut_off(one, at(1));
        subjects.cut_off(other, at(2));
        subjects.cut_off(one, at(3));
        let forgotten_at = |second| at(second).saturating_add(LONGEST_LOGIN);
        assert!(subjects.forget_cut_offs(forgotten_at(1), 9).is_empty());
        let after = |second| forgotten_at(second).saturating_add(Duration::from_micros(1));
        assert!(subjects.forget_cut_offs(after(1), 9).is_empty(), "a later one is known");
        assert_eq!(subjects.cut_off_of(one), Some(at(3)));
        assert!(subjects.forget_cut_offs(forgotten_at(2), 9).is_empty(), "to the microsecond");
        assert!(subjects.forget_cut_offs(after(2), 0).is_empty(), "it is bounded");
        assert!(subjects.forget_cut_offs(after(2), 9) == [other]);
        assert!(subjects.forget_cut_offs(after(3), 9) == [one]);
        assert_eq!(subjects.cut_off_of(one), None);
    }
}
