//! `jiff::Timestamp` as an instant.

use super::instant::{from_nanos, out_of_range};
use super::{Column, ColumnError, ColumnType, Value};
use crate::timestamp::Timestamp;

/// Truncates the time to whole microseconds, toward the past.
impl From<::jiff::Timestamp> for Timestamp {
    fn from(time: ::jiff::Timestamp) -> Self {
        // The years of jiff end at 9999; those of microseconds in 64 bits end after 290,000.
        from_nanos(time.as_nanosecond()).unwrap_or(Self::from_micros(i64::MAX))
    }
}

/// Fails for an instant outside the years that `jiff` supports.
impl TryFrom<Timestamp> for ::jiff::Timestamp {
    type Error = ColumnError;

    fn try_from(instant: Timestamp) -> Result<Self, ColumnError> {
        // Goes through nanoseconds, because `from_microsecond` refuses the fraction of jiff's last
        // second.
        Self::from_nanosecond(i128::from(instant.as_micros()) * 1_000)
            .map_err(|_| out_of_range("jiff::Timestamp"))
    }
}

/// Stored in whole microseconds, truncated toward the past.
impl Column for ::jiff::Timestamp {
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
        let first = ::jiff::Timestamp::MIN;
        assert_eq!(round_trip(&first), first);
        let last = ::jiff::Timestamp::MAX;
        assert_eq!(round_trip(&last).as_microsecond(), last.as_microsecond());
    }

    #[test]
    fn nanoseconds_are_cut_toward_the_past() {
        let before_the_epoch = ::jiff::Timestamp::from_nanosecond(-1).unwrap();
        assert_eq!(Timestamp::from(before_the_epoch), Timestamp::from_micros(-1));
    }

    #[test]
    fn an_instant_out_of_range_is_refused() {
        let cell = Value::Timestamp(Timestamp::from_micros(i64::MAX));
        assert_eq!(
            refusal::<::jiff::Timestamp>(cell),
            "the instant does not fit `jiff::Timestamp`"
        );
    }
}
