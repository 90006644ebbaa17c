//! What holds for any row of an SQL database: a cell that is read can be written and is then read
//! alike, and a row that is read is a session whose payload can be written.

use std::sync::OnceLock;

use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Connection};
use uuid::Uuid;

use super::driver::Driver;
use super::postgres;
use super::row::{read_record, record_width};
use super::statement::{Argument, Query};
use super::storable::check;
use crate::__properties::Choices;
use crate::SessionData;
use crate::column::{ColumnType, Value};
use crate::payload::Encoder;
use crate::schema::{ColumnSchema, Dialect};

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

/// A cell of PostgreSQL's: two bytes choose the column's type and the type that the server reports,
/// and the others are the value in the binary format.
pub fn postgres_row(data: &[u8]) {
    let mut choices = Choices::of(data);
    let ty = *choices.one_of(&TYPES);
    let found = match choices.coin() {
        true => postgres::oid(*choices.one_of(&TYPES)),
        false => postgres::oid(ty),
    };
    let bytes = choices.rest();
    let Some(value) = postgres::decode(ty, Some(found), bytes) else { return };
    let column = ColumnSchema::new("cell", ty, true);
    if check(Dialect::Postgres, &column, &value).is_err() {
        // A server has wider types. It sends no instant, text or JSON that it would not accept.
        return assert!(matches!(
            (ty, &value),
            (ColumnType::SmallInt | ColumnType::Integer, Value::Int(_))
                | (ColumnType::Real, Value::Float(_))
                | (ColumnType::Text | ColumnType::Enum(_), Value::Text(_))
                | (ColumnType::Json, Value::Json(_))
                | (ColumnType::Timestamp, Value::Timestamp(_))
        ));
    }
    let sent = postgres::sent(ty, &value).expect("what can be stored can be sent");
    let again = postgres::decode(ty, Some(postgres::oid(ty)), &sent);
    // The conversion to 32 bits and back keeps that a float is a NaN, and not which one.
    let is_nan = |value: &Value| matches!(value, Value::Float(float) if float.is_nan());
    match ty {
        ColumnType::Real if is_nan(&value) => assert!(again.is_some_and(|value| is_nan(&value))),
        _ => assert_eq!(again.as_ref(), Some(&value)),
    }
    // One value has one form. The third byte of an address says whether it is a network.
    let has_one_form = ty != ColumnType::Ip && ty != ColumnType::Real;
    if found == postgres::oid(ty) && has_one_form {
        assert_eq!(sent, bytes);
    }
}

#[derive(Clone, SessionData)]
#[session(table = "sessions", track, fingerprint, keep_ended = "1d", migrations = false)]
struct Payload {
    #[session(subject)]
    user_id: i64,
    name: String,
    #[session(json)]
    cart: Vec<u32>,
    level: u16,
    ratio: f32,
    salt: Vec<u8>,
    device: Option<Uuid>,
}

/// What SQLite can store in a cell, whatever the column's type.
#[derive(Debug, Clone, PartialEq)]
enum Stored {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// A row of SQLite's: each cell has any of its storage classes. The first byte chooses between one
/// cell and a record.
pub fn sqlite_row(data: &[u8]) {
    let mut choices = Choices::of(data);
    match choices.coin() {
        true => record(&mut choices),
        false => cell(&mut choices),
    }
}

fn cell(choices: &mut Choices<'_>) {
    let ty = *choices.one_of(&TYPES);
    let stored = stored(choices);
    let Ok(value) = SqlitePool::cell(&row(std::slice::from_ref(&stored)), 0, ty) else {
        return assert_ne!(stored, Stored::Null, "NULL can be read");
    };
    let column = ColumnSchema::new("cell", ty, true);
    if check(Dialect::Sqlite, &column, &value).is_err() {
        // SQLite stores any number in a column of numbers.
        return assert!(matches!(value, Value::Int(_) | Value::Float(_)), "{value:?}");
    }
    let again = SqlitePool::cell(&bound(ty, value.clone()), 0, ty);
    assert_eq!(again, Ok(value));
}

fn record(choices: &mut Choices<'_>) {
    let cells: Vec<_> = (0..record_width(Payload::schema())).map(|_| stored(choices)).collect();
    let Ok(record) = read_record::<SqlitePool, Payload>(&row(&cells)) else { return };
    let values = Encoder::values_of(&*record.data).expect("what was read can be written");
    let payload = &cells[cells.len() - values.len()..];
    assert_eq!(payload[0], Stored::Integer(record.data.user_id));
    assert_eq!(payload[1], Stored::Text(record.data.name.clone()));
    assert_eq!(payload[3], Stored::Integer(record.data.level.into()));
    assert_eq!(payload[5], Stored::Blob(record.data.salt.clone()));
    assert_eq!(cells[0], Stored::Blob(record.id.as_uuid().as_bytes().to_vec()));
    assert_eq!(cells[1], Stored::Integer(record.created_at.as_micros()));
    assert_eq!(cells[7], Stored::Integer(record.remembered.into()));
}

fn stored(choices: &mut Choices<'_>) -> Stored {
    match choices.byte() % 6 {
        0 => Stored::Null,
        1 => Stored::Integer(i64::from_be_bytes(choices.array())),
        2 => Stored::Integer(i8::from_be_bytes(choices.array()).into()),
        3 => match f64::from_be_bytes(choices.array()) {
            // SQLite has no other NULL.
            float if float.is_nan() => Stored::Null,
            float => Stored::Real(float),
        },
        4 => Stored::Text(choices.text()),
        _ => Stored::Blob(choices.bytes().to_vec()),
    }
}

/// Returns a row that SQLite itself made of these cells.
fn row(cells: &[Stored]) -> SqliteRow {
    let places: Vec<_> = (1..=cells.len()).map(|place| format!("?{place}")).collect();
    let mut query = sqlx::query(AssertSqlSafe(format!("SELECT {}", places.join(", "))));
    for cell in cells {
        query = match cell.clone() {
            Stored::Null => query.bind(None::<i64>),
            Stored::Integer(integer) => query.bind(integer),
            Stored::Real(float) => query.bind(float),
            Stored::Text(text) => query.bind(text),
            Stored::Blob(bytes) => query.bind(bytes),
        };
    }
    on_sqlite(async |connection| query.fetch_one(connection).await)
}

/// Returns a row with this value, as a store sends it.
fn bound(ty: ColumnType, value: Value) -> SqliteRow {
    let query = Query {
        sql: sqlx::SqlSafeStr::into_sql_str("SELECT ?1"),
        arguments: vec![Argument { ty, value }],
        is_kept: true,
    };
    on_sqlite(async |connection| {
        let mut rows = SqlitePool::rows_on(connection, &query).await?;
        Ok(rows.remove(0))
    })
}

/// Runs a query on this thread's database, which is in memory.
fn on_sqlite<R>(query: impl AsyncFnOnce(&mut SqliteConnection) -> Result<R, sqlx::Error>) -> R {
    use std::cell::RefCell;
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    thread_local! {
        static CONNECTION: RefCell<Option<SqliteConnection>> = const { RefCell::new(None) };
    }
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made")
    });
    CONNECTION.with_borrow_mut(|connection| {
        runtime.block_on(async {
            if connection.is_none() {
                *connection = SqliteConnection::connect("sqlite::memory:").await.ok();
            }
            let connection = connection.as_mut().expect("SQLite runs in memory");
            query(connection).await.expect("SQLite answers")
        })
    })
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
        fn a_cell_of_postgresql_that_is_read_is_written_alike(
            ty in 0..TYPES.len() as u8,
            other in 0..TYPES.len() as u8,
            is_other: bool,
            bytes in prop_oneof![
                vec(any::<u8>(), 0..3),
                vec(any::<u8>(), 4..=4),
                vec(any::<u8>(), 8..=8),
                vec(any::<u8>(), 16..=16),
                any::<[u8; 4]>().prop_map(|ip| [&[2, 32, 0, 4], ip.as_slice()].concat()),
                any::<[u8; 16]>().prop_map(|ip| [&[3, 128, 0, 16], ip.as_slice()].concat()),
                "\u{1}[0-9a\\u00e9]{0,5}".prop_map(String::into_bytes),
            ],
        ) {
            let choice = if is_other { vec![ty, 1, other] } else { vec![ty, 0] };
            postgres_row(&[choice, bytes].concat());
        }

        #[test]
        fn a_cell_of_sqlite_that_is_read_is_written_alike(
            ty in 0..TYPES.len() as u8,
            class in 0_u8..6,
            bytes in vec(any::<u8>(), 0..20),
            text in prop::sample::select(TEXTS),
        ) {
            sqlite_row(&[&[0, ty, class], bytes.as_slice()].concat());
            sqlite_row(&[&[0, ty, 4, text.len() as u8], text.as_bytes()].concat());
            sqlite_row(&[&[0, ty, 5, 16], [7; 16].as_slice()].concat());
        }

        #[test]
        fn a_record_of_sqlite_is_the_row_that_was_read(
            changed in 0..GENUINE.len(),
            class in 0_u8..6,
            number: i64,
        ) {
            let cells = GENUINE.iter().enumerate().flat_map(|(place, cell)| match place {
                _ if place == changed => [&[class], number.to_be_bytes().as_slice()].concat(),
                _ => cell.to_vec(),
            });
            sqlite_row(&[1].into_iter().chain(cells).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_genuine_cells_are_a_record() {
        assert_eq!(GENUINE.len(), record_width(Payload::schema()));
        let cells = GENUINE.concat();
        let mut choices = Choices::of(&cells);
        let cells: Vec<_> = GENUINE.iter().map(|_| stored(&mut choices)).collect();
        let record = read_record::<SqlitePool, Payload>(&row(&cells)).unwrap();
        assert_eq!((record.version, record.data.level), (1, 7));
    }

    /// The cells of a record, as choices.
    const GENUINE: &[&[u8]] = &[
        b"\x05\x100123456789abcdef",
        b"\x02\x01",
        b"\x02\x01",
        b"\x02\x02",
        b"\x02\x03",
        b"\x02\x04",
        b"\x02\x01",
        b"\x02\x01",
        b"\x04\x03::1",
        b"\x00",
        b"\x02\x07",
        b"\x04\x06ferris",
        b"\x04\x03[1]",
        b"\x02\x07",
        b"\x03\x3f\xe0\x00\x00\x00\x00\x00\x00",
        b"\x05\x02\x00\xff",
        b"\x00",
    ];

    const TEXTS: &[&str] =
        &["", "a", "7", "7.5", "1.2.3.4", "::1", "::ffff:1.2.3.4", "[1]", "null", "grüße", "a\0b"];
}
