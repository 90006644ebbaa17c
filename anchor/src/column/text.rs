//! `String` as text.

use super::{Column, ColumnError, ColumnType};
use crate::column::Value;

impl Column for String {
    const TYPE: ColumnType = ColumnType::Text;

    fn to_value(&self) -> Result<Value, ColumnError> {
        Ok(Value::Text(self.clone()))
    }

    fn from_value(value: Value) -> Result<Self, ColumnError> {
        match value {
            Value::Text(text) => Ok(text),
            other => Err(ColumnError::unexpected("text", &other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::column::tests::round_trip;

    #[test]
    fn any_text_survives() {
        for text in ["", "a\0b", "grüße 🦀", &"x".repeat(65_536)] {
            assert_eq!(round_trip(&text.to_owned()), text);
        }
    }
}
