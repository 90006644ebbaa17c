//! What the date-time types of other crates share: the conversion from nanoseconds, and the error
//! for an instant that they cannot hold.

use super::ColumnError;
#[cfg(any(feature = "jiff", feature = "time"))]
use crate::timestamp::Timestamp;

/// Returns the error for an instant that `ty` cannot hold.
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
