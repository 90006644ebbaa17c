//! `Uuid` as a UUID.

use ::uuid::Uuid;

use super::{Column, ColumnError, ColumnType};
use crate::column::Value;

impl Column for Uuid {
    const TYPE: ColumnType = ColumnType::Uuid;

    fn to_value(&self) -> Result<Value, ColumnError> {
        Ok(Value::Uuid(*self))
    }

    fn from_value(value: Value) -> Result<Self, ColumnError> {
        match value {
            Value::Uuid(uuid) => Ok(uuid),
            other => Err(ColumnError::unexpected("a UUID", &other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use ::uuid::Uuid;

    use crate::column::tests::round_trip;

    #[test]
    fn the_first_and_the_last_uuid_survive() {
        assert_eq!(round_trip(&Uuid::nil()), Uuid::nil());
        assert_eq!(round_trip(&Uuid::max()), Uuid::max());
    }
}
