//! The cells of MySQL and SQLite, which return an instant as an integer and an address as text.

use sqlx::{Database, Decode, Type, TypeInfo, ValueRef};
use uuid::Uuid;

use super::driver::mistyped;
use crate::column::{ColumnError, ColumnType, Value};
use crate::timestamp::Timestamp;

pub(super) fn value<'r, D: Database>(
    cell: D::ValueRef<'r>,
    ty: ColumnType,
) -> Result<Value, ColumnError>
where
    i64: Decode<'r, D> + Type<D>,
    f64: Decode<'r, D> + Type<D>,
    String: Decode<'r, D> + Type<D>,
{
    if cell.is_null() {
        return Ok(Value::Null);
    }
    Ok(match ty {
        ColumnType::Bool => match decoded::<D, i64>(cell, ty)? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            _ => return Err(mistyped(ty, "an integer other than 0 and 1")),
        },
        ColumnType::SmallInt | ColumnType::Integer | ColumnType::BigInt => {
            Value::Int(decoded::<D, _>(cell, ty)?)
        }
        ColumnType::Timestamp => {
            Value::Timestamp(Timestamp::from_micros(decoded::<D, _>(cell, ty)?))
        }
        ColumnType::Real | ColumnType::Double => Value::Float(decoded::<D, _>(cell, ty)?),
        ColumnType::Text | ColumnType::Enum(_) => Value::Text(decoded::<D, _>(cell, ty)?),
        ColumnType::Json => Value::Json(decoded::<D, _>(cell, ty)?),
        ColumnType::Ip => {
            let text: String = decoded::<D, _>(cell, ty)?;
            Value::Ip(text.parse().map_err(|_| mistyped(ty, "other text"))?)
        }
        ColumnType::Bytes | ColumnType::Uuid => return Err(mistyped(ty, "another type")),
    })
}

/// Returns bytes as the value of a column of bytes or UUIDs.
pub(super) fn bytes_value(bytes: Option<&[u8]>, ty: ColumnType) -> Result<Value, ColumnError> {
    Ok(match bytes {
        None => Value::Null,
        Some(bytes) if ty == ColumnType::Uuid => {
            Value::Uuid(Uuid::from_slice(bytes).map_err(|_| mistyped(ty, "other bytes"))?)
        }
        Some(bytes) => Value::Bytes(bytes.to_vec()),
    })
}

/// Returns the content of a cell without a copy, or `None` for `NULL`.
pub(super) fn borrowed<'r, D: Database, V: Decode<'r, D> + Type<D>>(
    cell: D::ValueRef<'r>,
    ty: ColumnType,
) -> Result<Option<V>, ColumnError> {
    if cell.is_null() { Ok(None) } else { decoded::<D, V>(cell, ty).map(Some) }
}

fn decoded<'r, D: Database, V: Decode<'r, D> + Type<D>>(
    cell: D::ValueRef<'r>,
    ty: ColumnType,
) -> Result<V, ColumnError> {
    let found = cell.type_info().into_owned();
    if !V::compatible(&found) {
        return Err(mistyped(ty, found.name()));
    }
    V::decode(cell).map_err(|_| mistyped(ty, found.name()))
}
