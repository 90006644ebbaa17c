//! The folder of migrations: how files are named, and what is said when they do not follow one
//! another.

use std::fs;
use std::path::Path;

use anchor::column::ColumnType;
use anchor::migrate::{self, Checked, MigrateError, Migrations};
use anchor::schema::{ColumnSchema, Dialect, Schema};

use crate::live::Live;
use crate::scratch::{Scratch, assert_expected};

const USER: ColumnSchema = ColumnSchema::new("user_id", ColumnType::BigInt, false).subject();
const THEME: ColumnSchema = ColumnSchema::new("theme", ColumnType::Text, true);
const LOCALE: ColumnSchema = ColumnSchema::new("locale", ColumnType::Text, true);

static FIRST: Schema = Schema::new("sessions", &[USER]);
static THEMED: Schema = Schema::new("sessions", &[USER, THEME]);
static LOCALISED: Schema = Schema::new("sessions", &[USER, LOCALE]);
static BOTH: Schema = Schema::new("sessions", &[USER, THEME, LOCALE]);

fn in_folder(scratch: &Scratch) -> Migrations {
    Migrations::in_folder(scratch.path()).dialect(Dialect::Sqlite)
}

#[test]
fn an_empty_folder_gets_reversible_files_named_by_the_time() {
    let scratch = Scratch::new();
    assert_eq!(migrate::check(&FIRST, &in_folder(&scratch)).expect("fine"), Checked::Unmanaged);
    migrate::write(&FIRST, &in_folder(&scratch)).expect("written");
    migrate::write(&THEMED, &in_folder(&scratch)).expect("written");
    let names = scratch.names();
    let ends = [
        "_create_sessions.down.sql",
        "_create_sessions.up.sql",
        "_alter_sessions_add_theme.down.sql",
        "_alter_sessions_add_theme.up.sql",
    ];
    assert_eq!(names.len(), ends.len());
    for (name, end) in names.iter().zip(ends) {
        let (version, rest) = name.split_at(14);
        assert!(version.starts_with("20") && rest == end, "{name}");
    }
    assert!(names[1][..14] < names[2][..14], "{names:?}");
    assert_eq!(migrate::check(&THEMED, &in_folder(&scratch)).expect("fine"), Checked::UpToDate);
}

#[test]
fn files_are_named_as_the_folder_s_others_are() {
    let scratch = Scratch::new();
    scratch.write("0007_create_users.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY);\n");
    migrate::write(&FIRST, &in_folder(&scratch)).expect("written");
    migrate::write(&THEMED, &in_folder(&scratch)).expect("written");
    assert_eq!(
        scratch.names(),
        ["0007_create_users.sql", "0008_create_sessions.sql", "0009_alter_sessions_add_theme.sql"]
    );
    let scratch = Scratch::new();
    scratch.write("3_create_users.up.sql", "SELECT 1;\n");
    scratch.write("3_create_users.down.sql", "SELECT 1;\n");
    migrate::write(&FIRST, &in_folder(&scratch)).expect("written");
    assert_eq!(scratch.names()[2..], ["4_create_sessions.down.sql", "4_create_sessions.up.sql"]);
}

#[test]
fn a_folder_without_files_of_anchor_is_left_alone() {
    let scratch = Scratch::new();
    scratch.write("1_create_users.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY);\n");
    assert_eq!(migrate::check(&FIRST, &in_folder(&scratch)).expect("fine"), Checked::Unmanaged);
}

#[test]
fn the_first_file_needs_to_know_its_dialect() {
    let scratch = Scratch::new();
    let error = migrate::write(&FIRST, &Migrations::in_folder(scratch.path())).expect_err("which?");
    assert_expected("which_dialect", &scratch.message(&error));
    // Afterwards the file says it.
    migrate::write(&FIRST, &in_folder(&scratch)).expect("written");
    migrate::write(&THEMED, &Migrations::in_folder(scratch.path())).expect("written");
}

#[test]
fn every_dialect_s_folder_gets_its_own_file() {
    let scratch = Scratch::new();
    for dialect in ["postgres", "mysql", "sqlite"] {
        fs::create_dir(scratch.path().join(dialect)).expect("a folder");
    }
    let migrations = Migrations::in_folder(scratch.path());
    let written = migrate::write(&FIRST, &migrations).expect("written");
    assert_eq!(written.len(), 9, "{written:?}");
    assert_eq!(migrate::check(&FIRST, &migrations).expect("fine"), Checked::UpToDate);

    let moved = written.iter().find(|file| file.to_string_lossy().contains("sqlite")).expect("one");
    let postgres = scratch.path().join("postgres/30000101000000_create_sessions.up.sql");
    fs::copy(moved, &postgres).expect("a copy");
    let error = migrate::check(&FIRST, &migrations).expect_err("mixed");
    assert!(matches!(error, MigrateError::MixedDialects { .. }), "{error}");
}

/// The state that two branches of a repository leave after a merge.
fn merged() -> Scratch {
    let (ours, theirs) = (Scratch::new(), Scratch::new());
    migrate::write(&FIRST, &in_folder(&ours)).expect("written");
    for name in ours.names() {
        fs::copy(ours.path().join(&name), theirs.path().join(&name)).expect("a copy");
    }
    migrate::write(&THEMED, &in_folder(&ours)).expect("written");
    migrate::write(&LOCALISED, &in_folder(&theirs)).expect("written");
    for name in theirs.names().iter().filter(|name| name.contains("locale")) {
        let later = format!("2099{}", &name[4..]);
        fs::copy(theirs.path().join(name), ours.path().join(later)).expect("a copy");
    }
    ours
}

#[test]
fn two_files_that_follow_one_are_refused_with_the_way_out() {
    let scratch = merged();
    let error = migrate::check(&BOTH, &in_folder(&scratch)).expect_err("a fork");
    assert_expected("forked", &scratch.message(&error));
    assert!(matches!(
        migrate::write(&BOTH, &in_folder(&scratch)),
        Err(MigrateError::Forked { .. })
    ));

    // The way out.
    for name in scratch.names().iter().filter(|name| name.contains("locale")) {
        fs::remove_file(scratch.path().join(name)).expect("removed");
    }
    migrate::write(&BOTH, &in_folder(&scratch)).expect("written");
    assert_eq!(migrate::check(&BOTH, &in_folder(&scratch)).expect("fine"), Checked::UpToDate);
}

/// The files that a message says to remove are removed.
fn remove_what_it_says(scratch: &Scratch, message: &str) {
    let line = message.lines().find_map(|line| line.trim().strip_prefix("rm ")).expect("rm ..");
    for file in line.split(' ') {
        fs::remove_file(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    assert!(!scratch.names().is_empty());
}

#[test]
fn all_that_must_be_written_anew_after_a_merge_is_named() {
    let postgres =
        |scratch: &Scratch| Migrations::in_folder(scratch.path()).dialect(Dialect::Postgres);
    let of = |columns: &[ColumnSchema]| Schema::new("sessions", Vec::leak(columns.to_vec()));
    let (ours, theirs) = (Scratch::new(), Scratch::new());
    migrate::write(&FIRST, &postgres(&ours)).expect("written");
    for name in ours.names() {
        fs::copy(ours.path().join(&name), theirs.path().join(&name)).expect("a copy");
    }
    migrate::write(&THEMED, &postgres(&ours)).expect("written");
    // Two files, and one that follows them.
    migrate::write(&of(&[USER, LOCALE.index()]), &postgres(&theirs)).expect("written");
    let visits = ColumnSchema::new("visits", ColumnType::Integer, true);
    migrate::write(&of(&[USER, LOCALE.index(), visits]), &postgres(&theirs)).expect("written");
    for name in theirs.names().iter().filter(|name| !name.contains("create")) {
        let later = format!("2099{}", &name[4..]);
        fs::copy(theirs.path().join(name), ours.path().join(later)).expect("a copy");
    }
    let both = of(&[USER, THEME, LOCALE.index(), visits]);
    let error = migrate::check(&both, &postgres(&ours)).expect_err("a fork");
    assert_expected("forked_together", &ours.message(&error));
    remove_what_it_says(&ours, &error.to_string());
    assert_eq!(ours.names().len(), 4, "{:?}", ours.names());
    migrate::write(&both, &postgres(&ours)).expect("written");
    assert_eq!(migrate::check(&both, &postgres(&ours)).expect("fine"), Checked::UpToDate);
}

#[test]
fn one_change_that_two_branches_made_is_said_with_all_its_files() {
    let postgres =
        |scratch: &Scratch| Migrations::in_folder(scratch.path()).dialect(Dialect::Postgres);
    let scratch = Scratch::new();
    migrate::write(&FIRST, &postgres(&scratch)).expect("written");
    let indexed = Schema::new("sessions", Vec::leak(vec![USER, THEME.index()]));
    migrate::write(&indexed, &postgres(&scratch)).expect("written");
    for name in scratch.names().iter().filter(|name| !name.contains("create")) {
        let later = format!("2099{}", &name[4..]);
        fs::copy(scratch.path().join(name), scratch.path().join(later)).expect("a copy");
    }
    let error = migrate::check(&indexed, &postgres(&scratch)).expect_err("twice");
    assert_expected("copied", &scratch.message(&error));
    remove_what_it_says(&scratch, &error.to_string());
    assert_eq!(migrate::check(&indexed, &postgres(&scratch)).expect("fine"), Checked::UpToDate);
}

#[test]
fn two_first_migrations_of_a_table_are_refused_with_the_way_out() {
    let (ours, theirs) = (Scratch::new(), Scratch::new());
    migrate::write(&FIRST, &in_folder(&ours)).expect("written");
    migrate::write(&LOCALISED, &in_folder(&theirs)).expect("written");
    migrate::write(&BOTH, &in_folder(&theirs)).expect("written");
    for name in theirs.names() {
        let later = format!("2099{}", &name[4..]);
        fs::copy(theirs.path().join(&name), ours.path().join(later)).expect("a copy");
    }
    let error = migrate::check(&BOTH, &in_folder(&ours)).expect_err("two");
    assert_expected("forked_first", &ours.message(&error));
    remove_what_it_says(&ours, &error.to_string());
    assert_eq!(ours.names().len(), 2, "{:?}", ours.names());
}

#[test]
fn a_missing_file_and_a_wrong_order_are_said() {
    let scratch = Scratch::new();
    migrate::write(&FIRST, &in_folder(&scratch)).expect("written");
    migrate::write(&THEMED, &in_folder(&scratch)).expect("written");
    let create = scratch.file("create_sessions.up.sql");
    let text = fs::read_to_string(&create).expect("a text");
    fs::remove_file(&create).expect("removed");
    let error = migrate::check(&THEMED, &in_folder(&scratch)).expect_err("a hole");
    assert!(matches!(error, MigrateError::Orphaned { .. }), "{error}");

    scratch.write("30000101000000_create_sessions.up.sql", &text);
    let error = migrate::check(&THEMED, &in_folder(&scratch)).expect_err("out of order");
    assert!(matches!(error, MigrateError::OutOfOrder { .. }), "{error}");
}

#[test]
fn a_broken_header_is_said_with_file_and_line() {
    let scratch = Scratch::new();
    migrate::write(&FIRST, &in_folder(&scratch)).expect("written");
    let file = scratch.file("up.sql");
    let text = fs::read_to_string(&file).expect("a text");
    fs::write(&file, text.replace("column version bigint", "column version long")).expect("a file");
    let error = migrate::check(&FIRST, &in_folder(&scratch)).expect_err("a broken header");
    assert_expected("header", &scratch.message(&error));
}

#[test]
fn the_sql_below_the_header_is_the_user_s() {
    let scratch = Scratch::new();
    migrate::write(&FIRST, &in_folder(&scratch)).expect("written");
    let file = scratch.file("up.sql");
    let text = fs::read_to_string(&file).expect("a text");
    let (header, _) = text.split_once("\n\n").expect("a header");
    fs::write(&file, format!("{header}\n\n-- by hand\nCREATE TABLE sessions (..);\n"))
        .expect("a file");
    assert_eq!(migrate::check(&FIRST, &in_folder(&scratch)).expect("fine"), Checked::UpToDate);
}

#[test]
fn writers_at_the_same_time_write_one_file() {
    let scratch = Scratch::new();
    let migrations = in_folder(&scratch);
    let written: Vec<_> = std::thread::scope(|scope| {
        let writers = [(); 8].map(|()| scope.spawn(|| migrate::write(&FIRST, &migrations)));
        writers
            .into_iter()
            .flat_map(|writer| writer.join().expect("no panic").expect("no error"))
            .collect()
    });
    assert_eq!(written.len(), 3, "{written:?}");

    // Two structs at once get two versions.
    static ADMIN: Schema = Schema::new("admin_sessions", &[USER]);
    std::thread::scope(|scope| {
        scope.spawn(|| migrate::write(&THEMED, &migrations).expect("written"));
        scope.spawn(|| migrate::write(&ADMIN, &migrations).expect("written"));
    });
    let mut versions: Vec<_> = scratch.names().iter().map(|name| name[..14].to_owned()).collect();
    versions.dedup();
    assert_eq!(versions.len(), 3, "{:?}", scratch.names());
}

#[test]
fn a_renamed_table_goes_on_under_its_new_name() {
    let scratch = Scratch::new();
    migrate::write(&FIRST, &in_folder(&scratch)).expect("written");
    let renamed = Schema::new("user_sessions", FIRST.columns).renamed_from("sessions");
    migrate::write(&renamed, &in_folder(&scratch).allow_downtime()).expect("written");
    assert!(
        scratch.read("rename_sessions_to_user_sessions.up.sql").contains("RENAME TO user_sessions")
    );
    // The answer stays in the struct, and does nothing more.
    assert_eq!(migrate::check(&renamed, &in_folder(&scratch)).expect("fine"), Checked::UpToDate);
}

/// The message with which both `check` and `write` refuse a struct; nothing is written.
fn refused(scratch: &Scratch, schema: &Schema) -> String {
    let before = scratch.names();
    let error = migrate::check(schema, &in_folder(scratch)).expect_err("`check` refuses it");
    let written = migrate::write(schema, &in_folder(scratch)).expect_err("`write` refuses it");
    assert_eq!(error.to_string(), written.to_string());
    assert_eq!(scratch.names(), before);
    scratch.message(&error)
}

#[test]
fn a_table_that_has_another_name_now_is_not_created_again() {
    let renamed = Schema::new("user_sessions", FIRST.columns).renamed_from("sessions");
    let folder = || {
        let scratch = Scratch::new();
        migrate::write(&FIRST, &in_folder(&scratch)).expect("written");
        migrate::write(&renamed, &in_folder(&scratch).allow_downtime()).expect("written");
        scratch
    };
    // Back to the old name, without saying so.
    let scratch = folder();
    assert_expected("table_renamed", &refused(&scratch, &FIRST));
    let back = Schema::new("sessions", FIRST.columns).renamed_from("user_sessions");
    migrate::write(&back, &in_folder(&scratch).allow_downtime()).expect("written");
    scratch.file("rename_user_sessions_to_sessions.up.sql");
    assert_eq!(migrate::check(&FIRST, &in_folder(&scratch)).expect("fine"), Checked::UpToDate);

    // Another struct on the name that is free now.
    let scratch = folder();
    migrate::write(&FIRST, &in_folder(&scratch).new_table()).expect("written");
    // It goes its own way, though it began as the other did.
    let admin = Schema::new("admin_sessions", FIRST.columns).renamed_from("sessions");
    migrate::write(&admin, &in_folder(&scratch).allow_downtime()).expect("written");
    for schema in [&admin, &renamed] {
        let checked = migrate::check(schema, &in_folder(&scratch)).expect("fine");
        assert_eq!(checked, Checked::UpToDate);
    }

    // To a third name, from one that the table has no longer.
    let scratch = folder();
    let logins = Schema::new("logins", FIRST.columns).renamed_from("sessions");
    assert_expected("table_renamed_on", &refused(&scratch, &logins));
    let logins = Schema::new("logins", FIRST.columns).renamed_from("user_sessions");
    migrate::write(&logins, &in_folder(&scratch).allow_downtime()).expect("written");
    // It was long ago: the newest migration is another one.
    assert_expected("table_renamed_long_ago", &refused(&scratch, &FIRST));
    // From a name that no table ever had.
    let misspelt = Schema::new("visits", FIRST.columns).renamed_from("login");
    assert_expected("table_renamed_from_nothing", &refused(&scratch, &misspelt));
    migrate::write(&misspelt, &in_folder(&scratch).new_table()).expect("written");
}

/// sqlx's own migrator, with files of anchor's and of the user's in one history.
async fn mixed(dialect: Dialect) {
    let Some(live) = Live::new(dialect).await else { return };
    let scratch = Scratch::new();
    let migrations = Migrations::in_folder(scratch.path()).dialect(dialect);
    scratch.write(
        "20200101000000_create_users.up.sql",
        "CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY);\n",
    );
    scratch.write("20200101000000_create_users.down.sql", "DROP TABLE users;\n");
    migrate::write(&FIRST, &migrations).expect("written");
    let indexed = ColumnSchema::new("locale", ColumnType::Text, true).index();
    let schema = Schema::new("sessions", Vec::leak(vec![USER, THEME, indexed]));
    migrate::write(&schema, &migrations).expect("written");
    scratch.write(
        "30000101000000_create_posts.up.sql",
        "CREATE TABLE posts (id INTEGER NOT NULL PRIMARY KEY);\n",
    );
    scratch.write("30000101000000_create_posts.down.sql", "DROP TABLE posts;\n");
    live.run(scratch.path()).await.expect("all run");
    // As `sqlx migrate info` reads it.
    let applied = applied(&live).await;
    assert_eq!(applied, versions(scratch.path()), "{dialect:?}");
    // Nothing is left to do, and no checksum differs.
    live.run(scratch.path()).await.expect("nothing runs");
    live.undo(scratch.path(), 20_200_101_000_000).await.expect("all but the first are taken back");
    assert!(live.catalogue("sessions").await.expect("a catalogue").is_empty());
    assert!(!live.catalogue("users").await.expect("a catalogue").is_empty());
    live.run(scratch.path()).await.expect("all run again");
}

async fn applied(live: &Live) -> Vec<String> {
    let ty = if live.dialect() == Dialect::MySql { "CHAR" } else { "TEXT" };
    let sql = format!(
        "SELECT CAST(version AS {ty}) FROM _sqlx_migrations WHERE success ORDER BY version"
    );
    live.rows(&sql).await.expect("the history").concat()
}

fn versions(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let names =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let mut versions: Vec<_> =
        names.filter(|name| name.ends_with(".up.sql")).map(|name| name[..14].to_owned()).collect();
    versions.sort();
    versions
}

#[tokio::test]
async fn files_by_hand_and_by_anchor_share_a_history_on_sqlite() {
    mixed(Dialect::Sqlite).await;
}

#[tokio::test]
async fn files_by_hand_and_by_anchor_share_a_history_on_postgres() {
    mixed(Dialect::Postgres).await;
}

#[tokio::test]
async fn files_by_hand_and_by_anchor_share_a_history_on_mysql() {
    mixed(Dialect::MySql).await;
}
