//! [`SessionToken`]: the credential, its bytes, and their one canonical text.
//!
//! `base64url_nopad( version:1 | key_id:1 | locator:16 | secret:32 | HMAC-SHA256:32 )`
//!
//! The MAC covers everything before it, so a forgery is refused without a store call. The secret
//! has two halves of 128 bits (OWASP ASVS 5.0 7.2.3). One half lasts for the session's life and
//! proves the right to end the session. The other half is replaced by each rotation. The store
//! keeps only hashes, so a dump of it does not give access to any session.

mod base64url;
mod key_file;
pub(crate) mod keys;
#[cfg(any(test, feature = "_fuzz"))]
pub(crate) mod properties;

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::id::SessionId;
use keys::TokenKeys;

pub use keys::KeyRing;

const VERSION: u8 = 1;
const KEY_ID: usize = 1;
const LOCATOR: std::ops::Range<usize> = 2..18;
const SECRET: std::ops::Range<usize> = 18..50;
const SIGNED: std::ops::Range<usize> = 0..50;
const MAC: std::ops::Range<usize> = 50..82;
const BYTES: usize = 82;

/// The number of characters in a token's text.
pub(crate) const TEXT: usize = 110;

/// The credential of a session: whoever presents it has access.
///
/// It has no `Display` and no `Serialize`, and its `Debug` shows nothing. [`expose`](Self::expose)
/// is the only way to get its text. Its memory is wiped when it is dropped.
#[derive(Clone)]
pub struct SessionToken {
    text: Zeroizing<[u8; TEXT]>,
}

impl SessionToken {
    /// Returns the token's text. Send it only to its owner, over a secure channel. Never write it
    /// to a log.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # async fn handler(auth: Auth<UserSession>) -> Result<String, anchor::Error> {
    /// let login = auth.login(UserSession { user_id: 1 }).await?;
    /// assert_eq!(format!("{:?}", login.token()), "SessionToken(..)");
    /// // The body of the response, for a client that sends `Authorization: Bearer ..`.
    /// Ok(login.token().expose().to_owned())
    /// # }
    /// ```
    pub fn expose(&self) -> &str {
        std::str::from_utf8(&*self.text).unwrap_or_default()
    }

    /// Returns the token with this text, which must be [valid](Verified::parse).
    #[cfg(feature = "testing")]
    pub(crate) fn of(text: &[u8]) -> Option<Self> {
        Some(Self { text: Zeroizing::new(text.try_into().ok()?) })
    }

    /// Creates and signs the token of a session.
    pub(crate) fn sign(id: SessionId, secret: &Secret, keys: &TokenKeys) -> Self {
        let signer = keys.newest();
        let mut bytes = Zeroizing::new([0; BYTES]);
        bytes[0] = VERSION;
        bytes[KEY_ID] = signer.id;
        bytes[LOCATOR].copy_from_slice(id.as_uuid().as_bytes());
        bytes[SECRET].copy_from_slice(&*secret.0);
        let mac = signer.mac(&bytes[SIGNED]);
        bytes[MAC].copy_from_slice(&mac);
        let mut text = Zeroizing::new([0; TEXT]);
        // The buffer has the exact length, so encoding cannot fail.
        let _ = Base64UrlUnpadded::encode(&*bytes, &mut *text);
        Self { text }
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(..)")
    }
}

/// A token that a request presented and whose MAC is valid. Only the store knows whether its
/// session is live and has this secret.
pub(crate) struct Verified {
    pub(crate) id: SessionId,
    pub(crate) secret: Secret,
    /// Whether the token was signed with a key that is no longer the newest.
    pub(crate) stale_key: bool,
}

impl Verified {
    /// Returns whether the other token has the same secret of the same session.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.id == other.id && self.secret.hash() == other.secret.hash()
    }

    /// Decodes and verifies a presented token, on the stack and without a store call.
    ///
    /// Accepts only the one text that [`SessionToken::sign`] would write: the exact length, no
    /// padding, and no loose bits at the end.
    pub(crate) fn parse(text: &[u8], keys: &TokenKeys) -> Result<Self, BadToken> {
        let text: &[u8; TEXT] = text.try_into().map_err(|_| BadToken::Length)?;
        let bytes = Zeroizing::new(base64url::decode(text).ok_or(BadToken::Encoding)?);
        if bytes[0] != VERSION {
            return Err(BadToken::Version);
        }
        let (key, stale_key) = keys.find(bytes[KEY_ID]).ok_or(BadToken::Key)?;
        if !key.verify(&bytes[SIGNED], &bytes[MAC]) {
            return Err(BadToken::Signature);
        }
        let mut locator = [0; 16];
        locator.copy_from_slice(&bytes[LOCATOR]);
        let mut secret = Zeroizing::new([0; 32]);
        secret.copy_from_slice(&bytes[SECRET]);
        Ok(Self {
            id: SessionId::from_uuid(Uuid::from_bytes(locator)),
            secret: Secret(secret),
            stale_key,
        })
    }
}

/// The reason why a presented token was refused before any store call. It is only for the log: a
/// response does not distinguish between the reasons.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
/// #     .keys(KeyRing::generate()?)
/// #     .build()?;
/// use anchor::Rejection;
/// use anchor::token::BadToken;
/// use axum::http::Request;
///
/// let request = Request::builder().header("cookie", "__Host-id=forged").body(())?;
/// let refused = sessions.test_request(request).session().await.unwrap_err();
/// assert!(matches!(refused.rejection(), Some(Rejection::BadToken(BadToken::Length))));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// The text does not have the length of a token.
    #[error("it does not have the length of a token")]
    Length,
    /// The text is not canonical base64url without padding.
    #[error("it is not canonical base64url")]
    Encoding,
    /// The token has a format that this release does not know.
    #[error("its version is unknown")]
    Version,
    /// The token was signed with a key that is not in the ring.
    #[error("its key is not in the key ring")]
    Key,
    /// The MAC does not match: the token was altered, forged, or made for another cookie.
    #[error("its signature is not valid")]
    Signature,
    /// The request presented several different tokens.
    #[error("the request carries several different tokens")]
    Conflicting,
    /// The request's cookies are larger than what is searched.
    #[error("the request's cookies are too large")]
    Oversized,
}

/// 256 bits from the operating system: first 128 that last for the session's life, then 128 that
/// each rotation replaces.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<[u8; 32]>);

/// The position of a secret's lasting half.
const LASTING: std::ops::Range<usize> = 0..16;

impl Secret {
    /// Generates a fresh secret.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system cannot provide randomness.
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// Returns the secret that replaces this one in a rotation of the same session.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system cannot provide randomness.
    pub(crate) fn rotated(&self) -> Result<Self, getrandom::Error> {
        let mut rotated = Self::generate()?;
        rotated.0[LASTING].copy_from_slice(&self.0[LASTING]);
        Ok(rotated)
    }

    /// Returns the hash of both halves. Whoever has this secret may use the session.
    pub(crate) fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(*self.0).into())
    }

    /// Returns the hash of the half that is the same in every secret of the session. Whoever has
    /// one of these secrets may end the session.
    pub(crate) fn lasting_hash(&self) -> LastingHash {
        LastingHash(Sha256::digest(&self.0[LASTING]).into())
    }
}

/// Generates a fresh UUIDv7: 48 bits of this node's milliseconds, so that rows cluster by age, and
/// 74 bits from the operating system.
///
/// # Errors
///
/// Returns an error if the operating system cannot provide randomness.
pub(crate) fn new_session_id() -> Result<SessionId, getrandom::Error> {
    let mut random = [0; 10];
    getrandom::fill(&mut random)?;
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let millis = u64::try_from(millis).unwrap_or(u64::MAX);
    Ok(SessionId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()))
}

/// Declares a type for a hash that a store keeps.
macro_rules! hash_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Creates the hash from its bytes, as a store kept them.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Returns the hash's bytes, for a store to keep.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        /// Compares in constant time.
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                subtle::ConstantTimeEq::ct_eq(self.0.as_slice(), &other.0).into()
            }
        }

        impl Eq for $name {}

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

pub(crate) use hash_type;

hash_type! {
    /// The SHA-256 of a session's secret, which a request has to present. Its `Debug` shows
    /// nothing.
    SecretHash
}

hash_type! {
    /// The SHA-256 of the half of a secret that lasts for the session's life. It proves that a
    /// token is one of this session's, however often the token was rotated since. Its `Debug` shows
    /// nothing.
    LastingHash
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::token::keys::KeyRing;

    pub(crate) fn any_token() -> SessionToken {
        token(&keys())
    }

    fn keys() -> TokenKeys {
        KeyRing::new([[7; 32]]).unwrap().derive("cookie:__Host-id", "sessions")
    }

    fn token(keys: &TokenKeys) -> SessionToken {
        SessionToken::sign(new_session_id().unwrap(), &Secret::generate().unwrap(), keys)
    }

    fn refusal(text: &[u8], keys: &TokenKeys) -> BadToken {
        Verified::parse(text, keys).err().expect("the token is refused")
    }

    #[test]
    fn a_signed_token_verifies_and_names_its_session() {
        let (id, secret) = (new_session_id().unwrap(), Secret::generate().unwrap());
        let token = SessionToken::sign(id, &secret, &keys());
        let verified = Verified::parse(token.expose().as_bytes(), &keys()).unwrap();
        assert_eq!(verified.id, id);
        assert!(verified.secret.hash() == secret.hash());
        assert!(!verified.stale_key);
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let keys = keys();
        let token = token(&keys);
        for position in 0..TEXT {
            for bit in 0..8 {
                let mut text = token.expose().as_bytes().to_vec();
                text[position] ^= 1 << bit;
                refusal(&text, &keys);
            }
        }
    }

    #[test]
    fn every_other_length_is_refused() {
        let keys = keys();
        let token = token(&keys);
        for length in 0..TEXT {
            assert_eq!(refusal(&token.expose().as_bytes()[..length], &keys), BadToken::Length);
        }
        for extra in ["=", "==", "A", " "] {
            assert_eq!(
                refusal((token.expose().to_owned() + extra).as_bytes(), &keys),
                BadToken::Length
            );
        }
    }

    #[test]
    fn only_one_text_is_the_token() {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let keys = keys();
        let token = token(&keys);
        let mut text = token.expose().as_bytes().to_vec();
        let last = text[TEXT - 1];
        for other in ALPHABET.iter().filter(|other| **other != last) {
            text[TEXT - 1] = *other;
            refusal(&text, &keys);
        }
        let mut standard = token.expose().as_bytes().to_vec();
        standard[20] = b'+';
        assert_eq!(refusal(&standard, &keys), BadToken::Encoding);
    }

    #[test]
    fn a_text_is_decoded_as_the_kept_library_decodes_it() {
        let keys = keys();
        for _ in 0..1_000 {
            let token = token(&keys);
            let mut theirs = [0; BYTES];
            Base64UrlUnpadded::decode(token.expose(), &mut theirs).unwrap();
            assert_eq!(base64url::decode(&token.text), Some(theirs));
        }
        // Each character at each place, alone among zeros.
        for position in 0..TEXT {
            for character in 0..=u8::MAX {
                let mut text = [b'A'; TEXT];
                text[position] = character;
                let mut theirs = [0; BYTES];
                let is_accepted = Base64UrlUnpadded::decode(text, &mut theirs).is_ok();
                // 82 bytes leave 4 bits over, which have to be zero.
                let is_canonical = position < TEXT - 1 || b"AQgw".contains(&character);
                let theirs = (is_accepted && is_canonical).then_some(theirs);
                assert_eq!(base64url::decode(&text), theirs, "{character} at {position}");
            }
        }
        // Two wrong characters do not make up for each other.
        let mut text = [b'A'; TEXT];
        text[..2].copy_from_slice(b"!!");
        assert_eq!(base64url::decode(&text), None);
    }

    #[test]
    fn a_token_of_another_key_version_or_channel_is_refused() {
        let keys = keys();
        let text = token(&keys);
        let other = KeyRing::new([[8; 32]]).unwrap().derive("cookie:__Host-id", "sessions");
        assert_eq!(refusal(text.expose().as_bytes(), &other), BadToken::Key);
        let channel = KeyRing::new([[7; 32]]).unwrap().derive("cookie:__Host-admin", "sessions");
        assert_eq!(refusal(text.expose().as_bytes(), &channel), BadToken::Signature);

        let mut bytes = [0; BYTES];
        Base64UrlUnpadded::decode(text.expose(), &mut bytes).unwrap();
        bytes[0] = 2;
        let mac = keys.newest().mac(&bytes[SIGNED]);
        bytes[MAC].copy_from_slice(&mac);
        assert_eq!(
            refusal(Base64UrlUnpadded::encode_string(&bytes).as_bytes(), &keys),
            BadToken::Version
        );
    }

    #[test]
    fn an_old_key_still_verifies_and_is_told() {
        let old = KeyRing::new([[7; 32]]).unwrap().derive("c", "sessions");
        let both = KeyRing::new([[8; 32], [7; 32]]).unwrap().derive("c", "sessions");
        let verified = Verified::parse(token(&old).expose().as_bytes(), &both).unwrap();
        assert!(verified.stale_key);
    }

    #[test]
    fn a_rotated_secret_keeps_the_lasting_half_alone() {
        let first = Secret::generate().unwrap();
        let second = first.rotated().unwrap();
        assert!(first.lasting_hash() == second.lasting_hash());
        assert!(first.hash() != second.hash());
        assert!(first.0[16..] != second.0[16..]);
        assert!(Secret::generate().unwrap().lasting_hash() != first.lasting_hash());
    }

    #[test]
    fn nothing_shows_a_secret() {
        let keys = keys();
        let token = token(&keys);
        let verified = Verified::parse(token.expose().as_bytes(), &keys).unwrap();
        assert_eq!(format!("{token:?}"), "SessionToken(..)");
        assert_eq!(format!("{:?}", verified.secret.hash()), "SecretHash(..)");
    }

    #[test]
    fn session_ids_are_version_7_and_sort_by_age() {
        let first = new_session_id().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
        let second = new_session_id().unwrap();
        assert_eq!(first.as_uuid().get_version_num(), 7);
        assert!(first < second);
    }
}
