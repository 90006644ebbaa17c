//! Durations as they are written in attributes: `30s`, `10m`, `2h`, `14d`, `1w`, `1h30m`.

use syn::{Error, LitStr, Result};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;
/// A longer duration is a typing error: no session is meant to last that long, and no date in a
/// database is meant to be that far in the future.
const LONGEST: u64 = 100 * 365 * DAY;

/// Returns the number of seconds that the literal stands for.
pub(crate) fn seconds(literal: &LitStr) -> Result<u64> {
    parse(&literal.value()).map_err(|reason| Error::new(literal.span(), reason))
}

fn parse(text: &str) -> std::result::Result<u64, String> {
    const EXAMPLE: &str = "write one like \"30s\", \"10m\", \"2h\", \"14d\", \"1w\" or \"1h30m\"";
    let mut rest = text;
    let mut total = 0_u64;
    let mut last_unit = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].find(|c: char| c.is_ascii_digit());
        let (number, after) = rest.split_at(digits);
        let (unit, after) = after.split_at(letters.unwrap_or(after.len()));
        if number.is_empty() {
            return Err(format!("`{text}` is not a duration; {EXAMPLE}"));
        }
        let unit = match unit {
            "s" => 1,
            "m" => MINUTE,
            "h" => HOUR,
            "d" => DAY,
            "w" => WEEK,
            "" => return Err(format!("`{text}` has no unit; {EXAMPLE}")),
            _ => {
                return Err(format!(
                    "`{unit}` is not a unit of time (the units are s, m, h, d and w); {EXAMPLE}"
                ));
            }
        };
        if unit >= last_unit {
            return Err(format!("the units of `{text}` are out of order or repeated; {EXAMPLE}"));
        }
        last_unit = unit;
        total = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(unit))
            .and_then(|seconds| seconds.checked_add(total))
            .filter(|total| *total <= LONGEST)
            .ok_or_else(|| format!("`{text}` is longer than 100 years; {EXAMPLE}"))?;
        rest = after;
    }
    match total {
        0 if text.is_empty() => Err(format!("this duration is empty; {EXAMPLE}")),
        0 => Err(format!("`{text}` is a duration of zero; {EXAMPLE}")),
        _ => Ok(total),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn units_and_combinations_are_read() {
        for (text, seconds) in [
            ("30s", 30),
            ("10m", 600),
            ("2h", 7_200),
            ("14d", 1_209_600),
            ("1w", 604_800),
            ("1h30m", 5_400),
            ("1w2d3h4m5s", 788_645),
            ("36500d", 3_153_600_000),
        ] {
            assert_eq!(parse(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for (text, reason) in [
            ("", "empty"),
            ("0s", "a duration of zero"),
            ("90", "has no unit"),
            ("h", "is not a duration"),
            ("-1h", "is not a duration"),
            ("2 h", "` h` is not a unit"),
            ("15min", "`min` is not a unit"),
            ("2H", "`H` is not a unit"),
            ("30m1h", "out of order"),
            ("1h1h", "out of order"),
            ("36501d", "longer than 100 years"),
            ("99999999999999999999d", "longer than 100 years"),
            ("٣h", "is not a duration"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(reason) && message.contains("\"1h30m\""), "{text}: {message}");
        }
    }
}
