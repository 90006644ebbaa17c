//! SQL migrations from the struct: checked against it by a test that the derive writes, and written
//! when asked.
//!
//! A migration is an ordinary file in `migrations/`, named as sqlx's own and applied with
//! `sqlx::migrate!()`, beside those written by hand. Its head keeps the table's state in `--
//! anchor:` lines; the struct is compared with the last of these. No database is asked.
//!
//! The derive puts a test `anchor_migrations_<Struct>::agree_with_the_struct` beside the struct:
//!
//! | command | does |
//! | --- | --- |
//! | `cargo test` | fails with the difference when struct and migrations disagree |
//! | `ANCHOR_MIGRATE=1 cargo test anchor_migrations` | writes the next migration |
//! | `ANCHOR_MIGRATE=drop cargo test anchor_migrations` | the same, and values may be lost |
//! | `ANCHOR_MIGRATE=downtime cargo test anchor_migrations` | the same, and [no process of the application runs](#the-order-of-a-deployment) while it is applied |
//! | `ANCHOR_MIGRATE=replace cargo test anchor_migrations` | writes the newest migration anew, which must have been applied nowhere |
//! | `ANCHOR_MIGRATE=create cargo test anchor_migrations` | creates a table of a name that is free now |
//! | `ANCHOR_MIGRATE=baseline cargo test anchor_migrations` | the first migration takes over the table of `store.migrate()` |
//! | `ANCHOR_MIGRATE=adopt cargo test anchor_migrations` | that of the table `anchor_sessions` takes over fastapi-anchor's |
//!
//! Words go together, as in `ANCHOR_MIGRATE=downtime,drop`.
//!
//! A package whose migrations hold no file of anchor's is left alone, as one that only calls
//! `store.migrate()`. As soon as there is one, every struct of the package needs its migrations, or
//! `#[session(migrations = false)]`. `#[session(migrations = "db/migrations")]` names another
//! folder than `migrations`, seen from the package's `Cargo.toml`; that folder must exist. The test
//! is there whether or not the package has one of anchor's SQL features: the application may have
//! it alone.
//!
//! In a function's body Rust collects no tests, so that a struct there is not held to any
//! migration: call [`check`] in a test of your own.
//!
//! # Dialects
//!
//! `migrations/postgres`, `migrations/mysql` and `migrations/sqlite` are each of that dialect;
//! every one of them that exists is checked and written. Without such folders the files in
//! `migrations/` are all of one dialect, which their headers say; the first file's is that of
//! anchor's one SQL feature, or `ANCHOR_DIALECT`.
//!
//! # What a change needs, and what it does to a running application
//!
//! Nothing is lost that was not given up in words. The words stand in the struct, and each of them
//! is carried out once: the file's header records it (`was theme`, `on_change end_sessions`,
//! `variants ("boss" to "admin")`), so that it is no answer to a later change. Where it is to be
//! one, `ANCHOR_MIGRATE=drop` says so. A rename that is to be done a second time leaves the struct
//! for one migration, which changes nothing but the header, and comes back.
//!
//! | change | needs |
//! | --- | --- |
//! | a new `T` | `default`; or `on_change = "end_sessions"`, and all sessions end |
//! | another name for a column or the table; columns change places, also in a circle | `renamed_from` |
//! | an integer or a float to another that holds its values, an integer or an enum to text, a longer text | |
//! | narrower: a smaller or unsigned integer, a float or text to an integer, a shorter text, `Option<T>` to `T` | a new `default`, for the values that do not fit; or `on_change`, and these sessions end |
//! | `f64` to `f32`, a type of your own to another | `ANCHOR_MIGRATE=drop`, for the cast may round |
//! | a type with nothing in common with the old | an `Option` or a `default`, and `ANCHOR_MIGRATE=drop`; or `on_change` |
//! | another name for a variant | `#[column(renamed_from = "old")]` on it |
//! | a variant less | the name of the variant that it is now, or `on_change`: its sessions end |
//! | no `cut_off` any more | `ANCHOR_MIGRATE=drop` |
//! | `unique`, `references` | rows that fit, or nothing changes |
//!
//! A field marked `role` never gets its default in place of a value that there was, and no enum
//! does.
//!
//! | | PostgreSQL | MySQL, MariaDB | SQLite |
//! | --- | --- | --- | --- |
//! | waits for a lock | 5 seconds at most, then nothing has changed; where it locks a referenced table as well, less than the second after which the application would be in a deadlock | the same, for each `ALTER` | the connection's `busy_timeout` |
//! | a file is | one transaction | one `ALTER TABLE`; what comes before it can run again, what comes after it is left to do, and comments in the file say which is which | one transaction, which takes the write lock first |
//! | rows that do not fit | end, or get the default, under the lock of the change | the same | the same |
//! | duplicates, orphans | fail the transaction | are asserted before anything changes | the same |
//! | new column, other default, rename | `ACCESS EXCLUSIVE`, for a moment; while every row is written, where a new column's default is `VOLATILE`, such as `gen_random_uuid()` | metadata lock, for a moment, where the server can do it at once | for a moment; a default builds the table anew |
//! | another type | `ACCESS EXCLUSIVE` while every row is written | copies the table; writes wait | builds the table anew; writes wait |
//! | `NOT NULL`, `CHECK`, foreign key | for a moment; the rows are looked through in the next file, while they are read and written | while the rows are read or copied | builds the table anew |
//! | index | in a file of its own; writes wait while it is built, unless it is there: build it before, with `CONCURRENTLY`. One that it replaces goes in a later file | built while the table is read and written | writes wait |
//!
//! On PostgreSQL a connection that has prepared a read of a column whose type changes prepares it
//! anew, so that pools of both releases go on.
//!
//! On MySQL, values that do not fit end or change under `LOCK TABLES`: of the sessions, and for
//! reading of a table to which a foreign key is made, because MySQL looks into it. Who writes to
//! such a table waits until the change is done. So it is where a foreign key is made anew. A file
//! that fails leaves the lock, `sql_mode` and `lock_wait_timeout` with its connection, which may be
//! one of a pool: MySQL cannot give them back by itself. The file sets `wait_timeout` to five
//! seconds first, so that the server ends the connection when nobody has used it for that long, and
//! the lock with it. A pool that is busy meanwhile can keep it: migrate before the application
//! serves requests, and end the process, or the pool, when that fails.
//!
//! SQLite's new table keeps what references it, with foreign keys on or off as they are. What you
//! have added to the table would be lost: columns, indexes, triggers, `CHECK`, `UNIQUE`, `COLLATE`,
//! foreign keys, `STRICT`, `WITHOUT ROWID`. The migration fails then, changes nothing, and says
//! which of these it is. So it does where a column is renamed or dropped that a view, or another
//! table's trigger, could name.
//!
//! # The order of a deployment
//!
//! While a release is deployed, the one before still runs: on other nodes, or until its last
//! request is answered. Each file says in its first comment when to apply it, and so does the
//! command that writes it.
//!
//! - **before**: one file, before the new release starts or as it starts. Both releases run on the
//!   table afterwards.
//! - **twice**: `ANCHOR_MIGRATE=1` writes `.._before_deploy.sql`, which loses no value: the column
//!   stays as one that a row may leave out, and the header calls it `leaving`. When no process of
//!   the release before is left, `ANCHOR_MIGRATE=drop` writes `.._after_deploy.sql`, which drops
//!   it. `ANCHOR_MIGRATE=drop` on a field that has just been removed writes both; as
//!   `sqlx::migrate!` runs at start whatever is in the folder, keep the second out of it until
//!   then. A field that comes back in the meantime has its values again.
//! - **downtime**: no process of the application runs while the file is applied. `ANCHOR_MIGRATE=1`
//!   refuses the change and says how to do without, and `ANCHOR_MIGRATE=downtime` writes it. An
//!   application of one process, which applies its migrations at start, has that moment anyway: for
//!   it, `downtime` costs nothing. So it is with SQLite.
//!
//! A session that a release *refuses* is one that it cannot read: it answers as to one that has
//! ended, and leaves the row as it is. The other release goes on with it.
//!
//! | change | apply | the release before, afterwards | in its place |
//! | --- | --- | --- | --- |
//! | a new `Option` | before | goes on | |
//! | a new `T` with `default` | before | goes on | |
//! | a new `T` without `default` | downtime | cannot log in | `Option`, or `default` |
//! | a field less | twice | goes on; refuses the new release's sessions, unless the field is an `Option` or has a `default`, and is neither `unique` nor a reference | |
//! | a field that comes back | before | goes on; a `T` needs a new `default`, or `on_change` | |
//! | another name for a column | downtime | fails | `#[session(column = "old")]` |
//! | the name of a column that is dropped | downtime | fails | another `column` |
//! | another name for the table | downtime | fails | `#[session(table = "old")]` |
//! | a wider type | before | goes on; refuses values that its own does not hold | |
//! | a narrower type | before | goes on, and fails to write what does not fit; what the database takes all the same, as below, the new release refuses | |
//! | a type of another family | downtime | fails | a new field; the old one goes later |
//! | `T` to `Option<T>` | before | goes on; refuses `NULL` | |
//! | `Option<T>` to `T` | before | goes on, and fails to write `NULL` | |
//! | a variant more | before | goes on; refuses it | |
//! | a variant less | before | goes on, and fails to write it | |
//! | another name for a variant | downtime | fails to write it; refuses the new one | `#[column(rename = "old")]` |
//! | another `default` | before | goes on: a release writes all of its columns | |
//! | `index`, `unique`, `references` | before | goes on, and fails to write what is against it | |
//! | `track`, `fingerprint`, `keep_ended` on | before | goes on | |
//! | `track`, `fingerprint`, `keep_ended` off | twice | goes on | |
//! | `cut_off` on | before | goes on; does not know of cut-offs, but of the sessions that they ended | |
//! | `cut_off` off | downtime | fails | keep it |
//! | another subject, with `cut_off` | downtime | cuts off by the other | |
//!
//! Families of types are the integers, the floats, texts with enums, and every other type by
//! itself; a `sql_type` that anchor does not know is of none.
//!
//! A database holds rows to a column's type, and a field may hold less than its column. SQLite
//! stores any integer and a text of any length. Elsewhere an unsigned field is stored in the next
//! larger signed type, `u16` in an `INTEGER`: from `i32` to `u16` the release before goes on to
//! write `-1`. The new release refuses such sessions, and leaves the rows as they are.
//!
//! What fails to be written is a login or an update that is answered with 503. Where a release
//! fails to write some values, let the one before it do without them.
//!
//! A process of the release before that *starts* after the migration fails, although one that runs
//! goes on: `sqlx::migrate!` refuses a version that is not in its folder, unless
//! `set_ignore_missing(true)`, and `store.verify()` names what the struct does not have so. To go
//! back to that release, take the migration back first; the `.down.sql` file says when.
//!
//! # From a program of your own
//!
//! ```no_run
//! use anchor::migrate::{self, Migrations};
//! use anchor::prelude::*;
//!
//! #[derive(Clone, SessionData)]
//! #[session(table = "sessions")]
//! struct UserSession {
//!     #[session(subject)]
//!     user_id: i64,
//! }
//!
//! # fn main() -> Result<(), migrate::MigrateError> {
//! let migrations = Migrations::in_folder("migrations");
//! for file in migrate::write(UserSession::schema(), &migrations)? {
//!     println!("wrote {}", file.display());
//! }
//! # Ok(())
//! # }
//! ```

mod adopt;
mod baseline;
mod command;
mod conversion;
mod deployment;
mod diff;
pub(crate) mod emitted;
mod error;
mod folder;
mod lock;
mod name;
mod refusal;
mod state;
mod write;

use std::path::{Path, PathBuf};

pub use error::{Drift, MigrateError};
pub use refusal::Refusal;

use crate::schema::{Dialect, Schema, Table};
use deployment::{Deployment, Moment};
use diff::{Allowed, Diff, Plan};
use folder::{Draft, Folder, Managed};
use state::{Answer, State};

/// Where migrations are, and what may be written.
#[derive(Debug, Clone)]
pub struct Migrations {
    folder: PathBuf,
    /// Whether the folder may be absent, and is then empty.
    optional: bool,
    dialect: Option<Dialect>,
    allowed: Allowed,
    adopts: bool,
    takes_over: bool,
    replaces: bool,
    creates: bool,
}

impl Migrations {
    /// The migrations in this folder, or in its folders `postgres`, `mysql` and `sqlite`. The
    /// folder must exist: one that was moved or misspelt would pass for one without migrations.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            optional: false,
            dialect: None,
            allowed: Allowed::default(),
            adopts: false,
            takes_over: false,
            replaces: false,
            creates: false,
        }
    }

    /// Those of a package that may have none.
    fn of_package(package: &Path) -> Self {
        Self { optional: true, ..Self::in_folder(package.join("migrations")) }
    }

    /// The dialect of the first file, where neither folders nor features say it.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }

    /// Allows migrations that lose values: that drop columns, give every row the default in place
    /// of what its new type does not hold, or cast with a loss. An answer in the struct that
    /// belongs to an earlier change holds for this one, too.
    ///
    /// Columns are dropped in a file of their own, to be applied
    /// [after the deployment](self#the-order-of-a-deployment).
    #[must_use]
    pub fn allow_drops(mut self) -> Self {
        self.allowed.drops = true;
        self
    }

    /// Allows migrations that neither the release before nor the new one can live with, such as a
    /// rename: no process of the application runs while such a file is applied.
    #[must_use]
    pub fn allow_downtime(mut self) -> Self {
        self.allowed.downtime = true;
        self
    }

    /// Makes the first migration of a table `anchor_sessions` take over the table
    /// `anchor_sessions(id, user_id, expires_at, created_at)` of fastapi-anchor. Its sessions end,
    /// for they cannot be read as anchor's. In a database without that table it creates the
    /// struct's. Tables of other names are not concerned.
    #[must_use]
    pub fn adopt_fastapi_anchor(mut self) -> Self {
        self.adopts = true;
        self
    }

    /// Makes a table's first migration take over the table that `store.migrate()` made, with its
    /// sessions. Where it is run, it compares that table with the struct and fails if they differ;
    /// a database without the table gets it.
    #[must_use]
    pub fn baseline(mut self) -> Self {
        self.takes_over = true;
        self
    }

    /// Replaces a table's newest migration, where the struct differs from it, in place of writing
    /// one that follows. For a migration that is wrong and has been applied nowhere: a database
    /// that has run it refuses to go on without it.
    #[must_use]
    pub fn replace_newest(mut self) -> Self {
        self.replaces = true;
        self
    }

    /// Makes a first migration for a table whose name another table of the migrations had, before a
    /// migration renamed it, or whose `renamed_from` these migrations do not know. Without this the
    /// struct is refused, for it may mean a table that is there.
    #[must_use]
    pub fn new_table(mut self) -> Self {
        self.creates = true;
        self
    }

    /// The folders that are there, each with its dialect if that is known.
    fn folders(&self) -> Result<Vec<(Folder, Option<Dialect>)>, MigrateError> {
        if !self.optional && !self.folder.is_dir() {
            return Err(MigrateError::NoFolder { folder: self.folder.clone() });
        }
        let names = ["postgres", "postgresql", "mysql", "mariadb", "sqlite"];
        let several: Vec<_> = names
            .into_iter()
            .map(|name| (self.folder.join(name), Dialect::of_word(name)))
            .filter(|(path, _)| path.is_dir())
            .collect();
        let folder = Folder::read(&self.folder)?;
        if let (Some(file), [(of_dialect, _), ..]) = (folder.first_managed(), &*several) {
            let (file, folder) = (file.to_owned(), of_dialect.clone());
            return Err(MigrateError::MixedLayout { file, folder });
        }
        if several.is_empty() {
            let dialect = folder.dialect().or(self.dialect).or_else(only_feature);
            return Ok(vec![(folder, dialect)]);
        }
        several.into_iter().map(|(path, dialect)| Ok((Folder::read(&path)?, dialect))).collect()
    }

    fn which_dialect(folder: &Folder) -> MigrateError {
        let features: Vec<_> = features().map(Dialect::word).collect();
        let features = match features.is_empty() {
            true => "none of anchor's SQL features is on in this build".to_owned(),
            false => format!("several of anchor's SQL features are on ({})", features.join(", ")),
        };
        MigrateError::WhichDialect { folder: folder.path.clone(), features }
    }
}

/// The dialects whose features are on.
fn features() -> impl Iterator<Item = Dialect> {
    [
        (cfg!(feature = "postgres"), Dialect::Postgres),
        (cfg!(feature = "mysql"), Dialect::MySql),
        (cfg!(feature = "sqlite"), Dialect::Sqlite),
    ]
    .into_iter()
    .filter_map(|(on, dialect)| on.then_some(dialect))
}

fn only_feature() -> Option<Dialect> {
    let mut features = features();
    features.next().filter(|_| features.next().is_none())
}

/// What [`check`] found when nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checked {
    /// The migrations leave the table that the struct declares.
    UpToDate,
    /// No file is of anchor's, so there is nothing to compare with.
    Unmanaged,
}

/// Compares a struct's schema with what its migrations leave.
///
/// # Errors
///
/// [`MigrateError::Drift`] with every difference when they disagree; others when the files cannot
/// be read.
pub fn check(schema: &Schema, migrations: &Migrations) -> Result<Checked, MigrateError> {
    let folders = migrations.folders()?;
    if !folders.iter().any(|(folder, _)| folder.is_managed()) {
        return Ok(Checked::Unmanaged);
    }
    let mut drifts = Vec::new();
    for (folder, dialect) in &folders {
        let dialect = dialect.ok_or_else(|| Migrations::which_dialect(folder))?;
        let difference = match folder.head(schema, dialect)? {
            None => match folder.renamed(schema)? {
                Some(renamed) => return Err(renamed.refusal(schema)),
                None => Some(String::new()),
            },
            Some(head) => {
                let diff = between(head.state, schema)?;
                (!diff.is_empty()).then(|| diff.to_string())
            }
        };
        drifts.extend(difference.map(|difference| Drift {
            table: schema.table.to_owned(),
            folder: folder.path.clone(),
            difference,
        }));
    }
    if drifts.is_empty() { Ok(Checked::UpToDate) } else { Err(MigrateError::Drift(drifts)) }
}

/// Writes the migrations that are missing, in each folder, and returns the files; none when there
/// is nothing to do.
///
/// One process at a time writes into a folder, and every folder's migrations are decided before the
/// first is written.
///
/// # Errors
///
/// [`MigrateError::Refused`] with all that the struct leaves open; others when the files cannot be
/// read or written.
pub fn write(schema: &Schema, migrations: &Migrations) -> Result<Vec<PathBuf>, MigrateError> {
    Ok(write_files(schema, migrations)?.written)
}

/// What [`write`] did to the folders.
#[derive(Debug, Default)]
struct Changes {
    removed: Vec<PathBuf>,
    written: Vec<PathBuf>,
    /// The files for the way forward, each with when to apply it.
    moments: Vec<(PathBuf, Moment)>,
}

fn write_files(schema: &Schema, migrations: &Migrations) -> Result<Changes, MigrateError> {
    // Before the lock, which makes the folder.
    migrations.folders()?;
    let _lock = lock::hold(&migrations.folder)?;
    let mut folders = Vec::new();
    for (folder, dialect) in migrations.folders()? {
        let dialect = dialect.ok_or_else(|| Migrations::which_dialect(&folder))?;
        let revision = revision(&folder, schema, dialect, migrations)?;
        folders.push((folder, revision));
    }
    let now = name::timestamp(std::time::SystemTime::now());
    let mut changes = Changes::default();
    for (mut folder, Revision { replaced, drafts }) in folders {
        changes.removed.extend(folder.remove(&replaced)?);
        if !drafts.is_empty() {
            let written = folder.write(&drafts, now)?;
            let forward = written.iter().filter(|file| {
                let name = file.to_string_lossy();
                name.ends_with(".sql") && !name.ends_with(".down.sql")
            });
            let moments = drafts.iter().map(|draft| draft.moment);
            changes.moments.extend(forward.cloned().zip(moments));
            changes.written.extend(written);
        }
    }
    Ok(changes)
}

/// What is to be done in one folder.
#[derive(Default)]
struct Revision {
    /// The versions of the migrations that go.
    replaced: Vec<i64>,
    drafts: Vec<Draft>,
}

fn revision(
    folder: &Folder,
    schema: &Schema,
    dialect: Dialect,
    migrations: &Migrations,
) -> Result<Revision, MigrateError> {
    let unreadable = diff::unreadable_defaults(&Table::of(schema, dialect));
    if !unreadable.is_empty() {
        return Err(refused(schema, unreadable));
    }
    let mut beside = None;
    let head = match folder.head(schema, dialect)? {
        Some(head) => Some(head),
        None => match folder.renamed(schema) {
            Ok(Some(renamed)) if migrations.creates => {
                beside = Some(renamed.head.state.hash());
                None
            }
            Err(MigrateError::UnknownTable { .. }) if migrations.creates => None,
            Ok(Some(renamed)) if migrations.replaces && renamed.is_newest => Some(renamed.head),
            Ok(Some(renamed)) => return Err(renamed.refusal(schema)),
            Ok(None) => None,
            Err(error) => return Err(error),
        },
    };
    let follow = |state: Option<&State>| match state {
        Some(state) => next(state, schema, migrations.allowed),
        None => Ok(vec![first(schema, dialect, beside.clone(), migrations)]),
    };
    let Some(head) = head else {
        return Ok(Revision { replaced: Vec::new(), drafts: follow(None)? });
    };
    if migrations.replaces && is_changed(&head, schema) {
        let newest = folder.newest(&head)?;
        let drafts = follow(newest.before)?;
        return Ok(Revision { replaced: newest.versions, drafts });
    }
    let drafts = follow(Some(head.state)).map_err(|error| match error {
        MigrateError::Refused { table, refusals, .. } => {
            // What the newest migration brought about by mistake needs no answer.
            let newest = folder.newest(&head).ok();
            let newest = newest.filter(|newest| follow(newest.before).is_ok());
            let newest = newest.map(|newest| newest.file.to_owned());
            MigrateError::Refused { table, refusals, newest }
        }
        other => other,
    })?;
    Ok(Revision { replaced: Vec::new(), drafts })
}

fn is_changed(head: &Managed<'_>, schema: &Schema) -> bool {
    !matches!(between(head.state, schema), Ok(diff) if diff.is_empty())
}

/// The SQL that creates a struct's table, without a header: for a database that anchor's migrations
/// are not to care for.
pub fn create_table(schema: &Schema, dialect: Dialect) -> String {
    schema.create_table(dialect)
}

fn between(old: &State, schema: &Schema) -> Result<Diff, MigrateError> {
    Diff::between(old, schema).map_err(|refusals| refused(schema, refusals))
}

fn refused(schema: &Schema, refusals: Vec<Refusal>) -> MigrateError {
    MigrateError::Refused { table: schema.table.to_owned(), refusals, newest: None }
}

/// The migration that creates the table, or takes it over.
fn first(
    schema: &Schema,
    dialect: Dialect,
    beside: Option<String>,
    migrations: &Migrations,
) -> Draft {
    let state = State { beside, ..State::of(schema, dialect, None) };
    let table = &state.table;
    let (verb, up, down) = if migrations.adopts && table.bare_name() == adopt::TABLE {
        ("adopt", adopt::up(table), adopt::down(table))
    } else if migrations.takes_over {
        ("baseline", baseline::up(table), baseline::down())
    } else {
        ("create", write::create(table), write::drop_table(table))
    };
    let description = format!("{verb}_{}", name::word(table.bare_name()));
    Draft { description, moment: Moment::First, up: file(&state, &up), down }
}

/// One of the files that a change is written as.
struct Step {
    moment: Moment,
    table: Table,
    description: String,
    up: write::Script,
    down: write::Script,
}

/// The migrations that lead from the last state to the schema.
fn next(head: &State, schema: &Schema, allowed: Allowed) -> Result<Vec<Draft>, MigrateError> {
    let diff = between(head, schema)?;
    let mut table = diff.new.clone();
    let mut steps = Vec::new();
    if diff.is_forgetting() {
        steps.push(Step {
            moment: Moment::Before,
            table: table.clone(),
            description: format!("forget_renames_of_{}", name::word(table.bare_name())),
            up: write::forget(),
            down: write::forget(),
        });
    } else if !diff.is_empty() {
        let plan = Plan::forward(diff, head, schema, allowed);
        let plan = plan.map_err(|refusals| refused(schema, refusals))?;
        table = plan.diff.new.clone();
        steps = change(plan);
    }
    if allowed.drops {
        steps.extend(Plan::drop_leaving(&table).as_ref().map(after));
    }
    Ok(numbered(head, schema, steps))
}

/// The files of a change, but for what comes after its deployment.
fn change(plan: Plan) -> Vec<Step> {
    let (plan, replaced) = write::replaced_indexes(plan);
    let whole = plan.diff.new.clone();
    let indexes = write::indexes(&plan);
    let plan = match indexes {
        Some(_) => Plan { diff: plan.diff.without_new_indexes(), ..plan },
        None => plan,
    };
    let back = Plan::backward(&plan.diff);
    let (moment, suffix) = match plan.deployment {
        Deployment::Before => (Moment::Before, ""),
        Deployment::BeforeAndAfter => (Moment::Before, Moment::Before.suffix()),
        Deployment::Downtime => (Moment::Downtime, ""),
    };
    let mut steps = vec![Step {
        moment,
        table: plan.diff.new.clone(),
        description: name::of_change(&plan.diff) + suffix,
        up: write::change(&plan),
        down: write::change(&back),
    }];
    let bare = name::word(whole.bare_name());
    if let Some((up, down)) = indexes {
        let description = format!("index_{bare}");
        steps.push(Step { moment: Moment::Along, table: whole.clone(), description, up, down });
    }
    if let Some(up) = write::validate(&plan) {
        let (description, down) = (format!("validate_{bare}"), write::validate_back());
        steps.push(Step { moment: Moment::Along, table: whole, description, up, down });
    }
    if let Some(plan) = replaced {
        steps.push(Step {
            moment: Moment::Along,
            table: plan.diff.new.clone(),
            description: format!("unindex_{bare}"),
            up: write::change(&plan),
            down: write::change(&Plan::backward(&plan.diff)),
        });
    }
    steps
}

/// The drop of the columns that are leaving.
fn after(plan: &Plan) -> Step {
    Step {
        moment: Moment::After,
        table: plan.diff.new.clone(),
        description: name::of_change(&plan.diff) + Moment::After.suffix(),
        up: write::change(plan),
        down: write::change(&Plan::backward(&plan.diff)),
    }
}

/// The files of a change, each on top of the one before it. What is applied after the deployment
/// stands alone, so that it can be replaced alone.
fn numbered(head: &State, schema: &Schema, steps: Vec<Step>) -> Vec<Draft> {
    let is_together = |step: &Step| step.moment != Moment::After;
    let of = steps.iter().filter(|step| is_together(step)).count();
    let mut parent = head.hash();
    let mut drafts = Vec::with_capacity(steps.len());
    for (at, step) in steps.into_iter().enumerate() {
        let number = (of > 1 && is_together(&step)).then_some((at + 1, of));
        let Step { moment, table, description, up, down } = step;
        let answers = Answer::of(schema);
        let state = State { table, answers, parent: Some(parent), beside: None, step: number };
        parent = state.hash();
        let up = file(&state, &up.text_after(moment.words()));
        drafts.push(Draft { description, moment, up, down: down.text_after(moment.words_back()) });
    }
    drafts
}

fn file(state: &State, sql: &str) -> String {
    format!("{}\n{sql}", state.header())
}
