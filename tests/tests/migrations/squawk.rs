//! `squawk` (<https://squawkhq.com>), a linter for migrations of PostgreSQL, over twenty kinds of
//! changes: what it reports, the file itself says, with the reason.
//!
//! Without the program the test says so and passes; `ANCHOR_TEST_SQUAWK` names it.

use std::path::Path;
use std::process::Command;

use anchor::migrate::{self, Migrations};
use anchor::{ColumnSchema, ColumnType, Dialect, Extras, OnChange, OnDelete, Reference, Schema};

use crate::scratch::Scratch;

const MEMBER: ColumnType = ColumnType::Enum(&["admin", "member"]);
const GUEST: ColumnType = ColumnType::Enum(&["admin", "member", "guest"]);
const ADMIN: ColumnType = ColumnType::Enum(&["admin"]);

fn required(name: &'static str, ty: ColumnType) -> ColumnSchema {
    ColumnSchema::new(name, ty, false)
}

fn optional(name: &'static str, ty: ColumnType) -> ColumnSchema {
    ColumnSchema::new(name, ty, true)
}

fn sessions(columns: &[ColumnSchema]) -> Schema {
    Schema::new("sessions", Vec::leak(columns.to_vec()))
}

/// A change, and what it is.
fn kinds() -> Vec<(&'static str, Schema, Schema)> {
    use ColumnType::{BigInt, Integer, SmallInt, Text};
    let users = Reference::new("users", "id", OnDelete::Cascade);
    let user = required("user_id", BigInt);
    let ends = |column: ColumnSchema| column.on_change(OnChange::EndSessions);
    let of =
        |what, old: &[ColumnSchema], new: &[ColumnSchema]| (what, sessions(old), sessions(new));
    let subject = [user.subject(), required("org_id", BigInt)];
    let moved = [user, required("org_id", BigInt).subject()];
    vec![
        of("add an optional column", &[user], &[user, optional("theme", Text)]),
        of("add one with a default", &[user], &[user, required("theme", Text).default("'x'")]),
        of("add one that ends all", &[user], &[user, ends(required("theme", Text))]),
        of("add an enum", &[user], &[user, required("role", MEMBER).default("'member'")]),
        of("add a reference", &[user], &[user, optional("org", BigInt).references(users)]),
        of("drop a column", &[user, optional("theme", Text)], &[user]),
        of(
            "rename a column",
            &[user, optional("theme", Text)],
            &[user, optional("colour", Text).renamed_from("theme")],
        ),
        of("widen an integer", &[required("n", Integer)], &[required("n", BigInt)]),
        of("narrow an integer", &[required("n", Integer)], &[ends(required("n", SmallInt))]),
        of("make it optional", &[required("n", Integer)], &[optional("n", Integer)]),
        of("make it required", &[optional("n", Integer)], &[ends(required("n", Integer))]),
        of("change a default", &[required("n", Integer)], &[required("n", Integer).default("1")]),
        of("drop a default", &[required("n", Integer).default("1")], &[required("n", Integer)]),
        of("one variant more", &[required("role", MEMBER)], &[required("role", GUEST)]),
        of("one variant less", &[required("role", MEMBER)], &[ends(required("role", ADMIN))]),
        of("an index", &[user], &[user.index()]),
        of("a unique index", &[user], &[user.unique()]),
        of("no index", &[user.index()], &[user]),
        of("reference a table", &[user], &[user.references(users)]),
        of("reference none", &[user.references(users)], &[user]),
        ("keep what ended", sessions(&[user]), sessions(&[user]).extras(Extras::NONE.keep_ended())),
        (
            "move the subject",
            sessions(&subject).extras(Extras::NONE.cut_off()),
            sessions(&moved).extras(Extras::NONE.cut_off()),
        ),
        (
            "rename the table",
            sessions(&[user]),
            Schema::new("logins", vec![user].leak()).renamed_from("sessions"),
        ),
    ]
}

/// What `squawk` may report where the file says this.
const SAID: &[(&str, &str)] = &[
    ("ban-drop-column", "DESTRUCTIVE: drops"),
    ("ban-drop-table", "which nobody would know of afterwards"),
    ("renaming-column", "RENAMED:"),
    ("renaming-table", "RENAMED:"),
    ("renaming-object", "RENAMED:"),
    ("changing-column-type", "Writes every row anew"),
    ("require-concurrent-index-creation", "Writes wait while it is built"),
    ("require-concurrent-index-deletion", "Dropping an index reads no row."),
    ("ban-drop-constraint", "The struct does not ask for this constraint any more"),
    ("ban-drop-constraint", "the constraint has shown it"),
    ("ban-drop-default", "default"),
    ("adding-not-nullable-field", "the constraint has shown it"),
    ("adding-required-field", "DESTRUCTIVE: ends every session"),
    ("adding-foreign-key-constraint", "references is locked for this moment"),
    ("ban-drop-not-null", "What may be NULL from here on"),
];

/// Rules about the struct's types, which are the user's, and not about migrating them.
const TASTE: &str = "prefer-bigint-over-int,prefer-bigint-over-smallint,prefer-text-field,\
                     prefer-robust-stmts,prefer-identity,prefer-timestamptz";

fn program() -> Option<String> {
    let program = std::env::var("ANCHOR_TEST_SQUAWK").unwrap_or_else(|_| "squawk".to_owned());
    let found = Command::new(&program).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no `{program}`; pip install squawk-cli");
    }
    found.then_some(program)
}

/// The rules that it reports.
fn reported(program: &str, file: &Path) -> Vec<String> {
    let run = Command::new(program)
        .args(["--assume-in-transaction", "--reporter", "gcc", "--exclude", TASTE])
        .arg(file)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    text.lines()
        .filter_map(|line| Some(line.split_once("warning: ").or(line.split_once("error: "))?.1))
        .map(|rest| rest.split(' ').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn squawk_reports_nothing_that_the_file_does_not_say() {
    let Some(program) = program() else { return };
    let mut unsaid = Vec::new();
    for (what, old, new) in kinds() {
        let scratch = Scratch::new();
        let migrations = Migrations::in_folder(scratch.path())
            .dialect(Dialect::Postgres)
            .allow_drops()
            .allow_downtime();
        migrate::write(&old, &migrations).expect("the first");
        let written = migrate::write(&new, &migrations);
        let written = written.unwrap_or_else(|error| panic!("{what}: {error}"));
        let ups = written.iter().filter(|file| file.to_string_lossy().ends_with(".up.sql"));
        for file in ups {
            let text = std::fs::read_to_string(file).expect("a file").replace("\n-- ", " ");
            for rule in reported(&program, file) {
                let is_said =
                    SAID.iter().any(|(known, says)| *known == rule && text.contains(says));
                if !is_said {
                    unsaid.push(format!("{what}: {rule}"));
                }
            }
        }
    }
    assert!(unsaid.is_empty(), "{unsaid:#?}");
    // It sees what is wrong.
    let scratch = Scratch::new();
    let wrong = scratch.write("1_wrong.sql", "ALTER TABLE sessions ALTER a SET NOT NULL;");
    assert!(!reported(&program, &wrong).is_empty());
}
