//! The test that the derive writes beside a struct.

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

/// What `ANCHOR_MIGRATE` knows.
const WORDS: &str = "`1` (write the next migration), `drop` (values may be lost), `downtime` (no \
                     process of the application runs while it is applied), `replace` (write the \
                     newest one anew), `create` (a table whose name another one had), `baseline` \
                     (take over the table of `store.migrate()`) and `adopt` (take over \
                     fastapi-anchor's table)";

/// The migrations of a struct, for its test.
#[derive(Debug)]
pub struct MigrationsOf<T>(PhantomData<T>);

impl<T> MigrationsOf<T> {
    /// Those of `T`.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: SessionData> MigrationsOf<T> {
    /// Checks the struct's migrations, or writes them when `ANCHOR_MIGRATE` says so.
    ///
    /// # Panics
    ///
    /// When struct and migrations disagree: it is a test.
    pub fn check(self, package: Option<&str>, folder: Option<&str>) {
        // Without Cargo there is no package whose migrations these would be.
        let Some(package) = package else { return };
        let package = Path::new(package);
        let migrations = match folder {
            Some(folder) => Migrations::in_folder(package.join(folder)),
            None => Migrations::of_package(package),
        };
        let outcome = alone_on_its_table::<T>(&migrations.folder)
            .and_then(|()| act::<T>(package, migrations));
        if let Err(message) = outcome {
            panic!("\n\n{message}\n");
        }
    }
}

/// What is asked of a type that is no session: nothing. An inherent method of that name comes
/// first.
pub trait NotASession: Sized {
    /// Does nothing.
    fn check(self, _package: Option<&str>, _folder: Option<&str>) {}
}

impl<T> NotASession for MigrationsOf<T> {}

/// Refuses a second struct on a table: each would write what the other takes back.
///
/// The tests of a crate run in one process, unless a runner of its own starts one each. Then the
/// difference of the two structs shows.
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
        "`{other_name}` and `{}` have one table, `{table}`: give one of them another with \
         #[session(table = \"..\")], or, if only one of them is in your database, write \
         #[session(migrations = false)] on the other",
        this.1
    ))
}

/// The migrations as the environment asks for them; `None` when they are to be checked alone.
fn asked(migrations: Migrations) -> Result<Option<Migrations>, String> {
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
            _ => Err(format!("ANCHOR_MIGRATE is `{value}`; it knows {WORDS}")),
        })
        .map(Some)
}

fn act<T: SessionData>(package: &Path, mut migrations: Migrations) -> Result<(), String> {
    let schema = T::schema();
    if let Ok(word) = std::env::var("ANCHOR_DIALECT") {
        let dialect = Dialect::of_word(&word).ok_or_else(|| {
            format!("ANCHOR_DIALECT is `{word}`; it knows `postgres`, `mysql` and `sqlite`")
        })?;
        migrations = migrations.dialect(dialect);
    }
    let folder = migrations.folder.clone();
    if let Some(migrations) = asked(migrations.clone())? {
        let changes = write_files(schema, &migrations).map_err(|error| error.to_string())?;
        // Past the capture of a test's output, for a passing test's is not shown.
        let _ = std::io::stderr().write_all(report(&changes, package, &folder).as_bytes());
        return Ok(());
    }
    let checked = check(schema, &migrations).map_err(|error| error.to_string())?;
    if checked == Checked::Unmanaged {
        println!(
            "no migration of anchor's in {}; to write the first: \
             ANCHOR_MIGRATE=1 cargo test anchor_migrations",
            folder.display()
        );
    }
    Ok(())
}

/// The files that are gone and the new ones, and what it takes for the application to have them.
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
            (file.file_name(), moment.words(), *moment == Moment::Along)
        {
            report += &format!("\n{}\n  {words}\n", name.display());
        }
    }
    if !notices_new_files(package, folder) {
        report += REMEDY;
    }
    report
}

/// What is missing where an application starts without the migration that was just written.
const REMEDY: &str = "
`sqlx::migrate!` reads the folder when it compiles, and Cargo does not notice new files in it. So \
that it does, the package that calls `sqlx::migrate!` needs a build.rs, with the folder as seen \
from that package:

    fn main() {
        println!(\"cargo:rerun-if-changed=migrations\");
    }

";

/// Whether a build script of the struct's package, or of the folder's, already does.
fn notices_new_files(package: &Path, folder: &Path) -> bool {
    [Some(package), folder.parent()].into_iter().flatten().any(|package| {
        let script = std::fs::read_to_string(package.join("build.rs")).unwrap_or_default();
        script.contains("rerun-if-changed") && script.contains("migrations")
    })
}
