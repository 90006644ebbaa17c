//! The token taken apart, as an attacker would.

use anchor::SessionId;
use base64ct::{Base64UrlUnpadded, Encoding};
use uuid::Uuid;

/// The name and the token of a `name=token` cookie.
pub(crate) fn split(cookie: &str) -> (&str, &str) {
    cookie.split_once('=').expect("name=token")
}

/// The 82 bytes of a cookie's token.
pub(crate) fn bytes_of(cookie: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(split(cookie).1).expect("base64url")
}

/// The same cookie with a token of these bytes.
pub(crate) fn with_bytes(cookie: &str, bytes: &[u8]) -> String {
    format!("{}={}", split(cookie).0, Base64UrlUnpadded::encode_string(bytes))
}

/// The session that a cookie's token names.
pub(crate) fn id_of(cookie: &str) -> SessionId {
    SessionId::from_uuid(Uuid::from_slice(&bytes_of(cookie)[2..18]).expect("16 bytes"))
}
