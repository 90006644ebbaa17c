//! [`SweepQueue`]: which rows of a shard the sweep has to handle next.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::shards::SHARDS;
use super::slab::Slot;
use crate::timestamp::Timestamp;

/// The number of children of each node of the heap.
const CHILDREN: usize = 4;

/// A heap of slots, earliest first. It costs 8 bytes per row, and the spare capacity of the
/// vectors.
///
/// It does not know when a row is due: each method gets that from its argument `due`.
pub(super) struct SweepQueue {
    heap: Vec<Slot>,
    /// Where each slot is in the heap.
    places: Vec<u32>,
}

impl SweepQueue {
    pub(super) const fn new() -> Self {
        Self { heap: Vec::new(), places: Vec::new() }
    }

    pub(super) fn first(&self) -> Option<Slot> {
        self.heap.first().copied()
    }

    pub(super) fn insert(&mut self, slot: Slot, due: impl Fn(Slot) -> Timestamp) {
        if self.places.len() <= slot.index() {
            self.places.resize(slot.index() + 1, 0);
        }
        self.heap.push(slot);
        self.rise(self.heap.len() - 1, &due);
    }

    pub(super) fn remove(&mut self, slot: Slot, due: impl Fn(Slot) -> Timestamp) {
        let place = self.place(slot);
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            let place = self.rise(place, &due);
            self.sink(place, &due);
        }
    }

    /// Moves a slot whose instant has changed to its new place.
    pub(super) fn changed(&mut self, slot: Slot, due: impl Fn(Slot) -> Timestamp) {
        let place = self.rise(self.place(slot), &due);
        self.sink(place, &due);
    }

    /// Returns at most `most` slots that are due, in no particular order.
    pub(super) fn until(
        &self,
        now: Timestamp,
        most: usize,
        due: impl Fn(Slot) -> Timestamp,
    ) -> Vec<Slot> {
        let (mut found, mut places) = (Vec::new(), vec![0]);
        while let Some(place) = places.pop() {
            if found.len() == most {
                break;
            }
            // No child is due before its parent.
            if let Some(slot) = self.heap.get(place).filter(|slot| due(**slot) <= now) {
                found.push(*slot);
                places.extend(children(place));
            }
        }
        found
    }

    fn place(&self, slot: Slot) -> usize {
        self.places[slot.index()] as usize
    }

    fn put(&mut self, place: usize, slot: Slot) {
        self.heap[place] = slot;
        self.places[slot.index()] = place as u32;
    }

    /// Moves the slot at a place towards the front, and returns its new place.
    fn rise(&mut self, mut place: usize, due: &impl Fn(Slot) -> Timestamp) -> usize {
        let slot = self.heap[place];
        while place > 0 {
            let parent = (place - 1) / CHILDREN;
            if due(slot) >= due(self.heap[parent]) {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        self.put(place, slot);
        place
    }

    /// Moves the slot at a place towards the end.
    fn sink(&mut self, mut place: usize, due: &impl Fn(Slot) -> Timestamp) {
        let slot = self.heap[place];
        while let Some(child) = children(place)
            .filter(|child| *child < self.heap.len())
            .min_by_key(|child| due(self.heap[*child]))
            && due(self.heap[child]) < due(slot)
        {
            self.put(place, self.heap[child]);
            place = child;
        }
        self.put(place, slot);
    }
}

fn children(place: usize) -> std::ops::RangeInclusive<usize> {
    CHILDREN * place + 1..=CHILDREN * place + CHILDREN
}

/// When the first row of each shard is due, so that a login finds rows to sweep without locking
/// every shard. The value is certain only under the shard's own lock.
#[derive(Clone)]
pub(super) struct NextDue(Arc<[AtomicI64]>);

impl NextDue {
    pub(super) fn new() -> Self {
        Self((0..SHARDS).map(|_| AtomicI64::new(i64::MAX)).collect())
    }

    pub(super) fn set(&self, shard: usize, due: Option<Timestamp>) {
        let due = due.map_or(i64::MAX, Timestamp::as_micros);
        if self.0[shard].load(Ordering::Relaxed) != due {
            self.0[shard].store(due, Ordering::Relaxed);
        }
    }

    pub(super) fn is_due(&self, shard: usize, now: Timestamp) -> bool {
        self.0[shard].load(Ordering::Relaxed) <= now.as_micros()
    }
}

#[cfg(test)]
mod tests {
    use super::super::slab::Slab;
    use super::*;

    /// A sequence in no particular order, the same in every run.
    fn numbers() -> impl Iterator<Item = i64> {
        std::iter::successors(Some(1_i64), |number| Some(number * 48_271 % 2_147_483_647))
    }

    #[test]
    fn the_first_is_the_earliest_whatever_comes_goes_and_changes() {
        let (mut slots, mut due) = (Slab::new(), SweepQueue::new());
        let mut kept: Vec<Slot> = Vec::new();
        let at = |slots: &Slab<i64>, slot| Timestamp::from_micros(*slots.get(slot));
        for (step, number) in numbers().take(3_000).enumerate() {
            match step % 5 {
                3 => {
                    let slot = kept.swap_remove(number as usize % kept.len());
                    due.remove(slot, |slot| at(&slots, slot));
                    slots.remove(slot);
                }
                4 => {
                    let slot = kept[number as usize % kept.len()];
                    *slots.get_mut(slot) = number % 1_000;
                    due.changed(slot, |slot| at(&slots, slot));
                }
                _ => {
                    let slot = slots.insert(number % 1_000);
                    due.insert(slot, |slot| at(&slots, slot));
                    kept.push(slot);
                }
            }
            let earliest = kept.iter().map(|slot| at(&slots, *slot)).min();
            assert_eq!(due.first().map(|slot| at(&slots, slot)), earliest, "after step {step}");
            let now = Timestamp::from_micros(number % 1_000);
            let expected = kept.iter().filter(|slot| at(&slots, **slot) <= now).count();
            let found = due.until(now, usize::MAX, |slot| at(&slots, slot));
            assert_eq!(found.len(), expected, "after step {step}");
        }
        let now = Timestamp::from_micros(500);
        let expected = kept.iter().filter(|slot| at(&slots, **slot) <= now).count();
        let all = due.until(now, usize::MAX, |slot| at(&slots, slot));
        assert_eq!(all.len(), expected);
        assert!(all.iter().all(|slot| at(&slots, *slot) <= now));
        assert_eq!(due.until(now, 3, |slot| at(&slots, slot)).len(), 3);
    }
}
