//! [`KeyRing`]: the keys that sign tokens, newest first.

use std::fmt;
use std::path::Path;

use base64ct::{Base64, Base64Unpadded, Base64Url, Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::ConfigError;
use crate::token::key_file;

/// The minimum length of a key in bytes: the length of the HMAC's hash (RFC 2104 section 3).
const SHORTEST_KEY: usize = 32;

/// The key that the documentation shows. Everyone knows it, and somebody will copy it.
const EXAMPLE: &str = "cDk5Z0xqcWJ6SGxVb0RZd0F4Rm5Ea1R2S2pMcTdmNGE=";

/// The keys that sign session tokens, newest first.
///
/// Tokens are signed with the first key and verified with the key that they name, so a key is
/// retired in two steps. First, put a new key in front. Then, when every session signed with the
/// old key has ended or was re-signed by its use, remove the old key. If several nodes run, there
/// is a step before these two: put the new key last on each node. A node that does not have a key
/// treats that key's tokens as forgeries: it refuses them, and a logout that it answers ends no
/// session.
///
/// `Debug` shows the number of keys and nothing else about them.
///
/// ```
/// use anchor::KeyRing;
///
/// // This is what a key looks like. Everyone knows this one, so it is refused:
/// // `openssl rand -base64 32` makes another.
/// let refusal = KeyRing::parse("cDk5Z0xqcWJ6SGxVb0RZd0F4Rm5Ea1R2S2pMcTdmNGE=").unwrap_err();
/// assert!(refusal.to_string().starts_with("signing key 1 is the example of the documentation"));
/// ```
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<Zeroizing<Vec<u8>>>,
}

impl KeyRing {
    /// Creates a ring of raw keys, newest first. Each key must have at least 32 bytes of
    /// randomness.
    ///
    /// ```
    /// use anchor::KeyRing;
    ///
    /// let refusal = KeyRing::new([b"short".to_vec()]).unwrap_err();
    /// assert!(refusal.to_string().starts_with("signing key 1 has 5 bytes and needs at least 32"));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if there is no key, if a key is shorter than 32 bytes, if a key is the one
    /// that this documentation shows, or if two keys have the same one-byte key id. Two keys have
    /// the same id if they are equal, or by chance, as one pair in 256 does; then generate another.
    pub fn new<K: Into<Vec<u8>>>(keys: impl IntoIterator<Item = K>) -> Result<Self, ConfigError> {
        let keys: Vec<_> = keys.into_iter().map(|key| Zeroizing::new(key.into())).collect();
        if keys.is_empty() {
            return Err(ConfigError::new(
                "the key ring is empty: give it at least one key, such as the output of \
                 `openssl rand -base64 32`",
            ));
        }
        for (index, key) in keys.iter().enumerate() {
            let nth = index + 1;
            if key.len() < SHORTEST_KEY {
                return Err(ConfigError::new(format_args!(
                    "signing key {nth} has {} bytes and needs at least {SHORTEST_KEY}: \
                     make one with `openssl rand -base64 32`",
                    key.len()
                )));
            }
            if **key == *EXAMPLE.as_bytes()
                || decode(EXAMPLE).is_some_and(|example| example == **key)
            {
                return Err(ConfigError::new(format_args!(
                    "signing key {nth} is the example of the documentation, which everyone knows: \
                     make one with `openssl rand -base64 32`"
                )));
            }
            if let Some(twin) = keys[..index].iter().position(|other| key_id(other) == key_id(key))
            {
                return Err(ConfigError::new(format_args!(
                    "signing keys {} and {nth} have the same key id: if they are the same key, \
                     remove one; otherwise (1 pair in 256 has the same id by chance) make \
                     another with `openssl rand -base64 32`",
                    twin + 1
                )));
            }
        }
        Ok(Self { keys })
    }

    /// Generates one fresh key from the operating system, for tests and for development. Sessions
    /// signed with it do not survive a restart and are not known to other nodes.
    ///
    /// ```
    /// # use anchor::KeyRing;
    /// let keys = KeyRing::generate()?;
    /// assert_eq!(format!("{keys:?}"), "KeyRing(1 keys)");
    /// # Ok::<_, anchor::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system cannot provide randomness.
    pub fn generate() -> Result<Self, ConfigError> {
        let mut key = vec![0; SHORTEST_KEY];
        getrandom::fill(&mut key)
            .map_err(|error| ConfigError::new(format_args!("no randomness for a key: {error}")))?;
        Self::new([key])
    }

    /// Parses keys in base64 (either alphabet, padded or not), separated by commas, newest first.
    ///
    /// ```
    /// # use anchor::KeyRing;
    /// # fn example(new: &str, old: &str) -> Result<(), anchor::ConfigError> {
    /// // The new key first, then the one that is being retired.
    /// let keys = KeyRing::parse(&format!("{new},{old}"))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if a key is not base64, and in the cases of [`KeyRing::new`]. No message
    /// quotes a key.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut keys = Vec::new();
        for (index, key) in text.split(',').map(str::trim).filter(|key| !key.is_empty()).enumerate()
        {
            keys.push(decode(key).ok_or_else(|| {
                ConfigError::new(format_args!(
                    "signing key {} is not base64: make one with `openssl rand -base64 32`",
                    index + 1
                ))
            })?);
        }
        Self::new(keys)
    }

    /// Reads the keys from an environment variable, in the format of [`KeyRing::parse`].
    ///
    /// ```
    /// # use anchor::KeyRing;
    /// let refusal = KeyRing::from_env("MISSING_KEYS").unwrap_err();
    /// assert!(refusal.to_string().contains("variable MISSING_KEYS is not set"));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the variable is not set or is not Unicode, and in the cases of
    /// [`KeyRing::parse`]. The message names the variable.
    pub fn from_env(variable: &str) -> Result<Self, ConfigError> {
        let text = std::env::var(variable).map(Zeroizing::new).map_err(|error| match error {
            std::env::VarError::NotPresent => ConfigError::new(format_args!(
                "the environment variable {variable} is not set: \
                 set it to the signing keys, newest first, for example \
                 {variable}=\"$(openssl rand -base64 32)\""
            )),
            std::env::VarError::NotUnicode(_) => ConfigError::new(format_args!(
                "the environment variable {variable} is not Unicode: set it to base64 \
                 keys, separated by commas"
            )),
        })?;
        Self::parse(&text)
            .map_err(|error| error.within(format_args!("environment variable {variable}")))
    }

    /// Reads the keys from a file, in the format of [`KeyRing::parse`]. If the file does not exist,
    /// makes it with one fresh key, readable only by its owner. This is for development and for
    /// single-node applications.
    ///
    /// Processes that start at the same time get the same key, even in several containers on one
    /// volume. The file appears only when it is complete. On a file system without hard links, it
    /// is empty for a moment; a process that finds it empty waits up to 5 seconds and blocks its
    /// thread for that time.
    ///
    /// If your platform mounts secrets with a file mode of its own choice, read the file yourself
    /// and use [`KeyRing::parse`].
    ///
    /// ```
    /// # use anchor::KeyRing;
    /// # fn example() -> Result<(), anchor::ConfigError> {
    /// let keys = KeyRing::from_file_or_generate("session.key")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the file can be neither read nor made, is open to other users (on Unix,
    /// any mode beyond 0600), stays empty, or is a symbolic link to a file that does not exist, and
    /// in the cases of [`KeyRing::parse`]. The message names the file.
    pub fn from_file_or_generate(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let text = key_file::read_or_make(path, || {
            let ring = Self::generate()?;
            Ok(Zeroizing::new(Base64::encode_string(&ring.keys[0]) + "\n"))
        })?;
        Self::parse(text.trim())
            .map_err(|error| error.within(format_args!("key file {}", path.display())))
    }

    /// Derives the subkeys for the sessions of one table on one channel. A token made for one
    /// cookie or payload is not valid for another, not even in another process.
    pub(crate) fn derive(&self, channel: &str, table: &str) -> TokenKeys {
        let keys = self
            .keys
            .iter()
            .map(|key| {
                let mut derivation = hmac(key);
                derivation.update(b"anchor/v1/session-token\0");
                // The length comes first, so that no other pair gives the same bytes.
                derivation.update(&(channel.len() as u64).to_be_bytes());
                derivation.update(channel.as_bytes());
                derivation.update(table.as_bytes());
                let subkey = Zeroizing::new(<[u8; 32]>::from(derivation.finalize().into_bytes()));
                TokenKey { id: key_id(key), keyed: hmac(&*subkey) }
            })
            .collect();
        TokenKeys { keys }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", self.keys.len())
    }
}

/// Returns a key's id in a token: one byte that depends only on the key, so that a ring can be
/// reordered.
fn key_id(key: &[u8]) -> u8 {
    Sha256::new().chain_update(b"anchor/v1/key-id\0").chain_update(key).finalize()[0]
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn decode(key: &str) -> Option<Vec<u8>> {
    None.or_else(|| Base64::decode_vec(key).ok())
        .or_else(|| Base64Unpadded::decode_vec(key).ok())
        .or_else(|| Base64Url::decode_vec(key).ok())
        .or_else(|| Base64UrlUnpadded::decode_vec(key).ok())
}

/// The ring's subkeys for one table's sessions on one channel.
#[derive(Clone)]
pub(crate) struct TokenKeys {
    /// Newest first; never empty.
    keys: Vec<TokenKey>,
}

impl TokenKeys {
    pub(crate) fn newest(&self) -> &TokenKey {
        &self.keys[0]
    }

    /// Returns the key with this id, and whether it is no longer the newest.
    pub(crate) fn find(&self, id: u8) -> Option<(&TokenKey, bool)> {
        self.keys.iter().position(|key| key.id == id).map(|index| (&self.keys[index], index > 0))
    }
}

/// One subkey, with the HMAC's inner state computed once.
#[derive(Clone)]
pub(crate) struct TokenKey {
    pub(crate) id: u8,
    keyed: Hmac<Sha256>,
}

impl TokenKey {
    pub(crate) fn mac(&self, message: &[u8]) -> [u8; 32] {
        self.keyed.clone().chain_update(message).finalize().into_bytes().into()
    }

    /// Returns whether the MAC is valid. Compares in constant time.
    pub(crate) fn verify(&self, message: &[u8], mac: &[u8]) -> bool {
        self.keyed.clone().chain_update(message).verify_slice(mac).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(ring: Result<KeyRing, ConfigError>) -> String {
        ring.unwrap_err().to_string()
    }

    #[test]
    fn short_missing_and_repeated_keys_are_refused() {
        assert_eq!(
            refusal(KeyRing::new([[0; 31]])),
            "signing key 1 has 31 bytes and needs at least 32: make one with `openssl rand -base64 \
             32`"
        );
        assert!(refusal(KeyRing::new([[0u8; 32]; 0])).contains("the key ring is empty"));
        assert!(
            refusal(KeyRing::new([[1; 32], [1; 32]])).contains("keys 1 and 2 have the same key id")
        );
    }

    #[test]
    fn parses_either_alphabet_with_and_without_padding() {
        let key = [0xfb_u8; 32];
        for text in [
            Base64::encode_string(&key),
            Base64Unpadded::encode_string(&key),
            Base64Url::encode_string(&key),
            Base64UrlUnpadded::encode_string(&key),
        ] {
            assert_eq!(*KeyRing::parse(&format!(" {text} ,")).unwrap().keys[0], key);
        }
    }

    #[test]
    fn a_refused_key_is_not_quoted() {
        let message = refusal(KeyRing::parse("hunter2 is no base64"));
        assert_eq!(message, "signing key 1 is not base64: make one with `openssl rand -base64 32`");
        assert!(refusal(KeyRing::from_env("ANCHOR_NO_SUCH_VARIABLE")).contains("is not set"));
    }

    #[test]
    fn a_key_file_is_made_and_read_and_named_where_it_is_wrong() {
        let name = format!("anchor-key-ring-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let made = KeyRing::from_file_or_generate(&path).unwrap();
        let read = KeyRing::from_file_or_generate(&path).unwrap();
        assert_eq!(made.keys, read.keys);
        std::fs::write(&path, "short").unwrap();
        let message = refusal(KeyRing::from_file_or_generate(&path));
        assert!(message.contains(&path.display().to_string()), "{message}");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_key_that_the_documentation_shows_is_refused_wherever_it_comes_from() {
        let raw = decode(EXAMPLE).unwrap();
        for ring in [
            KeyRing::parse(EXAMPLE),
            KeyRing::new([EXAMPLE]),
            KeyRing::parse(EXAMPLE.trim_end_matches('=')),
            KeyRing::new([raw.clone()]),
        ] {
            assert!(refusal(ring).starts_with("signing key 1 is the example"));
        }
        let second = KeyRing::new([[1; 32].to_vec(), raw]);
        assert!(refusal(second).starts_with("signing key 2 is the example"));
    }

    #[test]
    fn another_channel_or_table_has_other_subkeys() {
        let ring = KeyRing::new([[7; 32]]).unwrap();
        let pairs = [
            ("cookie:id", "sessions"),
            ("cookie:id", "admins"),
            ("cookie:admin", "sessions"),
            // The same characters, split at another place.
            ("cookie:ids", "essions"),
            ("cookie:id\0", "sessions"),
            ("cookie:id", "\0sessions"),
        ];
        let macs: std::collections::HashSet<_> = pairs
            .iter()
            .map(|(channel, table)| ring.derive(channel, table).newest().mac(b"message"))
            .collect();
        assert_eq!(macs.len(), pairs.len());
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", KeyRing::new([[7; 32]]).unwrap()), "KeyRing(1 keys)");
    }
}
