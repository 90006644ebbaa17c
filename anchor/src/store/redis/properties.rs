//! What holds for any hash in Redis: a field that is read can be written and is then read alike, no
//! error quotes it, and a session that is loaded is the one whose fields they are.

use uuid::Uuid;

use super::codec::{decode, encode, literal, plain_name};
use super::own::{ENTRIES, OWN};
use super::row::{Fields, field_names, payload_fields};
use crate::__properties::Choices;
use crate::SessionData;
use crate::column::{ColumnType, Value, wanted};
use crate::id::SessionId;
use crate::payload::Encoder;
use crate::timestamp::Timestamp;

const TYPES: [ColumnType; 13] = [
    ColumnType::Bool,
    ColumnType::SmallInt,
    ColumnType::Integer,
    ColumnType::BigInt,
    ColumnType::Real,
    ColumnType::Double,
    ColumnType::Text,
    ColumnType::Bytes,
    ColumnType::Uuid,
    ColumnType::Ip,
    ColumnType::Timestamp,
    ColumnType::Json,
    ColumnType::Enum(&["a", "b"]),
];

#[derive(Clone, SessionData)]
#[session(table = "sessions", track, fingerprint, keep_ended = "1d", migrations = false)]
struct Payload {
    #[session(subject)]
    user_id: i64,
    #[session(default = "'member'")]
    role: String,
    #[session(renamed_from = "old_theme")]
    theme: Option<String>,
    #[session(json)]
    cart: Vec<u32>,
    level: u16,
    ratio: f32,
    salt: Vec<u8>,
    device: Option<Uuid>,
}

/// The fields that a hash has. The bytes after those of the entries of anchor's own field name
/// them.
const FIELDS: [&str; 13] = [
    OWN,
    "ip_address",
    "user_agent",
    "user_id",
    "role",
    "theme",
    "old_theme",
    "cart",
    "level",
    "ratio",
    "salt",
    "device",
    "unknown",
];

/// How many bytes name different fields or entries. None of the next ones is a line's end.
const PLACES: usize = ENTRIES.len() + FIELDS.len();

/// The first byte chooses the property.
pub fn redis_row(data: &[u8]) {
    let mut choices = Choices::of(data);
    match choices.byte() {
        0 => field(*choices.one_of(&TYPES), choices.rest()),
        1 => {
            let text = String::from_utf8_lossy(choices.rest());
            let quoted = format!("'{}'", text.replace('\'', "''"));
            assert_eq!(literal(ColumnType::Text, &quoted), Some(Value::Text(text.into_owned())));
        }
        2 => {
            let (one, other) = (choices.bytes(), choices.rest());
            assert_eq!(plain_name(one) == plain_name(other), one == other);
        }
        _ => hash(choices.rest()),
    }
}

fn field(ty: ColumnType, field: &[u8]) {
    let value = match decode(ty, field) {
        Ok(value) => value,
        Err(error) => {
            let wanted = wanted(ty);
            let messages = [
                format!("expected {wanted}, found other text"),
                format!("the value does not fit {wanted}"),
            ];
            return assert!(messages.contains(&error.to_string()), "{error}");
        }
    };
    // A column of this type holds fewer floats than the text of a field can name.
    let is_wide = |float: f64| f64::from(float as f32).to_bits() != float.to_bits();
    if let (ColumnType::Real, Value::Float(float)) = (ty, &value)
        && is_wide(*float)
        && !float.is_nan()
    {
        return assert!(encode(ty, &value).is_err());
    }
    let text = encode(ty, &value).expect("it was read").expect("it is not NULL");
    assert_eq!(decode(ty, &text), Ok(value));
}

/// Each line is an entry of anchor's own field, or another field: the byte that names it, and its
/// value. Of two with one name, the first one counts.
fn hash(data: &[u8]) {
    let (mut own, mut fields) = (Vec::<Vec<u8>>::new(), Vec::new());
    for (name, value) in data.split(|byte| *byte == b'\n').filter_map(<[u8]>::split_first) {
        let place = usize::from(*name) % PLACES;
        let Some(entry) = ENTRIES.get(place) else {
            let name = FIELDS[place - ENTRIES.len()];
            fields.push((name.as_bytes().to_vec(), value.to_vec()));
            continue;
        };
        let start = [entry.as_bytes(), b"="].concat();
        if !own.iter().any(|other| other.starts_with(&start)) {
            own.push([start.as_slice(), value].concat());
        }
    }
    fields.push((OWN.into(), own.join(&b';')));
    let (id, now) = (SessionId::from_uuid(Uuid::nil()), Timestamp::from_micros(0));
    let found = read(&fields);
    let Ok(own) = found.own() else { return };
    let _ = found.ended::<Payload>(&own, id, now);
    let Ok(loaded) = found.loaded::<Payload>(&own, id, now) else { return };
    let data = &*loaded.record.data;
    assert_eq!(own.subject(), Some(data.user_id.to_string().as_str()));
    let written = payload_fields(data).expect("what was read can be written");
    let payload = written.set.into_iter().map(|(name, value)| (name.into(), value));
    let of_anchor = fields.into_iter().filter(|(name, _)| name == OWN.as_bytes());
    let again = read(&payload.chain(of_anchor).collect::<Vec<_>>());
    let again = again.own().and_then(|own| again.loaded::<Payload>(&own, id, now));
    let again = again.expect("what was written can be read");
    let values = |data: &Payload| Encoder::values_of(data).expect("it was read");
    assert_eq!(values(&again.record.data), values(data));
}

/// Returns the fields as Redis answers `HMGET`. Of two with one name, the first one counts.
fn read(hash: &[(Vec<u8>, Vec<u8>)]) -> Fields {
    let names = field_names(Payload::schema());
    let value = |name: &String| hash.iter().find(|(other, _)| other == name.as_bytes());
    let values = names.iter().map(|name| value(name).map(|(_, value)| value.clone())).collect();
    Fields::new(names, values)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::__properties::settings;

    proptest! {
        #![proptest_config(settings(2_000))]

        #[test]
        fn a_field_that_is_read_is_written_alike(
            ty in 0..TYPES.len() as u8,
            field in prop::sample::select(VALUES),
            other in vec(any::<u8>(), 0..12),
        ) {
            redis_row(&[&[0, ty], field].concat());
            redis_row(&[&[0, ty], other.as_slice()].concat());
            redis_row(&[&[0, ty], field, other.as_slice()].concat());
        }

        #[test]
        fn a_text_in_quotes_is_a_literal(text in "[a'\\\\:é]{0,9}") {
            redis_row(&[&[1], text.as_bytes()].concat());
        }

        #[test]
        fn two_subjects_have_two_names(
            one in vec(any::<u8>(), 0..140),
            other in vec(any::<u8>(), 0..140),
        ) {
            redis_row(&[&[2, one.len() as u8], one.as_slice(), &other].concat());
            redis_row(&[&[2, one.len() as u8], one.as_slice(), &one].concat());
            let named = plain_name(&one);
            redis_row(&[&[2, named.len() as u8], named.as_bytes(), &one].concat());
        }

        #[test]
        fn a_hash_that_is_loaded_is_written_alike(
            changes in vec((0..PLACES, prop::sample::select(VALUES)), 0..4),
        ) {
            let mut lines: Vec<(usize, &[u8])> = changes;
            lines.extend(GENUINE.iter().map(|(place, value)| (*place, value.as_bytes())));
            let lines: Vec<_> = lines
                .into_iter()
                .map(|(place, value)| [&[(place + PLACES) as u8], value].concat())
                .collect();
            redis_row(&[&[3], lines.join(&b'\n').as_slice()].concat());
        }
    }

    #[test]
    fn the_genuine_fields_are_a_session() {
        let (own, fields): (Vec<_>, Vec<_>) =
            GENUINE.iter().partition(|(place, _)| *place < ENTRIES.len());
        let own: Vec<_> =
            own.iter().map(|(place, value)| format!("{}={value}", ENTRIES[*place])).collect();
        let of_payload = fields.iter().map(|(place, value)| {
            (FIELDS[place - ENTRIES.len()].as_bytes().to_vec(), value.as_bytes().to_vec())
        });
        let hash: Vec<_> = of_payload.chain([(OWN.into(), own.join(";").into())]).collect();
        let (fields, id) = (read(&hash), SessionId::from_uuid(Uuid::nil()));
        let own = fields.own().unwrap();
        assert!(fields.loaded::<Payload>(&own, id, Timestamp::from_micros(0)).is_ok());
    }

    const HASH: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    /// A session, by the places of its fields.
    const GENUINE: &[(usize, &str)] = &[
        (0, "1700000000000000"),
        (1, "1700000000000000"),
        (2, "1700000000000000"),
        (3, "1700007200000000"),
        (4, "1701209600000000"),
        (5, "1"),
        (6, "true"),
        (7, "settled"),
        (8, HASH),
        (9, HASH),
        (15, "7"),
        (22, "7"),
        (26, "[1]"),
        (27, "7"),
        (28, "0.5"),
        (29, "00ff"),
    ];

    const VALUES: &[&[u8]] = &[
        b"",
        b"0",
        b"1",
        b"-1",
        b"+7",
        b"007",
        b"40000",
        b"70000",
        b"9223372036854775807",
        b"9223372036854775808",
        b"true",
        b"TRUE",
        b"0.1",
        b"1e400",
        b"-0",
        b"NaN",
        b"NaN:7ff8000000000001",
        b"NaN:0",
        b"inf",
        b"null",
        b"[1,2]",
        b"[",
        b"00ff",
        b"00FF",
        b"00000000-0000-0000-0000-00000198c0de",
        b"{0000000000000000000000000198c0de}",
        b"::ffff:1.2.3.4",
        b"1.2.3.4",
        b"settled",
        b"pending",
        b"revoked",
        b"\xffNULL",
        b"a=b",
        b"7;subject=7",
        b"1;ended_at=1",
        b";",
        b"\xff",
        HASH.as_bytes(),
    ];
}
