//! Refuses values that a database cannot store, before they are sent. The error names the column,
//! and never contains the value.

use std::ops::RangeInclusive;

use crate::column::{ColumnError, ColumnType, Value, wanted};
use crate::payload::{EncodeError, Encoder, SessionData};
use crate::schema::{ColumnSchema, Dialect};
use crate::timestamp::Timestamp;

/// PostgreSQL's TIMESTAMPTZ begins at 4714-11-24 BC, and ends after the last instant that a
/// [`Timestamp`] can have.
const POSTGRES_TIMES: RangeInclusive<i64> = -210_866_803_200_000_000..=i64::MAX;

/// MySQL's DATETIME: the years 1000 to 9999.
const MYSQL_TIMES: RangeInclusive<i64> = -30_610_224_000_000_000..=253_402_300_799_999_999;

/// Returns the payload's values, each of which the table stores unchanged.
pub(crate) fn encode<T: SessionData>(
    dialect: Dialect,
    data: &T,
) -> Result<Vec<Value>, EncodeError> {
    let values = Encoder::values_of(data)?;
    for (column, value) in T::schema().columns.iter().zip(&values) {
        check(dialect, column, value)?;
    }
    Ok(values)
}

/// Refuses a value that the column would not return unchanged.
pub(crate) fn check(
    dialect: Dialect,
    column: &ColumnSchema,
    value: &Value,
) -> Result<(), EncodeError> {
    fits(dialect, column, value).map_err(|reason| EncodeError::new(column.name, reason))
}

fn fits(dialect: Dialect, column: &ColumnSchema, value: &Value) -> Result<(), ColumnError> {
    match (column.ty, value) {
        (_, Value::Null)
        | (ColumnType::Bool, Value::Bool(_))
        | (ColumnType::BigInt, Value::Int(_)) => Ok(()),
        (ColumnType::Uuid, Value::Uuid(_)) | (ColumnType::Ip, Value::Ip(_)) => Ok(()),
        (ColumnType::SmallInt, Value::Int(int)) => within(i16::try_from(*int).is_ok(), column.ty),
        (ColumnType::Integer, Value::Int(int)) => within(i32::try_from(*int).is_ok(), column.ty),
        (ColumnType::Real, Value::Float(float)) => {
            // Compared by bits, so that infinities and NaN pass.
            let narrow = f64::from(*float as f32);
            within(narrow.to_bits() == float.to_bits() || float.is_nan(), column.ty)?;
            float_fits(dialect, *float)
        }
        (ColumnType::Double, Value::Float(float)) => float_fits(dialect, *float),
        (ColumnType::Text | ColumnType::Enum(_), Value::Text(text)) => {
            if dialect == Dialect::Postgres && text.contains('\0') {
                return Err(ColumnError::new("PostgreSQL does not allow NUL characters in text"));
            }
            match longest(dialect, column) {
                Some(limit) if text.chars().count() > limit => Err(ColumnError::new(format_args!(
                    "the text is longer than the column's {limit} characters"
                ))),
                _ => Ok(()),
            }
        }
        (ColumnType::Bytes, Value::Bytes(bytes)) => match longest(dialect, column) {
            Some(limit) if bytes.len() > limit => Err(ColumnError::new(format_args!(
                "the value is longer than the column's {limit} bytes"
            ))),
            _ => Ok(()),
        },
        (ColumnType::Json, Value::Json(text)) => {
            if dialect == Dialect::Postgres && has_nul_escape(text) {
                return Err(ColumnError::new("PostgreSQL does not allow NUL characters in JSON"));
            }
            Ok(())
        }
        (ColumnType::Timestamp, Value::Timestamp(time)) => time_fits(dialect, *time),
        (ty, other) => Err(ColumnError::unexpected(wanted(ty), other)),
    }
}

fn within(fits: bool, ty: ColumnType) -> Result<(), ColumnError> {
    if fits {
        Ok(())
    } else {
        Err(ColumnError::new(format_args!("the value does not fit {}", wanted(ty))))
    }
}

fn float_fits(dialect: Dialect, float: f64) -> Result<(), ColumnError> {
    let negative_zero = float == 0.0 && float.is_sign_negative();
    let reason = match dialect {
        Dialect::Sqlite if negative_zero => "SQLite drops the sign of a negative zero",
        Dialect::Sqlite if float.is_nan() => "SQLite turns a float that is not a number into NULL",
        Dialect::MySql if negative_zero => "MySQL drops the sign of a negative zero",
        Dialect::MySql if !float.is_finite() => {
            "MySQL does not allow a float that is infinite or not a number"
        }
        _ => return Ok(()),
    };
    Err(ColumnError::new(reason))
}

fn time_fits(dialect: Dialect, time: Timestamp) -> Result<(), ColumnError> {
    let (range, words) = match dialect {
        Dialect::Postgres => (POSTGRES_TIMES, "PostgreSQL's timestamps begin in 4714 BC"),
        Dialect::MySql => (MYSQL_TIMES, "MySQL's timestamps range from 1000 to 9999"),
        Dialect::Sqlite => return Ok(()),
    };
    if range.contains(&time.as_micros()) { Ok(()) } else { Err(ColumnError::new(words)) }
}

/// Returns how long a MySQL column's content may be, if its type limits it. A server without strict
/// mode would cut longer content silently.
fn longest(dialect: Dialect, column: &ColumnSchema) -> Option<usize> {
    if dialect != Dialect::MySql {
        return None;
    }
    let declared = dialect.type_of(column).to_ascii_lowercase();
    let (_, length) = declared.split_once('(')?;
    let limit = length.split(')').next()?.trim().parse().ok();
    let sized = ["char", "varchar", "binary", "varbinary", "nvarchar", "nchar"]
        .iter()
        .any(|name| declared.starts_with(name));
    limit.filter(|_| sized)
}

/// Returns whether a JSON text contains the escape of U+0000, and not only an escaped backslash
/// before `u0000`.
fn has_nul_escape(json: &str) -> bool {
    let mut rest = json.as_bytes();
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        let escape = &rest[at + 1..];
        if escape.starts_with(b"u0000") {
            return true;
        }
        rest = escape.get(1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: ColumnSchema = ColumnSchema::new("note", ColumnType::Text, false);

    fn refusal(dialect: Dialect, ty: ColumnType, value: Value) -> Option<String> {
        let column = ColumnSchema::new("note", ty, false);
        check(dialect, &column, &value).err().map(|error| error.to_string())
    }

    #[test]
    fn postgres_refuses_nul_in_text_and_json() {
        let text = refusal(Dialect::Postgres, ColumnType::Text, Value::Text("a\0b".into()));
        assert_eq!(
            text.unwrap(),
            "column `note` cannot be stored: PostgreSQL does not allow NUL characters in text"
        );
        let json = |text: &str| {
            refusal(Dialect::Postgres, ColumnType::Json, Value::Json(text.into())).is_some()
        };
        assert!(json(r#""\u0000""#));
        assert!(json(r#""\\\u0000""#));
        assert!(!json(r#""\\u0000""#));
        assert!(!json(r#""\u00001"#.replace("u0000", "u0001").as_str()));
        assert!(refusal(Dialect::Sqlite, ColumnType::Text, Value::Text("a\0b".into())).is_none());
    }

    #[test]
    fn floats_that_a_database_would_lose_are_refused() {
        let double =
            |dialect, float| refusal(dialect, ColumnType::Double, Value::Float(float)).is_some();
        assert!(double(Dialect::Sqlite, f64::NAN));
        assert!(double(Dialect::Sqlite, -0.0));
        assert!(!double(Dialect::Sqlite, 0.0));
        assert!(!double(Dialect::Sqlite, f64::INFINITY));
        assert!(double(Dialect::MySql, f64::NEG_INFINITY));
        assert!(double(Dialect::MySql, -0.0));
        assert!(!double(Dialect::Postgres, -0.0));
        assert!(!double(Dialect::Postgres, f64::NAN));
        assert!(refusal(Dialect::Postgres, ColumnType::Real, Value::Float(0.1)).is_some());
        assert!(
            refusal(Dialect::Postgres, ColumnType::Real, Value::Float(0.1_f32.into())).is_none()
        );
    }

    #[test]
    fn times_outside_of_a_databases_range_are_refused() {
        let time = |dialect, micros| {
            let value = Value::Timestamp(Timestamp::from_micros(micros));
            refusal(dialect, ColumnType::Timestamp, value).is_some()
        };
        assert!(!time(Dialect::Postgres, i64::MAX));
        assert!(time(Dialect::Postgres, i64::MIN));
        assert!(time(Dialect::MySql, MYSQL_TIMES.end() + 1));
        assert!(!time(Dialect::MySql, *MYSQL_TIMES.end()));
        assert!(!time(Dialect::Sqlite, i64::MIN));
    }

    #[test]
    fn mysql_refuses_text_that_a_lax_server_would_cut() {
        let subject = NOTE.subject();
        let long = Value::Text("ä".repeat(256));
        let fits = Value::Text("ä".repeat(255));
        assert!(check(Dialect::MySql, &subject, &long).is_err());
        assert!(check(Dialect::MySql, &subject, &fits).is_ok());
        assert!(check(Dialect::MySql, &NOTE, &long).is_ok());
        assert!(check(Dialect::MySql, &NOTE.sql_type("VarChar( 8 )"), &fits).is_err());
        assert!(check(Dialect::Postgres, &subject, &long).is_ok());
    }

    #[test]
    fn mysql_refuses_bytes_that_a_lax_server_would_cut() {
        let key = ColumnSchema::new("key", ColumnType::Bytes, false).sql_type("VARBINARY(8)");
        let bytes = |length| Value::Bytes(vec![0; length]);
        assert!(check(Dialect::MySql, &key, &bytes(8)).is_ok());
        let refused = check(Dialect::MySql, &key, &bytes(9)).unwrap_err().to_string();
        assert!(refused.contains("longer than the column's 8 bytes"), "{refused}");
        assert!(check(Dialect::Postgres, &key, &bytes(9)).is_ok());
    }

    #[test]
    fn a_value_of_another_kind_than_its_column_is_refused() {
        let refused = refusal(Dialect::Sqlite, ColumnType::BigInt, Value::Text("7".into()));
        assert_eq!(
            refused.unwrap(),
            "column `note` cannot be stored: expected a 64-bit integer, found text"
        );
        assert!(refusal(Dialect::Sqlite, ColumnType::SmallInt, Value::Int(40_000)).is_some());
    }
}
