//! What holds for any `Cookie` header and any token: exactly the genuine tokens are accepted, each
//! in its one text.

use std::collections::BTreeSet;

use base64ct::{Base64UrlUnpadded, Encoding};
use http::{HeaderMap, HeaderValue, header};

use super::keys::{KeyRing, TokenKeys};
use super::*;
use crate::__properties::Choices;
use crate::frontend::{Bearer, Frontend, Presented, SessionCookie};

const NEWEST: [u8; 32] = [7; 32];
const OLD: [u8; 32] = [8; 32];

/// The largest sum of `Cookie` headers that is searched.
const MOST_BYTES: usize = 32 * 1024;

/// The first byte chooses the property.
pub fn token(data: &[u8]) {
    let mut choices = Choices::of(data);
    match choices.byte() {
        0 => text(&choices.array()),
        1 => signed_bytes(choices),
        _ => headers(choices.rest()),
    }
}

/// A text is decoded if and only if it is the text of the bytes that it is decoded to.
fn text(text: &[u8; TEXT]) {
    let alphabet = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    // 110 characters hold 82 bytes and 4 bits, which have to be zero.
    let is_canonical = text.iter().all(alphabet) && b"AQgw".contains(&text[TEXT - 1]);
    let decoded = base64url::decode(text);
    assert_eq!(decoded.is_some(), is_canonical);
    if let Some(bytes) = decoded {
        assert_eq!(Base64UrlUnpadded::encode_string(&bytes).as_bytes(), text);
    }
}

/// Bytes that bear a right signature are a token if their version and their key are known, and then
/// they have the session and the secret that were signed. Any other text is not a token.
fn signed_bytes(mut choices: Choices<'_>) {
    let keys = ring([NEWEST, OLD], "cookie:id");
    let mut bytes = [0; BYTES];
    bytes[SIGNED].copy_from_slice(&choices.array::<50>());
    if choices.coin() {
        bytes[0] = VERSION;
    }
    if choices.coin() {
        bytes[KEY_ID] = keys.newest().id;
    }
    let key = keys.find(bytes[KEY_ID]);
    let mac = key.map_or(keys.newest(), |(key, _)| key).mac(&bytes[SIGNED]);
    bytes[MAC].copy_from_slice(&mac);
    let mut text = Base64UrlUnpadded::encode_string(&bytes).into_bytes();
    match Verified::parse(&text, &keys) {
        Ok(verified) => {
            assert_eq!(bytes[0], VERSION);
            assert_eq!(verified.id.as_uuid().as_bytes(), &bytes[LOCATOR]);
            assert_eq!(*verified.secret.0, bytes[SECRET]);
            assert_eq!(verified.stale_key, bytes[KEY_ID] != keys.newest().id);
        }
        Err(BadToken::Version) => assert_ne!(bytes[0], VERSION),
        Err(refusal) => assert_eq!((refusal, key.is_none()), (BadToken::Key, true)),
    }
    let (position, other) = (usize::from(choices.byte()) % TEXT, choices.byte());
    if text[position] != other {
        text[position] = other;
        assert!(Verified::parse(&text, &keys).is_err());
    }
}

/// A frontend finds what a simple reading of the headers finds, and a token is accepted if and only
/// if it is one that was signed for this channel.
///
/// In the data, the bytes 1 to 4 stand for a token: of the newest key, of the old key, of another
/// channel, and of another ring. Byte 5 stands for the first one, with a character replaced: two
/// bytes say which one and by what. A line is a header.
fn headers(data: &[u8]) {
    let keys = ring([NEWEST, OLD], "cookie:id");
    let genuine = [sign(&keys), sign(&ring([OLD], "cookie:id"))];
    let foreign = [sign(&ring([NEWEST], "bearer")), sign(&ring([[9; 32]], "cookie:id"))];
    let data = with_tokens(data, &[&genuine[0], &genuine[1], &foreign[0], &foreign[1]]);
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(header::COOKIE, value.clone());
            headers.append(header::AUTHORIZATION, value);
        }
    }
    let presented = SessionCookie::new("id").presented(&headers);
    assert!(presented == cookies_simply(&headers), "{data:?}");
    let bearer = Bearer.presented(&headers);
    assert!(bearer == bearer_simply(&headers), "{data:?}");
    for text in texts(presented).into_iter().chain(texts(bearer)) {
        let place = genuine.iter().position(|token| token.as_slice() == text);
        match Verified::parse(text, &keys) {
            Ok(verified) => {
                let place = place.expect("only a token that was signed is accepted");
                assert_eq!(verified.stale_key, place == 1);
                let signer = if place == 1 { ring([OLD], "cookie:id") } else { keys.clone() };
                let again = SessionToken::sign(verified.id, &verified.secret, &signer);
                assert_eq!(again.expose().as_bytes(), text);
            }
            Err(_) => assert_eq!(place, None, "a token that was signed is accepted"),
        }
    }
}

fn ring<const N: usize>(keys: [[u8; 32]; N], channel: &str) -> TokenKeys {
    KeyRing::new(keys).expect("the keys are long and different").derive(channel, "sessions")
}

fn sign(keys: &TokenKeys) -> Vec<u8> {
    let id = SessionId::from_uuid(Uuid::from_bytes(*b"a session's id.."));
    let secret = Secret(Zeroizing::new(*b"a secret's lasting and other one"));
    SessionToken::sign(id, &secret, keys).expose().as_bytes().to_vec()
}

fn with_tokens(data: &[u8], tokens: &[&Vec<u8>; 4]) -> Vec<u8> {
    let (mut text, mut data) = (Vec::new(), data.iter());
    while let Some(byte) = data.next() {
        match byte {
            1..=4 => text.extend_from_slice(tokens[usize::from(byte - 1)]),
            5 => {
                let mut altered = tokens[0].clone();
                let position = data.next().map_or(0, |byte| usize::from(*byte) % TEXT);
                altered[position] = data.next().copied().unwrap_or_default();
                text.extend(altered);
            }
            other => text.push(*other),
        }
    }
    text
}

fn texts(presented: Presented<'_>) -> Vec<&[u8]> {
    match presented {
        Presented::Nothing | Presented::Oversized => Vec::new(),
        Presented::Token(text) => vec![text],
        Presented::Conflicting(texts) => texts,
    }
}

fn sorted<'h>(found: impl Iterator<Item = &'h [u8]>) -> Presented<'h> {
    let different: BTreeSet<_> = found.collect();
    let different: Vec<_> = different.into_iter().collect();
    match different.as_slice() {
        [] => Presented::Nothing,
        [only] => Presented::Token(only),
        _ => Presented::Conflicting(different),
    }
}

fn cookies_simply(headers: &HeaderMap) -> Presented<'_> {
    let lines = || headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    if lines().map(<[u8]>::len).sum::<usize>() > MOST_BYTES {
        return Presented::Oversized;
    }
    let pairs = lines().flat_map(|line| line.split(|byte| *byte == b';'));
    sorted(pairs.filter_map(|pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default().trim_ascii();
        parts.next().filter(|_| name == b"id").map(<[u8]>::trim_ascii)
    }))
}

fn bearer_simply(headers: &HeaderMap) -> Presented<'_> {
    let lines = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes);
    sorted(
        lines
            .filter(|line| line.to_ascii_lowercase().starts_with(b"bearer "))
            .map(|line| line[7..].trim_ascii()),
    )
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::__properties::settings;

    proptest! {
        #![proptest_config(settings(500))]

        #[test]
        fn bytes_with_a_right_signature_are_read_as_they_were_signed(data: [u8; 32]) {
            let mut long = vec![1];
            long.extend(data.iter().cycle().take(60));
            token(&long);
        }

        #[test]
        fn a_text_of_the_alphabet_has_one_decoding(
            mut text in vec(prop::sample::select(b"ABQgwxyz019-_".to_vec()), TEXT),
            position in 0..TEXT,
            other: Option<u8>,
        ) {
            text[position] = other.unwrap_or(text[position]);
            token(&[&[0], text.as_slice()].concat());
        }

        #[test]
        fn of_any_headers_only_the_signed_tokens_are_accepted(
            pieces in vec(prop::sample::select(PIECES), 0..12),
            position: u8,
            other: u8,
        ) {
            let mut input = vec![2];
            for piece in pieces {
                input.extend_from_slice(piece);
                if *piece == *b"\x05" {
                    input.extend([position, other]);
                }
            }
            token(&input);
        }
    }

    const PIECES: &[&[u8]] = &[
        b"id=",
        b"id=\x01",
        b"id=\x02",
        b"id=\x03",
        b"id=\x04",
        b"\x05",
        b"\x01",
        b"\n",
        b"; ",
        b";",
        b"=",
        b" ",
        b"\t",
        b"x=1; ",
        b"Bearer ",
        b"bearer \x01",
        b"Bearer \x03",
        b"ID=\x01",
        b"id",
        b"\"",
        b"\xff",
        b"\0",
    ];
}
