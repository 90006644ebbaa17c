//! [`MigrateError`]: why migrations could not be checked or written, and what to type.

mod advice;
mod drift;

use std::io;
use std::path::PathBuf;

use super::command::{CREATE, WRITE};
use super::refusal::Refusal;
use crate::schema::Dialect;
use advice::{
    committed, creation_by_mistake, downtime, history, joined, lines, of_dialect, removal,
    renaming, replacement, table_renamed, well_named,
};
pub use drift::Drift;

/// Migrations could not be checked or written, or do not say what the struct says. Nothing was
/// written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The struct and the migrations disagree.
    #[error("{}\nTo write the next migration: {WRITE}", joined(.0, "\n"))]
    Drift(Vec<Drift>),
    /// The struct leaves something open.
    #[error(
        "the migration of `{table}` is not written, for the struct leaves something \
         open:\n\n{}{}{}",
        joined(refusals, "\n\n"), downtime(refusals), replacement(newest.as_deref())
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
        "it is not clear which database `{folder}` is for: no file in it says so, and {features}. \
         Choose:\n\
         \x20 - one database:      ANCHOR_DIALECT=postgres {WRITE} (or mysql, or sqlite), once: \
         the file says it from then on\n\
         \x20 - several databases: make a folder for each, `{}`, and so on",
        folder.join("postgres").display()
    )]
    WhichDialect {
        /// The folder of migrations.
        folder: PathBuf,
        /// What anchor's SQL features say.
        features: String,
    },
    /// A header is of another dialect than its folder or its neighbours.
    #[error(
        "{file}: the header says `dialect {}`, and this folder is for {}. Each needs a folder of \
         its own. To move the file:\n\
         \x20 mkdir -p {}\n\
         \x20 mv {} {}",
        found.word(), expected.word(), of_dialect(file, *found).display(),
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
        "{file}:{line}: {reason}\n\
         Restore the file's `-- anchor:` lines as they were committed; the SQL below them is free. \
         To see them:\n\
         \x20 {}",
        committed(file)
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
         \x20 {WRITE}",
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
        "{file}: this is step {} of {} of one change, and the file with step {} is missing, so \
         that the change would stay half done. Choose:\n\
         \x20 - it was there: find the commit that has it, and restore it (git checkout <commit> \
         -- <file>)\n\
         \x20     {}\n\
         \x20 - nothing of the change has been applied: write it anew\n\
         \x20     rm {}\n\
         \x20     {WRITE}",
        step.0, step.1, step.0 + 1, history(file, None), removal(anew)
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
        "{file}: the header follows a state `{parent}` that no file in the folder leaves. A file \
         is missing, or its header was edited by hand. Find the commit that has it, and restore it \
         (git checkout <commit> -- <file>):\n\
         \x20 {}",
        history(file, Some(parent))
    )]
    Orphaned {
        /// The file.
        file: PathBuf,
        /// The hash that it names.
        parent: String,
    },
    /// A migration has a lower version than the one it follows, so that sqlx would run it first.
    #[error(
        "{file} follows {parent}, but its version is lower, so that sqlx would run it first. If it \
         has been applied, take it back there first (`sqlx migrate revert`). Then rename it:\n{}",
        renaming(file, *free)
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
        "`{table}` says that it was `{from}`, and the migrations in {folder} have both tables. \
         Choose:\n\
         \x20 - it is `{table}`, with the sessions that are there: remove `renamed_from = \
         \"{from}\"` from the struct\n\
         \x20 - it is `{from}`, and the table keeps its name: #[session(table = \"{from}\")]\n\
         \x20 - it is `{from}`, and gets another name: #[session(table = \"..\")] with one that no \
         table has\n\
         \x20 - it is `{from}`, and gets this name, as where two tables change places: give \
         `{table}` another name first, with #[session(table = \"..\", renamed_from = \"{table}\")] \
         on its struct, and write a migration; then this one{}",
        creation_by_mistake(table, created)
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
        "`{table}` says that it was `{from}`, and no migration in {folder} knows a table of that \
         name. Choose:\n\
         \x20 - it had another name: correct #[session(renamed_from = \"{from}\")] on the struct\n\
         \x20 - it is a new table: remove that, or, where the migrations in another folder need \
         it, {CREATE}"
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
        "there is no folder {folder}: correct the name, or make the folder (mkdir -p {folder})"
    )]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// Files of anchor's stand beside folders of dialects, which alone would be read.
    #[error(
        "{file} is beside the folder {folder}, and `sqlx::migrate!` reads one folder alone. \
         Choose:\n\
         \x20 - one database:      remove the folder {folder}\n\
         \x20 - several databases: move the files of {} into a folder of their dialect, such as \
         {}, and name that folder in `sqlx::migrate!`",
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
        "{file}: sqlx runs files that are named `<version>_<description>.sql`, in these letters, \
         and passes over this one: rename it, as in\n\
         \x20 mv {file} {}",
        well_named(file).display()
    )]
    Misnamed {
        /// The file.
        file: PathBuf,
    },
    /// A header stands in a file that takes a migration back.
    #[error(
        "{file}: `-- anchor:` lines belong to the `.up.sql` file: give this one its old name back, \
         or remove them:\n\
         \x20 sed -i '/^-- anchor:/d' {file}"
    )]
    HeaderInDown {
        /// The file.
        file: PathBuf,
    },
    /// A file is not in UTF-8, so that sqlx does not read it either.
    #[error(
        "{file}: the file is not in UTF-8, and sqlx reads no other: convert it, as in\n\
         \x20 iconv -f UTF-16 -t UTF-8 {file} -o {file}"
    )]
    NotText {
        /// The file.
        file: PathBuf,
    },
    /// A file was converted to the line ends of Windows.
    #[error(
        "{file}: the lines end with CRLF. sqlx's checksum is of a file's bytes, so that a database \
         which has run the file with LF refuses it as modified. Keep Git from converting it, and \
         convert it back:\n\
         \x20 echo \"*.sql text eol=lf\" >> {}\n\
         \x20 sed -i 's/\\r$//' {file}",
        file.with_file_name(".gitattributes").display()
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
        "{file}: no version is higher than this one, so that no migration can follow: rename the \
         file, with its `.down.sql`, to a lower version"
    )]
    LastVersion {
        /// The file.
        file: PathBuf,
    },
    /// The newest migration of a table cannot be replaced, for another one comes after it.
    #[error(
        "{file} cannot be replaced: {after} comes after it and may build on it. Write a migration \
         that follows instead: {WRITE}"
    )]
    NotNewest {
        /// The newest migration of the table.
        file: PathBuf,
        /// The file by hand that comes after it.
        after: PathBuf,
    },
    /// A file or folder cannot be read or written.
    #[error("{path}: {source}")]
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
