//! `chrono::DateTime<Utc>` as an instant.

use ::chrono::{DateTime, Utc};

use super::instant::out_of_range;
use super::{Column, ColumnError, ColumnType, Value};
use crate::timestamp::Timestamp;

/// Truncates the time to whole microseconds, toward the past.
impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self::from_micros(time.timestamp_micros())
    }
}

/// Fails for an instant outside the years that `chrono` supports.
impl TryFrom<Timestamp> for DateTime<Utc> {
    type Error = ColumnError;

    fn try_from(instant: Timestamp) -> Result<Self, ColumnError> {
        DateTime::from_timestamp_micros(instant.as_micros())
            .ok_or_else(|| out_of_range("chrono::DateTime<Utc>"))
    }
}

/// Stored in whole microseconds, truncated toward the past.
impl Column for DateTime<Utc> {
    const TYPE: ColumnType = ColumnType::Timestamp;

    fn to_value(&self) -> Result<Value, ColumnError> {
        Timestamp::from(*self).to_value()
    }

    fn from_value(value: Value) -> Result<Self, ColumnError> {
        Timestamp::from_value(value)?.try_into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::tests::{refusal, round_trip};

    #[test]
    fn the_extremes_survive_but_for_what_is_finer_than_a_microsecond() {
        let last = DateTime::<Utc>::MAX_UTC;
        assert_eq!(round_trip(&last).timestamp_micros(), last.timestamp_micros());
        let first = DateTime::<Utc>::MIN_UTC;
        assert_eq!(round_trip(&first), first);
    }

    #[test]
    fn nanoseconds_are_cut_toward_the_past() {
        let before_the_epoch = DateTime::<Utc>::from_timestamp_nanos(-1);
        assert_eq!(Timestamp::from(before_the_epoch), Timestamp::from_micros(-1));
        let after = DateTime::<Utc>::from_timestamp_nanos(1_999);
        assert_eq!(Timestamp::from(after), Timestamp::from_micros(1));
    }

    #[test]
    fn an_instant_out_of_range_is_refused() {
        let cell = Value::Timestamp(Timestamp::from_micros(i64::MAX));
        assert_eq!(
            refusal::<DateTime<Utc>>(cell),
            "the instant does not fit `chrono::DateTime<Utc>`"
        );
    }
}
