//! For random pairs of tables: the migration from one to the other leaves what the other's own
//! first migration would have made, its way back restores the first, and rows and values survive
//! where the rules say so, forward and back. Longer histories are in `chains`.
//!
//! `ANCHOR_TEST_SEED=<seed>` repeats one pair, as a failure says.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anchor::column::ColumnType;
use anchor::migrate::{self, Checked, Migrations};
use anchor::schema::{ColumnSchema, Dialect, OnChange, Schema};

use crate::live::Live;
use crate::scratch::Scratch;
use crate::tables::{
    Fit, Names, Pair, Raw, backward, default_value, fit, forward, leaving, raw, uuid, value,
};

pub(crate) const ROWS: usize = 3;
const FIRST_SEED: u64 = 20_260_101;

/// Nobody waits longer for what a slow machine has not come to.
pub(crate) const LONGEST: Duration = Duration::from_secs(40);

/// What a generator that is broken on purpose does to a file.
type Sabotage = fn(&str) -> String;

fn honest(sql: &str) -> String {
    sql.to_owned()
}

#[tokio::test]
async fn every_pair_leads_there_and_back_on_sqlite() {
    let halves = [0, 1].map(|half| tokio::spawn(all(Dialect::Sqlite, half * 500, 500)));
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
    is_caught(|sql| sql.replace("PRAGMA defer_foreign_keys = ON;\nUPDATE", "-- UPDATE")).await;
}

#[tokio::test]
async fn a_generator_that_loses_rows_is_caught() {
    is_caught(|sql| sql.replace("\nFROM temp.anchor_rows", "\nFROM temp.anchor_rows LIMIT 2"))
        .await;
}

#[tokio::test]
async fn a_generator_that_mixes_columns_up_is_caught() {
    is_caught(|sql| sql.replace("RENAME COLUMN", "-- RENAME COLUMN")).await;
    is_caught(|sql| sql.replace("\nFROM temp.anchor_rows", ", 1\nFROM temp.anchor_rows")).await;
}

#[tokio::test]
async fn a_generator_that_forgets_a_variants_name_is_caught() {
    is_caught(|sql| sql.replace(" THEN 'guest'", " THEN 'admin'")).await;
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
    let started = Instant::now();
    for seed in first..first + pairs {
        if started.elapsed() > LONGEST {
            break;
        }
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
pub(crate) async fn prepare(live: &Live) {
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
    let migrations = Migrations::in_folder(folder).dialect(dialect).allow_drops().allow_downtime();
    let text = |error: &dyn std::fmt::Display| error.to_string();

    migrate::write(&pair.old, &migrations).map_err(|error| text(&error))?;
    live.run(folder).await.map_err(|error| format!("the first: {error}\n{}", files(folder)))?;
    insert(live, &pair.old).await.map_err(|error| format!("rows: {error}\n{}", files(folder)))?;
    let before = catalogue(live, &pair.old).await.map_err(|error| text(&error))?;
    let rows = Rows::inserted(live, &pair.old).await.map_err(|error| text(&error))?;
    let expected = rows.forward(&pair);
    let version = last_version(folder);

    let written = migrate::write(&pair.new, &migrations).map_err(|error| text(&error))?;
    let returned = expected.back(&pair, written.iter().any(|file| is_after(file)));
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
    let wanted = catalogue(fresh, &pair.new).await.map_err(|error| text(&error))?;
    drop_tables(fresh, &pair.new).await.map_err(|error| text(&error))?;
    let found = catalogue(live, &pair.new).await.map_err(|error| text(&error))?;
    if found != wanted {
        return Err(explain(&difference("forward", &wanted, &found)));
    }
    expected.compare(live, &pair.new).await.map_err(|problem| explain(&problem))?;

    live.undo(folder, version).await.map_err(|error| explain(&format!("back: {error}")))?;
    let found = catalogue(live, &pair.old).await.map_err(|error| text(&error))?;
    if found != before {
        return Err(explain(&difference("back", &before, &found)));
    }
    if pair.new.table != pair.old.table {
        let left = catalogue(live, &pair.new).await.map_err(|error| text(&error))?;
        if !left.is_empty() {
            return Err(explain(&format!("`{}` is still there", pair.new.table)));
        }
    }
    let problem = returned.compare(live, &pair.old).await;
    problem.map_err(|problem| explain(&format!("back: {problem}")))?;
    for table in ["devices", "_sqlx_migrations"] {
        live.execute(&format!("DROP TABLE {table}")).await.map_err(|error| text(&error))?;
    }
    drop_tables(live, &pair.old).await.map_err(|error| text(&error))
}

/// What the catalogue says of the table and its companion.
pub(crate) async fn catalogue(
    live: &Live,
    schema: &Schema,
) -> Result<std::collections::BTreeSet<String>, sqlx::Error> {
    let mut found = live.catalogue(schema.table).await?;
    if let Some(companion) = schema.cut_offs_table() {
        let lines = live.catalogue(&companion).await?;
        found.extend(lines.into_iter().map(|line| format!("companion: {line}")));
    }
    Ok(found)
}

pub(crate) async fn drop_tables(live: &Live, schema: &Schema) -> Result<(), sqlx::Error> {
    let names = std::iter::once(schema.table.to_owned()).chain(schema.cut_offs_table());
    for table in names {
        live.execute(&format!("DROP TABLE {}", live.dialect().table(&table))).await?;
    }
    Ok(())
}

/// The rows that the rules expect: each with a value of every payload column.
#[derive(Clone)]
pub(crate) struct Rows(pub(crate) Vec<std::collections::BTreeMap<&'static str, Raw>>);

impl Rows {
    /// Those that [`insert`] made; what the rules do not look into is as the database reads it.
    pub(crate) async fn inserted(live: &Live, schema: &Schema) -> Result<Self, sqlx::Error> {
        Self::inserted_into(live, schema, schema).await
    }

    /// The same in a table that may have more columns than the struct.
    pub(crate) async fn inserted_into(
        live: &Live,
        table: &Schema,
        schema: &Schema,
    ) -> Result<Self, sqlx::Error> {
        let value = |column: &ColumnSchema, at| {
            let written = schema.columns.iter().any(|written| written.name == column.name);
            if written { raw(column, at) } else { default_value(column) }
        };
        let values = |at| table.columns.iter().map(move |column| (column.name, value(column, at)));
        let mut rows = Self((0..ROWS).map(|at| values(at).collect()).collect());
        rows.learn(live, table).await?;
        Ok(rows)
    }

    /// What is not known is what the database has.
    pub(crate) async fn learn(&mut self, live: &Live, schema: &Schema) -> Result<(), sqlx::Error> {
        for column in schema.columns {
            if self.0.iter().all(|row| row[column.name] != Raw::Opaque) {
                continue;
            }
            let texts = live.texts(schema.table, column.name).await?;
            for (row, text) in self.0.iter_mut().zip(texts) {
                let value = row.get_mut(column.name).expect("a value of every column");
                if *value == Raw::Opaque {
                    *value = if text == "NULL" { Raw::Null } else { Raw::Text(text) };
                }
            }
        }
        Ok(())
    }

    pub(crate) fn forward(&self, pair: &Pair) -> Self {
        let without_value = |column: &ColumnSchema| !column.nullable && column.default.is_none();
        if pair.added().any(without_value) {
            return Self(Vec::new());
        }
        let mut left = Vec::new();
        'rows: for row in &self.0 {
            let mut next = std::collections::BTreeMap::new();
            for (old, new) in &pair.kept {
                let is_answered = old.on_change == OnChange::EndSessions && !pair.drops;
                let ends = new.on_change == OnChange::EndSessions && !is_answered;
                if ends && !pair.drops && is_inexact(old, new) {
                    return Self(Vec::new());
                }
                let value = match goes_over(&row[old.name], old, new, forward(new)) {
                    Fit::Keeps(value) => value,
                    Fit::Never if ends => return Self(Vec::new()),
                    Fit::Misfit if ends => continue 'rows,
                    Fit::Never | Fit::Misfit => default_value(new),
                };
                next.insert(new.name, value);
            }
            next.extend(pair.added().map(|column| (column.name, default_value(column))));
            left.push(next);
        }
        Self(left)
    }

    /// Where columns were dropped in a file of their own, they come back as they were left.
    pub(crate) fn back(&self, pair: &Pair, dropped_apart: bool) -> Self {
        let value = |column: &ColumnSchema| match dropped_apart {
            true => default_value(&leaving(*column)),
            false => default_value(column),
        };
        let without_value = |column: &ColumnSchema| match value(column) {
            Raw::Null => !column.nullable,
            _ => column.unique,
        };
        if pair.gone().any(without_value) {
            return Self(Vec::new());
        }
        let mut left = vec![std::collections::BTreeMap::new(); self.0.len()];
        let mut stays = vec![true; self.0.len()];
        // Column by column: who has ended shares no value any more.
        let order =
            |old: &ColumnSchema| pair.old.columns.iter().position(|column| column.name == old.name);
        let mut kept: Vec<_> = pair.kept.iter().collect();
        kept.sort_by_key(|(old, _)| order(old));
        for (old, new) in kept {
            let here = stays.clone();
            for (at, row) in self.0.iter().enumerate().filter(|(at, _)| here[*at]) {
                let value = &row[new.name];
                let others = self
                    .0
                    .iter()
                    .zip(&here)
                    .filter(|(row, here)| **here && row[new.name] == *value);
                let shared = old.unique && !new.unique && others.count() > 1;
                match goes_over(value, new, old, backward(new)) {
                    Fit::Never => return Self(Vec::new()),
                    Fit::Keeps(kept) if !shared || *value == Raw::Null => {
                        left[at].insert(old.name, kept);
                    }
                    _ => stays[at] = false,
                }
            }
        }
        for row in &mut left {
            row.extend(pair.gone().map(|column| (column.name, value(column))));
        }
        let left = left.into_iter().zip(stays);
        Self(left.filter_map(|(row, stays)| stays.then_some(row)).collect())
    }

    pub(crate) async fn compare(&self, live: &Live, schema: &Schema) -> Result<(), String> {
        let text = |error: sqlx::Error| error.to_string();
        let rows = live.count(schema.table).await.map_err(text)?;
        if rows != self.0.len() {
            return Err(format!("{rows} rows survived and {} should have", self.0.len()));
        }
        let devices = live.count("devices").await.map_err(text)?;
        if devices != rows {
            return Err(format!("{devices} rows that reference {rows} sessions"));
        }
        for column in schema.columns {
            let found = live.texts(schema.table, column.name).await.map_err(text)?;
            for (found, row) in found.iter().zip(&self.0) {
                let expected = &row[column.name];
                if !is_same(expected, found) {
                    return Err(format!("`{}` is {found} and not {expected:?}", column.name));
                }
            }
        }
        Ok(())
    }
}

/// What becomes of a value. One of a type that anchor does not know goes to the same kind alone.
fn goes_over(value: &Raw, old: &ColumnSchema, new: &ColumnSchema, names: Names) -> Fit {
    let unknown = is_of_unknown_type(old, new);
    if unknown && old.ty != new.ty { Fit::Never } else { fit(value, old, new, names) }
}

/// Whether a value may be rounded or cut on its way.
fn is_inexact(old: &ColumnSchema, new: &ColumnSchema) -> bool {
    let is_unknown = is_of_unknown_type(old, new) && old.ty == new.ty;
    is_unknown || (old.ty, new.ty) == (ColumnType::Double, ColumnType::Real)
}

fn is_of_unknown_type(old: &ColumnSchema, new: &ColumnSchema) -> bool {
    let is_unknown = |column: &ColumnSchema| {
        column.sql_type.is_some_and(|sql_type| !sql_type.starts_with("VARCHAR"))
    };
    (is_unknown(old) || is_unknown(new)) && old.sql_type != new.sql_type
}

/// Whether the database's text is of the value.
fn is_same(expected: &Raw, found: &str) -> bool {
    match expected {
        Raw::Null => found == "NULL",
        Raw::Int(value) => found == value.to_string(),
        Raw::Float(value) => found.parse() == Ok(*value),
        Raw::Text(value) => found == value,
        Raw::Opaque => true,
    }
}

pub(crate) fn difference(
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
pub(crate) async fn insert(live: &Live, schema: &Schema) -> Result<(), sqlx::Error> {
    insert_sessions(live, schema).await?;
    let dialect = live.dialect();
    let table = dialect.table(schema.table);
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

/// Sessions alone.
pub(crate) async fn insert_sessions(live: &Live, schema: &Schema) -> Result<(), sqlx::Error> {
    let dialect = live.dialect();
    let table = dialect.table(schema.table);
    let system: Vec<&ColumnSchema> = schema.system_columns().map(|system| &system.column).collect();
    let columns: Vec<&ColumnSchema> = system.into_iter().chain(schema.columns).collect();
    let names: Vec<_> = columns.iter().map(|column| dialect.identifier(column.name)).collect();
    let rows = (0..ROWS).map(|row| {
        let values = columns.iter().map(|column| match column.name {
            "fingerprint" => "NULL".to_owned(),
            "status" => "'active'".to_owned(),
            name if name.ends_with("_hash") => match dialect {
                Dialect::Postgres => format!("'\\x{}'", "00".repeat(32)),
                _ => format!("x'{}'", "00".repeat(32)),
            },
            _ => value(dialect, column, row),
        });
        format!("({})", values.collect::<Vec<_>>().join(", "))
    });
    let rows: Vec<_> = rows.collect();
    live.execute(&format!("INSERT INTO {table} ({}) VALUES {}", names.join(", "), rows.join(", ")))
        .await
}

pub(crate) fn last_version(folder: &Path) -> i64 {
    let names =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let versions = names.filter_map(|name| name.to_string_lossy().split('_').next()?.parse().ok());
    versions.max().expect("a file")
}

/// All files, for a failure's message.
pub(crate) fn files(folder: &Path) -> String {
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

/// Whether a file is to be applied after the deployment.
pub(crate) fn is_after(file: &Path) -> bool {
    file.to_string_lossy().contains("_after_deploy.")
}
