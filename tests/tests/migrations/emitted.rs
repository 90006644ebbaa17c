//! The test that the derive writes: run as a child of this one, with the environment that a user
//! would give it.

use std::path::Path;
use std::process::{Command, Output};

use anchor::column::ColumnType;
use anchor::migrate::Migrations;
use anchor::prelude::*;
use anchor::schema::{ColumnSchema, Dialect, Schema};

use crate::scratch::Scratch;

#[derive(Clone, SessionData)]
#[session(table = "sessions", migrations = false)]
struct UserSession {
    #[session(subject)]
    _user_id: i64,
    _theme: Option<String>,
}

/// What the derive would write, with a package that the parent names. Only a child runs it.
#[test]
#[ignore = "the other tests run it"]
fn as_the_derive_writes_it() {
    let package = std::env::var("ANCHOR_TEST_PACKAGE").expect("the parent names it");
    let folder = std::env::var("ANCHOR_TEST_FOLDER").ok();
    anchor::__private::MigrationsOf::<UserSession>::new().check(Some(&package), folder.as_deref());
}

#[derive(Clone, SessionData)]
#[session(table = "sessions", migrations = false)]
struct AdminSession {
    #[session(subject)]
    _user_id: i64,
    _theme: Option<String>,
}

/// What two derives would write, in one process. Only a child runs it.
#[test]
#[ignore = "the other tests run it"]
fn as_two_structs_have_it() {
    let package = std::env::var("ANCHOR_TEST_PACKAGE").expect("the parent names it");
    anchor::__private::MigrationsOf::<UserSession>::new().check(Some(&package), None);
    anchor::__private::MigrationsOf::<AdminSession>::new().check(Some(&package), None);
}

fn cargo_test(package: &Path, migrate: Option<&str>) -> Command {
    cargo_test_of("emitted::as_the_derive_writes_it", package, migrate)
}

fn cargo_test_of(test: &str, package: &Path, migrate: Option<&str>) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command
        .args(["--exact", "--ignored"])
        .arg(test)
        .env("ANCHOR_TEST_PACKAGE", package)
        .env("ANCHOR_DIALECT", "sqlite")
        .env("RUST_BACKTRACE", "0")
        .env_remove("ANCHOR_MIGRATE");
    if let Some(migrate) = migrate {
        command.env("ANCHOR_MIGRATE", migrate);
    }
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn it_passes_without_migrations_writes_them_when_asked_and_fails_on_a_difference() {
    let package = Scratch::new();
    let run = |migrate| cargo_test(package.path(), migrate).output().expect("it runs");

    assert!(run(None).status.success(), "nothing is managed yet");
    let output = run(Some("1"));
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        text(&output).contains("wrote ") && text(&output).contains("_create_sessions.up.sql"),
        "{}",
        text(&output)
    );
    assert!(run(None).status.success(), "up to date");

    let folder = package.path().join("migrations");
    for entry in std::fs::read_dir(&folder).expect("written") {
        std::fs::remove_file(entry.expect("an entry").path()).expect("removed");
    }
    let older = anchor::schema::Schema::new("sessions", &UserSession::schema().columns[..1]);
    let migrations =
        anchor::migrate::Migrations::in_folder(&folder).dialect(anchor::schema::Dialect::Sqlite);
    anchor::migrate::write(&older, &migrations).expect("written");
    let output = run(None);
    assert!(!output.status.success());
    for line in ["  + _theme: TEXT, may be NULL", "ANCHOR_MIGRATE=1 cargo test anchor_migrations"] {
        assert!(text(&output).contains(line), "{}", text(&output));
    }
    let output = run(Some("yes"));
    assert!(
        !output.status.success() && text(&output).contains("its values are `1`"),
        "{}",
        text(&output)
    );
}

#[test]
fn a_struct_s_test_stands_beside_it_and_one_in_a_function_has_none() {
    let mut list = Command::new(std::env::current_exe().expect("this program"));
    let output = text(&list.args(["anchor_migrations", "--list"]).output().expect("it runs"));
    let tests: Vec<_> = output.lines().filter(|line| line.ends_with(": test")).collect();
    let expected =
        "emitted::private::anchor_migrations_InAPrivateModule::agree_with_the_struct: test";
    assert_eq!(tests, [expected]);
}

#[test]
fn parallel_processes_write_one_file() {
    let package = Scratch::new();
    let children: Vec<_> = (0..6)
        .map(|_| {
            let mut command = cargo_test(package.path(), Some("1"));
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            command.spawn().expect("it runs")
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    let files = std::fs::read_dir(package.path().join("migrations")).expect("a folder");
    assert_eq!(files.count(), 3);
}

#[test]
fn two_structs_on_one_table_are_refused() {
    let package = Scratch::new();
    for migrate in [None, Some("1"), None] {
        let mut command = cargo_test_of("emitted::as_two_structs_have_it", package.path(), migrate);
        let output = command.output().expect("it runs");
        assert!(!output.status.success());
        let said = "`migrations::emitted::UserSession` and `migrations::emitted::AdminSession` \
                    have the same table, `sessions`: give one of them another table with \
                    #[session(table = \"..\")]";
        assert!(text(&output).contains(said), "{}", text(&output));
    }
}

#[test]
fn a_folder_that_the_struct_names_and_that_is_not_there_fails() {
    let package = Scratch::new();
    for migrate in [None, Some("1")] {
        let mut command = cargo_test(package.path(), migrate);
        let output = command.env("ANCHOR_TEST_FOLDER", "db/migratons").output().expect("it runs");
        assert!(!output.status.success());
        let said = "db/migratons does not exist: correct the name, or create the folder (mkdir -p ";
        assert!(text(&output).contains(said), "{}", text(&output));
    }
    assert!(!package.path().join("db").exists());

    std::fs::create_dir_all(package.path().join("db/migrations")).expect("a folder");
    let mut command = cargo_test(package.path(), Some("1"));
    let output = command.env("ANCHOR_TEST_FOLDER", "db/migrations").output().expect("it runs");
    assert!(output.status.success(), "{}", text(&output));
}

/// Cargo's own message about a missing table would come when the application runs.
#[test]
fn it_says_how_the_application_gets_the_new_file() {
    let package = Scratch::new();
    let output = cargo_test(package.path(), Some("1")).output().expect("it runs");
    let line = "println!(\"cargo:rerun-if-changed=migrations\");";
    assert!(text(&output).contains(line), "{}", text(&output));
    // Nothing is written, so there is nothing to say.
    let output = cargo_test(package.path(), Some("1")).output().expect("it runs");
    assert!(!text(&output).contains(line), "{}", text(&output));

    let package = Scratch::new();
    package.write("build.rs", &format!("fn main() {{ {line} }}"));
    let output = cargo_test(package.path(), Some("1")).output().expect("it runs");
    assert!(text(&output).contains("wrote ") && !text(&output).contains(line), "{}", text(&output));
}

#[test]
fn what_is_asked_may_be_several_words() {
    let package = Scratch::new();
    std::fs::create_dir(package.path().join("migrations")).expect("a folder");
    let folder = package.path().join("migrations");
    let columns = UserSession::schema().columns;
    let wide = [columns, &[ColumnSchema::new("mistake", ColumnType::Text, true)]].concat();
    let migrations = Migrations::in_folder(&folder).dialect(Dialect::Sqlite);
    anchor::migrate::write(&Schema::new("sessions", &columns[..1]), &migrations).expect("written");
    anchor::migrate::write(&Schema::new("sessions", Vec::leak(wide)), &migrations)
        .expect("written");

    let output = cargo_test(package.path(), Some("replace")).output().expect("it runs");
    assert!(output.status.success(), "{}", text(&output));
    for said in ["removed ", "wrote ", "_alter_sessions_add_theme.up.sql"] {
        assert!(text(&output).contains(said), "{said}: {}", text(&output));
    }
    assert!(cargo_test(package.path(), None).status().expect("it runs").success());
    let output = cargo_test(package.path(), Some("replace,drop")).output().expect("it runs");
    assert!(output.status.success(), "{}", text(&output));
    let output = cargo_test(package.path(), Some("replace,dorp")).output().expect("it runs");
    assert!(text(&output).contains("ANCHOR_MIGRATE is `replace,dorp`"), "{}", text(&output));
}

#[test]
fn a_table_of_a_name_that_is_free_now_is_created_when_asked() {
    let package = Scratch::new();
    std::fs::create_dir(package.path().join("migrations")).expect("a folder");
    let migrations = Migrations::in_folder(package.path().join("migrations"));
    let migrations = migrations.dialect(Dialect::Sqlite);
    let old = UserSession::schema();
    anchor::migrate::write(old, &migrations).expect("written");
    let renamed = Schema::new("logins", old.columns).renamed_from("sessions");
    anchor::migrate::write(&renamed, &migrations.allow_downtime()).expect("written");

    let output = cargo_test(package.path(), Some("1")).output().expect("it runs");
    assert!(text(&output).contains("ANCHOR_MIGRATE=create cargo test"), "{}", text(&output));
    let output = cargo_test(package.path(), Some("create")).output().expect("it runs");
    assert!(text(&output).contains("_create_sessions.up.sql"), "{}", text(&output));
    assert!(cargo_test(package.path(), None).status().expect("it runs").success());
}

#[test]
fn it_says_when_to_apply_each_file() {
    let package = Scratch::new();
    std::fs::create_dir(package.path().join("migrations")).expect("a folder");
    let migrations = || Migrations::in_folder(package.path().join("migrations"));
    let columns = UserSession::schema().columns;
    let more = [columns, &[ColumnSchema::new("_locale", ColumnType::BigInt, true)]].concat();
    let more = Schema::new("sessions", Vec::leak(more));
    anchor::migrate::write(&more, &migrations().dialect(Dialect::Sqlite)).expect("written");

    let output = cargo_test(package.path(), Some("1")).output().expect("it runs");
    let (before, after) = ("BEFORE THE DEPLOYMENT: apply", "AFTER THE DEPLOYMENT: apply");
    assert!(output.status.success() && text(&output).contains(before), "{}", text(&output));
    assert!(cargo_test(package.path(), None).status().expect("it runs").success());
    let output = cargo_test(package.path(), Some("drop")).output().expect("it runs");
    assert!(output.status.success() && text(&output).contains(after), "{}", text(&output));

    let renamed = ColumnSchema::new("_colour", ColumnType::Text, true).renamed_from("_theme");
    let renamed = Schema::new("sessions", Vec::leak(vec![columns[0], renamed]));
    anchor::migrate::write(&renamed, &migrations().allow_downtime()).expect("written");
    // `_theme` is new and `_colour` gone, or the other name of it.
    let output = cargo_test(package.path(), Some("downtime")).output().expect("it runs");
    assert!(!output.status.success(), "{}", text(&output));
    let output = cargo_test(package.path(), Some("downtime,drop")).output().expect("it runs");
    for said in [before, after, "keep this one out of it until then"] {
        assert!(text(&output).contains(said), "{said}: {}", text(&output));
    }
}

mod private {
    use anchor::prelude::*;

    #[derive(Clone, SessionData)]
    #[session(table = "private_sessions")]
    struct InAPrivateModule {
        _theme: Option<String>,
    }

    #[test]
    #[deny(warnings)]
    fn a_struct_in_a_function_compiles_without_a_warning() {
        #[derive(Clone, SessionData)]
        #[session(table = "inner_sessions")]
        struct InAFunction {
            theme: Option<String>,
        }
        let session = InAFunction { theme: None };
        assert!(session.theme.is_none());
    }
}
