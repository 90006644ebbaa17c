//! [`Timestamp`]: an instant on the store's clock.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// An instant in whole microseconds since 1970-01-01T00:00:00Z, which every supported database can
/// store exactly.
///
/// The instants of a session are read from the store's clock (a database's `now()`), never from
/// this node's clock, so two nodes whose clocks differ agree on when a session ends. `Display`,
/// `Debug` and serde write it in the format of RFC 3339: `2023-11-14T22:13:20.123456Z`. RFC 3339
/// has only the years 0000 to 9999. A later year has more digits, and a year before 0000 has a
/// minus and at least four digits.
///
/// It converts into a [`SystemTime`]. With anchor's features `time`, `chrono` and `jiff`,
/// `try_into()` also converts it into `time::OffsetDateTime`, `chrono::DateTime<Utc>` and
/// `jiff::Timestamp`; this fails for an instant that the other type cannot hold.
///
/// ```
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
///
/// let instant = anchor::Timestamp::from_micros(1_700_000_000_123_456);
/// let time = SystemTime::from(instant);
/// assert_eq!(time, UNIX_EPOCH + Duration::from_micros(1_700_000_000_123_456));
/// assert_eq!(instant.to_string(), "2023-11-14T22:13:20.123456Z");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Creates the instant that is `micros` microseconds after 1970-01-01T00:00:00Z, or before it
    /// if `micros` is negative.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Returns the microseconds since 1970-01-01T00:00:00Z.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the current time of this node's clock. Stores use their own clock instead.
    ///
    /// ```
    /// use anchor::Timestamp;
    /// use std::time::Duration;
    ///
    /// let soon = Timestamp::now().saturating_add(Duration::from_secs(60));
    /// assert!(soon > Timestamp::now());
    /// ```
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// Returns this instant plus `span`, truncated to whole microseconds, or the latest
    /// representable instant on overflow.
    ///
    /// ```
    /// use anchor::Timestamp;
    /// use std::time::Duration;
    ///
    /// let instant = Timestamp::from_micros(1_000_000).saturating_add(Duration::from_secs(2));
    /// assert_eq!(instant.as_micros(), 3_000_000);
    /// ```
    pub fn saturating_add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Returns this instant minus `span`, truncated to whole microseconds, or the earliest
    /// representable instant on overflow.
    ///
    /// ```
    /// use anchor::Timestamp;
    /// use std::time::Duration;
    ///
    /// let instant = Timestamp::from_micros(3_000_000).saturating_sub(Duration::from_secs(2));
    /// assert_eq!(instant.as_micros(), 1_000_000);
    /// ```
    pub fn saturating_sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Returns the time from `earlier` to this instant, or zero if this instant is not after
    /// `earlier`.
    ///
    /// ```
    /// use anchor::Timestamp;
    /// use std::time::Duration;
    ///
    /// let (begin, end) = (Timestamp::from_micros(0), Timestamp::from_micros(5_000_000));
    /// assert_eq!(end.saturating_since(begin), Duration::from_secs(5));
    /// assert_eq!(begin.saturating_since(end), Duration::ZERO);
    /// ```
    pub fn saturating_since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let micros = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros)
            }
        };
        Self(micros)
    }
}

/// An instant that the platform's clock type cannot hold, far from the present, becomes
/// 1970-01-01T00:00:00Z.
impl From<Timestamp> for SystemTime {
    fn from(instant: Timestamp) -> Self {
        let span = Duration::from_micros(instant.0.unsigned_abs());
        let time = match instant.0 < 0 {
            true => UNIX_EPOCH.checked_sub(span),
            false => UNIX_EPOCH.checked_add(span),
        };
        time.unwrap_or(UNIX_EPOCH)
    }
}

/// Writes the text that `Display` prints.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, micros) = (self.0.div_euclid(86_400_000_000), self.0.rem_euclid(86_400_000_000));
        let (year, month, day) = civil_from_days(days);
        let seconds = micros / 1_000_000;
        // The width counts the sign.
        let width = if year < 0 { 5 } else { 4 };
        write!(
            f,
            "{year:0width$}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            micros % 1_000_000,
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Returns the proleptic Gregorian date of a day counted from 1970-01-01. Counts in eras of 400
/// years that begin on 1 March.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    const DAYS_PER_ERA: i64 = 146_097;
    const DAYS_FROM_MARCH_0000_TO_1970: i64 = 719_468;
    let shifted = days + DAYS_FROM_MARCH_0000_TO_1970;
    let (era, day_of_era) = (shifted.div_euclid(DAYS_PER_ERA), shifted.rem_euclid(DAYS_PER_ERA));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339() {
        let cases = [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (1_700_000_000_123_456, "2023-11-14T22:13:20.123456Z"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
            (253_402_300_800_000_000, "10000-01-01T00:00:00.000000Z"),
            (-62_167_219_200_000_000, "0000-01-01T00:00:00.000000Z"),
            (-62_167_219_200_000_001, "-0001-12-31T23:59:59.999999Z"),
            (i64::MIN, "-290308-12-21T19:59:05.224192Z"),
        ];
        for (micros, expected) in cases {
            assert_eq!(Timestamp::from_micros(micros).to_string(), expected);
        }
    }

    #[test]
    fn serde_writes_rfc_3339() {
        let written = serde_json::to_string(&Timestamp::from_micros(951_782_400_000_001)).unwrap();
        assert_eq!(written, "\"2000-02-29T00:00:00.000001Z\"");
    }

    #[test]
    fn a_system_time_comes_back() {
        for micros in [0, -1, 1, 253_402_300_799_999_999, -11_644_473_600_000_000] {
            let instant = Timestamp::from_micros(micros);
            assert_eq!(Timestamp::from(SystemTime::from(instant)), instant);
        }
    }

    #[test]
    fn arithmetic_saturates() {
        let last = Timestamp::from_micros(i64::MAX);
        assert_eq!(last.saturating_add(Duration::MAX), last);
        assert_eq!(Timestamp::from_micros(5).saturating_since(last), Duration::ZERO);
        assert_eq!(
            Timestamp::from_micros(7).saturating_since(Timestamp::from_micros(5)),
            Duration::from_micros(2)
        );
    }
}
