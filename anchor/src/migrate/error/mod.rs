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

/// Migrations could not be checked or written, or differ from the struct. Nothing was written.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// use anchor::migrate::{MigrateError, Migrations, check};
///
/// let missing = Migrations::in_folder("no/such/folder");
/// let error = check(UserSession::schema(), &missing).unwrap_err();
/// assert!(matches!(error, MigrateError::NoFolder { .. }));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The struct and the migrations differ.
    #[error("{}\nTo write the next migration: {WRITE}", joined(.0, "\n"))]
    Drift(Vec<Drift>),
    /// The struct alone does not decide the change.
    #[error(
        "the migration of `{table}` is not written, because the struct alone does not decide the \
         change:\n\n{}{}{}",
        joined(refusals, "\n\n"), downtime(refusals), replacement(newest.as_deref())
    )]
    Refused {
        /// The table.
        table: String,
        /// Everything that is not decided.
        refusals: Vec<Refusal>,
        /// The newest migration, if replacing it would leave nothing to decide.
        newest: Option<PathBuf>,
    },
    /// The database that the first file is for is not known.
    #[error(
        "the database that `{folder}` is for is not known: no file in it names one, and \
         {features}. Choose:\n\
         \x20 - one database:      ANCHOR_DIALECT=postgres {WRITE} (or mysql, or sqlite), once: \
         from then on the file names it\n\
         \x20 - several databases: create one folder for each, such as `{}`",
        folder.join("postgres").display()
    )]
    WhichDialect {
        /// The folder of migrations.
        folder: PathBuf,
        /// Which of anchor's SQL features are on.
        features: String,
    },
    /// A file's header names a different dialect than the folder or the other files.
    #[error(
        "{file}: the header says `dialect {}`, but this folder is for {}. Each dialect needs its \
         own folder. To move the file:\n\
         \x20 mkdir -p {}\n\
         \x20 mv {} {}",
        found.word(), expected.word(), of_dialect(file, *found).display(),
        removal(std::slice::from_ref(file)), of_dialect(file, *found).display()
    )]
    MixedDialects {
        /// The file.
        file: PathBuf,
        /// The dialect that the header names.
        found: Dialect,
        /// The dialect that the folder is for.
        expected: Dialect,
    },
    /// A header cannot be read.
    #[error(
        "{file}:{line}: {reason}\n\
         Restore the file's `-- anchor:` lines from the commit; the SQL below them can stay as it \
         is. To see them:\n\
         \x20 {}",
        committed(file)
    )]
    Header {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong, and what to type instead.
        reason: String,
    },
    /// A table has two histories, for example after a merge of two branches.
    #[error(
        "the table `{table}` has two histories, probably because two branches were merged. They \
         diverge at\n  {}\n  {}\n\
         The later one has to be written again, after the other. If one of its files has been \
         applied to a database, revert it there first (`sqlx migrate revert`). Then:\n\
         \x20 rm {}\n\
         \x20 {WRITE}",
        files[0].display(), files[1].display(), removal(later)
    )]
    Forked {
        /// The table.
        table: String,
        /// The earlier file and the later one.
        files: [PathBuf; 2],
        /// The later file and all that follow it.
        later: Vec<PathBuf>,
    },
    /// Migrations occur twice, for example after a merge of two branches that made the same change.
    #[error(
        "migrations occur twice, probably because two branches that made the same change were \
         merged. Each of these has the same header as an earlier file:\n{}\n\
         If one of them has been applied to a database, revert it there first (`sqlx migrate \
         revert`). Then:\n\
         \x20 rm {}",
        lines(files),
        removal(files)
    )]
    Copied {
        /// The later files.
        files: Vec<PathBuf>,
    },
    /// The last files of a change are missing.
    #[error(
        "{file}: this is step {} of {} of one change, and the file with step {} is missing, so the \
         change would remain incomplete. Choose:\n\
         \x20 - the file existed: find the commit that has it, and restore it (git checkout \
         <commit> -- <file>)\n\
         \x20     {}\n\
         \x20 - no file of the change has been applied to a database: write the change again\n\
         \x20     rm {}\n\
         \x20     {WRITE}",
        step.0, step.1, step.0 + 1, history(file, None), removal(files)
    )]
    Unfinished {
        /// The last file of the change that exists.
        file: PathBuf,
        /// The step of this file, and the number of steps.
        step: (usize, usize),
        /// The files of the change and all that follow them.
        files: Vec<PathBuf>,
    },
    /// A migration follows one that does not exist.
    #[error(
        "{file}: the header names the parent `{parent}`, but no file in this folder has that hash. \
         A file is missing, or its header was edited. Find the commit that has it, and restore it \
         (git checkout <commit> -- <file>):\n\
         \x20 {}",
        history(file, Some(parent))
    )]
    Orphaned {
        /// The file.
        file: PathBuf,
        /// The hash of the parent.
        parent: String,
    },
    /// A migration has a lower version than the one that it follows, so sqlx would run it first.
    #[error(
        "{file} follows {parent}, but its version is lower, so sqlx would run it first. If it has \
         been applied to a database, revert it there first (`sqlx migrate revert`). Then rename \
         it:\n{}",
        renaming(file, *free)
    )]
    OutOfOrder {
        /// The file.
        file: PathBuf,
        /// The file that it follows.
        parent: PathBuf,
        /// A version that no file has.
        free: i64,
    },
    /// A migration renamed the table that a struct looks for.
    #[error("{}", table_renamed(table, from.as_deref(), now, file, *is_newest))]
    TableRenamed {
        /// The struct's table.
        table: String,
        /// The struct's `renamed_from`, if that is the name that was found.
        from: Option<String>,
        /// The table's name after its last migration.
        now: String,
        /// The file that renamed it.
        file: PathBuf,
        /// Whether the file is of the table's newest migration.
        is_newest: bool,
    },
    /// A struct's `renamed_from` names another table, and the migrations have both tables.
    #[error(
        "`{table}` has `renamed_from = \"{from}\"`, but the migrations in {folder} have both \
         tables. Choose:\n\
         \x20 - the struct means `{table}`, with its sessions: remove `renamed_from = \"{from}\"` \
         from the struct\n\
         \x20 - the struct means `{from}`, and the table keeps that name: #[session(table = \
         \"{from}\")]\n\
         \x20 - the struct means `{from}`, and the table gets an unused name: #[session(table = \
         \"..\")]\n\
         \x20 - the struct means `{from}`, and the table gets the name `{table}`, for example \
         because two tables swap names: first rename `{table}` with #[session(table = \"..\", \
         renamed_from = \"{table}\")] on its struct and write a migration, then write this one{}",
        creation_by_mistake(table, created)
    )]
    BothTables {
        /// The struct's table.
        table: String,
        /// The struct's `renamed_from`.
        from: String,
        /// The folder of migrations.
        folder: PathBuf,
        /// The files that create the struct's table, if no later file changes it.
        created: Vec<PathBuf>,
    },
    /// A struct's `renamed_from` names a table that no migration has.
    #[error(
        "`{table}` has `renamed_from = \"{from}\"`, but no migration in {folder} has a table with \
         that name. Choose:\n\
         \x20 - the table had another name: correct #[session(renamed_from = \"{from}\")] on the \
         struct\n\
         \x20 - the table is new: remove the `renamed_from`; or, if the migrations in another \
         folder need it, {CREATE}"
    )]
    UnknownTable {
        /// The struct's table.
        table: String,
        /// The struct's `renamed_from`.
        from: String,
        /// The folder of migrations.
        folder: PathBuf,
    },
    /// The folder does not exist.
    #[error(
        "the folder {folder} does not exist: correct the name, or create the folder (mkdir -p \
         {folder})"
    )]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// Files that anchor wrote are beside the folders of dialects, and only these folders would be
    /// read.
    #[error(
        "{file} is beside the folder {folder}, but `sqlx::migrate!` reads only one folder. \
         Choose:\n\
         \x20 - one database:      remove the folder {folder}\n\
         \x20 - several databases: move the files in {} into a folder for their dialect, such as \
         {}, and pass that folder to `sqlx::migrate!`",
        file.parent().unwrap_or(file).display(),
        file.parent().unwrap_or(file).join("postgres").display()
    )]
    MixedLayout {
        /// The file that is not in a dialect's folder.
        file: PathBuf,
        /// The folder of a dialect.
        folder: PathBuf,
    },
    /// A file has a header, but sqlx ignores the file because of its name.
    #[error(
        "{file}: sqlx runs files that are named `<version>_<description>.sql`, with a lower-case \
         suffix, and ignores this one. Rename it, for example:\n\
         \x20 mv {file} {}",
        well_named(file).display()
    )]
    Misnamed {
        /// The file.
        file: PathBuf,
    },
    /// A file that reverts a migration has a header.
    #[error(
        "{file}: `-- anchor:` lines belong in the `.up.sql` file. Restore this file's old name, or \
         remove the lines:\n\
         \x20 sed -i '/^-- anchor:/d' {file}"
    )]
    HeaderInDown {
        /// The file.
        file: PathBuf,
    },
    /// A file is not UTF-8, so sqlx cannot read it either.
    #[error(
        "{file}: the file is not UTF-8, so sqlx cannot read it. Convert it, for example:\n\
         \x20 iconv -f UTF-16 -t UTF-8 {file} -o {file}"
    )]
    NotText {
        /// The file.
        file: PathBuf,
    },
    /// A file was converted to Windows line endings.
    #[error(
        "{file}: the lines end with CRLF. sqlx's checksum covers the file's bytes, so a database \
         that has run the file with LF refuses it as modified. Keep Git from converting it, and \
         convert it back:\n\
         \x20 echo \"*.sql text eol=lf\" >> {}\n\
         \x20 sed -i 's/\\r$//' {file}",
        file.with_file_name(".gitattributes").display()
    )]
    LineEnds {
        /// The file.
        file: PathBuf,
    },
    /// Two migrations have the same version, for example after a merge.
    #[error(
        "two migrations have the same version, probably because two branches were merged, and sqlx \
         runs only one of them:\n\
         \x20 {}\n\
         \x20 {}\n\
         Rename one that has not been applied to any database, with its `.down.sql`, to the \
         version {free}:\n{}",
        files[0].display(), files[1].display(), renaming(&files[1], *free)
    )]
    SameVersion {
        /// The files, ordered by name.
        files: [PathBuf; 2],
        /// A version that no file has.
        free: i64,
    },
    /// The last migration has the highest possible version.
    #[error(
        "{file}: this is the highest possible version, so no migration can follow: rename the \
         file, with its `.down.sql`, to a lower version"
    )]
    LastVersion {
        /// The file.
        file: PathBuf,
    },
    /// The newest migration of a table cannot be replaced, because a handwritten one comes after
    /// it.
    #[error(
        "{file} cannot be replaced: {after} comes after it and may depend on it. Write a new \
         migration instead: {WRITE}"
    )]
    NotNewest {
        /// The newest migration of the table.
        file: PathBuf,
        /// The handwritten file that comes after it.
        after: PathBuf,
    },
    /// A file or folder cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl MigrateError {
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| MigrateError::Io { path, source }
    }
}
