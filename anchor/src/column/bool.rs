//! `bool` as a boolean.

use super::{Column, ColumnError, ColumnType};
use crate::column::Value;

impl Column for bool {
    const TYPE: ColumnType = ColumnType::Bool;

    fn to_value(&self) -> Result<Value, ColumnError> {
        Ok(Value::Bool(*self))
    }

    fn from_value(value: Value) -> Result<Self, ColumnError> {
        match value {
            Value::Bool(value) => Ok(value),
            other => Err(ColumnError::unexpected("a boolean", &other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::column::Value;
    use crate::column::tests::{refusal, round_trip};

    #[test]
    fn both_booleans_survive_and_an_integer_is_none() {
        assert!(round_trip(&true) && !round_trip(&false));
        assert_eq!(refusal::<bool>(Value::Int(1)), "expected a boolean, found an integer");
    }
}
