//! For random histories of a table: each migration leaves what the struct's own first migration
//! would have made, and the values that the rules say; so does each way back, down to the first.
//!
//! Names are used again, columns go in circles and change places a second time, types are the
//! user's own, the subject moves, extras come and go, variants change places, and answers to
//! earlier changes stay in the struct or leave it. Columns of removed fields stay in the table
//! until a later step drops them, or a field has them again.
//!
//! `ANCHOR_TEST_SEED=<seed>` repeats one history, as a failure says; with
//! `ANCHOR_TEST_HISTORIES=<count>` it goes on from there, however long it takes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anchor::column::ColumnType;
use anchor::migrate::{self, Checked, MigrateError, Migrations, Refusal};
use anchor::schema::{ColumnSchema, Dialect, OnChange, Schema, SchemaOptions};

use crate::live::Live;
use crate::pairs::{
    LONGEST, Rows, catalogue, difference, drop_tables, files, insert, insert_sessions, is_after,
    last_version, prepare,
};
use crate::scratch::Scratch;
use crate::tables::{Maker, Pair, Raw, leaving, turn};

const FIRST_SEED: u64 = 20_270_101;

/// What a generator that is broken on purpose does to a file.
type Sabotage = fn(&str) -> String;

#[tokio::test]
async fn every_history_leads_there_and_back_on_sqlite() {
    all(Dialect::Sqlite, 0, 250).await;
}

#[tokio::test]
async fn every_history_leads_there_and_back_on_postgres() {
    all(Dialect::Postgres, 1_000, 60).await;
}

#[tokio::test]
async fn every_history_leads_there_and_back_on_mysql() {
    all(Dialect::MySql, 2_000, 60).await;
}

#[tokio::test]
async fn a_generator_that_ends_the_wrong_sessions_is_caught() {
    is_caught(|sql| sql.replace("` IS NULL;", "` IS NOT NULL;").replace(" IS NULL;", " = '';"))
        .await;
}

#[tokio::test]
async fn a_generator_that_changes_no_places_is_caught() {
    is_caught(|sql| {
        let renames = |line: &&str| !line.contains("anchor_renamed_");
        sql.lines().filter(renames).map(|line| format!("{line}\n")).collect()
    })
    .await;
}

#[tokio::test]
async fn a_generator_that_empties_a_leaving_column_is_caught() {
    is_caught(|sql| {
        let table = sql.lines().find_map(|line| line.strip_prefix("-- anchor: table "));
        let column = sql.lines().find_map(|line| {
            let (name, _) = line.strip_prefix("-- anchor: column ")?.split_once(' ')?;
            (line.ends_with(" leaving") && !name.contains('"')).then_some(name)
        });
        match (table, column) {
            (Some(table), Some(column)) if !table.contains('"') => {
                format!("{sql}\nUPDATE `{table}` SET `{column}` = NULL;\n")
            }
            _ => sql.to_owned(),
        }
    })
    .await;
}

async fn all(dialect: Dialect, start: u64, histories: u64) {
    let (Some(live), Some(fresh)) = (Live::new(dialect).await, Live::new(dialect).await) else {
        return;
    };
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
    };
    let (seed, count) = (number("ANCHOR_TEST_SEED"), number("ANCHOR_TEST_HISTORIES"));
    let first = seed.unwrap_or(FIRST_SEED + start);
    let histories = count.unwrap_or(if seed.is_some() { 1 } else { histories });
    let patience = if count.is_some() { Duration::MAX } else { LONGEST };
    for live in [&live, &fresh] {
        prepare(live).await;
        prepare_for_every_value(live).await;
    }
    let started = Instant::now();
    let mut told = Told::default();
    for seed in first..first + histories {
        if started.elapsed() > patience {
            break;
        }
        match one(seed, &live, &fresh, str::to_owned).await {
            Ok(of_this) => told.add(of_this),
            Err(problem) => panic!("ANCHOR_TEST_SEED={seed} on {dialect:?}: {problem}"),
        }
    }
    println!("{told:?} in {:?}", started.elapsed());
    assert!(told.refused < told.steps, "most changes must be decidable: {told:?}");
    assert!(histories == 1 || told.values > 0, "histories without values: {told:?}");
    let is_long = told.steps > 100;
    assert!(!is_long || told.leaving > 0, "no column was left: {told:?}");
    assert!(!is_long || told.returned > 0, "no column came back: {told:?}");
}

async fn is_caught(sabotage: Sabotage) {
    for seed in FIRST_SEED..FIRST_SEED + 150 {
        // A broken migration may leave anything behind.
        let live = Live::new(Dialect::Sqlite).await.expect("SQLite is there");
        let fresh = Live::new(Dialect::Sqlite).await.expect("SQLite is there");
        for live in [&live, &fresh] {
            prepare(live).await;
            prepare_for_every_value(live).await;
        }
        if one(seed, &live, &fresh, sabotage).await.is_err() {
            return;
        }
    }
    panic!("no history caught it");
}

/// What histories went through.
#[derive(Debug, Default)]
struct Told {
    steps: usize,
    /// Steps that left a choice, so that another was thrown.
    refused: usize,
    /// Steps without `drop` that asked for it, so that another was thrown.
    kept_whole: usize,
    /// Steps that sessions survived.
    values: usize,
    /// Columns that a removed field left behind.
    leaving: usize,
    /// Those of which a field has the values again.
    returned: usize,
}

impl Told {
    fn add(&mut self, other: Self) {
        self.steps += other.steps;
        self.refused += other.refused;
        self.kept_whole += other.kept_whole;
        self.values += other.values;
        self.leaving += other.leaving;
        self.returned += other.returned;
    }
}

/// A struct, and the table that its migrations leave, with the columns that are leaving.
#[derive(Clone, Copy)]
struct State {
    schema: Schema,
    table: Schema,
    /// The struct as it was when the last migration was written.
    written: Schema,
}

impl State {
    fn leaving(&self) -> impl Iterator<Item = ColumnSchema> {
        let Self { schema, table, .. } = *self;
        let has = move |name: &str| schema.columns.iter().any(|column| column.name == name);
        table.columns.iter().copied().filter(move |column| !has(column.name))
    }
}

/// A table on the way, to which the way back must lead.
struct Stage {
    state: State,
    catalogue: BTreeSet<String>,
    version: i64,
}

async fn one(seed: u64, live: &Live, fresh: &Live, sabotage: Sabotage) -> Result<Told, String> {
    let text = |error: sqlx::Error| error.to_string();
    let dialect = live.dialect();
    let scratch = Scratch::new();
    let folder = scratch.path();
    let keeping = Migrations::in_folder(folder).dialect(dialect).allow_downtime();
    let dropping = keeping.clone().allow_drops();
    let explain = |what: &str| format!("{what}\n{}", files(folder));
    let mut told = Told::default();
    let mut maker = Maker::new(seed, dialect);
    let schema = Pair::of(&mut maker).old;
    let mut state = State { schema, table: schema, written: schema };
    migrate::write(&schema, &keeping).map_err(|error| error.to_string())?;
    live.run(folder).await.map_err(|error| explain(&error.to_string()))?;
    insert(live, &schema).await.map_err(|error| explain(&error.to_string()))?;
    let mut rows = Rows::inserted(live, &schema).await.map_err(text)?;
    let mut stages: Vec<(Stage, Pair, bool)> = Vec::new();

    let mut last = Step::Any;
    for _ in 0..2 + maker.dice.below(4) {
        let stage = Stage {
            state,
            catalogue: catalogue(live, &state.table).await.map_err(text)?,
            version: last_version(folder),
        };
        let mut kind = match last {
            Step::Rest => Step::Turn,
            Step::Turn if maker.dice.one_in(2) => Step::Rest,
            _ if maker.dice.one_in(6) => Step::Turn,
            _ if maker.dice.one_in(8) => Step::Rest,
            _ => Step::Any,
        };
        last = kind;
        let (pair, schema, written) = 'thrown: {
            for _ in 0..40 {
                let drops = maker.dice.one_in(3);
                let thrown = next(&mut maker, &state, &rows, kind, drops);
                kind = Step::Any;
                let Some((pair, schema)) = thrown else { continue };
                match migrate::write(&schema, if drops { &dropping } else { &keeping }) {
                    Ok(written) => break 'thrown (pair, schema, written),
                    Err(MigrateError::Refused { refusals, .. }) if are_left_open(&refusals) => {
                        told.refused += 1;
                    }
                    Err(MigrateError::Refused { .. }) if !drops => told.kept_whole += 1,
                    Err(error) => return Err(explain(&format!("{kind:?}: {error}"))),
                }
            }
            return Err(explain("every next step is refused"));
        };
        for file in &written {
            let honest = fs::read_to_string(file).expect("it was written");
            fs::write(file, sabotage(&honest)).expect("it can be written");
        }
        are_up_to_date(&schema, &keeping).map_err(|problem| explain(&problem))?;
        live.run(folder).await.map_err(|error| explain(&format!("forward: {error}")))?;
        is_as_created(live, fresh, &pair.new).await.map_err(|problem| explain(&problem))?;
        rows = rows.forward(&pair);
        let before: Vec<_> = state.leaving().map(|column| column.name).collect();
        told.returned += returned(&before, &pair, &schema);
        let last_written = if written.is_empty() { state.written } else { schema };
        state = State { schema, table: pair.new, written: last_written };
        told.leaving += state.leaving().filter(|column| !before.contains(&column.name)).count();
        go_on(live, &state, &mut rows, &mut told).await.map_err(|problem| explain(&problem))?;
        told.steps += 1;
        stages.push((stage, pair, written.iter().any(|file| is_after(file))));
    }

    while let Some((stage, pair, dropped_apart)) = stages.pop() {
        undo(live, folder, &stage).await.map_err(|problem| explain(&problem))?;
        state = stage.state;
        rows = rows.back(&pair, dropped_apart);
        let went_on = go_on(live, &state, &mut rows, &mut told).await;
        went_on.map_err(|problem| explain(&format!("back to {}: {problem}", stage.version)))?;
    }
    live.execute("DROP TABLE devices").await.map_err(text)?;
    live.execute("DROP TABLE _sqlx_migrations").await.map_err(text)?;
    drop_tables(live, &state.table).await.map_err(text)?;
    Ok(told)
}

/// How many of the columns that were leaving are fields again.
fn returned(leaving: &[&str], pair: &Pair, schema: &Schema) -> usize {
    let is_field = |name: &str| schema.columns.iter().any(|column| column.name == name);
    let kept = pair.kept.iter();
    kept.filter(|(old, new)| leaving.contains(&old.name) && is_field(new.name)).count()
}

fn are_up_to_date(schema: &Schema, migrations: &Migrations) -> Result<(), String> {
    let check = migrate::check(schema, migrations).map_err(|error| error.to_string())?;
    let writes_nothing = migrate::write(schema, migrations).is_ok_and(|files| files.is_empty());
    if check == Checked::UpToDate && writes_nothing {
        Ok(())
    } else {
        Err("the migrations are not up to date".to_owned())
    }
}

/// Compares the migrated table with one that is created from the struct.
async fn is_as_created(live: &Live, fresh: &Live, schema: &Schema) -> Result<(), String> {
    let text = |error: sqlx::Error| error.to_string();
    for statement in migrate::create_table(schema, live.dialect()).split(";\n\n") {
        fresh.execute(statement).await.map_err(text)?;
    }
    let wanted = catalogue(fresh, schema).await.map_err(text)?;
    drop_tables(fresh, schema).await.map_err(text)?;
    let found = catalogue(live, schema).await.map_err(text)?;
    if found == wanted { Ok(()) } else { Err(difference("forward", &wanted, &found)) }
}

/// Goes back to a stage, and compares the table with what it was then.
async fn undo(live: &Live, folder: &Path, stage: &Stage) -> Result<(), String> {
    let Stage { state, catalogue: wanted, version } = stage;
    live.undo(folder, *version).await.map_err(|error| format!("back: {error}"))?;
    let found = catalogue(live, &state.table).await.map_err(|error| error.to_string())?;
    if found == *wanted {
        Ok(())
    } else {
        Err(difference(&format!("back to {version}"), wanted, &found))
    }
}

/// Compares the values, and makes new sessions where none is left.
async fn go_on(
    live: &Live,
    State { schema, table: whole, .. }: &State,
    rows: &mut Rows,
    told: &mut Told,
) -> Result<(), String> {
    let text = |error: sqlx::Error| error.to_string();
    rows.compare(live, whole).await?;
    if !rows.0.is_empty() {
        told.values += 1;
        return rows.learn(live, whole).await.map_err(text);
    }
    insert_sessions(live, schema).await.map_err(text)?;
    let table = live.dialect().table(schema.table);
    let devices = format!("INSERT INTO devices SELECT id FROM {table}");
    live.execute(&devices).await.map_err(text)?;
    *rows = Rows::inserted_into(live, whole, schema).await.map_err(text)?;
    Ok(())
}

/// Whether an answer to an earlier change is what leaves a choice.
fn are_left_open(refusals: &[Refusal]) -> bool {
    refusals.iter().all(|refusal| {
        matches!(
            refusal,
            Refusal::RenamedAgain { .. }
                | Refusal::RenamedOnward { .. }
                | Refusal::RenamedToBoth { .. }
        )
    })
}

/// What kind of change comes next.
#[derive(Debug, Clone, Copy)]
enum Step {
    Any,
    /// The answers to earlier changes leave the struct.
    Rest,
    /// The columns take each other's names, and two variants.
    Turn,
}

/// The columns that stay, each with what becomes of it, those that go, and those that come.
#[allow(clippy::type_complexity, reason = "it is read at one place")]
fn columns_after(
    maker: &mut Maker,
    state: &State,
    kind: Step,
) -> (Vec<(ColumnSchema, ColumnSchema)>, Vec<ColumnSchema>, Vec<ColumnSchema>) {
    let (mut kept, mut gone, mut added) = (Vec::new(), Vec::new(), Vec::new());
    for column in state.schema.columns {
        match kind {
            Step::Rest => kept.push((*column, without_answers(*column))),
            Step::Turn => kept.push((*column, turned(*column))),
            Step::Any if maker.dice.one_in(6) => gone.push(*column),
            Step::Any => kept.push((*column, successor(maker, *column))),
        }
    }
    for column in state.leaving() {
        match kind {
            Step::Any if maker.dice.one_in(2) => kept.push((column, returning(maker, column))),
            _ => gone.push(column),
        }
    }
    match kind {
        Step::Rest => {}
        Step::Turn => {
            let all: Vec<_> = (0..kept.len()).collect();
            if all.len() > 1 {
                turn(&mut kept, &all);
            }
        }
        Step::Any => {
            added.extend((0..maker.dice.below(3)).map(|_| newcomer(maker)));
            maker.move_names(&mut kept, &gone, &mut added);
        }
    }
    (kept, gone, added)
}

/// What becomes of a table, and of the struct; `None` where the struct would give an answer that
/// it gives already.
fn next(
    maker: &mut Maker,
    state: &State,
    rows: &Rows,
    kind: Step,
    drops: bool,
) -> Option<(Pair, Schema)> {
    let State { schema: old, table, written } = state;
    maker.keep_names_of(table.columns);
    let (mut kept, gone, added) = columns_after(maker, state, kind);
    // It cannot be told from the answer that is there.
    let is_given = |from: &str, to: &str| {
        old.columns.iter().any(|column| column.name == to && column.renamed_from == Some(from))
    };
    if kept.iter().any(|(old, new)| old.name != new.name && is_given(old.name, new.name)) {
        return None;
    }
    let mut columns: Vec<_> = kept.iter().map(|(_, new)| *new).collect();
    for column in added {
        let at = maker.dice.below(columns.len() + 1);
        columns.insert(at, column);
    }
    let mut extras = old.options;
    if matches!(kind, Step::Any) {
        for column in &mut columns {
            column.subject = false;
        }
        extras = maker.subject(&mut columns);
    }
    let mut name = old.table;
    if matches!(kind, Step::Any) && maker.dice.one_in(6) {
        name = maker.table();
    }
    for column in &mut columns {
        if column.subject && is_unknown(column) {
            column.sql_type = None;
        }
    }
    let renamed_from = match name == old.table {
        true => old.renamed_from.filter(|_| !matches!(kind, Step::Rest)),
        false => Some(old.table),
    };
    for (old, _) in &mut kept {
        let written = written.columns.iter().find(|column| column.name == old.name);
        old.on_change = written.map_or(OnChange::Refuse, |column| column.on_change);
    }
    let mut pair = Pair { old: *table, new: *table, kept, drops };
    follow(&mut pair, &columns);
    // No two sessions may have one value where they must differ.
    let after = rows.forward(&pair);
    for column in columns.iter_mut().filter(|column| column.unique) {
        let values: Vec<_> = after.0.iter().map(|row| &row[column.name]).collect();
        let is_shared = |at: usize| *values[at] != Raw::Null && values[..at].contains(&values[at]);
        column.unique = !(0..values.len()).any(is_shared);
    }
    follow(&mut pair, &columns);
    let mut new = Schema::new(name, Vec::leak(columns)).options(extras);
    new.renamed_from = renamed_from;
    pair.new = new;
    if !drops {
        let left: Vec<_> = gone.into_iter().map(|column| (column, leaving(column))).collect();
        let columns = left.iter().map(|(_, column)| *column);
        let columns: Vec<_> = new.columns.iter().copied().chain(columns).collect();
        pair.kept.extend(left);
        pair.new = Schema::new(name, Vec::leak(columns)).options(both(table.options, extras));
    }
    Some((pair, new))
}

/// The second, and the columns of the first.
fn both(old: SchemaOptions, new: SchemaOptions) -> SchemaOptions {
    let mut both = new;
    both.keep_ended |= old.keep_ended;
    both.track |= old.track;
    both.fingerprint |= old.fingerprint;
    both
}

/// The kept columns as they are in the struct, with the answers that it gives for the first time.
fn follow(pair: &mut Pair, columns: &[ColumnSchema]) {
    for (old, new) in &mut pair.kept {
        *new = *columns.iter().find(|column| column.name == new.name).expect("it is kept");
        let fresh = new.renamed_variants.iter().filter(|name| !old.renamed_variants.contains(name));
        new.renamed_variants = fresh.copied().collect::<Vec<_>>().leak();
    }
    pair.new = Schema::new(pair.old.table, Vec::leak(columns.to_vec()));
}

fn without_answers(mut column: ColumnSchema) -> ColumnSchema {
    (column.renamed_from, column.renamed_variants) = (None, &[]);
    column
}

/// Two variants of an enum have each other's names.
fn turned(mut column: ColumnSchema) -> ColumnSchema {
    if let ColumnType::Enum([first, second, ..]) = column.ty {
        let names = [(*first, *second), (*second, *first)];
        if !names.iter().any(|name| column.renamed_variants.contains(name)) {
            column.renamed_variants = Vec::leak(names.to_vec());
        }
    }
    column
}

/// What becomes of a column, which may keep the answers to earlier changes.
fn successor(maker: &mut Maker, old: ColumnSchema) -> ColumnSchema {
    let mut new = maker.successor(old);
    if new.name == old.name && maker.dice.one_in(2) {
        new.renamed_from = None;
    }
    let enums = matches!((old.ty, new.ty), (ColumnType::Enum(_), ColumnType::Enum(_)));
    if enums && new.ty == old.ty {
        new = match maker.dice.below(3) {
            0 => turned(new),
            1 => new.renamed_variants(&[]),
            _ => new,
        };
    }
    let referenced = new.references.is_some() || old.references.is_some();
    let unique = new.unique || old.unique;
    let needed = (enums && new.ty != old.ty) || new.default.is_none() || unique || referenced;
    if !needed && maker.dice.one_in(2) {
        new.on_change = OnChange::Refuse;
    }
    if new.ty == ColumnType::Text && maker.dice.one_in(6) {
        new.sql_type = Some(maker.unknown_text());
    }
    if is_unknown(&new) && (new.index || new.unique || new.references.is_some()) {
        new.sql_type = None;
    }
    new
}

/// A field that has a leaving column again, under its name or another.
fn returning(maker: &mut Maker, left: ColumnSchema) -> ColumnSchema {
    let mut column = successor(maker, left);
    if column.references.is_none() && maker.dice.one_in(2) {
        column.nullable = false;
        column.on_change = OnChange::EndSessions;
    }
    column
}

/// A type that anchor does not know.
fn is_unknown(column: &ColumnSchema) -> bool {
    column.sql_type.is_some_and(|sql_type| !sql_type.starts_with("VARCHAR"))
}

fn newcomer(maker: &mut Maker) -> ColumnSchema {
    let mut column = maker.column();
    if column.default.is_some() {
        // Two rows would have the same.
        column.unique = false;
    } else if !column.nullable && maker.dice.one_in(6) {
        column.on_change = OnChange::EndSessions;
    } else {
        column.nullable = true;
    }
    column
}

/// Every value that a column may come to hold is there to be referenced.
async fn prepare_for_every_value(live: &Live) {
    let texts = [
        "",
        "it''s",
        "-- anchor: format 1",
        "ab",
        "admin",
        "member",
        "guest",
        "1",
        "2",
        "3",
        "0",
        "-7",
        "6",
        "100000",
        "5000000000",
    ];
    let back_slash = match live.dialect() {
        Dialect::MySql => r"back\\slash",
        _ => r"back\slash",
    };
    let uuid = match live.dialect() {
        Dialect::Postgres => "'00000000-0000-0000-0000-000000000001'",
        _ => "x'00000000000000000000000000000001'",
    };
    let texts = texts.iter().chain([&back_slash]).map(|text| ("parents_text", format!("'{text}'")));
    let numbers = ["0", "-7", "6", "100000", "5000000000"];
    let numbers = numbers.map(|number| ("parents_bigint", number.to_owned()));
    for (table, value) in texts.chain(numbers).chain([("parents_uuid", uuid.to_owned())]) {
        live.execute(&format!("INSERT INTO {table} VALUES ({value})")).await.expect("a row");
    }
}
