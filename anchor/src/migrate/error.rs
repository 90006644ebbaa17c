//! [`MigrateError`]: why migrations could not be checked or written, and what to type.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

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
    #[error(
        "the migration of `{table}` is not written, for the struct leaves something open:\n\n{}{}{}",
        refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n"),
        downtime(refusals),
        replacement(newest.as_deref())
    )]
    Refused {
        /// The table.
        table: String,
        /// All that is open.
        refusals: Vec<Refusal>,
        /// The newest migration, where one in its place would leave nothing open.
        newest: Option<PathBuf>,
    },
    /// It is not clear which database the first file is for.
    #[error(
        "it is not clear which database `{}` is for: no file in it says so, and {features}. \
         Choose:\n\
         \x20 - one database:      ANCHOR_DIALECT=postgres {COMMAND} (or mysql, or sqlite), once: the file says it from then on\n\
         \x20 - several databases: make a folder for each, `{}`, and so on",
        folder.display(), folder.join("postgres").display()
    )]
    WhichDialect {
        /// The folder of migrations.
        folder: PathBuf,
        /// What anchor's SQL features say.
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
    /// The folder that was named is not there.
    #[error(
        "there is no folder {}: correct the name, or make the folder (mkdir -p {})",
        folder.display(), folder.display()
    )]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// Files of anchor's stand beside folders of dialects, which alone would be read.
    #[error(
        "{} is beside the folder {}, and `sqlx::migrate!` reads one folder alone. Choose:\n\
         \x20 - one database:      remove the folder {}\n\
         \x20 - several databases: move the files of {} into a folder of their dialect, such as \
         {}, and name that folder in `sqlx::migrate!`",
        file.display(), folder.display(), folder.display(),
        file.parent().unwrap_or(file).display(),
        file.parent().unwrap_or(file).join("postgres").display()
    )]
    MixedLayout {
        /// A file of anchor's that is in no dialect's folder.
        file: PathBuf,
        /// The folder of a dialect.
        folder: PathBuf,
    },
    /// sqlx passes over a file with a header, for its name.
    #[error(
        "{}: sqlx runs files that are named `<version>_<description>.sql`, in these letters, and \
         passes over this one: rename it",
        file.display()
    )]
    Misnamed {
        /// The file.
        file: PathBuf,
    },
    /// A header stands in a file that takes a migration back.
    #[error(
        "{}: `-- anchor:` lines belong to the `.up.sql` file: remove them from this one, or give \
         it its old name back",
        file.display()
    )]
    HeaderInDown {
        /// The file.
        file: PathBuf,
    },
    /// A file was converted to the line ends of Windows.
    #[error(
        "{}: the lines end with CRLF. sqlx's checksum is of a file's bytes, so that a database \
         which has run the file with LF refuses it as modified. Keep Git from converting it, and \
         convert it back:\n\
         \x20 echo \"*.sql text eol=lf\" >> {}\n\
         \x20 sed -i 's/\\r$//' {}",
        file.display(), file.with_file_name(".gitattributes").display(), file.display()
    )]
    LineEnds {
        /// The file.
        file: PathBuf,
    },
    /// Two migrations have one version, as after a merge.
    #[error(
        "two migrations have one version, as after a merge, and sqlx runs one of them:\n\
         \x20 {}\n\
         \x20 {}\n\
         Rename the one that has been applied nowhere yet, with its `.down.sql`, to the version \
         {free}.",
        files[0].display(), files[1].display()
    )]
    SameVersion {
        /// The files, by name.
        files: [PathBuf; 2],
        /// A version that is free.
        free: i64,
    },
    /// The last migration has the highest version that there is.
    #[error(
        "{}: no version is higher than this one, so that no migration can follow: rename the file, \
         with its `.down.sql`, to a lower version",
        file.display()
    )]
    LastVersion {
        /// The file.
        file: PathBuf,
    },
    /// The newest migration of a table cannot be replaced, for another one comes after it.
    #[error(
        "{} cannot be replaced: {} comes after it and may build on it. Write a migration that \
         follows instead: {COMMAND}",
        file.display(), after.display()
    )]
    NotNewest {
        /// The newest migration of the table.
        file: PathBuf,
        /// The file by hand that comes after it.
        after: PathBuf,
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

/// What downtime is, and for whom it is nothing to fear.
fn downtime(refusals: &[Refusal]) -> &'static str {
    let needs_downtime = |refusal: &Refusal| matches!(refusal, Refusal::Downtime { .. });
    match refusals.iter().any(needs_downtime) {
        false => "",
        true => {
            "\n\nWhile a release is deployed, the one before still runs, unless it is stopped first. \
             An application of one process, as with SQLite, that applies its migrations when it \
             starts has nothing else to do for `downtime`."
        }
    }
}

/// The way out where the newest migration itself is the mistake.
fn replacement(newest: Option<&Path>) -> String {
    newest.map_or_else(String::new, |file| {
        format!(
            "\n\nIf {} is wrong and has been applied nowhere yet, replace it:\n\
             \x20 ANCHOR_MIGRATE=replace cargo test anchor_migrations",
            file.display()
        )
    })
}

/// The file, and the one that takes it back.
fn removal(file: &Path) -> String {
    let up = file.display().to_string();
    match up.strip_suffix(".up.sql") {
        Some(stem) => format!("{up} {stem}.down.sql"),
        None => up,
    }
}
