//! For random pairs of tables: the migration from one to the other leaves what the other's own first migration would have made, its way back
//! restores the first, and rows survive where the rules say so.
//!
//! `ANCHOR_TEST_SEED=<seed>` repeats one pair, as a failure says.

use std::fs;
use std::path::{Path, PathBuf};

use anchor::migrate::{self, Checked, Migrations};
use anchor::{ColumnSchema, Dialect, SYSTEM_COLUMNS, Schema};

use crate::live::Live;
use crate::scratch::Scratch;
use crate::tables::{Pair, uuid, value};

const ROWS: usize = 3;
const FIRST_SEED: u64 = 20_260_101;

/// What a generator that is broken on purpose does to a file.
type Sabotage = fn(&str) -> String;

fn honest(sql: &str) -> String {
    sql.to_owned()
}

#[tokio::test]
async fn every_pair_leads_there_and_back_on_sqlite() {
    let halves = [0, 1].map(|half| tokio::spawn(all(Dialect::Sqlite, half * 1_000, 1_000)));
    for half in halves {
        half.await.expect("every pair passes");
    }
}

#[tokio::test]
async fn every_pair_leads_there_and_back_on_postgres() {
    all(Dialect::Postgres, 0, 200).await;
}

#[tokio::test]
async fn every_pair_leads_there_and_back_on_mysql() {
    all(Dialect::MySql, 0, 200).await;
}

/// How many pairs a broken generator gets until one must have caught it.
const PATIENCE: u64 = 150;

#[tokio::test]
async fn a_generator_that_drops_an_index_is_caught() {
    is_caught(|sql| {
        let kept =
            |line: &&str| !line.starts_with("CREATE INDEX") && !line.starts_with("CREATE UNIQUE");
        sql.lines().filter(kept).map(|line| format!("{line}\n")).collect()
    })
    .await;
}

#[tokio::test]
async fn a_generator_that_forgets_a_default_is_caught() {
    is_caught(|sql| {
        sql.replace(" DEFAULT '", " CHECK ('").replace(" CHECK ('it''s'", " CHECK (TRUE")
    })
    .await;
    is_caught(|sql| sql.replace(" DEFAULT true", "")).await;
}

#[tokio::test]
async fn a_generator_that_forgets_a_foreign_key_is_caught() {
    is_caught(|sql| sql.replace(" ON DELETE CASCADE", "")).await;
}

#[tokio::test]
async fn a_generator_that_loses_what_references_the_table_is_caught() {
    is_caught(|sql| sql.replace("PRAGMA foreign_keys = OFF;\n", "")).await;
}

#[tokio::test]
async fn a_generator_that_loses_rows_is_caught() {
    is_caught(|sql| sql.replace("COMMIT;", "DELETE FROM sessions;\nCOMMIT;")).await;
}

async fn all(dialect: Dialect, start: u64, pairs: u64) {
    let (Some(live), Some(fresh)) = (Live::new(dialect).await, Live::new(dialect).await) else {
        return;
    };
    let (first, pairs) = match std::env::var("ANCHOR_TEST_SEED") {
        Ok(seed) => (seed.parse().expect("a seed"), 1),
        Err(_) => (FIRST_SEED + start, pairs),
    };
    prepare(&live).await;
    prepare(&fresh).await;
    for seed in first..first + pairs {
        if let Err(problem) = one(seed, &live, &fresh, honest).await {
            panic!("ANCHOR_TEST_SEED={seed} on {dialect:?}: {problem}");
        }
    }
}

async fn is_caught(sabotage: Sabotage) {
    for seed in FIRST_SEED..FIRST_SEED + PATIENCE {
        // A broken migration may leave anything behind.
        let live = Live::new(Dialect::Sqlite).await.expect("SQLite is there");
        let fresh = Live::new(Dialect::Sqlite).await.expect("SQLite is there");
        prepare(&live).await;
        prepare(&fresh).await;
        if one(seed, &live, &fresh, sabotage).await.is_err() {
            return;
        }
    }
    panic!("{PATIENCE} pairs did not catch it");
}

/// The tables that sessions reference.
async fn prepare(live: &Live) {
    let dialect = live.dialect();
    for (table, ty) in [
        ("parents_bigint", "BIGINT"),
        (
            "parents_uuid",
            match dialect {
                Dialect::Postgres => "UUID",
                Dialect::MySql => "BINARY(16)",
                Dialect::Sqlite => "BLOB",
            },
        ),
        (
            "parents_text",
            match dialect {
                Dialect::MySql => "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
                _ => "TEXT",
            },
        ),
    ] {
        live.execute(&format!("CREATE TABLE {table} (id {ty} NOT NULL PRIMARY KEY)"))
            .await
            .expect("a table");
        for row in 0..ROWS {
            let id = match table {
                "parents_bigint" => format!("{}", row + 1),
                "parents_uuid" => uuid(dialect, row),
                _ => format!("'v{row}'"),
            };
            live.execute(&format!("INSERT INTO {table} VALUES ({id})")).await.expect("a row");
        }
    }
}

async fn one(seed: u64, live: &Live, fresh: &Live, sabotage: Sabotage) -> Result<(), String> {
    let dialect = live.dialect();
    let pair = Pair::throw(seed, dialect);
    let scratch = Scratch::new();
    let folder = scratch.path();
    let migrations = Migrations::in_folder(folder).dialect(dialect).allow_drops();
    let text = |error: &dyn std::fmt::Display| error.to_string();

    migrate::write(&pair.old, &migrations).map_err(|error| text(&error))?;
    live.run(folder).await.map_err(|error| format!("the first: {error}\n{}", files(folder)))?;
    insert(live, &pair.old).await.map_err(|error| format!("rows: {error}\n{}", files(folder)))?;
    let before = live.catalogue(pair.old.table).await.map_err(|error| text(&error))?;
    let mut values = Vec::new();
    for (old, _) in &pair.same {
        values.push(live.values(pair.old.table, old).await.map_err(|error| text(&error))?);
    }
    let version = last_version(folder);

    let written = migrate::write(&pair.new, &migrations).map_err(|error| text(&error))?;
    for file in &written {
        let honest = fs::read_to_string(file).expect("it was written");
        fs::write(file, sabotage(&honest)).expect("it can be written");
    }
    let check = migrate::check(&pair.new, &migrations).map_err(|error| text(&error))?;
    if check != Checked::UpToDate {
        return Err("the migrations are not up to date".into());
    }
    let explain = |what: &str| format!("{what}\n{}", files(folder));
    live.run(folder).await.map_err(|error| explain(&format!("forward: {error}")))?;

    for statement in migrate::create_table(&pair.new, dialect).split(";\n\n") {
        fresh.execute(statement).await.map_err(|error| explain(&format!("fresh: {error}")))?;
    }
    let expected = fresh.catalogue(pair.new.table).await.map_err(|error| text(&error))?;
    fresh
        .execute(&format!("DROP TABLE {}", dialect.table(pair.new.table)))
        .await
        .map_err(|error| text(&error))?;
    let found = live.catalogue(pair.new.table).await.map_err(|error| text(&error))?;
    if found != expected {
        return Err(explain(&difference("forward", &expected, &found)));
    }
    survive(live, &pair, &values).await.map_err(|problem| explain(&problem))?;

    live.undo(folder, version).await.map_err(|error| explain(&format!("back: {error}")))?;
    let found = live.catalogue(pair.old.table).await.map_err(|error| text(&error))?;
    if found != before {
        return Err(explain(&difference("back", &before, &found)));
    }
    if pair.new.table != pair.old.table {
        let left = live.catalogue(pair.new.table).await.map_err(|error| text(&error))?;
        if !left.is_empty() {
            return Err(explain(&format!("`{}` is still there", pair.new.table)));
        }
    }
    let rows = live.count(pair.old.table).await.map_err(|error| text(&error))?;
    if pair.returns && rows != ROWS {
        return Err(explain(&format!("{rows} rows came back")));
    }
    for table in ["devices", &dialect.table(pair.old.table), "_sqlx_migrations"] {
        live.execute(&format!("DROP TABLE {table}")).await.map_err(|error| text(&error))?;
    }
    Ok(())
}

async fn survive(live: &Live, pair: &Pair, values: &[Vec<Vec<String>>]) -> Result<(), String> {
    let rows = live.count(pair.new.table).await.map_err(|error| error.to_string())?;
    let expected = if pair.ends { 0 } else { ROWS };
    if rows != expected {
        return Err(format!("{rows} rows survived and {expected} should have"));
    }
    let devices = live.count("devices").await.map_err(|error| error.to_string())?;
    if devices != rows {
        return Err(format!("{devices} rows that reference {rows} sessions"));
    }
    if !pair.ends {
        for ((_, name), before) in pair.same.iter().zip(values) {
            let after =
                live.values(pair.new.table, name).await.map_err(|error| error.to_string())?;
            if after != *before {
                return Err(format!("`{name}` was {before:?} and is {after:?}"));
            }
        }
    }
    Ok(())
}

fn difference(
    what: &str,
    expected: &std::collections::BTreeSet<String>,
    found: &std::collections::BTreeSet<String>,
) -> String {
    let mut text = format!("{what}:\n");
    for line in expected.difference(found) {
        text.push_str(&format!("  missing: {line}\n"));
    }
    for line in found.difference(expected) {
        text.push_str(&format!("  too much: {line}\n"));
    }
    text
}

/// Sessions, and a table that references them.
async fn insert(live: &Live, schema: &Schema) -> Result<(), sqlx::Error> {
    let dialect = live.dialect();
    let table = dialect.table(schema.table);
    let system: Vec<&ColumnSchema> = SYSTEM_COLUMNS.iter().map(|system| &system.column).collect();
    let columns: Vec<&ColumnSchema> = system.into_iter().chain(schema.columns).collect();
    let names: Vec<_> = columns.iter().map(|column| dialect.identifier(column.name)).collect();
    let rows = (0..ROWS).map(|row| {
        let values = columns.iter().map(|column| match column.name {
            "secret_hash" | "previous_secret_hash" => match dialect {
                Dialect::Postgres => format!("'\\x{}'", "00".repeat(32)),
                _ => format!("x'{}'", "00".repeat(32)),
            },
            _ => value(dialect, column, row),
        });
        format!("({})", values.collect::<Vec<_>>().join(", "))
    });
    let rows: Vec<_> = rows.collect();
    live.execute(&format!("INSERT INTO {table} ({}) VALUES {}", names.join(", "), rows.join(", ")))
        .await?;
    let id = match dialect {
        Dialect::Postgres => "UUID",
        Dialect::MySql => "BINARY(16)",
        Dialect::Sqlite => "BLOB",
    };
    live.execute(&format!(
        "CREATE TABLE devices (session_id {id} NOT NULL, \
         FOREIGN KEY (session_id) REFERENCES {table} (id) ON DELETE CASCADE)"
    ))
    .await?;
    live.execute(&format!("INSERT INTO devices SELECT id FROM {table}")).await
}

fn last_version(folder: &Path) -> i64 {
    let names =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let versions = names.filter_map(|name| name.to_string_lossy().split('_').next()?.parse().ok());
    versions.max().expect("a file")
}

/// All files, for a failure's message.
fn files(folder: &Path) -> String {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let text = |path: &PathBuf| {
        format!(
            "---- {}\n{}",
            path.file_name().unwrap_or_default().display(),
            fs::read_to_string(path).unwrap_or_default()
        )
    };
    paths.iter().map(text).collect()
}
