//! [`Timestamp`] as an instant, and what the date-time types of other crates share: the conversion
//! from nanoseconds, and the error for an instant that they cannot hold.

use super::{Column, ColumnError, ColumnType};
use crate::column::Value;
use crate::timestamp::Timestamp;

impl Column for Timestamp {
    const TYPE: ColumnType = ColumnType::Timestamp;

    fn to_value(&self) -> Result<Value, ColumnError> {
        Ok(Value::Timestamp(*self))
    }

    fn from_value(value: Value) -> Result<Self, ColumnError> {
        match value {
            Value::Timestamp(instant) => Ok(instant),
            other => Err(ColumnError::unexpected("a timestamp", &other)),
        }
    }
}

/// Returns the error for an instant that `ty` cannot hold.
#[cfg(any(feature = "chrono", feature = "jiff", feature = "time"))]
pub(super) fn out_of_range(ty: &str) -> ColumnError {
    ColumnError::new(format_args!("the instant does not fit `{ty}`"))
}

/// Converts to whole microseconds, truncated toward the past.
#[cfg(any(feature = "jiff", feature = "time"))]
pub(super) fn from_nanos(nanos: i128) -> Result<Timestamp, ColumnError> {
    i64::try_from(nanos.div_euclid(1_000))
        .map(Timestamp::from_micros)
        .map_err(|_| out_of_range("Timestamp"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::tests::round_trip;

    #[test]
    fn the_first_and_the_last_instant_survive() {
        for micros in [i64::MIN, -1, 0, i64::MAX] {
            let instant = Timestamp::from_micros(micros);
            assert_eq!(round_trip(&instant), instant);
        }
    }
}
