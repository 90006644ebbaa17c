//! [`Placement`]: the bits of a session's id that say where a store keeps the session.

use sha2::{Digest, Sha256};

use crate::id::SessionId;

/// Twelve bits of a session's id, for a store that spreads its rows over shards and wants to find a
/// session's shard from the id alone.
///
/// A store that keeps the sessions of a subject together returns the subject's placement from
/// [`SessionStore::placement`](super::SessionStore::placement). A login then writes it into the new
/// id: into the first twelve random bits of the UUIDv7, which are the three digits after the `7`.
/// The id is a locator and not a credential, and 62 random bits and its milliseconds still tell it
/// apart from others. Whoever sees two ids learns whether their subjects are different, or are
/// probably the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Placement(u16);

impl Placement {
    /// How many placements there are.
    pub const COUNT: u16 = 1 << 12;

    /// Creates the placement with this number, of which the lowest twelve bits are used.
    pub const fn new(number: u16) -> Self {
        Self(number % Self::COUNT)
    }

    /// Returns a placement that depends on nothing but these bytes, and is evenly distributed.
    pub fn of(bytes: &[u8]) -> Self {
        let [first, second, ..]: [u8; 32] = Sha256::digest(bytes).into();
        Self::new(u16::from_be_bytes([first, second]) >> 4)
    }

    /// Returns its number, less than [`COUNT`](Self::COUNT).
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// The place of the twelve bits in the UUID.
const SHIFT: u32 = 64;

impl SessionId {
    /// Returns the placement that this id carries; one at random if nothing wrote it.
    pub fn placement(&self) -> Placement {
        Placement::new((self.as_uuid().as_u128() >> SHIFT) as u16)
    }

    /// Returns this id with another placement.
    #[must_use]
    pub fn placed(self, placement: Placement) -> Self {
        let mask = u128::from(Placement::COUNT - 1) << SHIFT;
        let bits = u128::from(placement.number()) << SHIFT;
        Self::from_uuid(uuid::Uuid::from_u128(self.as_uuid().as_u128() & !mask | bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::new_session_id;

    #[test]
    fn an_id_carries_its_placement_in_the_digits_after_the_version() {
        let id = new_session_id().unwrap();
        for number in [0, 1, 0xabc, 0xfff] {
            let placed = id.placed(Placement::new(number));
            assert_eq!(placed.placement().number(), number);
            assert_eq!(placed.to_string()[14..18], format!("7{number:03x}"));
            assert_eq!(placed.began_at(), id.began_at());
            assert_eq!(placed.placed(id.placement()), id);
        }
    }

    #[test]
    fn subjects_are_spread_evenly() {
        let mut places = [0_u32; 16];
        for subject in 0..16_000_u32 {
            let place = Placement::of(subject.to_string().as_bytes());
            places[usize::from(place.number() >> 8)] += 1;
        }
        assert!(places.iter().all(|count| (800..1_200).contains(count)), "{places:?}");
    }

    /// The ids in users' databases carry it, so it stays the same in every version.
    #[test]
    fn a_placement_is_the_first_twelve_bits_of_the_hash() {
        // SHA-256 of nothing begins with e3b0c442.
        assert_eq!(Placement::of(b"").number(), 0xe3b);
    }
}
