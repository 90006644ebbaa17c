//! Defaults that SQLite would store as texts although the store reads integers.

use super::refusal::Refusal;
use crate::column::ColumnType;
use crate::schema::{Dialect, Kind, Table, is_literal};

/// Refuses the defaults that SQLite would store as texts although the store reads integers.
pub(crate) fn unreadable_defaults(table: &Table) -> Vec<Refusal> {
    use ColumnType::{BigInt, Bool, Integer, SmallInt, Timestamp};
    if table.dialect != Dialect::Sqlite {
        return Vec::new();
    }
    let unreadable = table.columns.iter().filter(|column| !column.custom).filter_map(|column| {
        let default = column.default.as_deref()?;
        let (stored, instead) = match column.kind {
            Kind::Plain(Bool) => ("0 or 1", "true"),
            Kind::Plain(Timestamp) => {
                ("microseconds since 1970", "CAST(strftime('%s', 'now') AS INTEGER) * 1000000")
            }
            Kind::Plain(SmallInt | Integer | BigInt) => ("an integer", "0"),
            _ => return None,
        };
        let is_time = ["current_timestamp", "current_date", "current_time"]
            .iter()
            .any(|word| default.eq_ignore_ascii_case(word));
        // SQLite converts a text that is an integer.
        let text = default.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        let is_text = text.is_some_and(|text| text.trim().parse::<i64>().is_err());
        (is_time || (is_text && is_literal(default))).then(|| Refusal::UnreadableDefault {
            column: column.name.clone(),
            default: default.to_owned(),
            stored,
            instead,
        })
    });
    unreadable.collect()
}
