//! The test that the derive writes beside a struct.

use std::io::Write;
use std::marker::PhantomData;
use std::path::Path;

use super::{Checked, Migrations, check, write};
use crate::data::SessionData;
use crate::schema::Dialect;

/// What the environment asks the test to do.
enum Asked {
    Check,
    Write { drops: bool, adopts: bool },
}

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
        let migrations =
            Migrations::in_folder(Path::new(package).join(folder.unwrap_or("migrations")));
        let outcome = asked().and_then(|asked| act::<T>(&asked, migrations));
        if let Err(message) = outcome {
            panic!("\n\n{message}\n");
        }
    }
}

/// What is asked of a type that is no session: nothing. An inherent method of that name comes first.
pub trait NotASession: Sized {
    /// Does nothing.
    fn check(self, _package: Option<&str>, _folder: Option<&str>) {}
}

impl<T> NotASession for MigrationsOf<T> {}

fn asked() -> Result<Asked, String> {
    let value = std::env::var("ANCHOR_MIGRATE").unwrap_or_default();
    match value.as_str() {
        "" | "0" => Ok(Asked::Check),
        "1" => Ok(Asked::Write { drops: false, adopts: false }),
        "drop" => Ok(Asked::Write { drops: true, adopts: false }),
        "adopt" => Ok(Asked::Write { drops: false, adopts: true }),
        other => Err(format!(
            "ANCHOR_MIGRATE is `{other}`; it knows `1` (write the next migration), `drop` (also drop columns) and `adopt` (take over fastapi-anchor's table)"
        )),
    }
}

fn act<T: SessionData>(asked: &Asked, mut migrations: Migrations) -> Result<(), String> {
    let schema = T::schema();
    if let Ok(word) = std::env::var("ANCHOR_DIALECT") {
        let dialect = Dialect::of_word(&word).ok_or_else(|| {
            format!("ANCHOR_DIALECT is `{word}`; it knows `postgres`, `mysql` and `sqlite`")
        })?;
        migrations = migrations.dialect(dialect);
    }
    match asked {
        Asked::Check => {
            let checked = check(schema, &migrations).map_err(|error| error.to_string())?;
            if checked == Checked::Unmanaged {
                println!(
                    "no migration of anchor's in {}; to write the first: ANCHOR_MIGRATE=1 cargo test anchor_migrations",
                    migrations.folder.display()
                );
            }
        }
        Asked::Write { drops, adopts } => {
            if *drops {
                migrations = migrations.allow_drops();
            }
            if *adopts {
                migrations = migrations.adopt_fastapi_anchor();
            }
            for file in write(schema, &migrations).map_err(|error| error.to_string())? {
                // Past the capture of a test's output, for a passing test's is not shown.
                let _ = writeln!(std::io::stderr(), "\nwrote {}", file.display());
            }
        }
    }
    Ok(())
}
