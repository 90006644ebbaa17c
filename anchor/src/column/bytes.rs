//! `Vec<u8>` as bytes.

use super::{Column, ColumnError, ColumnType};
use crate::column::Value;

impl Column for Vec<u8> {
    const TYPE: ColumnType = ColumnType::Bytes;

    fn to_value(&self) -> Result<Value, ColumnError> {
        Ok(Value::Bytes(self.clone()))
    }

    fn from_value(value: Value) -> Result<Self, ColumnError> {
        match value {
            Value::Bytes(bytes) => Ok(bytes),
            other => Err(ColumnError::unexpected("bytes", &other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::column::tests::round_trip;

    #[test]
    fn every_byte_survives() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(round_trip(&all), all);
        assert_eq!(round_trip(&Vec::<u8>::new()), b"");
    }
}
