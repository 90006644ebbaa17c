//! fastapi-anchor's table is brought under anchor: its sessions end, the table is used on.

use anchor::column::ColumnType;
use anchor::migrate::{self, Checked, Migrations};
use anchor::schema::{ColumnSchema, Dialect, OnDelete, Reference, Schema};

use crate::live::Live;
use crate::scratch::Scratch;

const ROLES: ColumnType = ColumnType::Enum(&["admin", "member"]);

static COLUMNS: [ColumnSchema; 2] =
    [
        ColumnSchema::new("user_id", ColumnType::BigInt, false)
            .subject()
            .references(Reference::new("users", "id", OnDelete::Cascade)),
        ColumnSchema::new("role", ROLES, false).default("'member'"),
    ];
static SCHEMA: Schema = Schema::new("anchor_sessions", &COLUMNS);

/// The table as fastapi-anchor makes it on PostgreSQL, and as its users have it elsewhere.
async fn adopts(dialect: Dialect, id: &str, user: &str, time: &str, row: &str) {
    let (Some(live), Some(fresh)) = (Live::new(dialect).await, Live::new(dialect).await) else {
        return;
    };
    for database in [&live, &fresh] {
        let users = "CREATE TABLE users (id BIGINT NOT NULL PRIMARY KEY)";
        database.execute(users).await.expect("a table");
    }
    live.execute(&format!(
        "CREATE TABLE anchor_sessions (id {id} NOT NULL, user_id {user} NOT NULL, \
         expires_at {time} NOT NULL, created_at {time} NOT NULL, PRIMARY KEY (id))"
    ))
    .await
    .expect("the old table");
    live.execute("CREATE INDEX ix_anchor_sessions_user_id ON anchor_sessions (user_id)")
        .await
        .expect("its index");
    live.execute(&format!("INSERT INTO anchor_sessions VALUES {row}")).await.expect("a row");

    let scratch = Scratch::new();
    let migrations = Migrations::in_folder(scratch.path()).dialect(dialect);
    migrate::write(&SCHEMA, &migrations.clone().adopt_fastapi_anchor()).expect("written");
    assert!(scratch.read("adopt_anchor_sessions.up.sql").contains("-- DESTRUCTIVE"));
    assert_eq!(migrate::check(&SCHEMA, &migrations).expect("fine"), Checked::UpToDate);
    live.run(scratch.path()).await.expect("it is taken over");

    assert_eq!(live.count("anchor_sessions").await.expect("a number"), 0);
    for statement in migrate::create_table(&SCHEMA, dialect).split(";\n\n") {
        fresh.execute(statement).await.expect("a table");
    }
    let expected = fresh.catalogue("anchor_sessions").await.expect("a catalogue");
    assert_eq!(live.catalogue("anchor_sessions").await.expect("a catalogue"), expected);

    live.undo(scratch.path(), 0).await.expect("it is given back");
    live.execute(&format!("INSERT INTO anchor_sessions VALUES {row}")).await.expect("a row");
    live.run(scratch.path()).await.expect("it is taken over again");
}

/// Where fastapi-anchor never was, the same migration makes the table.
async fn starts_without(dialect: Dialect) {
    let (Some(live), Some(fresh)) = (Live::new(dialect).await, Live::new(dialect).await) else {
        return;
    };
    for database in [&live, &fresh] {
        let users = "CREATE TABLE users (id BIGINT NOT NULL PRIMARY KEY)";
        database.execute(users).await.expect("a table");
    }
    let scratch = Scratch::new();
    let migrations = Migrations::in_folder(scratch.path()).dialect(dialect).adopt_fastapi_anchor();
    migrate::write(&SCHEMA, &migrations).expect("written");
    // The package's other struct has another table, which fastapi-anchor never had.
    let other = Schema::new("admin_sessions", &COLUMNS);
    migrate::write(&other, &migrations).expect("written");
    assert!(!scratch.read("create_admin_sessions.up.sql").contains("fastapi-anchor"));
    live.run(scratch.path()).await.unwrap_or_else(|error| panic!("{dialect:?}: {error}"));

    for statement in migrate::create_table(&SCHEMA, dialect).split(";\n\n") {
        fresh.execute(statement).await.expect("a table");
    }
    let expected = fresh.catalogue("anchor_sessions").await.expect("a catalogue");
    assert_eq!(live.catalogue("anchor_sessions").await.expect("a catalogue"), expected);
}

#[tokio::test]
async fn a_new_database_on_postgres() {
    starts_without(Dialect::Postgres).await;
}

#[tokio::test]
async fn a_new_database_on_mysql() {
    starts_without(Dialect::MySql).await;
}

#[tokio::test]
async fn a_new_database_on_sqlite() {
    starts_without(Dialect::Sqlite).await;
}

const ID: &str = "('00000000-0000-0000-0000-000000000001', 'ferris', '2026-01-01 00:00:00', \
    '2025-01-01 00:00:00')";

#[tokio::test]
async fn on_postgres() {
    adopts(Dialect::Postgres, "UUID", "VARCHAR(255)", "TIMESTAMP WITH TIME ZONE", ID).await;
    let number = ID.replace("'ferris'", "7");
    adopts_once(Dialect::Postgres, "VARCHAR(36)", "INTEGER", "TIMESTAMP", &number).await;
}

#[tokio::test]
async fn on_mysql() {
    adopts(Dialect::MySql, "CHAR(36)", "VARCHAR(255)", "DATETIME", ID).await;
}

#[tokio::test]
async fn on_sqlite() {
    adopts(Dialect::Sqlite, "CHAR(36)", "VARCHAR(255)", "DATETIME", ID).await;
}

/// With other types than fastapi-anchor's own, which its way back does not restore.
async fn adopts_once(dialect: Dialect, id: &str, user: &str, time: &str, row: &str) {
    let Some(live) = Live::new(dialect).await else { return };
    live.execute("CREATE TABLE users (id BIGINT NOT NULL PRIMARY KEY)").await.expect("a table");
    live.execute(&format!(
        "CREATE TABLE anchor_sessions (id {id} NOT NULL PRIMARY KEY, user_id {user} NOT NULL, \
         expires_at {time} NOT NULL, created_at {time} NOT NULL DEFAULT now())"
    ))
    .await
    .expect("the old table");
    live.execute(&format!("INSERT INTO anchor_sessions VALUES {row}")).await.expect("a row");
    let scratch = Scratch::new();
    let migrations = Migrations::in_folder(scratch.path()).dialect(dialect).adopt_fastapi_anchor();
    migrate::write(&SCHEMA, &migrations).expect("written");
    live.run(scratch.path()).await.expect("it is taken over");
    assert_eq!(live.count("anchor_sessions").await.expect("a number"), 0);
}
