//! [`MigrateError`]: why migrations could not be checked or written, and what to type.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::refusal::Refusal;
use crate::schema::Dialect;

/// The command that writes what is missing.
const COMMAND: &str = "ANCHOR_MIGRATE=1 cargo test anchor_migrations";

/// Migrations could not be checked or written, or do not say what the struct says. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The struct and the migrations disagree.
    #[error("{}\nTo write the next migration: {COMMAND}", list(.0))]
    Drift(Vec<Drift>),
    /// The struct leaves something open.
    #[error("the migration of `{table}` is not written, for the struct leaves something open:\n\n{}", refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"))]
    Refused {
        /// The table.
        table: String,
        /// All that is open.
        refusals: Vec<Refusal>,
    },
    /// It is not clear which database the first file is for.
    #[error(
        "it is not clear which database `{}` is for: no file in it says so, and several of anchor's SQL features are on ({features}). Choose:\n\
         \x20 - one database:      ANCHOR_DIALECT=postgres {COMMAND} (or mysql, or sqlite), once: the file says it from then on\n\
         \x20 - several databases: make a folder for each, `{}`, and so on",
        folder.display(), folder.join("postgres").display()
    )]
    WhichDialect {
        /// The folder of migrations.
        folder: PathBuf,
        /// The features that are on.
        features: String,
    },
    /// A header is of another dialect than its folder or its neighbours.
    #[error(
        "{}: the header says `dialect {}`, and this folder is for {}: move the file to a folder `{}`, beside the others",
        file.display(), found.word(), expected.word(), found.word()
    )]
    MixedDialects {
        /// The file.
        file: PathBuf,
        /// What it says.
        found: Dialect,
        /// What the folder is for.
        expected: Dialect,
    },
    /// A header cannot be read.
    #[error(
        "{}:{line}: {reason}\n\
         Restore the file's `-- anchor:` lines as they were committed; the SQL below them is free.",
        file.display()
    )]
    Header {
        /// The file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what to type instead.
        reason: String,
    },
    /// Two migrations follow the same one, as after a merge of two branches.
    #[error(
        "two migrations of `{table}` follow the same one, as after a merge:\n  {}\n  {}\n\
         The later has to be written anew, on top of the other. If it has been applied anywhere, take it back there first (`sqlx migrate revert`). Then:\n\
         \x20 rm {}\n\
         \x20 {COMMAND}",
        files[0].display(), files[1].display(), removal(&files[1])
    )]
    Forked {
        /// The table.
        table: String,
        /// The earlier file, and the later.
        files: [PathBuf; 2],
    },
    /// A migration follows one that is not there.
    #[error(
        "{}: the header follows a state `{parent}` that no file in the folder leaves: restore the file that is missing, or, if its header was edited by hand, its header",
        file.display()
    )]
    Orphaned {
        /// The file.
        file: PathBuf,
        /// The hash that it names.
        parent: String,
    },
    /// A migration has a lower version than the one it follows, so that sqlx would run it first.
    #[error(
        "{} follows {}, but its version is lower, so that sqlx would run it first: rename it, with its `.down.sql`, to a higher version",
        file.display(), parent.display()
    )]
    OutOfOrder {
        /// The file.
        file: PathBuf,
        /// The one that it follows.
        parent: PathBuf,
    },
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl MigrateError {
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| MigrateError::Io { path, source }
    }
}

/// How a struct and the migrations in one folder disagree.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drift {
    /// The table.
    pub table: String,
    /// The folder.
    pub folder: PathBuf,
    /// One difference a line: `+` is in the struct alone, `-` in the migrations alone, `~` in both.
    pub difference: String,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, folder, difference } = self;
        let folder = folder.display();
        if difference.is_empty() {
            return writeln!(
                f,
                "no migration in {folder} creates the table `{table}` of this struct.\n\
                 If the struct is not stored in your database, as one that only a test uses: #[session(migrations = false)]\n\
                 If the table had another name before: #[session(renamed_from = \"..\")]"
            );
        }
        writeln!(
            f,
            "the struct of the table `{table}` and the migrations in {folder} disagree:\n"
        )?;
        difference.lines().try_for_each(|line| writeln!(f, "  {line}"))?;
        writeln!(f, "\n(+ is in the struct alone, - in the migrations alone, ~ in both)")
    }
}

fn list(drifts: &[Drift]) -> String {
    drifts.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The file, and the one that takes it back.
fn removal(file: &std::path::Path) -> String {
    let up = file.display().to_string();
    match up.strip_suffix(".up.sql") {
        Some(stem) => format!("{up} {stem}.down.sql"),
        None => up,
    }
}
