//! [`MigrationsOf`]: the test that the derive generates for a struct calls it to check or write the
//! migrations.

use std::any::{TypeId, type_name};
use std::collections::BTreeMap;
use std::io::Write;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::deployment::Moment;
use super::{Changes, Checked, Migrations, check, write_files};
use crate::payload::SessionData;
use crate::schema::Dialect;

/// The words that `ANCHOR_MIGRATE` accepts.
const WORDS: &str = "`1` (write the next migration), `drop` (values may be lost), `downtime` (no \
                     process of the application runs while it is applied), `replace` (write the \
                     newest migration again), `create` (a table whose name another one had), \
                     `baseline` (take over the table that `store.migrate()` created) and `adopt` \
                     (take over fastapi-anchor's table)";

/// The migrations of a struct, for its test.
#[derive(Debug)]
pub struct MigrationsOf<T>(PhantomData<T>);

impl<T> MigrationsOf<T> {
    /// Returns the migrations of `T`.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: SessionData> MigrationsOf<T> {
    /// Checks the struct's migrations, or writes them if `ANCHOR_MIGRATE` asks for it.
    ///
    /// # Panics
    ///
    /// Panics if the struct and the migrations disagree, which makes the test fail.
    pub fn check(self, package: Option<&str>, folder: Option<&str>) {
        // Without Cargo, there is no package to which the migrations could belong.
        let Some(package) = package else { return };
        let package = Path::new(package);
        let migrations = match folder {
            Some(folder) => Migrations::in_folder(package.join(folder)),
            None => Migrations::of_package(package),
        };
        let outcome = alone_on_its_table::<T>(&migrations.folder)
            .and_then(|()| check_or_write::<T>(package, migrations));
        if let Err(message) = outcome {
            panic!("\n\n{message}\n");
        }
    }
}

/// The check for a type that is not a session. It does nothing. For a session, Rust prefers the
/// inherent method with the same name.
pub trait NotASession: Sized {
    /// Does nothing.
    fn check(self, _package: Option<&str>, _folder: Option<&str>) {}
}

impl<T> NotASession for MigrationsOf<T> {}

/// Refuses a second struct with the same table, because each struct would revert the migrations of
/// the other.
///
/// This finds structs whose tests run in the same process, as the tests of a crate do by default.
/// If the runner starts a process for each test, both structs get this far, and the check of the
/// migrations shows the difference between them.
fn alone_on_its_table<T: SessionData>(folder: &Path) -> Result<(), String> {
    type Tables = BTreeMap<(PathBuf, &'static str), (TypeId, &'static str)>;
    static TABLES: Mutex<Tables> = Mutex::new(BTreeMap::new());

    let table = T::schema().table;
    let this = (TypeId::of::<T>(), type_name::<T>());
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    let (other, other_name) = *tables.entry((folder.to_owned(), table)).or_insert(this);
    if other == this.0 {
        return Ok(());
    }
    Err(format!(
        "`{other_name}` and `{}` have the same table, `{table}`: give one of them another table \
         with #[session(table = \"..\")], or, if only one of them is in your database, write \
         #[session(migrations = false)] on the other",
        this.1
    ))
}

/// Returns the settings that `ANCHOR_MIGRATE` asks for, or `None` if the migrations are only to be
/// checked.
fn requested(migrations: Migrations) -> Result<Option<Migrations>, String> {
    let value = std::env::var("ANCHOR_MIGRATE").unwrap_or_default();
    if matches!(value.as_str(), "" | "0") {
        return Ok(None);
    }
    value
        .split(',')
        .try_fold(migrations, |migrations, word| match word.trim() {
            "1" => Ok(migrations),
            "drop" => Ok(migrations.allow_drops()),
            "downtime" => Ok(migrations.allow_downtime()),
            "replace" => Ok(migrations.replace_newest()),
            "create" => Ok(migrations.new_table()),
            "baseline" => Ok(migrations.baseline()),
            "adopt" => Ok(migrations.adopt_fastapi_anchor()),
            _ => Err(format!("ANCHOR_MIGRATE is `{value}`; its values are {WORDS}")),
        })
        .map(Some)
}

/// Checks the migrations, or writes them and reports the files.
fn check_or_write<T: SessionData>(
    package: &Path,
    mut migrations: Migrations,
) -> Result<(), String> {
    let schema = T::schema();
    if let Ok(word) = std::env::var("ANCHOR_DIALECT") {
        let dialect = Dialect::of_word(&word).ok_or_else(|| {
            format!("ANCHOR_DIALECT is `{word}`: write `postgres`, `mysql` or `sqlite`")
        })?;
        migrations = migrations.dialect(dialect);
    }
    let folder = migrations.folder.clone();
    if let Some(migrations) = requested(migrations.clone())? {
        let changes = write_files(schema, &migrations).map_err(|error| error.to_string())?;
        // `println!` would be captured, and the output of a passing test is not shown.
        let _ = std::io::stderr().write_all(report(&changes, package, &folder).as_bytes());
        return Ok(());
    }
    let checked = check(schema, &migrations).map_err(|error| error.to_string())?;
    if checked == Checked::Unmanaged {
        println!(
            "no file in {} was written by anchor; to write the first: \
             ANCHOR_MIGRATE=1 cargo test anchor_migrations",
            folder.display()
        );
    }
    Ok(())
}

/// Returns the removed and the new files, when to apply them, and what is necessary for the
/// application to notice them.
fn report(changes: &Changes, package: &Path, folder: &Path) -> String {
    let mut report = String::new();
    for (did, files) in [("removed", &changes.removed), ("wrote", &changes.written)] {
        for file in files {
            report += &format!("\n{did} {}", file.display());
        }
    }
    if report.is_empty() {
        return report;
    }
    report.push('\n');
    for (file, moment) in &changes.moments {
        if let (Some(name), Some(words), false) =
            (file.file_name(), moment.comment(), *moment == Moment::WithPrevious)
        {
            report += &format!("\n{}\n  {words}\n", name.display());
        }
    }
    if !notices_new_files(package, folder) {
        report += BUILD_SCRIPT;
    }
    report
}

/// The advice for a package without a build script that makes Cargo notice new migrations.
const BUILD_SCRIPT: &str = "
`sqlx::migrate!` reads the folder when it compiles, and Cargo does not notice new files in it \
unless the package that calls `sqlx::migrate!` has this build.rs, with the folder relative to that \
package:

    fn main() {
        println!(\"cargo:rerun-if-changed=migrations\");
    }

";

/// Returns whether a build script of the struct's package, or of the folder's, watches the folder.
fn notices_new_files(package: &Path, folder: &Path) -> bool {
    [Some(package), folder.parent()].into_iter().flatten().any(|package| {
        let script = std::fs::read_to_string(package.join("build.rs")).unwrap_or_default();
        script.contains("rerun-if-changed") && script.contains("migrations")
    })
}
