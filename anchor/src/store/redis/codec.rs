//! How a value is written into a field of a session's hash, so that a person can read it.
//!
//! | column | field |
//! | --- | --- |
//! | boolean | `true`, `false` |
//! | integer | decimal |
//! | float | the shortest decimal that is read as the same float; `NaN`, `inf`, `-inf` |
//! | text, enum, JSON | as it is |
//! | bytes | hexadecimal |
//! | UUID | with hyphens |
//! | IP address | as usual |
//! | instant | microseconds since 1970, decimal |
//!
//! `NULL` is the field [`NULL`], which is not a text. A column without a field is younger than the
//! session.

use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::column::{Column, ColumnError, ColumnType, Value, wanted};
use crate::payload::DecodeError;
use crate::timestamp::Timestamp;

/// The field of a column that is `NULL`.
pub(super) const NULL: &[u8] = b"\xffNULL";

/// Returns the text of a value; `None` for `NULL`.
///
/// # Errors
///
/// Fails if the column would not return the value unchanged.
pub(super) fn encode(ty: ColumnType, value: &Value) -> Result<Option<Vec<u8>>, ColumnError> {
    let text = match (ty, value) {
        (_, Value::Null) => return Ok(None),
        (ColumnType::Bool, Value::Bool(bool)) => bool.to_string(),
        (ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt, Value::Int(int)) => {
            integer(ty, *int)?;
            int.to_string()
        }
        (ColumnType::Real, Value::Float(wide)) => {
            let narrow = *wide as f32;
            if f64::from(narrow).to_bits() != wide.to_bits() && !wide.is_nan() {
                return Err(ColumnError::new("the value does not fit a 32-bit float"));
            }
            float(*wide)
        }
        (ColumnType::Double, Value::Float(wide)) => float(*wide),
        (ColumnType::Text | ColumnType::Enum(_), Value::Text(text))
        | (ColumnType::Json, Value::Json(text)) => text.clone(),
        (ColumnType::Bytes, Value::Bytes(bytes)) => hex(bytes),
        (ColumnType::Uuid, Value::Uuid(uuid)) => uuid.to_string(),
        (ColumnType::Ip, Value::Ip(ip)) => ip.to_string(),
        (ColumnType::Timestamp, Value::Timestamp(time)) => time.as_micros().to_string(),
        (ty, other) => return Err(ColumnError::unexpected(wanted(ty), other)),
    };
    Ok(Some(text.into_bytes()))
}

/// Reads a field.
///
/// # Errors
///
/// Fails if the field does not contain a value of this type. The error does not quote it.
pub(super) fn decode(ty: ColumnType, field: &[u8]) -> Result<Value, ColumnError> {
    let other = || ColumnError::new(format_args!("expected {}, found other text", wanted(ty)));
    let text = std::str::from_utf8(field).map_err(|_| other())?;
    Ok(match ty {
        ColumnType::Bool => Value::Bool(parsed(text).ok_or_else(other)?),
        ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => {
            let int = parsed(text).ok_or_else(other)?;
            integer(ty, int)?;
            Value::Int(int)
        }
        ColumnType::Real | ColumnType::Double => Value::Float(float_of(text).ok_or_else(other)?),
        ColumnType::Text | ColumnType::Enum(_) => Value::Text(text.to_owned()),
        ColumnType::Json => Value::Json(text.to_owned()),
        ColumnType::Bytes => Value::Bytes(bytes_of_hex(text).ok_or_else(other)?),
        ColumnType::Uuid => Value::Uuid(parsed(text).ok_or_else(other)?),
        ColumnType::Ip => Value::Ip(parsed(text).ok_or_else(other)?),
        ColumnType::Timestamp => {
            Value::Timestamp(Timestamp::from_micros(parsed(text).ok_or_else(other)?))
        }
    })
}

/// Reads a field that a session may lack.
pub(super) fn maybe<C: Column>(
    name: &'static str,
    field: Option<&[u8]>,
) -> Result<Option<C>, DecodeError> {
    let Some(field) = field else { return Ok(None) };
    let value = decode(C::TYPE, field).and_then(C::from_value);
    value.map(Some).map_err(|reason| DecodeError::new(name, reason))
}

/// Reads the default of a column, which is an SQL expression; `None` if it is not a literal.
pub(super) fn literal(ty: ColumnType, expression: &str) -> Option<Value> {
    let expression = expression.trim();
    if expression.eq_ignore_ascii_case("null") {
        return Some(Value::Null);
    }
    let text = match expression.strip_prefix('\'') {
        Some(rest) => {
            let (text, rest) = rest.rsplit_once('\'')?;
            // PostgreSQL's cast, such as `'[]'::jsonb`.
            let is_cast = rest.strip_prefix("::").is_some_and(|ty| !ty.contains('\''));
            let is_one = !text.replace("''", "").contains('\'');
            ((rest.is_empty() || is_cast) && is_one).then(|| text.replace("''", "'"))?
        }
        None if matches!(ty, ColumnType::Bool) => expression.to_ascii_lowercase(),
        None => expression.parse::<f64>().is_ok().then(|| expression.to_owned())?,
    };
    decode(ty, text.as_bytes()).ok()
}

/// The longest name that is written as it is.
const LONGEST_NAME: usize = 128;

/// What the hash of a name begins with.
const HASHED: &str = "sha256:";

/// Returns how keys and entries name a subject: by its text, or by the hash of a text that is
/// empty, long, or has semicolons or characters that are not printed. No two subjects have the same
/// name.
pub(super) fn plain_name(text: &[u8]) -> String {
    match std::str::from_utf8(text) {
        Ok(plain)
            if (1..=LONGEST_NAME).contains(&plain.len())
                && !plain.contains(|c: char| c == ';' || c.is_control())
                && !plain.starts_with(HASHED) =>
        {
            plain.to_owned()
        }
        _ => format!("{HASHED}{}", hex(&Sha256::digest(text))),
    }
}

/// Returns the number under which a shard's index has the sessions of a subject: 52 bits, which a
/// sorted set's score holds exactly.
pub(super) fn subject_number(name: &str) -> u64 {
    let hash = Sha256::digest(name.as_bytes());
    let first = hash.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
    first >> 12
}

pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(digit)]));
        }
    }
    text
}

pub(super) fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks() else { return None };
    pairs.iter().map(byte_of_hex).collect()
}

pub(super) fn hash_of_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, []) = text.as_bytes().as_chunks() else { return None };
    let pairs: &[_; 32] = pairs.try_into().ok()?;
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(pairs) {
        *byte = byte_of_hex(pair)?;
    }
    Some(hash)
}

fn byte_of_hex([high, low]: &[u8; 2]) -> Option<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).map(|digit| digit as u8);
    Some(digit(*high)? << 4 | digit(*low)?)
}

fn parsed<V: FromStr>(text: &str) -> Option<V> {
    text.parse().ok()
}

fn integer(ty: ColumnType, int: i64) -> Result<(), ColumnError> {
    let fits = match ty {
        ColumnType::SmallInt => i16::try_from(int).is_ok(),
        ColumnType::Integer => i32::try_from(int).is_ok(),
        _ => true,
    };
    let misfit = || ColumnError::new(format_args!("the value does not fit {}", wanted(ty)));
    if fits { Ok(()) } else { Err(misfit()) }
}

/// What a NaN other than the usual one begins with; its bits follow.
const NAN: &str = "NaN:";

fn float(float: f64) -> String {
    if float.is_nan() && float.to_bits() != f64::NAN.to_bits() {
        return format!("{NAN}{:016x}", float.to_bits());
    }
    // `Debug` writes the shortest text, with an exponent for numbers of many digits.
    format!("{float:?}")
}

fn float_of(text: &str) -> Option<f64> {
    match text.strip_prefix(NAN) {
        Some(bits) => u64::from_str_radix(bits, 16).ok().map(f64::from_bits),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use uuid::Uuid;

    use super::*;

    fn round_trip(ty: ColumnType, value: Value) -> String {
        let text = encode(ty, &value).unwrap().unwrap();
        assert_eq!(decode(ty, &text).unwrap(), value);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn values_are_written_as_a_person_reads_them() {
        let uuid = Uuid::from_u128(0x0198_c0de);
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        let cases = [
            (ColumnType::Bool, Value::Bool(true), "true"),
            (ColumnType::SmallInt, Value::Int(-7), "-7"),
            (ColumnType::Integer, Value::Int(7), "7"),
            (ColumnType::BigInt, Value::Int(7), "7"),
            (ColumnType::Real, Value::Float(0.25), "0.25"),
            (ColumnType::Double, Value::Float(0.1), "0.1"),
            (ColumnType::Text, Value::Text("grüße".into()), "grüße"),
            (ColumnType::Enum(&["a"]), Value::Text("a".into()), "a"),
            (ColumnType::Json, Value::Json("[1]".into()), "[1]"),
            (ColumnType::Bytes, Value::Bytes(vec![0, 0xab]), "00ab"),
            (ColumnType::Uuid, Value::Uuid(uuid), "00000000-0000-0000-0000-00000198c0de"),
            (ColumnType::Ip, Value::Ip(address), "2001:db8::1"),
            (ColumnType::Timestamp, Value::Timestamp(Timestamp::from_micros(5)), "5"),
        ];
        for (ty, value, text) in cases {
            assert_eq!(round_trip(ty, value), text);
        }
    }

    #[test]
    fn extremes_come_back_with_every_bit() {
        for int in [i64::MIN, -1, 0, (1 << 53) + 1, i64::MAX] {
            round_trip(ColumnType::BigInt, Value::Int(int));
            round_trip(ColumnType::Timestamp, Value::Timestamp(Timestamp::from_micros(int)));
        }
        round_trip(ColumnType::SmallInt, Value::Int(i16::MIN.into()));
        round_trip(ColumnType::Integer, Value::Int(i32::MAX.into()));
        let odd_nan = f64::from_bits(f64::NAN.to_bits() | 1);
        let negative_nan = f64::from_bits(f64::NAN.to_bits() | 1 << 63);
        for float in [
            f64::MIN,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            -0.0,
            f64::NAN,
            odd_nan,
            negative_nan,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ] {
            round_trip(ColumnType::Double, Value::Float(float));
        }
        round_trip(ColumnType::Real, Value::Float(f32::MAX.into()));
        round_trip(ColumnType::Text, Value::Text("a\0b\n".repeat(20_000)));
        assert_eq!(round_trip(ColumnType::Text, Value::Text(String::new())), "");
        round_trip(ColumnType::Bytes, Value::Bytes((0..=u8::MAX).collect()));
        round_trip(ColumnType::Bytes, Value::Bytes(Vec::new()));
        round_trip(ColumnType::Uuid, Value::Uuid(Uuid::max()));
        round_trip(ColumnType::Ip, Value::Ip("::ffff:127.0.0.1".parse().unwrap()));
        assert!(encode(ColumnType::Text, &Value::Null).unwrap().is_none());
    }

    #[test]
    fn what_is_not_of_the_columns_type_is_refused_without_being_quoted() {
        let cases: [(ColumnType, &[u8]); 12] = [
            (ColumnType::Bool, b"hunter2"),
            (ColumnType::SmallInt, b"40000"),
            (ColumnType::Integer, b"3000000000"),
            (ColumnType::BigInt, b"hunter2"),
            (ColumnType::BigInt, b"9223372036854775808"),
            (ColumnType::Double, b"hunter2"),
            (ColumnType::Text, b"hunter2\xff"),
            (ColumnType::Bytes, b"hunter2"),
            (ColumnType::Bytes, b"abc"),
            (ColumnType::Uuid, b"hunter2"),
            (ColumnType::Ip, b"hunter2"),
            (ColumnType::Timestamp, b""),
        ];
        for (ty, field) in cases {
            let error = decode(ty, field).unwrap_err().to_string();
            assert!(!error.contains("hunter2") && !error.contains("40000"), "{error}");
        }
        assert!(encode(ColumnType::SmallInt, &Value::Int(40_000)).is_err());
        assert!(encode(ColumnType::Real, &Value::Float(0.1)).is_err());
        assert!(encode(ColumnType::BigInt, &Value::Text("7".into())).is_err());
    }

    #[test]
    fn a_default_is_read_if_it_is_a_literal() {
        let cases = [
            (ColumnType::Text, "'it''s'", Some(Value::Text("it's".into()))),
            (ColumnType::Text, "'a' || 'b'", None),
            (ColumnType::Text, "now()", None),
            (ColumnType::BigInt, " -7 ", Some(Value::Int(-7))),
            (ColumnType::BigInt, "1 + 1", None),
            (ColumnType::Bool, "TRUE", Some(Value::Bool(true))),
            (ColumnType::Bool, "7", None),
            (ColumnType::Json, "'[]'::jsonb", Some(Value::Json("[]".into()))),
            (ColumnType::Text, "NULL", Some(Value::Null)),
            (ColumnType::Timestamp, "CURRENT_TIMESTAMP", None),
        ];
        for (ty, expression, value) in cases {
            assert_eq!(literal(ty, expression), value, "{expression}");
        }
    }

    #[test]
    fn no_two_subjects_have_one_name() {
        assert_eq!(plain_name(b"ferris"), "ferris");
        let hashed = plain_name(&[b'a'; 200]);
        assert!(hashed.starts_with(HASHED) && hashed.len() == 71, "{hashed}");
        assert_ne!(plain_name(hashed.as_bytes()), hashed);
        assert_ne!(plain_name(b""), plain_name(b"\0"));
        for odd in ["", "a;b", "a\nb"] {
            assert!(plain_name(odd.as_bytes()).starts_with(HASHED), "{odd}");
        }
    }
}
