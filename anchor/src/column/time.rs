//! `time::OffsetDateTime` as an instant.

use ::time::OffsetDateTime;

use super::instant::{from_nanos, out_of_range};
use super::{Column, ColumnError, ColumnType, Value};
use crate::timestamp::Timestamp;

/// Truncates the time to whole microseconds, toward the past. Fails only for years past 290,000,
/// which need `time`'s feature `large-dates`.
impl TryFrom<OffsetDateTime> for Timestamp {
    type Error = ColumnError;

    fn try_from(time: OffsetDateTime) -> Result<Self, ColumnError> {
        from_nanos(time.unix_timestamp_nanos())
    }
}

/// The result is in UTC. Fails for an instant outside the years that `time` supports.
impl TryFrom<Timestamp> for OffsetDateTime {
    type Error = ColumnError;

    fn try_from(instant: Timestamp) -> Result<Self, ColumnError> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(instant.as_micros()) * 1_000)
            .map_err(|_| out_of_range("time::OffsetDateTime"))
    }
}

/// Stored as an instant in whole microseconds, truncated toward the past, and read in UTC: the
/// offset is not kept.
impl Column for OffsetDateTime {
    const TYPE: ColumnType = ColumnType::Timestamp;

    fn to_value(&self) -> Result<Value, ColumnError> {
        Timestamp::try_from(*self)?.to_value()
    }

    fn from_value(value: Value) -> Result<Self, ColumnError> {
        Timestamp::from_value(value)?.try_into()
    }
}

#[cfg(test)]
mod tests {
    use ::time::{Date, Duration, Time, UtcOffset};

    use super::*;
    use crate::column::tests::{refusal, round_trip};

    #[test]
    fn the_extremes_survive_but_for_what_is_finer_than_a_microsecond() {
        let first = OffsetDateTime::new_utc(Date::MIN, Time::MIDNIGHT);
        assert_eq!(round_trip(&first), first);
        let last = OffsetDateTime::new_utc(Date::MAX, Time::MAX);
        assert_eq!(round_trip(&last), last - Duration::nanoseconds(999));
    }

    #[test]
    fn another_offset_is_the_same_instant() {
        let offset = UtcOffset::from_hms(5, 30, 0).unwrap();
        let there = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap().to_offset(offset);
        assert_eq!(round_trip(&there), there);
        assert_eq!(round_trip(&there).offset(), UtcOffset::UTC);
    }

    #[test]
    fn nanoseconds_are_cut_toward_the_past() {
        let before_the_epoch = OffsetDateTime::from_unix_timestamp_nanos(-1).unwrap();
        assert_eq!(Timestamp::try_from(before_the_epoch), Ok(Timestamp::from_micros(-1)));
    }

    #[test]
    fn an_instant_out_of_range_is_refused() {
        let cell = Value::Timestamp(Timestamp::from_micros(i64::MAX));
        assert_eq!(
            refusal::<OffsetDateTime>(cell),
            "the instant does not fit `time::OffsetDateTime`"
        );
    }
}
