//! What holds for any header: what is written is read back as the same state, and what cannot be
//! read is refused with its line.

use super::*;
use crate::__properties::Choices;
use crate::schema::{
    CutOffsTable, ForeignKey, Kind, OnDelete, Owner, SchemaOptions, TableColumn, TableIndex,
};

/// The first byte chooses between a text that is read and a state that is written.
pub fn header(data: &[u8]) {
    let mut choices = Choices::of(data);
    match choices.coin() {
        true => written(&any_state(&mut choices)),
        false => read(&String::from_utf8_lossy(choices.rest())),
    }
}

/// A state is read back as it was written, whatever is around its header.
fn written(state: &State) {
    let header = state.header();
    assert_eq!(State::parse(&header), Ok(Some(state.clone())), "{header}");
    let file =
        format!("-- no-transaction\r\n-- (c)\r\n{header}\nSELECT 1;\n").replace('\n', "\r\n");
    assert_eq!(State::parse(&file), Ok(Some(state.clone())), "{file}");
}

/// A text is a header that can be written again, or a file without one, or a mistake on one of its
/// lines. A state that was edited by hand is accepted with the hash that the message gives.
fn read(text: &str) {
    match State::parse(text) {
        Ok(Some(state)) => written(&state),
        Ok(None) => assert!(!text.lines().any(|line| line.trim().starts_with(PREFIX)), "{text}"),
        Err(HeaderError { line, reason }) => {
            assert!((1..=text.lines().count()).contains(&line), "{line}: {reason}\n{text}");
            let advice =
                reason.strip_prefix("the header was edited by hand: the hash of its lines is ");
            if let Some(hash) = advice.and_then(|advice| advice.get(..16)) {
                let corrected = corrected(text, hash);
                let state = State::parse(&corrected).expect("the advice was followed");
                written(&state.expect("the file has a header"));
            }
        }
    }
}

/// Replaces the line of the hash.
fn corrected(text: &str, hash: &str) -> String {
    let hash_line = |line: &str| {
        let line = line.trim_start_matches('\u{feff}').trim();
        let content =
            line.strip_prefix("--").and_then(|rest| rest.trim_start().strip_prefix("anchor:"));
        content.is_some_and(|content| content.trim().starts_with("hash"))
    };
    let lines = text.lines().map(|line| match hash_line(line) {
        true => format!("{PREFIX} hash {hash}\n"),
        false => format!("{line}\n"),
    });
    lines.collect()
}

/// Any state that a struct or an earlier header can lead to, and many that none can.
fn any_state(choices: &mut Choices<'_>) -> State {
    let mut columns: Vec<TableColumn> = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..choices.byte() % 6 {
        let column = any_column(choices);
        if columns.iter().all(|other| other.name != column.name) {
            let answer = any_answer(choices, &column.name);
            answers.extend(Some(answer).filter(|answer| !answer.is_empty()));
            columns.push(column);
        }
    }
    let mut indexes = Vec::new();
    let mut cut_offs = None;
    for column in &columns {
        if choices.coin() {
            let (name, unique) = (choices.text(), choices.coin());
            indexes.push(TableIndex { name, column: column.name.clone(), unique });
        }
        if cut_offs.is_none() && choices.coin() {
            let (name, subject_type) = (choices.text(), choices.text());
            cut_offs = Some(CutOffsTable { name, subject: column.name.clone(), subject_type });
        }
    }
    let table = Table {
        dialect: *choices.one_of(&[Dialect::Postgres, Dialect::MySql, Dialect::Sqlite]),
        name: choices.text(),
        options: SchemaOptions {
            keep_ended: choices.coin(),
            track: choices.coin(),
            fingerprint: choices.coin(),
            cut_off: false,
        },
        columns,
        indexes,
        cut_offs,
    };
    let parent = any_hash(choices);
    let beside = any_hash(choices);
    let step = choices.coin().then(|| (choices.byte().into(), choices.byte().into()));
    State { table, answers, parent, beside, step }
}

fn any_hash(choices: &mut Choices<'_>) -> Option<String> {
    choices.coin().then(|| format!("{:016x}", u64::from_be_bytes(choices.array())))
}

fn any_column(choices: &mut Choices<'_>) -> TableColumn {
    let name = choices.text();
    let kind = match choices.coin() {
        true => Kind::Plain(choices.one_of(KINDS).1),
        false => Kind::Enum((0..=choices.byte() % 3).map(|_| choices.text()).collect()),
    };
    let (sql_type, custom) = (choices.text(), choices.coin());
    let number = |choices: &mut Choices<'_>| i64::from_be_bytes(choices.array());
    TableColumn {
        name,
        kind,
        sql_type,
        custom,
        range: choices.coin().then(|| (number(choices), number(choices))),
        nullable: choices.coin(),
        primary_key: choices.coin(),
        default: choices.coin().then(|| choices.text()),
        references: choices.coin().then(|| ForeignKey {
            table: choices.text(),
            column: choices.text(),
            on_delete: *choices.one_of(&[OnDelete::Cascade, OnDelete::Restrict, OnDelete::SetNull]),
        }),
        leaving: *choices.one_of(&[None, Some(Owner::Payload), Some(Owner::Anchor)]),
    }
}

fn any_answer(choices: &mut Choices<'_>, column: &str) -> Answer {
    Answer {
        column: column.to_owned(),
        was: choices.coin().then(|| choices.text()),
        ends: choices.coin(),
        variants: (0..choices.byte() % 3).map(|_| (choices.text(), choices.text())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::__properties::settings;

    proptest! {
        #![proptest_config(settings(500))]

        #[test]
        fn what_is_written_is_read(data in vec(any::<u8>(), 0..600)) {
            header(&[&[1], data.as_slice()].concat());
        }

        #[test]
        fn what_cannot_be_read_is_refused_with_its_line(
            lines in vec((prop::sample::select(LINES), any::<bool>()), 0..12),
        ) {
            let text: String = lines
                .iter()
                .map(|(line, is_whole)| match is_whole {
                    true => format!("-- anchor: {line}\n"),
                    false => format!("{line} "),
                })
                .collect();
            read(&text);
            let start = "-- anchor: format 1\n-- anchor: table t\n-- anchor: dialect mysql\n";
            read(&format!("{start}{text}"));
        }
    }

    const LINES: &[&str] = &[
        "format 1",
        "table sessions",
        "table \"a \\\"b\\\"\"",
        "dialect sqlite",
        "parent none",
        "parent 0123456789abcdef",
        "beside x",
        "step 1 of 2",
        "extras track keep_ended",
        "column id uuid as \"UUID\" not null primary key",
        "column role enum(\"a\", \"b\") custom as \"ROLE\" default \"'a'\" was old \
         variants (\"x\" to \"a\")",
        "column n integer as \"INT\" from 0 to 255 references t(\"c d\") on delete set null \
         leaving system",
        "index i on id",
        "unique index \"j\" on role",
        "cut_offs t on id as \"UUID\"",
        "hash 0123456789abcdef",
        "-- anchor:",
        "-- Anchor: hash",
        "\"",
        "(",
        "\n",
        "\r",
        "\u{feff}",
        "-- no-transaction",
        "<<<<<<<",
    ];
}
