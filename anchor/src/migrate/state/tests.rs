//! Tests of headers that are written and read back.

use super::*;
use crate::column::ColumnType;
use crate::schema::{ColumnSchema, OnDelete, Owner, Reference, SchemaOptions};

static COLUMNS: [ColumnSchema; 5] = [
    ColumnSchema::new("user_id", ColumnType::Uuid, false).subject().references(Reference::new(
        "auth.users",
        "id",
        OnDelete::Cascade,
    )),
    ColumnSchema::new("role", ColumnType::Enum(&["member", "it's \"me\", (you)"]), false)
        .default("'member'")
        .renamed_variants(&[("you", "it's \"me\", (you)"), ("user", "member")])
        .on_change(OnChange::EndSessions),
    ColumnSchema::new("größe in \"cm\"", ColumnType::Integer, true)
        .unique()
        .range(Some((0, 65_535))),
    ColumnSchema::new("email", ColumnType::Text, true).sql_type("citext").renamed_from("e-mail"),
    ColumnSchema::new("note", ColumnType::Text, false).default("'two\r\nlines -- anchor: x'"),
];
static SCHEMA: Schema =
    Schema::new("sessions", &COLUMNS).options(SchemaOptions::NONE.track().fingerprint());

fn state(dialect: Dialect) -> State {
    State::of(&SCHEMA, dialect, Some("0123456789abcdef".into()))
}

fn edited(from: &str, to: &str) -> HeaderError {
    let header = state(Dialect::Postgres).header();
    assert!(header.contains(from), "{header}");
    State::parse(&header.replace(from, to)).expect_err("a broken header")
}

#[test]
fn a_header_is_read_back_as_it_was_written() {
    for dialect in [Dialect::Postgres, Dialect::MySql, Dialect::Sqlite] {
        let state = state(dialect);
        let file = format!("-- no-transaction\n{}\nSELECT 1;\n", state.header());
        assert_eq!(State::parse(&file), Ok(Some(state)), "{file}");
    }
}

#[test]
fn a_leaving_column_is_read_back_with_its_owner() {
    for owner in [Owner::Payload, Owner::Anchor] {
        let mut state = state(Dialect::Postgres);
        state.table.columns.last_mut().expect("a column").leaving = Some(owner);
        assert_eq!(State::parse(&state.header()), Ok(Some(state.clone())), "{owner:?}");
    }
}

#[test]
fn line_ends_and_byte_order_marks_do_not_change_the_state() {
    let state = state(Dialect::MySql);
    let file = format!("\u{feff}{}\nSELECT 1;\n", state.header()).replace('\n', "\r\n");
    assert_eq!(State::parse(&file), Ok(Some(state)));
}

#[test]
fn a_file_without_a_header_is_not_of_anchor() {
    for text in ["", "CREATE TABLE users (id INT);\n", "-- anchored in 2026: by hand\n"] {
        assert_eq!(State::parse(text), Ok(None), "{text}");
    }
}

#[test]
fn a_header_is_read_wherever_it_stands_and_however_it_is_indented() {
    let state = state(Dialect::Postgres);
    let header = state.header();
    let lines = header.lines().map(|line| line.strip_prefix(PREFIX).expect("a header"));
    let indented: String = lines.clone().map(|line| format!("\t--  anchor:{line}\n")).collect();
    let close: String = lines.map(|line| format!("--anchor:{line}\n")).collect();
    for file in [
        format!("/* (c) 2026 Shop Ltd.\n * All rights reserved. */\n\n{header}"),
        format!("SET lock_timeout = '1s';\n{header}"),
        format!("{indented}\nSELECT 1;\n"),
        format!("{close}\nSELECT 1;\n"),
    ] {
        assert_eq!(State::parse(&file), Ok(Some(state.clone())), "{file}");
    }
    let second = State { step: Some((2, 3)), beside: Some("0011".into()), ..state };
    assert_eq!(State::parse(&second.header()), Ok(Some(second)));
}

#[test]
fn a_line_for_anchor_that_is_not_read_is_an_error() {
    let header = state(Dialect::Postgres).header();
    let shouted = header.replace("-- anchor:", "-- Anchor:");
    let other = header.replace("-- anchor:", "# anchor:");
    let conflict = format!("<<<<<<< HEAD\n{header}=======\n>>>>>>> theirs\n");
    let doubled = format!("{header}\nSELECT 1;\n{header}");
    let late = format!("-- (c) Shop\n-- no-transaction\n{header}");
    for (file, line, reason) in [
        ("CREATE TABLE users (id INT);\n-- anchor: format 1\n", 2, "lacks the line"),
        ("SELECT 1;\n-- anchor: table x\n", 2, "expected `-- anchor: format 1`"),
        (&shouted, 1, "starts with exactly `-- anchor:`"),
        (&other, 1, "starts with exactly `-- anchor:`"),
        (&conflict, 1, "contains a merge conflict"),
        (&doubled, header.lines().count() + 3, "`format` occurs twice"),
        (&late, 2, "sqlx reads `-- no-transaction` only at the start of the file"),
    ] {
        let error = State::parse(file).expect_err(file);
        assert_eq!((error.line, error.reason.contains(reason)), (line, true), "{error:?}");
    }
}

#[test]
fn the_hash_is_of_the_lines_and_of_the_parent() {
    let state = state(Dialect::Sqlite);
    let other = State { parent: None, ..state.clone() };
    assert_ne!(state.hash(), other.hash());
    assert_eq!(state.hash().len(), 16);
}

#[test]
fn a_broken_header_is_said_with_its_line() {
    let cases = [
        (edited("format 1", "format 2"), 1, "is from another version of anchor"),
        (edited("format 1", "table x"), 1, "expected `-- anchor: format 1` before `table`"),
        (edited("dialect postgres", "dialect oracle"), 3, "`oracle` is not a dialect"),
        (edited("column id uuid", "column id guid"), 6, "`guid` is not the type of a column"),
        (
            edited("not null primary key", "not null primary"),
            6,
            "expected `key`, but the line ends",
        ),
        (edited("custom as \"citext\"", "custom as \"citext"), 25, "does not end"),
        (
            edited("index sessions_user_id_idx on user_id", "index a on b"),
            30,
            "which is not in the header",
        ),
        (edited("as \"citext\"", "as \"text\""), 30, "the header was edited by hand"),
        (
            edited("-- anchor: parent 0123456789abcdef\n", ""),
            29,
            "lacks the line `-- anchor: parent ..`",
        ),
        (edited("column email", "colum email"), 25, "`colum` is unknown here"),
    ];
    for (error, line, reason) in cases {
        assert_eq!((error.line, error.reason.contains(reason)), (line, true), "{error:?}");
    }
}
