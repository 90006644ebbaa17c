//! What holds for any environment: what is accepted works in a browser and is signed with long
//! keys, and no message shows a key.

use std::collections::HashSet;
use std::time::Duration;

use http::{HeaderMap, header};

use super::*;
use crate::__properties::Choices;
use crate::frontend::Frontend;
use crate::token::keys::TokenKeys;
use crate::token::{Secret, SessionToken, new_session_id};

/// A key that is not one: no message may show it.
const NOT_A_KEY: &str = "hunter2🦀";

/// The first byte says what the program sets itself. Each line is a variable: its name after
/// `ANCHOR_`, `=`, and its value.
pub fn environment(data: &[u8]) {
    let mut choices = Choices::of(data);
    let (own_keys, own_frontend) = (choices.coin(), choices.coin());
    let of_struct = choices.coin().then_some("__Host-admin");
    let text = String::from_utf8_lossy(choices.rest()).into_owned();
    let variables: Vec<(String, &str)> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (format!("ANCHOR_{name}"), value))
        .collect();
    for (_, value) in variables.iter().filter(|(name, _)| name == "ANCHOR_KEYS") {
        key_ring(value);
    }
    let settings = Environment::of("ANCHOR", variables.iter().cloned());
    match settings.read(of_struct, own_keys, own_frontend) {
        Ok(settings) => accepted(&settings, own_keys, own_frontend),
        Err(error) => {
            let mistakes = error.to_string();
            let mistakes = mistakes.split_once(" mistakes in the environment:\n- ");
            let mistakes = mistakes.map_or_else(|| error.to_string(), |(_, list)| list.to_owned());
            for mistake in mistakes.split("\n- ") {
                assert!(mistake.starts_with("ANCHOR_") && mistake.contains(": "), "{error}");
            }
        }
    }
    if !text.contains('🦀') {
        let secret = [("ANCHOR_KEYS".to_owned(), NOT_A_KEY)];
        let settings = Environment::of("ANCHOR", variables.into_iter().chain(secret));
        let error = settings.read(of_struct, false, own_frontend).err().expect("it is not a key");
        assert!(!error.to_string().contains(NOT_A_KEY), "{error}");
        assert!(!format!("{settings:?}").contains(NOT_A_KEY));
    }
}

/// Settings that are accepted are complete, and browsers keep their cookie.
fn accepted(settings: &Settings, own_keys: bool, own_frontend: bool) {
    assert_eq!(settings.keys.is_none(), own_keys);
    assert_eq!(settings.cookie.is_none(), own_frontend);
    for origin in &settings.trusted_origins {
        assert!(cross_origin::check(origin).is_ok(), "{origin}");
    }
    let Some(cookie) = &settings.cookie else { return };
    let fault = cookie.check(Duration::from_secs(60)).err();
    assert!(fault.is_none(), "{fault:?}");
    // What it sets is what another library reads.
    let token = token();
    let mut headers = HeaderMap::new();
    cookie.issue(&token, None, &mut headers);
    let set = headers[header::SET_COOKIE].to_str().expect("it is printable");
    let read = cookie::Cookie::parse(set).expect("it is a cookie");
    assert_eq!(format!("cookie:{}", read.name()), cookie.channel());
    assert_eq!(read.value(), token.expose());
    assert_eq!((read.http_only(), read.path()), (Some(true), Some("/")));
    let needs_secure = ["__Host-", "__Secure-"].iter().any(|prefix| {
        let start = read.name().get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    });
    assert!(read.secure() == Some(true) || !needs_secure, "{set}");
}

fn token() -> SessionToken {
    let keys: TokenKeys = KeyRing::new([[7; 32]]).expect("it is long").derive("c", "sessions");
    let id = new_session_id().expect("there is randomness");
    SessionToken::sign(id, &Secret::generate().expect("there is randomness"), &keys)
}

/// A ring that is accepted has only long and different keys. A refusal has one of a few messages,
/// which show nothing of a key but its length.
fn key_ring(text: &str) {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    match KeyRing::parse(text) {
        Ok(ring) => {
            let keys: Vec<_> = parts.map(decoded_simply).collect();
            assert!(!keys.is_empty() && keys.iter().all(|key| key.len() >= 32), "{text}");
            assert_eq!(format!("{ring:?}"), format!("KeyRing({} keys)", keys.len()));
            assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len(), "{text}");
        }
        Err(error) => {
            let message = error.to_string().replace(|c: char| c.is_ascii_digit(), "");
            assert!(REFUSALS.contains(&message.as_str()), "{message}");
        }
    }
}

/// The messages of a refused ring, without their digits.
const REFUSALS: [&str; 5] = [
    "the key ring is empty: give it at least one key, such as the output of `openssl rand -base `",
    "signing key  has  bytes and needs at least : make one with `openssl rand -base `",
    "signing key  is not base: make one with `openssl rand -base `",
    "signing key  is the example of the documentation, which everyone knows: make one with \
     `openssl rand -base `",
    "signing keys  and  have the same key id: if they are the same key, remove one; otherwise ( \
     pair in  has the same id by chance) make another with `openssl rand -base `",
];

/// Decodes base64 of either alphabet, one bit after the other.
fn decoded_simply(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let bits: Vec<bool> = text
        .trim_end_matches('=')
        .bytes()
        .flat_map(|byte| {
            let value = LETTERS.iter().position(|letter| *letter == byte);
            let value = value.unwrap_or(if b"+-".contains(&byte) { 62 } else { 63 });
            (0..6).rev().map(move |bit| value >> bit & 1 == 1)
        })
        .collect();
    let bytes = bits.chunks_exact(8);
    bytes.map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::__properties::settings;

    proptest! {
        #![proptest_config(settings(1_000))]

        #[test]
        fn what_an_environment_sets_works_or_is_refused(
            first: u8,
            second: u8,
            third: u8,
            lines in vec((prop::sample::select(NAMES), prop::sample::select(VALUES)), 0..6),
        ) {
            let lines: String =
                lines.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
            environment(&[&[first, second, third], lines.as_bytes()].concat());
        }

        #[test]
        fn only_long_and_different_keys_are_accepted(
            keys in vec((vec(any::<u8>(), 29..36), any::<bool>(), any::<bool>()), 0..4),
            separator in prop::sample::select(vec![",", " , ", ",,", ";"]),
        ) {
            use base64ct::{Base64, Base64UrlUnpadded, Encoding};
            let keys: Vec<_> = keys
                .iter()
                .map(|(key, is_url, _)| match is_url {
                    true => Base64UrlUnpadded::encode_string(key),
                    false => Base64::encode_string(key),
                })
                .collect();
            key_ring(&keys.join(separator));
        }
    }

    const NAMES: &[&str] = &[
        "KEYS",
        "COOKIE_NAME",
        "COOKIE_DOMAIN",
        "COOKIE_SAME_SITE",
        "COOKIE_SECURE",
        "TRUSTED_ORIGINS",
        "DEVELOPMENT",
        "KEY",
        "PORT",
        "COOKIE",
        "KEYS_FILE",
        "",
    ];

    const VALUES: &[&str] = &[
        "eHkwRmY0dTVqS3ZtUTh6TG5XcVJ0Qm9DMWlIZGFHMlU=",
        "c2hvcnQ=",
        "true",
        "false",
        "none",
        "strict",
        "Lax",
        "",
        " ",
        "id",
        "__Host-x",
        "__secure-x",
        "__Host-",
        "a b",
        "a;b",
        "example.com",
        ".example.com",
        "localhost",
        "https://a.example.com",
        "https://a.example.com,https://b.example.com:8443",
        "null",
        "*",
        "ü",
        "=",
        "1",
    ];
}
