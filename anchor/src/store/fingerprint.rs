//! [`Fingerprint`]: the hash of what a session is bound to.

use std::fmt;

use sha2::{Digest, Sha256};

/// The SHA-256 hash of what the application uses as a client's fingerprint. A store keeps the hash.
/// It cannot be reversed, but an input that has few possible values can be guessed. Its `Debug`
/// shows nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Returns the fingerprint of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Returns the fingerprint with this hash, which a store has kept.
    pub const fn from_bytes(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// Returns the bytes of the hash, for a store to keep.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}
