//! Tokens of itsdangerous.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use coming_from_example::itsdangerous::UrlSafeTimedSerializer;
use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};

const TIME: u64 = 1_700_000_000;
const HEX: &str = "9b0172ec8bb14cfda7733388fbc44d97";
/// Written by Python: itsdangerous 2.2.0.
const TOKEN: &str =
    "IjliMDE3MmVjOGJiMTRjZmRhNzczMzM4OGZiYzQ0ZDk3Ig.ZVPxAA.Wy7VczXTc_EbnI9tFvMlNSl2oIg";

/// Does what `URLSafeTimedSerializer(secret, salt=salt).dumps(value)` does.
pub(crate) fn dumps(secret: &str, salt: &str, time: SystemTime, value: &str) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap().as_secs().to_be_bytes();
    let zeros = seconds.iter().take_while(|byte| **byte == 0).count();
    let payload = serde_json::to_string(value).unwrap();
    signed(secret, salt, payload.as_bytes(), &seconds[zeros..])
}

fn signed(secret: &str, salt: &str, payload: &[u8], time: &[u8]) -> String {
    let [payload, time] = [payload, time].map(Base64UrlUnpadded::encode_string);
    sign(secret, salt, &format!("{payload}.{time}"))
}

fn sign(secret: &str, salt: &str, text: &str) -> String {
    let key = Sha1::digest(format!("{salt}signer{secret}"));
    let mac = Hmac::<Sha1>::new_from_slice(&key).unwrap().chain_update(text).finalize();
    format!("{text}.{}", Base64UrlUnpadded::encode_string(&mac.into_bytes()))
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Reads a token at a time, with a `max_age` of 100 seconds.
fn loads(token: &str, seconds: u64) -> Option<String> {
    let signer = UrlSafeTimedSerializer::new("your-secret", "session", Duration::from_secs(100));
    signer.loads(token, at(seconds))
}

#[test]
fn the_token_of_python_is_read() {
    assert_eq!(dumps("your-secret", "session", at(TIME), HEX), TOKEN);
    assert_eq!(loads(TOKEN, TIME).as_deref(), Some(HEX));
}

#[test]
fn only_its_max_age_is_accepted() {
    assert!(loads(TOKEN, TIME + 100).is_some());
    assert!(loads(TOKEN, TIME + 101).is_none());
    assert!(loads(TOKEN, TIME - 1).is_none());
}

#[test]
fn another_secret_or_salt_is_refused() {
    for (secret, salt) in [("another", "session"), ("your-secret", "sessions"), ("", "session")] {
        assert_eq!(loads(&dumps(secret, salt, at(TIME), HEX), TIME), None, "{secret} {salt}");
    }
}

/// Every change of one character, also of the last ones, whose lowest bits mean nothing.
#[test]
fn one_text_is_one_token() {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ";
    for position in 0..TOKEN.len() {
        for letter in letters.chars() {
            let mut token = TOKEN.to_owned();
            token.replace_range(position..=position, letter.encode_utf8(&mut [0; 4]));
            assert!(token == TOKEN || loads(&token, TIME).is_none(), "{token}");
        }
    }
    for token in ["", ".", "..", &TOKEN[1..], &TOKEN[..TOKEN.len() - 1], &format!("{TOKEN}=")] {
        assert!(loads(token, TIME).is_none(), "{token}");
    }
}

/// With a genuine signature, but not as Python writes it.
#[test]
fn odd_tokens_are_refused() {
    let sign = |text: &str| sign("your-secret", "session", text);
    let (payload, _) = TOKEN.split_once('.').unwrap();
    assert!(loads(&sign(&format!("{payload}.ZVPxAA")), TIME).is_some());
    for text in [
        payload,
        // Padding, a time in other bits, a time with a leading zero, no time, one of nine bytes.
        &format!("{payload}==.ZVPxAA"),
        &format!("{payload}.ZVPxAB"),
        &format!("{payload}.AGVT8QA"),
        &format!("{payload}."),
        &format!("{payload}.AQAAAABlU_EA"),
        // Compressed: a dot in front.
        &format!(".{payload}.ZVPxAA"),
    ] {
        assert!(loads(&sign(text), TIME).is_none(), "{text}");
    }
    let number = signed("your-secret", "session", b"7", &[0x65, 0x53, 0xf1, 0]);
    assert!(loads(&number, TIME).is_none());
}
