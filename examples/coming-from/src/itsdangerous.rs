//! Reads the tokens of Python's itsdangerous.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use serde::de::DeserializeOwned;
use sha1::{Digest, Sha1};

/// `itsdangerous.URLSafeTimedSerializer(secret, salt=salt)` with its defaults: HMAC-SHA1 and the
/// key derivation `django-concat`. It has no `Debug`, because it holds a key.
#[derive(Clone)]
pub struct UrlSafeTimedSerializer {
    mac: Hmac<Sha1>,
    max_age: Duration,
}

impl UrlSafeTimedSerializer {
    /// Creates the serializer. Tokens older than `max_age` are refused.
    pub fn new(secret: &str, salt: &str, max_age: Duration) -> Self {
        let key = Sha1::new().chain_update(salt).chain_update("signer").chain_update(secret);
        let mac = Hmac::new_from_slice(&key.finalize()).expect("an HMAC takes keys of any length");
        Self { mac, max_age }
    }

    /// Returns the value of a token, or `None` if it is forged, older than `max_age`, from the
    /// future, or written in another way than itsdangerous writes it. Compares in constant time.
    ///
    /// Python compresses a value if that makes it shorter. Such tokens are refused: the hexadecimal
    /// digits of a random UUID do not get shorter.
    pub fn loads<T: DeserializeOwned>(&self, token: &str, now: SystemTime) -> Option<T> {
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = Base64UrlUnpadded::decode_vec(signature).ok()?;
        self.mac.clone().chain_update(signed).verify_slice(&signature).ok()?;

        let (payload, time) = signed.rsplit_once('.')?;
        let age = now.duration_since(seconds(time)?).ok()?;
        // Python counts whole seconds.
        if age.as_secs() > self.max_age.as_secs() {
            return None;
        }
        serde_json::from_slice(&Base64UrlUnpadded::decode_vec(payload).ok()?).ok()
    }
}

/// Reads a time: big-endian seconds since 1970, without leading zeros.
fn seconds(text: &str) -> Option<SystemTime> {
    let bytes = Base64UrlUnpadded::decode_vec(text).ok()?;
    let mut seconds = [0; 8];
    seconds.get_mut(8usize.checked_sub(bytes.len())?..)?.copy_from_slice(&bytes);
    if bytes.first() == Some(&0) {
        return None;
    }
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_be_bytes(seconds)))
}
