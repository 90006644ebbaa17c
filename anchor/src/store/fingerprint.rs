//! [`Fingerprint`]: the hash of what a session is bound to.

use sha2::{Digest, Sha256};

use crate::token::hash_type;

hash_type! {
    /// The SHA-256 hash of what the application uses as a client's fingerprint. A store keeps the
    /// hash. It cannot be reversed, but an input that has few possible values can be guessed. Its
    /// `Debug` shows nothing.
    Fingerprint
}

impl Fingerprint {
    /// Returns the fingerprint of these bytes.
    ///
    /// ```
    /// use anchor::store::Fingerprint;
    ///
    /// let certificate = b"the client's certificate";
    /// assert_eq!(Fingerprint::of(certificate), Fingerprint::of(certificate));
    /// assert_ne!(Fingerprint::of(certificate), Fingerprint::of(b"another one"));
    /// ```
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}
