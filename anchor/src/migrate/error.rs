//! [`MigrateError`]: why migrations could not be checked or written, and what to type.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::refusal::Refusal;
use crate::schema::Dialect;

/// The command that writes what is missing.
const COMMAND: &str = "ANCHOR_MIGRATE=1 cargo test anchor_migrations";

/// What makes a table of a name that may be another table's.
const CREATE: &str = "ANCHOR_MIGRATE=create cargo test anchor_migrations";

/// Migrations could not be checked or written, or do not say what the struct says. Nothing was
/// written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The struct and the migrations disagree.
    #[error("{}\nTo write the next migration: {COMMAND}", list(.0))]
    Drift(Vec<Drift>),
    /// The struct leaves something open.
    #[error(
        "the migration of `{table}` is not written, for the struct leaves something \
         open:\n\n{}{}{}",
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
         \x20 - one database:      ANCHOR_DIALECT=postgres {COMMAND} (or mysql, or sqlite), once: \
         the file says it from then on\n\
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
        "{}: the header says `dialect {}`, and this folder is for {}. Each needs a folder of its \
         own. To move the file:\n\
         \x20 mkdir -p {}\n\
         \x20 mv {} {}",
        file.display(), found.word(), expected.word(), of_dialect(file, *found).display(),
        removal(std::slice::from_ref(file)), of_dialect(file, *found).display()
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
         Restore the file's `-- anchor:` lines as they were committed; the SQL below them is free. \
         To see them:\n\
         \x20 {}",
        file.display(), committed(file)
    )]
    Header {
        /// The file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, and what to type instead.
        reason: String,
    },
    /// A table has two histories, as after a merge of two branches.
    #[error(
        "the table `{table}` has two histories, as after a merge. They part at\n  {}\n  {}\n\
         The later has to be written anew, on top of the other. If any file of it has been \
         applied, take it back there first (`sqlx migrate revert`). Then:\n\
         \x20 rm {}\n\
         \x20 {COMMAND}",
        files[0].display(), files[1].display(), removal(anew)
    )]
    Forked {
        /// The table.
        table: String,
        /// The earlier file, and the later.
        files: [PathBuf; 2],
        /// The later file, and all that follow it.
        anew: Vec<PathBuf>,
    },
    /// Migrations are there twice, as after a merge of two branches that made one change.
    #[error(
        "migrations are there twice, as after a merge of two branches that made one change. Each \
         of these has the header of an earlier file:\n{}\n\
         If any of them has been applied, take it back there first (`sqlx migrate revert`). Then:\n\
         \x20 rm {}",
        lines(files),
        removal(files)
    )]
    Copied {
        /// The later files.
        files: Vec<PathBuf>,
    },
    /// The files of a change end before its last step.
    #[error(
        "{}: this is step {} of {} of one change, and the file with step {} is missing, so that \
         the change would stay half done. Choose:\n\
         \x20 - it was there: find the commit that has it, and restore it \
         (git checkout <commit> -- <file>)\n\
         \x20     {}\n\
         \x20 - nothing of the change has been applied: write it anew\n\
         \x20     rm {}\n\
         \x20     {COMMAND}",
        file.display(), step.0, step.1, step.0 + 1, history(file, None), removal(anew)
    )]
    Unfinished {
        /// The last file of the change that is there.
        file: PathBuf,
        /// Which step it is, and how many there are.
        step: (usize, usize),
        /// The files of the change, and all that follow them.
        anew: Vec<PathBuf>,
    },
    /// A migration follows one that is not there.
    #[error(
        "{}: the header follows a state `{parent}` that no file in the folder leaves. A file is \
         missing, or its header was edited by hand. Find the commit that has it, and restore it \
         (git checkout <commit> -- <file>):\n\
         \x20 {}",
        file.display(), history(file, Some(parent))
    )]
    Orphaned {
        /// The file.
        file: PathBuf,
        /// The hash that it names.
        parent: String,
    },
    /// A migration has a lower version than the one it follows, so that sqlx would run it first.
    #[error(
        "{} follows {}, but its version is lower, so that sqlx would run it first. If it has been \
         applied, take it back there first (`sqlx migrate revert`). Then rename it:\n{}",
        file.display(), parent.display(), renaming(file, *free)
    )]
    OutOfOrder {
        /// The file.
        file: PathBuf,
        /// The one that it follows.
        parent: PathBuf,
        /// A version that is free.
        free: i64,
    },
    /// A migration gave another name to the table that a struct looks for.
    #[error("{}", table_renamed(table, from.as_deref(), now, file, *is_newest))]
    TableRenamed {
        /// The struct's table.
        table: String,
        /// The name that it says the table had, where that is the one that was found.
        from: Option<String>,
        /// The table's name after its last migration.
        now: String,
        /// The file that renamed it.
        file: PathBuf,
        /// Whether the file is of the table's newest migration.
        is_newest: bool,
    },
    /// A struct says that its table had another name, and the migrations have a table of either.
    #[error(
        "`{table}` says that it was `{from}`, and the migrations in {} have both tables. Choose:\n\
         \x20 - it is `{table}`, with the sessions that are there: remove `renamed_from \
         = \"{from}\"` from the struct\n\
         \x20 - it is `{from}`, and the table keeps its name: #[session(table = \"{from}\")]\n\
         \x20 - it is `{from}`, and gets another name: #[session(table = \"..\")] with one that no \
         table has\n\
         \x20 - it is `{from}`, and gets this name, as where two tables change places: give \
         `{table}` another name first, with #[session(table = \"..\", renamed_from = \
         \"{table}\")] on its struct, and write a migration; then this one{}",
        folder.display(), mistaken_creation(table, created)
    )]
    BothTables {
        /// The struct's table.
        table: String,
        /// The name that it says the table had.
        from: String,
        /// The folder of migrations.
        folder: PathBuf,
        /// The files that create the struct's table, where no other changes it.
        created: Vec<PathBuf>,
    },
    /// A struct says that its table had a name that no migration knows.
    #[error(
        "`{table}` says that it was `{from}`, and no migration in {} knows a table of that name. \
         Choose:\n\
         \x20 - it had another name: correct #[session(renamed_from = \"{from}\")] on the struct\n\
         \x20 - it is a new table: remove that, or, where the migrations in another folder need \
         it, \
         {CREATE}",
        folder.display()
    )]
    UnknownTable {
        /// The struct's table.
        table: String,
        /// The name that it says the table had.
        from: String,
        /// The folder of migrations.
        folder: PathBuf,
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
         passes over this one: rename it, as in\n\
         \x20 mv {} {}",
        file.display(), file.display(), well_named(file).display()
    )]
    Misnamed {
        /// The file.
        file: PathBuf,
    },
    /// A header stands in a file that takes a migration back.
    #[error(
        "{}: `-- anchor:` lines belong to the `.up.sql` file: give this one its old name back, or \
         remove them:\n\
         \x20 sed -i '/^-- anchor:/d' {}",
        file.display(), file.display()
    )]
    HeaderInDown {
        /// The file.
        file: PathBuf,
    },
    /// A file is not in UTF-8, so that sqlx does not read it either.
    #[error(
        "{}: the file is not in UTF-8, and sqlx reads no other: convert it, as in\n\
         \x20 iconv -f UTF-16 -t UTF-8 {} -o {}",
        file.display(), file.display(), file.display()
    )]
    NotText {
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
         Rename one that has been applied nowhere yet, with its `.down.sql`, to the version \
         {free}:\n{}",
        files[0].display(), files[1].display(), renaming(&files[1], *free)
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
                 If the struct is not stored in your database, as one that only a test uses: \
                 #[session(migrations = false)]\n\
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
            "\n\nWhile a release is deployed, the one before still runs, unless it is stopped \
             first. \
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

/// What a struct may mean by the name of a table that has another one now.
fn table_renamed(
    table: &str,
    from: Option<&str>,
    now: &str,
    file: &Path,
    is_newest: bool,
) -> String {
    let file = file.display();
    let (is, renamed, new) = match from {
        None => (
            format!(
                "no table is called `{table}` any more: {file} renamed it, and it is `{now}` now. \
                 Choose:"
            ),
            format!("it is `{now}`, and gets its old name back"),
            format!("it is a new table: {CREATE}"),
        ),
        Some(from) => (
            format!(
                "`{table}` says that it was `{from}`, but {file} renamed that table, which is \
                 `{now}` now. Choose:"
            ),
            format!("it is `{now}`, and gets another name"),
            format!("it is a new table: remove `renamed_from = \"{from}\"` from the struct"),
        ),
    };
    let replace = match is_newest {
        true => {
            "\n  - that file is wrong and has been applied nowhere yet: \
             ANCHOR_MIGRATE=replace cargo test anchor_migrations"
        }
        false => "",
    };
    format!(
        "{is}\n\
         \x20 - the struct has the wrong name: #[session(table = \"{now}\")]\n\
         \x20 - {renamed}: #[session(renamed_from = \"{now}\")] on the struct\n\
         \x20 - {new}{replace}"
    )
}

/// The way out where a migration created a table that should have been renamed.
fn mistaken_creation(table: &str, created: &[PathBuf]) -> String {
    match created {
        [] => String::new(),
        files => format!(
            "\n  - `{table}` was created by mistake, and that has been applied nowhere yet:\n\
             \x20     rm {}\n\
             \x20     {COMMAND}",
            removal(files)
        ),
    }
}

/// Files, each with the one that takes it back.
fn removal(files: &[PathBuf]) -> String {
    let both = |file: &PathBuf| {
        let up = file.display().to_string();
        match up.strip_suffix(".up.sql") {
            Some(stem) => format!("{up} {stem}.down.sql"),
            None => up,
        }
    };
    files.iter().map(both).collect::<Vec<_>>().join(" ")
}

/// The commands that give a file, and the one that takes it back, another version.
fn renaming(file: &Path, version: i64) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let (before, description) = name.split_once('_').unwrap_or(("", &name));
    let digits = before.len();
    let down = description.strip_suffix(".up.sql").map(|stem| format!("{stem}.down.sql"));
    let descriptions = [description.to_owned()].into_iter().chain(down);
    let lines = descriptions.map(|description| {
        let old = file.with_file_name(format!("{before}_{description}"));
        let new = file.with_file_name(format!("{version:0digits$}_{description}"));
        format!("  mv {} {}", old.display(), new.display())
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A name that sqlx reads: in small letters where that is what is wrong.
fn well_named(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    match name.split_once('_') {
        Some((version, _)) if version.parse::<i64>().is_ok() => file.with_file_name(name),
        _ => file.with_file_name(format!("<version>_{}", name.trim_start_matches('_'))),
    }
}

/// The folder of a dialect's own, beside this file's or in it.
fn of_dialect(file: &Path, dialect: Dialect) -> PathBuf {
    let folder = file.parent().unwrap_or(file);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    match Dialect::of_word(&name) {
        Some(_) => folder.with_file_name(dialect.word()),
        None => folder.join(dialect.word()),
    }
}

/// The command that shows a file as it was committed.
fn committed(file: &Path) -> String {
    let (folder, name) = (file.parent().unwrap_or(file), file.file_name().unwrap_or_default());
    format!("git -C {} show HEAD:./{}", folder.display(), name.display())
}

/// The command that names the commits in which files of the folder came and went; only those that
/// leave this state, if it is known.
fn history(file: &Path, hash: Option<&str>) -> String {
    let folder = file.parent().unwrap_or(file).display();
    match hash {
        Some(hash) => format!("git -C {folder} log --all --name-only -S 'hash {hash}' -- ."),
        None => format!("git -C {folder} log --all --name-status --diff-filter=AD -- ."),
    }
}

fn lines(files: &[PathBuf]) -> String {
    files.iter().map(|file| format!("  {}", file.display())).collect::<Vec<_>>().join("\n")
}
