//! SQL migrations that are derived from the struct: a generated test checks them, and writes them
//! on request.
//!
//! A migration is an ordinary file in `migrations/`. It is named as sqlx names its own, it is
//! applied with `sqlx::migrate!()`, and it can stand next to files that you wrote by hand. The
//! `-- anchor:` lines at its head record the state of the table, and the struct is compared with
//! the newest of these states. No database is needed for that.
//!
//! The derive adds a test, `anchor_migrations_<Struct>::agree_with_the_struct`:
//!
//! | command | effect |
//! | --- | --- |
//! | `cargo test` | fails if the struct and the migrations disagree, and shows the difference |
//! | `ANCHOR_MIGRATE=1 cargo test anchor_migrations` | writes the next migration |
//! | `ANCHOR_MIGRATE=drop cargo test anchor_migrations` | the same, and the migration may lose values |
//! | `ANCHOR_MIGRATE=downtime cargo test anchor_migrations` | the same, and the migration may require that [no process of the application runs](#the-order-of-a-deployment) while it is applied |
//! | `ANCHOR_MIGRATE=replace cargo test anchor_migrations` | writes the newest migration again; it must not have been applied anywhere |
//! | `ANCHOR_MIGRATE=create cargo test anchor_migrations` | creates a table with a name that another table had before |
//! | `ANCHOR_MIGRATE=baseline cargo test anchor_migrations` | writes a first migration that takes over the table that `store.migrate()` created |
//! | `ANCHOR_MIGRATE=adopt cargo test anchor_migrations` | writes a first migration of the table `anchor_sessions` that takes over fastapi-anchor's |
//!
//! The words can be combined: `ANCHOR_MIGRATE=downtime,drop`.
//!
//! If no file among a package's migrations was written by anchor, the test passes: the package may
//! only call `store.migrate()`. As soon as there is such a file, every session struct of the
//! package needs its migrations, or `#[session(migrations = false)]`.
//! `#[session(migrations = "db/migrations")]` names a folder other than `migrations`, relative to
//! the package's `Cargo.toml`; that folder must exist. The test also exists in a package that
//! enables none of anchor's SQL features, because perhaps only the application enables them.
//!
//! Rust does not collect the tests in a function's body, so the migrations of a struct that is
//! declared there are not checked: call [`check`] in a test of your own.
//!
//! # Dialects
//!
//! `migrations/postgres`, `migrations/mysql` and `migrations/sqlite` contain the migrations of one
//! dialect each, and each of these folders that exists is checked and written. Without such
//! folders, all files in `migrations/` have the same dialect, which their headers name. The dialect
//! of the first file is that of anchor's only enabled SQL feature, or `ANCHOR_DIALECT`.
//!
//! # What a change needs, and what it does to a running application
//!
//! A migration loses values only if you have allowed it. Your answers are in the struct, and each
//! answer is used once: the file's header records it (`was theme`, `on_change end_sessions`,
//! `variants ("boss" to "admin")`), so that it does not answer a later change as well.
//! `ANCHOR_MIGRATE=drop` makes it answer the later change, too. To do the same rename a second
//! time, remove it from the struct, write a migration (it changes only the header), and add the
//! rename again.
//!
//! | change | needs |
//! | --- | --- |
//! | a new `T` | `default`; or `on_change = "end_sessions"`, and all sessions end |
//! | a new name for a column or the table; columns that swap names, also in a cycle | `renamed_from` |
//! | an integer or a float to another that holds all of its values, an integer or an enum to text, a longer text | |
//! | a narrower type: a smaller or unsigned integer, a float or text to an integer, a shorter text, `Option<T>` to `T` | a new `default`, for the values that do not fit; or `on_change`, and these sessions end |
//! | `f64` to `f32`, a type of your own to another | `ANCHOR_MIGRATE=drop`, because the cast may round |
//! | a type that has nothing in common with the old one | an `Option` or a `default`, and `ANCHOR_MIGRATE=drop`; or `on_change` |
//! | a new name for a variant | `#[column(renamed_from = "old")]` on the variant |
//! | a removed variant | its name on the variant that replaces it; or `on_change`, and its sessions end |
//! | `cut_off` removed | `ANCHOR_MIGRATE=drop` |
//! | `unique`, `references` added | rows that satisfy them; otherwise the migration changes nothing |
//!
//! A default never replaces an existing value of a field that is marked `role`, nor of an enum.
//!
//! | | PostgreSQL | MySQL, MariaDB | SQLite |
//! | --- | --- | --- | --- |
//! | waits for a lock | at most 5 seconds, then it fails and nothing has changed; if it also locks a referenced table, less than one second, because after a second PostgreSQL looks for a deadlock and may end a request of the application | the same, for each `ALTER` | the connection's `busy_timeout` |
//! | a file is | one transaction | one `ALTER TABLE`; what precedes it can run again, what follows it remains to be done, and comments in the file say which is which | one transaction, which takes the write lock first |
//! | rows that do not fit | end, or get the default, under the lock of the change | the same | the same |
//! | duplicates, orphans | fail the transaction | fail the file before anything changes | the same |
//! | new column, other default, rename | `ACCESS EXCLUSIVE`, for a moment; while every row is written, if a new column's default is `VOLATILE`, such as `gen_random_uuid()` | metadata lock, for a moment, where the server can do it at once | for a moment; a changed default rebuilds the table |
//! | other type | `ACCESS EXCLUSIVE` while every row is written | copies the table; writes wait | rebuilds the table; writes wait |
//! | `NOT NULL`, `CHECK`, foreign key | for a moment; the next file checks the rows, while they are read and written | while the rows are read or copied | rebuilds the table |
//! | index | in its own file; writes wait while it is built, unless it exists: build it beforehand, with `CONCURRENTLY`. An index that it replaces is dropped in a later file | built while the table is read and written | writes wait |
//!
//! On PostgreSQL, a connection that has prepared a read of a column prepares it again when the
//! column's type changes, so that the pools of both releases continue to work.
//!
//! On MySQL, rows with values that do not fit are deleted or changed under `LOCK TABLES`. The file
//! locks the session table and, for reading, each table that a new foreign key references, because
//! MySQL reads from it. Writes to such a table wait until the change is done. The same is true if
//! an existing foreign key is created again. When a file fails, the lock, `sql_mode` and
//! `lock_wait_timeout` stay with its connection, which may belong to a pool: MySQL cannot undo them
//! by itself. The file therefore sets `wait_timeout` to five seconds first, so that the server
//! closes the connection, and releases the lock, when nobody has used it for that long. A busy pool
//! can keep the connection open: migrate before the application serves requests, and if that fails,
//! end the process or close the pool.
//!
//! On SQLite, foreign keys that reference the rebuilt table, and their rows, are kept, whether
//! foreign keys are enabled or disabled. Anything that you have added to the table would be lost:
//! columns, indexes, triggers, `CHECK`, `UNIQUE`, `COLLATE`, foreign keys, `STRICT`,
//! `WITHOUT ROWID`. If the table has such an addition, the migration fails, changes nothing, and
//! names what it found. It also fails if it would rename or drop a column that a view, or another
//! table's trigger, may name.
//!
//! # The order of a deployment
//!
//! While a release is deployed, the previous release still runs: on other nodes, or until its last
//! request has been answered. The first comment of each file says when to apply the file, and the
//! command that writes the file prints it.
//!
//! - **before**: one file, to be applied before the new release starts or when it starts. Both
//!   releases work on the table afterwards.
//! - **twice**: `ANCHOR_MIGRATE=1` writes `.._before_deploy.sql`, which loses no value: the column
//!   stays, a row may omit it, and the header calls it `leaving`. When no process of the previous
//!   release is left, `ANCHOR_MIGRATE=drop` writes `.._after_deploy.sql`, which drops the column.
//!   `ANCHOR_MIGRATE=drop` on a field that has just been removed writes both files;
//!   `sqlx::migrate!` applies all files in the folder when the application starts, so keep the
//!   second file out of the folder until no process of the previous release is left. If the field
//!   comes back before the column is dropped, it has its values again.
//! - **downtime**: no process of the application runs while the file is applied. `ANCHOR_MIGRATE=1`
//!   refuses the change and says how to avoid the downtime; `ANCHOR_MIGRATE=downtime` writes the
//!   file. An application of one process that applies its migrations when it starts, such as one on
//!   SQLite, is down at that moment in any case, so `downtime` costs it nothing.
//!
//! A release *refuses* a session that it cannot read: it answers as if the session had ended, but
//! does not change the row, and the other release continues to use it.
//!
//! | change | apply | the previous release, afterwards | without downtime |
//! | --- | --- | --- | --- |
//! | a new `Option` | before | works | |
//! | a new `T` with `default` | before | works | |
//! | a new `T` without `default` | downtime | cannot log in | `Option`, or `default` |
//! | a removed field | twice | works; refuses the new release's sessions, unless the field is an `Option` or has a `default`, and is neither `unique` nor a reference | |
//! | a field that comes back | before | works; a `T` needs a new `default`, or `on_change` | |
//! | a renamed column | downtime | fails | `#[session(column = "old")]` |
//! | a column with the name of a dropped one | downtime | fails | another `column` |
//! | a renamed table | downtime | fails | `#[session(table = "old")]` |
//! | a wider type | before | works; refuses values that its own type does not hold | |
//! | a narrower type | before | works, but cannot write what does not fit; the new release refuses other values that the database still accepts (see below) | |
//! | a type of another family | downtime | fails | a new field; the old one is removed later |
//! | `T` to `Option<T>` | before | works; refuses `NULL` | |
//! | `Option<T>` to `T` | before | works, but cannot write `NULL` | |
//! | a new variant | before | works; refuses the variant | |
//! | a removed variant | before | works, but cannot write the variant | |
//! | a renamed variant | downtime | cannot write the variant; refuses its new name | `#[column(rename = "old")]` |
//! | a changed `default` | before | works: a release writes all of its columns | |
//! | `index`, `unique`, `references` | before | works, but cannot write what violates them | |
//! | `track`, `fingerprint`, `keep_ended` on | before | works | |
//! | `track`, `fingerprint`, `keep_ended` off | twice | works | |
//! | `cut_off` on | before | works; ignores cut-offs, but sessions that a cut-off has already ended stay ended | |
//! | `cut_off` off | downtime | fails | keep it |
//! | another subject, with `cut_off` | downtime | cuts off by its own subject | |
//!
//! The families of types are: the integers; the floats; the texts, with the enums. Every other type
//! is a family by itself, and a `sql_type` that anchor does not know belongs to none.
//!
//! A database enforces the type of a column, and a field may hold fewer values than its column.
//! SQLite stores any integer, and a text of any length. The other databases store an unsigned field
//! in the next larger signed type, for example `u16` in an `INTEGER`: after a change from `i32` to
//! `u16`, the previous release can still write `-1`. The new release refuses such sessions, and
//! does not change the rows.
//!
//! If a write fails, the login or the update is answered with 503. If the previous release would
//! fail to write certain values, first deploy a release that does not write them.
//!
//! A process of the previous release that is running when the migration is applied continues to
//! work, but a process of the previous release that *starts* afterwards fails: `sqlx::migrate!`
//! refuses a version that is not in its folder, unless `set_ignore_missing(true)` is set, and
//! `store.verify()` reports each difference between the table and the struct. To go back to the
//! previous release, revert the migration first; the `.down.sql` file says when.
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

mod baseline;
mod command;
mod conversion;
mod deployment;
mod dialect;
mod diff;
mod error;
mod fastapi_anchor;
mod folder;
mod lock;
mod migrations;
pub(crate) mod migrations_of;
mod name;
mod plan;
#[cfg(any(test, feature = "_fuzz"))]
pub(crate) mod properties;
mod refusal;
mod revision;
mod shape;
pub(crate) mod state;
mod steps;
mod unreadable_default;
mod write;

use std::path::PathBuf;

pub use error::{Drift, MigrateError};
pub use migrations::Migrations;
pub use refusal::Refusal;

use crate::schema::{Dialect, Schema};
use deployment::Moment;
use revision::Revision;
use steps::difference;

/// What [`check`] returns when nothing is wrong.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("anchor-example-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// use anchor::migrate::{Checked, Migrations, check};
///
/// // The folder has no migration of anchor's yet.
/// let migrations = Migrations::in_folder(&folder);
/// assert_eq!(check(UserSession::schema(), &migrations)?, Checked::Unmanaged);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checked {
    /// The migrations lead to the table that the struct declares.
    UpToDate,
    /// No file was written by anchor, so there is nothing to compare with.
    Unmanaged,
}

/// Compares a struct's schema with the table that its migrations lead to.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("anchor-example-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// use anchor::migrate::{Checked, Migrations, check, write};
/// use anchor::schema::Dialect;
///
/// let migrations = Migrations::in_folder(&folder).dialect(Dialect::Sqlite);
/// write(UserSession::schema(), &migrations)?;
/// assert_eq!(check(UserSession::schema(), &migrations)?, Checked::UpToDate);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Returns [`MigrateError::Drift`] with every difference if they disagree, and another error if the
/// files cannot be read.
pub fn check(schema: &Schema, migrations: &Migrations) -> Result<Checked, MigrateError> {
    let folders = migrations.folders()?;
    if !folders.iter().any(|(folder, _)| folder.is_managed()) {
        return Ok(Checked::Unmanaged);
    }
    let mut drifts = Vec::new();
    for (folder, dialect) in &folders {
        let dialect = dialect.ok_or_else(|| Migrations::unknown_dialect(folder))?;
        let difference = match folder.head(schema, dialect)? {
            None => match folder.renamed(schema)? {
                Some(renamed) => return Err(renamed.refusal(schema)),
                None => Some(String::new()),
            },
            Some(head) => {
                let diff = difference(head.state, schema)?;
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

/// Writes the missing migrations into each folder, and returns the files. The list is empty if
/// nothing is missing.
///
/// Only one process at a time writes into a folder. The migrations of all folders are decided
/// before the first file is written.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("anchor-example-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// use anchor::migrate::{Migrations, write};
/// use anchor::schema::Dialect;
///
/// let migrations = Migrations::in_folder(&folder).dialect(Dialect::Postgres);
/// for file in write(UserSession::schema(), &migrations)? {
///     println!("wrote {}", file.display());
/// }
/// assert!(write(UserSession::schema(), &migrations)?.is_empty(), "nothing is missing now");
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Returns [`MigrateError::Refused`] with every question that the struct leaves open, and another
/// error if the files cannot be read or written.
pub fn write(schema: &Schema, migrations: &Migrations) -> Result<Vec<PathBuf>, MigrateError> {
    Ok(write_files(schema, migrations)?.written)
}

/// What [`write`] did to the folders.
#[derive(Debug, Default)]
struct Changes {
    removed: Vec<PathBuf>,
    written: Vec<PathBuf>,
    /// The files that are not `.down.sql` files, with the moment when to apply each of them.
    moments: Vec<(PathBuf, Moment)>,
}

fn write_files(schema: &Schema, migrations: &Migrations) -> Result<Changes, MigrateError> {
    // A missing folder is reported before the lock creates it.
    migrations.folders()?;
    let _lock = lock::hold(&migrations.folder)?;
    let mut folders = Vec::new();
    for (folder, dialect) in migrations.folders()? {
        let dialect = dialect.ok_or_else(|| Migrations::unknown_dialect(&folder))?;
        let revision = Revision::of(&folder, schema, dialect, migrations)?;
        if !revision.drafts.is_empty() {
            // sqlx would refuse the folder, and so would the next check.
            folder.check_versions()?;
        }
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

/// Returns the SQL that creates a struct's table, without a header, for a database that anchor's
/// migrations do not manage.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// use anchor::migrate::create_table;
/// use anchor::schema::Dialect;
///
/// print!("{}", create_table(UserSession::schema(), Dialect::MySql));
/// ```
pub fn create_table(schema: &Schema, dialect: Dialect) -> String {
    schema.create_table(dialect)
}
