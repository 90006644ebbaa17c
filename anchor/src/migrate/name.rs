//! The names of migration files.

use std::time::{SystemTime, UNIX_EPOCH};

use super::diff::Diff;

/// The largest number of columns that a file's name lists.
const MOST_NAMES: usize = 3;

/// Returns a time as sqlx writes it into a version: `YYYYMMDDHHMMSS`, UTC.
pub(super) fn timestamp(time: SystemTime) -> i64 {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Converts days since 1970 into a date of the Gregorian calendar. Years start in March here, so
    // that a leap day is the last day of a year.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let date = year * 10_000 + month * 100 + day;
    date * 1_000_000 + (second / 3600) * 10_000 + (second / 60 % 60) * 100 + second % 60
}

/// Returns a name as a part of a file's name.
pub(super) fn word(name: &str) -> String {
    let word: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    word.trim_matches('_').to_owned()
}

/// Returns the names of columns as parts of a file's name.
fn names<'c>(columns: impl Iterator<Item = &'c String>) -> Vec<String> {
    columns.map(|name| word(name)).filter(|word| !word.is_empty()).collect()
}

/// Returns the description of a change, such as `alter_sessions_add_theme`, or `alter_sessions` if
/// it has many parts.
pub(super) fn of_change(diff: &Diff) -> String {
    let table = word(diff.new.bare_name());
    if diff.old.name != diff.new.name {
        return format!("rename_{}_to_{table}", word(diff.old.bare_name()));
    }
    let changed = diff.kept.iter().filter(|(old, new)| old != new);
    let (leaving, changed): (Vec<_>, Vec<_>) = changed.partition(|(_, new)| new.leaving.is_some());
    let (renamed, changed): (Vec<_>, Vec<_>) =
        changed.into_iter().partition(|(old, new)| old.name != new.name);
    let mut parts = vec![
        ("add", names(diff.added.iter().map(|column| &column.name))),
        ("drop", names(diff.dropped.iter().map(|column| &column.name))),
        ("without", names(leaving.iter().map(|(old, _)| &old.name))),
        ("rename_to", names(renamed.iter().map(|(_, new)| &new.name))),
        ("change", names(changed.iter().map(|(_, new)| &new.name))),
    ];
    match (&diff.old.cut_offs, &diff.new.cut_offs) {
        (None, Some(_)) => parts[0].1.push("cut_offs".to_owned()),
        (Some(_), None) => parts[1].1.push("cut_offs".to_owned()),
        _ => {}
    }
    if parts.iter().all(|(_, words)| words.is_empty()) {
        parts = vec![
            ("index", names(diff.added_indexes.iter().map(|index| &index.column))),
            ("unindex", names(diff.dropped_indexes.iter().map(|index| &index.column))),
        ];
    }
    parts.retain(|(_, words)| !words.is_empty());
    match parts.as_slice() {
        [(verb, words)] if words.len() <= MOST_NAMES => {
            let mut name = format!("alter_{table}_{verb}_{}", words.join("_"));
            name.truncate(120);
            name
        }
        _ => format!("alter_{table}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_written_as_sqlx_writes_them() {
        let at = |seconds| timestamp(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), 19700101000000);
        assert_eq!(at(951_782_399), 20000228235959);
        assert_eq!(at(951_827_696), 20000229123456);
        assert_eq!(at(1_735_689_599), 20241231235959);
        assert_eq!(at(4_107_542_400), 21000301000000);
    }
}
