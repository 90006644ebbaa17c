//! `squawk` (<https://squawkhq.com>), a linter for migrations of PostgreSQL, over each kind of
//! change and over the files of the examples and snapshots: what it reports, the file itself says,
//! with the reason.
//!
//! Without the program the tests say so and pass, unless servers are required;
//! `ANCHOR_TEST_SQUAWK` names it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anchor::column::ColumnType;
use anchor::migrate::{self, Migrations};
use anchor::schema::{ColumnSchema, Dialect, OnChange, OnDelete, Reference, Schema, SchemaOptions};

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
        of(
            "add a computed default",
            &[user],
            &[user, required("device", ColumnType::Uuid).default("gen_random_uuid()")],
        ),
        of(
            "add a reference with a default",
            &[user],
            &[user, required("org", BigInt).default("7").references(users)],
        ),
        of("another index", &[user.index()], &[user.unique()]),
        of("an index", &[user], &[user.index()]),
        of("a unique index", &[user], &[user.unique()]),
        of("no index", &[user.index()], &[user]),
        of("reference a table", &[user], &[user.references(users)]),
        of("reference none", &[user.references(users)], &[user]),
        (
            "keep what \
            ended",
            sessions(&[user]),
            sessions(&[user]).options(SchemaOptions::NONE.keep_ended()),
        ),
        (
            "move the subject",
            sessions(&subject).options(SchemaOptions::NONE.cut_off()),
            sessions(&moved).options(SchemaOptions::NONE.cut_off()),
        ),
        (
            "rename the table",
            sessions(&[user]),
            Schema::new("logins", vec![user].leak()).renamed_from("sessions"),
        ),
    ]
}

/// No row is left to be written anew or looked at.
const EMPTIED: &str = "DESTRUCTIVE: ends every session of fastapi-anchor";

/// What `squawk` may report where the file says this.
const SAID: &[(&str, &str)] = &[
    ("ban-drop-column", "DESTRUCTIVE: drops"),
    ("ban-drop-table", "the cut-offs are about to be dropped"),
    ("renaming-column", "RENAMED:"),
    ("renaming-table", "RENAMED:"),
    ("renaming-object", "RENAMED:"),
    ("changing-column-type", "Rewrites every row"),
    ("require-concurrent-index-creation", "Writes wait while the index is built"),
    ("require-concurrent-index-deletion", "Dropping an index reads no row."),
    ("ban-drop-constraint", "The struct no longer has this constraint"),
    ("ban-drop-constraint", "the constraint has shown that there is no NULL"),
    ("ban-drop-default", "default"),
    ("adding-not-nullable-field", "the constraint has shown that there is no NULL"),
    ("adding-required-field", "DESTRUCTIVE: ends every session"),
    ("adding-foreign-key-constraint", "references is locked for a moment"),
    ("adding-field-with-default", "is an expression. If it is VOLATILE"),
    ("ban-drop-column", EMPTIED),
    ("changing-column-type", EMPTIED),
    ("adding-foreign-key-constraint", EMPTIED),
    ("ban-drop-not-null", "cannot read NULL in this column"),
];

/// Rules about the struct's types, which are the user's, and not about migrating them.
const TASTE: &str = "prefer-bigint-over-int,prefer-bigint-over-smallint,prefer-text-field,\
                     prefer-robust-stmts,prefer-identity,prefer-timestamptz";

fn program() -> Option<String> {
    let install = "pip install squawk-cli==2.70.0";
    anchor_tests::servers::program("squawk", "ANCHOR_TEST_SQUAWK", install)
}

/// The rules that it reports.
fn reported(program: &str, file: &Path) -> Vec<String> {
    let run = Command::new(program)
        .args(["--assume-in-transaction", "--reporter", "gcc", "--exclude", TASTE])
        .arg(file)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    let rules: Vec<_> = text
        .lines()
        .filter_map(|line| Some(line.split_once("warning: ").or(line.split_once("error: "))?.1))
        .map(|rest| rest.split(' ').next().unwrap_or_default().to_owned())
        .collect();
    // It fails where it reports something, and where it could not read the file.
    assert_eq!(run.status.success(), rules.is_empty(), "{}: {run:?}", file.display());
    rules
}

/// The rules that it reports and the file does not say.
fn unsaid(program: &str, file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).expect("a file").replace("\r\n", "\n");
    let text = text.replace("\n-- ", " ");
    let is_said =
        |rule: &String| SAID.iter().any(|(known, says)| known == rule && text.contains(says));
    reported(program, file).into_iter().filter(|rule| !is_said(rule)).collect()
}

fn is_up(file: &Path) -> bool {
    file.to_string_lossy().ends_with(".up.sql")
}

#[test]
fn squawk_reports_nothing_that_the_file_does_not_say() {
    let Some(program) = program() else { return };
    let mut found = Vec::new();
    let mut lint = |what: &str, files: &[PathBuf]| {
        for file in files.iter().filter(|file| is_up(file)) {
            found.extend(unsaid(&program, file).iter().map(|rule| format!("{what}: {rule}")));
        }
    };
    for (what, old, new) in kinds() {
        let scratch = Scratch::new();
        let migrations = Migrations::in_folder(scratch.path())
            .dialect(Dialect::Postgres)
            .allow_drops()
            .allow_downtime();
        let first = migrate::write(&old, &migrations).expect("the first");
        lint(&format!("before {what}"), &first);
        let written = migrate::write(&new, &migrations);
        lint(what, &written.unwrap_or_else(|error| panic!("{what}: {error}")));
    }
    let user = required("user_id", ColumnType::BigInt).subject().references(Reference::new(
        "users",
        "id",
        OnDelete::Cascade,
    ));
    let columns = vec![user, required("role", MEMBER)].leak();
    let of =
        |table| Schema::new(table, columns).options(SchemaOptions::NONE.keep_ended().cut_off());
    for (what, schema, is_baseline) in [
        ("take over a table", of("sessions"), true),
        ("adopt a table", of("anchor_sessions"), false),
    ] {
        let scratch = Scratch::new();
        let migrations = Migrations::in_folder(scratch.path()).dialect(Dialect::Postgres);
        let migrations = match is_baseline {
            true => migrations.baseline(),
            false => migrations.adopt_fastapi_anchor(),
        };
        lint(what, &migrate::write(&schema, &migrations).expect("a file"));
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The files below a folder.
fn files_below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files_below(&path, files),
            false => files.push(path),
        }
    }
}

#[test]
fn squawk_reports_nothing_that_the_committed_files_do_not_say() {
    let Some(program) = program() else { return };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    let mut files = Vec::new();
    files_below(&workspace.join("examples"), &mut files);
    let of_postgres = |file: &Path| file.to_string_lossy().contains("postgres");
    files.retain(|file| is_up(file) && of_postgres(file));
    assert!(files.len() > 5, "{files:?}");
    let mut found = Vec::new();
    for file in &files {
        let rules = unsaid(&program, file);
        found.extend(rules.iter().map(|rule| format!("{}: {rule}", file.display())));
    }
    // The bounds stand in the migration, before these statements.
    let snapshot = workspace.join("anchor/src/schema/snapshots/postgres.sql");
    let rules = unsaid(&program, &snapshot).into_iter();
    found.extend(rules.filter(|rule| !rule.ends_with("-timeout")));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn squawk_sees_what_is_wrong() {
    let Some(program) = program() else { return };
    let scratch = Scratch::new();
    let wrong = scratch.write("1_wrong.sql", "ALTER TABLE sessions ALTER a SET NOT NULL;");
    assert!(!unsaid(&program, &wrong).is_empty());
}
