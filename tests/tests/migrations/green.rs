//! What must not pass for a folder in order: a history that is not read, or not as sqlx reads it.

use std::fs;
use std::time::{Duration, Instant};

use anchor::column::ColumnType;
use anchor::migrate::{self, Checked, MigrateError, Migrations};
use anchor::schema::{ColumnSchema, Dialect, Schema};
use sha2::{Digest, Sha256};

use crate::scratch::{Scratch, assert_expected};

const USER: ColumnSchema = ColumnSchema::new("user_id", ColumnType::BigInt, false).subject();
const THEME: ColumnSchema = ColumnSchema::new("theme", ColumnType::Text, true);

static FIRST: Schema = Schema::new("sessions", &[USER]);
static THEMED: Schema = Schema::new("sessions", &[USER, THEME]);
static ADMIN: Schema = Schema::new("admin_sessions", &[USER]);

fn in_folder(scratch: &Scratch) -> Migrations {
    Migrations::in_folder(scratch.path()).dialect(Dialect::Sqlite)
}

/// A folder with the first migration.
fn managed() -> Scratch {
    let scratch = Scratch::new();
    migrate::write(&FIRST, &in_folder(&scratch)).expect("written");
    scratch
}

/// The message with which both `check` and `write` refuse the folder; nothing is written.
fn refused(scratch: &Scratch, schema: &Schema) -> (MigrateError, String) {
    let before = scratch.names();
    let migrations = in_folder(scratch);
    let written = migrate::write(schema, &migrations).expect_err("`write` refuses it");
    let error = migrate::check(schema, &migrations).expect_err("`check` refuses it");
    assert_eq!(written.to_string(), error.to_string());
    assert_eq!(scratch.names(), before);
    let message = scratch.message(&error);
    (error, message)
}

/// The first migration with this text in place of its own.
fn with_text(edit: impl Fn(&str) -> String) -> Scratch {
    let scratch = managed();
    let file = scratch.file("up.sql");
    let text = fs::read_to_string(&file).expect("a text");
    fs::write(&file, edit(&text)).expect("a file");
    scratch
}

#[test]
fn a_header_is_found_below_whatever_stands_above_it() {
    for above in [
        "/* (c) 2026 Shop Ltd.\n   All rights reserved. */\n",
        "-- Licence: MIT\n\n",
        "PRAGMA busy_timeout = 1000;\n",
        "\u{feff}",
    ] {
        let scratch = with_text(|text| format!("{above}{text}"));
        let migrations = in_folder(&scratch);
        assert_eq!(migrate::check(&FIRST, &migrations).expect("fine"), Checked::UpToDate);
        assert!(migrate::check(&THEMED, &migrations).is_err(), "{above:?}");
        let names = migrate::write(&THEMED, &migrations).expect("written");
        assert!(names[0].to_string_lossy().contains("_alter_sessions_add_theme"), "{names:?}");
    }
}

#[test]
fn a_header_is_found_however_a_formatter_left_it() {
    for prefix in ["  -- anchor:", "\t--anchor:", "--anchor:", "--    anchor:"] {
        let scratch = with_text(|text| text.replace("-- anchor:", prefix));
        let checked = migrate::check(&FIRST, &in_folder(&scratch)).expect("fine");
        assert_eq!(checked, Checked::UpToDate);
        assert!(migrate::check(&THEMED, &in_folder(&scratch)).is_err(), "{prefix:?}");
    }
}

#[test]
fn a_line_for_anchor_that_is_not_read_is_refused() {
    for (edit, reason) in [
        ("-- Anchor:", "starts with exactly `-- anchor:`"),
        ("# anchor:", "starts with exactly `-- anchor:`"),
        ("/* anchor:", "starts with exactly `-- anchor:`"),
    ] {
        let scratch = with_text(|text| text.replace("-- anchor:", edit));
        let (_, message) = refused(&scratch, &THEMED);
        assert!(message.contains(reason), "{message}");
    }
    let scratch = managed();
    scratch.write("20300101000000_by_hand.up.sql", "SELECT 1;\n-- anchor: table sessions\n");
    let (_, message) = refused(&scratch, &THEMED);
    assert!(message.contains("by_hand.up.sql:2: expected `-- anchor: format 1`"), "{message}");
}

#[test]
fn the_marks_of_a_merge_conflict_are_refused() {
    let scratch = with_text(|text| format!("<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> theirs\n"));
    let (_, message) = refused(&scratch, &FIRST);
    assert_expected("conflict", &message);
}

#[test]
fn a_file_that_sqlx_passes_over_is_refused() {
    for suffix in [".up.SQL", ".Sql"] {
        let scratch = managed();
        let file = scratch.file("up.sql");
        let name = file.to_string_lossy().replace(".up.sql", suffix);
        fs::rename(&file, name).expect("renamed");
        let (error, message) = refused(&scratch, &FIRST);
        assert!(matches!(error, MigrateError::Misnamed { .. }), "{message}");
        assert!(message.contains("`<version>_<description>.sql`"), "{message}");
    }
    let scratch = managed();
    fs::rename(scratch.file("up.sql"), scratch.path().join("create-sessions.sql"))
        .expect("renamed");
    assert!(matches!(refused(&scratch, &FIRST).0, MigrateError::Misnamed { .. }));
}

#[test]
fn a_header_in_the_way_back_is_refused() {
    let scratch = managed();
    fs::copy(scratch.file("up.sql"), scratch.file("down.sql")).expect("a copy");
    assert!(matches!(refused(&scratch, &FIRST).0, MigrateError::HeaderInDown { .. }));
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let scratch = managed();
    let file = scratch.file("up.sql");
    let text = fs::read_to_string(&file).expect("a text");
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(&file, [&[0xff, 0xfe][..], &utf16].concat()).expect("a file");
    assert!(matches!(refused(&scratch, &FIRST).0, MigrateError::NotText { .. }));
}

#[test]
fn a_named_folder_that_is_not_there_is_refused() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("db/migratons");
    let migrations = Migrations::in_folder(&folder).dialect(Dialect::Sqlite);
    let error = migrate::check(&FIRST, &migrations).expect_err("no folder");
    assert_eq!(
        scratch.message(&error),
        "the folder <folder>/db/migratons does not exist: correct the name, or create the folder \
         (mkdir -p <folder>/db/migratons)"
    );
    assert!(matches!(migrate::write(&FIRST, &migrations), Err(MigrateError::NoFolder { .. })));
    assert!(!folder.exists());
}

#[test]
fn files_beside_the_folder_of_a_dialect_are_refused() {
    let scratch = managed();
    fs::create_dir(scratch.path().join("sqlite")).expect("a folder");
    let (_, message) = refused(&scratch, &THEMED);
    assert_expected("mixed_layout", &message);
}

#[test]
fn an_empty_folder_beside_managed_ones_is_a_difference() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path().join("postgres")).expect("a folder");
    let migrations = Migrations::in_folder(scratch.path());
    migrate::write(&FIRST, &migrations).expect("written");
    fs::create_dir(scratch.path().join("sqlite")).expect("a folder");
    let error = migrate::check(&FIRST, &migrations).expect_err("SQLite has no table");
    assert!(matches!(&error, MigrateError::Drift(drifts) if drifts.len() == 1), "{error}");
    assert!(error.to_string().contains("sqlite creates the table `sessions`"), "{error}");
}

#[test]
fn nothing_is_written_beside_two_files_of_one_version() {
    let scratch = Scratch::new();
    for name in ["0007_create_users.sql", "0007_create_orders.sql"] {
        scratch.write(name, "SELECT 1;\n");
    }
    let refused = migrate::write(&FIRST, &in_folder(&scratch)).expect_err("sqlx refuses them");
    assert!(matches!(refused, MigrateError::SameVersion { .. }), "{refused}");
    assert_eq!(fs::read_dir(scratch.path()).expect("a folder").count(), 2);
}

#[test]
fn two_files_of_one_version_are_refused() {
    let (ours, theirs) = (Scratch::new(), Scratch::new());
    for scratch in [&ours, &theirs] {
        scratch.write("0007_create_users.sql", "SELECT 1;\n");
    }
    migrate::write(&FIRST, &in_folder(&ours)).expect("written");
    migrate::write(&ADMIN, &in_folder(&theirs)).expect("written");
    let name = "0008_create_admin_sessions.sql";
    fs::copy(theirs.path().join(name), ours.path().join(name)).expect("a merge");
    let (_, message) = refused(&ours, &FIRST);
    assert_expected("same_version", &message);
    // The way out.
    let free = ours.path().join("0009_create_admin_sessions.sql");
    fs::rename(ours.path().join(name), free).expect("renamed");
    for schema in [&FIRST, &ADMIN] {
        let checked = migrate::check(schema, &in_folder(&ours)).expect("fine");
        assert_eq!(checked, Checked::UpToDate);
    }
}

#[test]
fn a_copy_of_a_file_is_refused() {
    let scratch = managed();
    migrate::write(&THEMED, &in_folder(&scratch)).expect("written");
    let copy = scratch.path().join("30000101000000_create_sessions.up.sql");
    fs::copy(scratch.file("create_sessions.up.sql"), copy).expect("a copy");
    assert!(matches!(refused(&scratch, &THEMED).0, MigrateError::Copied { .. }));
}

#[test]
fn a_change_whose_last_file_is_missing_is_refused() {
    let postgres =
        |scratch: &Scratch| Migrations::in_folder(scratch.path()).dialect(Dialect::Postgres);
    let indexed = Schema::new("sessions", Vec::leak(vec![USER, THEME.index()]));
    let scratch = Scratch::new();
    migrate::write(&FIRST, &postgres(&scratch)).expect("written");
    migrate::write(&indexed, &postgres(&scratch)).expect("written");
    for end in ["index_sessions.up.sql", "index_sessions.down.sql"] {
        fs::remove_file(scratch.file(end)).expect("removed");
    }
    // Whichever struct there is, the one before the index among them.
    let without = Schema::new("sessions", Vec::leak(vec![USER, THEME]));
    for schema in [&indexed, &without] {
        let error = migrate::check(schema, &postgres(&scratch)).expect_err("half of a change");
        assert_expected("unfinished", &scratch.message(&error));
        let written = migrate::write(schema, &postgres(&scratch)).expect_err("half of a change");
        assert_eq!(written.to_string(), error.to_string());
    }
    // Another file in its place is none of the change.
    let text = scratch.read("add_theme.up.sql");
    scratch.write("30000101000000_again.up.sql", &follower(&text));
    let error = migrate::check(&without, &postgres(&scratch)).expect_err("half of a change");
    let message = scratch.message(&error);
    assert!(message.contains("step 1 of 2"), "{message}");
    assert!(message.contains("30000101000000_again.up.sql"), "it goes, too: {message}");
    // The way out.
    for name in scratch.names().iter().filter(|name| !name.contains("create")) {
        fs::remove_file(scratch.path().join(name)).expect("removed");
    }
    migrate::write(&indexed, &postgres(&scratch)).expect("written");
    assert_eq!(migrate::check(&indexed, &postgres(&scratch)).expect("fine"), Checked::UpToDate);
}

#[test]
fn the_first_file_keeps_its_line_ends_in_git() {
    let scratch = Scratch::new();
    let written = migrate::write(&FIRST, &in_folder(&scratch)).expect("written");
    let attributes = scratch.path().join(".gitattributes");
    assert!(written.contains(&attributes), "{written:?}");
    assert_eq!(fs::read_to_string(&attributes).expect("a text"), "*.sql text eol=lf\n");

    // Git itself is asked what a checkout on Windows has.
    let git = |arguments: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.current_dir(scratch.path()).args(["-c", "core.autocrlf=true"]).args(arguments);
        assert!(git.output().expect("git is there").status.success(), "{arguments:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    let up = scratch.file("up.sql");
    fs::remove_file(&up).expect("removed");
    git(&["checkout", "--", "."]);
    assert!(!fs::read_to_string(&up).expect("a text").contains('\r'));

    // One that is there is the user's.
    fs::write(&attributes, "*.sql text eol=lf\n*.md text\n").expect("a file");
    let written = migrate::write(&ADMIN, &in_folder(&scratch)).expect("written");
    assert!(!written.contains(&attributes), "{written:?}");
}

#[test]
fn line_ends_that_change_sqlx_s_checksum_are_refused() {
    let scratch = with_text(|text| text.replace('\n', "\r\n"));
    let (_, message) = refused(&scratch, &FIRST);
    assert_expected("line_ends", &message);
}

#[test]
fn the_highest_version_is_an_error_and_no_panic() {
    for version in [i64::MAX, i64::MAX - 1] {
        let scratch = Scratch::new();
        scratch.write(&format!("{version}_create_users.sql"), "SELECT 1;\n");
        let error = migrate::write(&FIRST, &in_folder(&scratch)).expect_err("none is left");
        assert!(matches!(error, MigrateError::LastVersion { .. }), "{error}");
        assert_eq!(scratch.names().len(), 1, "{:?}", scratch.names());
    }
}

#[test]
fn a_long_history_is_read_in_proportion_to_its_length() {
    let scratch = managed();
    let mut text = scratch.read("up.sql");
    for version in 30_000_101_000_000_i64..30_000_101_000_600 {
        text = follower(&text);
        scratch.write(&format!("{version}_again.up.sql"), &text);
    }
    let started = Instant::now();
    assert_eq!(migrate::check(&FIRST, &in_folder(&scratch)).expect("fine"), Checked::UpToDate);
    let took = started.elapsed();
    // When each file is hashed anew for each other, they take half a minute.
    assert!(took < Duration::from_secs(5), "{took:?}");
}

/// A migration that follows this one and changes nothing.
fn follower(text: &str) -> String {
    let lines = text.lines().filter_map(|line| line.strip_prefix("-- anchor: "));
    let hash = lines.clone().find_map(|line| line.strip_prefix("hash ")).expect("a hash");
    let parent = format!("parent {hash}");
    let lines: Vec<_> = lines
        .filter(|line| !line.starts_with("hash "))
        .map(|line| if line.starts_with("parent ") { &parent } else { line })
        .collect();
    let digest = Sha256::digest(lines.join("\n"));
    let hash: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let header = lines.iter().map(|line| format!("-- anchor: {line}\n"));
    format!("{}-- anchor: hash {hash}\n\nSELECT 1;\n", header.collect::<String>())
}
