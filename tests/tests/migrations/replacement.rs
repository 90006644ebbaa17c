//! A newest migration that is wrong and has been applied nowhere is written anew.

use anchor::column::ColumnType;
use anchor::migrate::{self, Checked, MigrateError, Migrations};
use anchor::schema::{ColumnSchema, Dialect, Schema};

use crate::live::Live;
use crate::scratch::Scratch;

const USER: ColumnSchema = ColumnSchema::new("user_id", ColumnType::BigInt, false).subject();
const THEME: ColumnSchema = ColumnSchema::new("theme", ColumnType::Text, true);
const COLOUR: ColumnSchema = ColumnSchema::new("colour", ColumnType::Text, true);

static FIRST: Schema = Schema::new("sessions", &[USER]);
static THEMED: Schema = Schema::new("sessions", &[USER, THEME]);
static COLOURED: Schema = Schema::new("sessions", &[USER, COLOUR]);
static ADMIN: Schema = Schema::new("admin_sessions", &[USER]);

fn in_folder(scratch: &Scratch, dialect: Dialect) -> Migrations {
    Migrations::in_folder(scratch.path()).dialect(dialect)
}

/// The descriptions of the migrations, in their order.
fn descriptions(scratch: &Scratch) -> Vec<String> {
    let names = scratch.names();
    let ups = names.iter().filter(|name| name.ends_with(".up.sql"));
    ups.map(|name| name.split_once('_').expect("a version").1.replace(".up.sql", "")).collect()
}

#[tokio::test]
async fn the_newest_migration_is_written_anew() {
    let scratch = Scratch::new();
    let migrations = in_folder(&scratch, Dialect::Sqlite);
    migrate::write(&FIRST, &migrations).expect("written");
    migrate::write(&THEMED, &migrations).expect("written");

    // It was to be `colour` from the start. The refusal says what there is to do.
    let error = migrate::write(&COLOURED, &migrations).expect_err("dropped or renamed?");
    let message = scratch.message(&error);
    assert!(
        message.ends_with(
            "If <folder>/<version>_alter_sessions_add_theme.up.sql is wrong and has not been \
             applied to any database, replace it:\n  \
             ANCHOR_MIGRATE=replace cargo test anchor_migrations"
        ),
        "{message}"
    );
    migrate::write(&COLOURED, &migrations.clone().replace_newest()).expect("written");
    assert_eq!(descriptions(&scratch), ["create_sessions", "alter_sessions_add_colour"]);
    assert_eq!(scratch.names().len(), 4, "the way back goes too: {:?}", scratch.names());
    assert_eq!(migrate::check(&COLOURED, &migrations).expect("fine"), Checked::UpToDate);

    let live = Live::new(Dialect::Sqlite).await.expect("SQLite is there");
    live.run(scratch.path()).await.expect("all run");
    live.undo(scratch.path(), 0).await.expect("and back");
}

#[test]
fn the_first_migration_too_and_one_that_is_not_needed_goes() {
    let scratch = Scratch::new();
    let migrations = in_folder(&scratch, Dialect::Postgres);
    migrate::write(&THEMED, &migrations).expect("written");
    let replace = migrations.clone().replace_newest();
    migrate::write(&FIRST, &replace).expect("written");
    assert_eq!(descriptions(&scratch), ["create_sessions"]);
    assert!(!scratch.read("up.sql").contains("theme"));

    migrate::write(&THEMED, &migrations).expect("written");
    assert!(migrate::write(&FIRST, &replace).expect("nothing").is_empty());
    assert_eq!(descriptions(&scratch), ["create_sessions"]);
    assert_eq!(migrate::check(&FIRST, &migrations).expect("fine"), Checked::UpToDate);
}

#[test]
fn files_that_were_written_together_are_replaced_together() {
    let scratch = Scratch::new();
    // A folder that counts its versions.
    scratch.write("0001_create_users.sql", "SELECT 1;\n");
    let migrations = in_folder(&scratch, Dialect::Postgres);
    migrate::write(&FIRST, &migrations).expect("written");
    let indexed = Schema::new("sessions", Vec::leak(vec![USER, THEME.index()]));
    migrate::write(&indexed, &migrations).expect("written");
    assert_eq!(
        scratch.names()[1..],
        [
            "0002_create_sessions.sql",
            "0003_alter_sessions_add_theme.sql",
            "0004_index_sessions.sql"
        ]
    );
    let indexed = Schema::new("sessions", Vec::leak(vec![USER, COLOUR.index()]));
    migrate::write(&indexed, &migrations.clone().replace_newest()).expect("written");
    assert_eq!(
        scratch.names()[1..],
        [
            "0002_create_sessions.sql",
            "0003_alter_sessions_add_colour.sql",
            "0004_index_sessions.sql"
        ]
    );
    assert_eq!(migrate::check(&indexed, &migrations).expect("fine"), Checked::UpToDate);
}

#[test]
fn what_agrees_with_its_struct_stays() {
    let scratch = Scratch::new();
    let migrations = in_folder(&scratch, Dialect::Sqlite);
    migrate::write(&FIRST, &migrations).expect("written");
    migrate::write(&ADMIN, &migrations).expect("written");
    let before = scratch.names();
    let replace = migrations.replace_newest();
    // Each struct's test runs with the same environment.
    assert!(migrate::write(&ADMIN, &replace).expect("nothing").is_empty());
    assert_eq!(scratch.names(), before);
    migrate::write(&THEMED, &replace).expect("written");
    assert_eq!(descriptions(&scratch), ["create_admin_sessions", "create_sessions"]);
}

#[test]
fn what_leaves_something_open_removes_nothing() {
    let scratch = Scratch::new();
    let migrations = in_folder(&scratch, Dialect::Sqlite);
    migrate::write(&THEMED, &migrations).expect("written");
    let visits = ColumnSchema::new("visits", ColumnType::Integer, true);
    let counted = Schema::new("sessions", Vec::leak(vec![USER, THEME, visits]));
    migrate::write(&counted, &migrations).expect("written");
    let before = scratch.names();
    // `theme` is of the first migration, whatever becomes of the second.
    let error = migrate::write(&COLOURED, &migrations).expect_err("dropped or renamed?");
    assert!(!error.to_string().contains("ANCHOR_MIGRATE=replace"), "{error}");
    let replace = migrations.replace_newest();
    assert!(matches!(migrate::write(&COLOURED, &replace), Err(MigrateError::Refused { .. })));
    assert_eq!(scratch.names(), before);

    migrate::write(&FIRST, &replace.allow_drops()).expect("written");
    let (before, after) =
        ("alter_sessions_without_theme_before_deploy", "alter_sessions_drop_theme_after_deploy");
    assert_eq!(descriptions(&scratch), ["create_sessions", before, after]);
}

#[test]
fn what_comes_after_the_deployment_is_replaced_alone() {
    let scratch = Scratch::new();
    let migrations = in_folder(&scratch, Dialect::Postgres);
    migrate::write(&THEMED, &migrations).expect("written");
    migrate::write(&FIRST, &migrations.clone().allow_drops()).expect("written");
    // The first of the two is deployed, and `theme` is missed before the second is.
    migrate::write(&THEMED, &migrations.clone().replace_newest()).expect("written");
    assert_eq!(
        descriptions(&scratch),
        [
            "create_sessions",
            "alter_sessions_without_theme_before_deploy",
            "alter_sessions_change_theme"
        ]
    );
    assert_eq!(migrate::check(&THEMED, &migrations).expect("fine"), Checked::UpToDate);
}

#[test]
fn one_that_others_may_build_on_stays() {
    let scratch = Scratch::new();
    let migrations = in_folder(&scratch, Dialect::Sqlite);
    migrate::write(&THEMED, &migrations).expect("written");
    scratch.write("30000101000000_view.up.sql", "CREATE VIEW v AS SELECT theme FROM sessions;\n");
    scratch.write("30000101000000_view.down.sql", "DROP VIEW v;\n");
    let before = scratch.names();
    let error = migrate::write(&FIRST, &migrations.clone().replace_newest()).expect_err("a view");
    assert!(matches!(error, MigrateError::NotNewest { .. }), "{error}");
    let error = migrate::write(&COLOURED, &migrations).expect_err("dropped or renamed?");
    assert!(!error.to_string().contains("ANCHOR_MIGRATE=replace"), "{error}");
    assert_eq!(scratch.names(), before);
}

#[test]
fn a_rename_of_the_table_is_replaced_under_the_old_name_and_under_a_third() {
    let scratch = Scratch::new();
    let migrations = in_folder(&scratch, Dialect::Sqlite).allow_downtime();
    let replace = migrations.clone().replace_newest();
    migrate::write(&FIRST, &migrations).expect("written");
    let renamed = Schema::new("user_sessions", FIRST.columns).renamed_from("sessions");
    migrate::write(&renamed, &migrations).expect("written");
    // Another struct's is no business of it.
    migrate::write(&ADMIN, &migrations).expect("written");
    assert!(migrate::write(&FIRST, &replace).expect("nothing").is_empty());
    assert_eq!(descriptions(&scratch), ["create_sessions", "create_admin_sessions"]);
    assert_eq!(migrate::check(&FIRST, &migrations).expect("fine"), Checked::UpToDate);

    migrate::write(&renamed, &migrations).expect("written");
    let logins = Schema::new("logins", FIRST.columns).renamed_from("sessions");
    migrate::write(&logins, &replace).expect("written");
    assert_eq!(
        descriptions(&scratch),
        ["create_sessions", "create_admin_sessions", "rename_sessions_to_logins"]
    );
    assert_eq!(migrate::check(&logins, &migrations).expect("fine"), Checked::UpToDate);
}
