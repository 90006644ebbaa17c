//! `Option<T>` as a column that may be `NULL`.

use super::{Column, ColumnError, ColumnType, Value};

impl<T: Column> Column for Option<T> {
    const TYPE: ColumnType = nullable(T::TYPE, T::NULLABLE);
    const NULLABLE: bool = true;
    const RENAMED_VARIANTS: &'static [(&'static str, &'static str)] = T::RENAMED_VARIANTS;
    const RANGE: Option<(i64, i64)> = T::RANGE;

    fn to_value(&self) -> Result<Value, ColumnError> {
        self.as_ref().map_or(Ok(Value::Null), T::to_value)
    }

    fn from_value(value: Value) -> Result<Self, ColumnError> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

/// Returns the type inside an `Option`. A panic here is a compile error at the place that names the
/// type.
#[track_caller]
const fn nullable(inner: ColumnType, is_nullable: bool) -> ColumnType {
    assert!(
        !is_nullable,
        "an `Option` in an `Option` cannot be a column: SQL has one NULL; use a single `Option`, \
         or mark the field `#[session(json)]`"
    );
    inner
}

#[cfg(test)]
mod tests {
    use crate::column::tests::{refusal, round_trip};
    use crate::column::{Column, Value};

    #[test]
    fn nothing_and_something_survive_and_stay_apart() {
        assert_eq!(round_trip(&None::<String>), None);
        assert_eq!(round_trip(&Some(String::new())), Some(String::new()));
        assert_eq!(<Option<i16> as Column>::TYPE, <i16 as Column>::TYPE);
    }

    #[test]
    fn null_is_refused_by_what_is_no_option() {
        assert_eq!(refusal::<String>(Value::Null), "expected text, found NULL");
    }
}
