//! [`Slab`]: values that stay in their place and are found by a small number.

use std::num::NonZeroU32;

use super::shards::SHARDS;

/// How many values are allocated together. Growing allocates one more chunk, and moves no value.
const CHUNK: usize = 64;

/// How many of the low bits of an [`Address`] are the slot.
const SLOT_BITS: u32 = u32::BITS - SHARDS.ilog2();

const _: () = assert!(SHARDS.is_power_of_two());

/// A place in [`Slab`]: its index, counted from one, so that `Option<Slot>` has the size of a
/// `u32`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(NonZeroU32);

impl Slot {
    pub(super) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// A slot, and the shard that it is in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Address(NonZeroU32);

impl Address {
    pub(super) fn new(shard: usize, slot: Slot) -> Self {
        Self(slot.0 | ((shard as u32) << SLOT_BITS))
    }

    pub(super) fn shard(self) -> usize {
        (self.0.get() >> SLOT_BITS) as usize
    }

    pub(super) fn slot(self) -> Slot {
        let slot = NonZeroU32::new(self.0.get() & ((1 << SLOT_BITS) - 1));
        Slot(slot.expect("an address is made of a slot, which is not zero"))
    }
}

pub(super) struct Slab<V> {
    chunks: Vec<Vec<Entry<V>>>,
    /// The vacant slot that is filled next; each vacant slot names the one after it.
    vacant: Option<Slot>,
}

enum Entry<V> {
    Vacant(Option<Slot>),
    Full(V),
}

impl<V> Slab<V> {
    /// The largest number of values, so that an [`Address`] can name each of them.
    const MOST: usize = (1 << SLOT_BITS) - 1;

    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new(), vacant: None }
    }

    /// Returns whether there is no room for another value.
    pub(super) fn is_full(&self) -> bool {
        self.vacant.is_none() && self.used() >= Self::MOST
    }

    /// Returns how many slots there are, including vacant ones.
    fn used(&self) -> usize {
        let last = self.chunks.last().map_or(0, Vec::len);
        self.chunks.len().saturating_sub(1) * CHUNK + last
    }

    /// Inserts a value. Check [`is_full`](Self::is_full) before this call.
    pub(super) fn insert(&mut self, value: V) -> Slot {
        if let Some(slot) = self.vacant {
            let entry = std::mem::replace(self.entry(slot), Entry::Full(value));
            let Entry::Vacant(next) = entry else { unreachable!("the list has vacant slots only") };
            self.vacant = next;
            return slot;
        }
        let slot = u32::try_from(self.used() + 1).ok().and_then(NonZeroU32::new);
        let slot = Slot(slot.expect("there is room"));
        match self.chunks.last_mut().filter(|chunk| chunk.len() < CHUNK) {
            Some(chunk) => chunk.push(Entry::Full(value)),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(Entry::Full(value));
                self.chunks.push(chunk);
            }
        }
        slot
    }

    pub(super) fn remove(&mut self, slot: Slot) -> V {
        let vacant = Entry::Vacant(self.vacant);
        let Entry::Full(value) = std::mem::replace(self.entry(slot), vacant) else {
            unreachable!("a slot is removed once")
        };
        self.vacant = Some(slot);
        value
    }

    pub(super) fn get(&self, slot: Slot) -> &V {
        match &self.chunks[slot.index() / CHUNK][slot.index() % CHUNK] {
            Entry::Full(value) => value,
            Entry::Vacant(_) => unreachable!("no caller keeps the slot of a removed value"),
        }
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut V {
        match self.entry(slot) {
            Entry::Full(value) => value,
            Entry::Vacant(_) => unreachable!("no caller keeps the slot of a removed value"),
        }
    }

    fn entry(&mut self, slot: Slot) -> &mut Entry<V> {
        &mut self.chunks[slot.index() / CHUNK][slot.index() % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_stays_in_its_slot_and_a_vacant_slot_is_filled_again() {
        let mut slots = Slab::new();
        let kept: Vec<Slot> = (0..3 * CHUNK).map(|number| slots.insert(number)).collect();
        for (number, slot) in kept.iter().enumerate() {
            assert_eq!((*slots.get(*slot), slot.index()), (number, number));
        }
        assert_eq!(slots.remove(kept[5]), 5);
        assert_eq!(slots.remove(kept[CHUNK]), CHUNK);
        let again = [slots.insert(1_000), slots.insert(1_001)];
        assert!(again == [kept[CHUNK], kept[5]]);
        assert_eq!(slots.insert(1_002).index(), 3 * CHUNK);
        assert_eq!(*slots.get(kept[6]), 6);
    }

    #[test]
    fn an_address_has_its_shard_and_its_slot() {
        for index in [1, 2, (1 << SLOT_BITS) - 1] {
            let slot = Slot(NonZeroU32::new(index).unwrap());
            for shard in [0, 1, SHARDS - 1] {
                let address = Address::new(shard, slot);
                assert!(address.shard() == shard && address.slot() == slot);
            }
        }
    }
}
