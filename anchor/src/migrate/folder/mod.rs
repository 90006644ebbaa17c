//! [`Folder`]: a folder of migrations as sqlx reads it: which files anchor wrote, which of them
//! comes last, and how the next one is named.
//!
//! `file` reads one file, `head` finds the table that a struct means, and `history` checks that the
//! files follow each other.

mod file;
mod head;
mod history;

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::deployment::Moment;
use super::error::MigrateError;
use super::state::State;
use crate::schema::Dialect;
use file::{Direction, File, Header};

/// The first version that is a timestamp (2000-01-01) and not a sequence number.
const FIRST_TIMESTAMP: i64 = 20_000_101_000_000;

/// sqlx's checksum covers a file's bytes, so a checkout with other line endings would change it.
const ATTRIBUTES: &str = "*.sql text eol=lf\n";

/// A folder with the migrations of one dialect.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    files: Vec<File>,
}

/// A file that anchor wrote, with the state of the table after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Managed<'f> {
    file: &'f File,
    pub(super) state: &'f State,
    hash: &'f str,
}

/// The newest migration of a table, which can consist of several files.
#[derive(Debug)]
pub(super) struct Newest<'f> {
    /// The last file.
    pub(super) file: &'f Path,
    pub(super) versions: Vec<i64>,
    /// The table before it; `None` if the migration creates the table.
    pub(super) before: Option<&'f State>,
}

/// A migration that is about to be written.
#[derive(Debug)]
pub(super) struct Draft {
    /// What the file's name says after the version, such as `create_sessions`.
    pub(super) description: String,
    pub(super) moment: Moment,
    pub(super) up: String,
    pub(super) down: String,
}

impl<'f> Managed<'f> {
    fn path(self) -> PathBuf {
        self.file.path.clone()
    }

    fn version(self) -> i64 {
        self.file.name.version
    }

    fn table(self) -> &'f str {
        &self.state.table.name
    }

    /// Returns the number of this file within its change, and how many files the change has.
    fn step(self) -> Option<(usize, usize)> {
        self.state.step
    }

    /// Returns whether this is the first file of its change, or the only one.
    fn is_first_step(self) -> bool {
        self.step().is_none_or(|(step, _)| step == 1)
    }
}

impl Folder {
    /// Reads a folder. A folder that does not exist is treated as empty.
    pub(super) fn read(path: &Path) -> Result<Self, MigrateError> {
        let mut files = Vec::new();
        for path in sql_files(path)? {
            files.extend(File::read(path)?);
        }
        files.sort_by(|a, b| (a.name.version, &a.path).cmp(&(b.name.version, &b.path)));
        Ok(Self { path: path.to_owned(), files })
    }

    /// Returns the files that anchor wrote, ordered by version.
    fn managed(&self) -> impl Iterator<Item = Managed<'_>> {
        self.files.iter().filter_map(|file| {
            let Header { state, hash } = file.header.as_ref()?;
            Some(Managed { file, state, hash })
        })
    }

    /// Returns the files that sqlx runs to go forward, ordered by version.
    fn forward(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_forward())
    }

    /// Returns the first file that anchor wrote.
    pub(super) fn first_managed(&self) -> Option<&Path> {
        self.managed().next().map(|first| first.file.path.as_path())
    }

    /// Returns whether anchor wrote any of the files.
    pub(super) fn is_managed(&self) -> bool {
        self.first_managed().is_some()
    }

    /// Returns the dialect that the first header names.
    pub(super) fn dialect(&self) -> Option<Dialect> {
        self.managed().next().map(|first| first.state.table.dialect)
    }

    /// Returns the files by the hash of their state.
    fn by_hash(&self) -> HashMap<&str, Managed<'_>> {
        self.managed().map(|managed| (managed.hash, managed)).collect()
    }

    /// Returns the files before this one: its predecessor, the predecessor of that file, and so on.
    fn ancestors<'f>(&'f self, of: Managed<'f>) -> impl Iterator<Item = Managed<'f>> {
        let by_hash = self.by_hash();
        let parent = move |of: &Managed<'f>| by_hash.get(of.state.parent.as_deref()?).copied();
        std::iter::successors(parent(&of), parent)
    }

    /// Returns this file and all that follow it, ordered by version.
    fn from<'f>(&'f self, first: Managed<'f>) -> Vec<Managed<'f>> {
        let mut followed = HashSet::from([first.hash]);
        let mut files = vec![first];
        for managed in self.managed().skip_while(|file| file.hash != first.hash).skip(1) {
            let parent = managed.state.parent.as_deref();
            if parent.is_some_and(|parent| followed.contains(parent)) {
                followed.insert(managed.hash);
                files.push(managed);
            }
        }
        files
    }

    /// Returns the version after the last one.
    fn next_version(&self) -> Result<i64, MigrateError> {
        let Some(last) = self.files.last() else { return Ok(1) };
        let next = last.name.version.checked_add(1);
        next.ok_or_else(|| MigrateError::LastVersion { file: last.path.clone() })
    }

    /// Returns the newest migration of a table.
    ///
    /// # Errors
    ///
    /// [`MigrateError::NotNewest`] if a handwritten file comes later, because it may depend on the
    /// migration.
    pub(super) fn newest<'f>(&'f self, head: &Managed<'f>) -> Result<Newest<'f>, MigrateError> {
        let mut versions = vec![head.version()];
        let mut first = *head;
        let mut ancestors = self.ancestors(*head);
        let before = loop {
            let before = ancestors.next();
            match before {
                Some(before) if !first.is_first_step() => {
                    versions.push(before.version());
                    first = before;
                }
                before => break before.map(|before| before.state),
            }
        };
        let later = |file: &&File| versions.iter().any(|version| file.name.version > *version);
        let mut by_hand = self.forward().filter(|file| file.header.is_none());
        if let Some(after) = by_hand.find(later) {
            let (file, after) = (head.path(), after.path.clone());
            return Err(MigrateError::NotNewest { file, after });
        }
        Ok(Newest { file: &head.file.path, versions, before })
    }

    /// Removes the migrations with these versions, including their down files, and returns the
    /// removed files.
    pub(super) fn remove(&mut self, versions: &[i64]) -> Result<Vec<PathBuf>, MigrateError> {
        let removed: Vec<_> =
            self.files.extract_if(.., |file| versions.contains(&file.name.version)).collect();
        for file in &removed {
            fs::remove_file(&file.path).map_err(MigrateError::io(&file.path))?;
        }
        Ok(removed.into_iter().map(|file| file.path).collect())
    }

    /// Writes migrations, named in the style of the folder's other files. Each gets a higher
    /// version than all before it. The first file that anchor writes into a folder comes with a
    /// `.gitattributes`.
    pub(super) fn write(&self, drafts: &[Draft], now: i64) -> Result<Vec<PathBuf>, MigrateError> {
        fs::create_dir_all(&self.path).map_err(MigrateError::io(&self.path))?;
        let last = self.files.last().map(|file| file.name);
        let simple = last.is_some_and(|name| name.direction == Direction::Simple);
        let counts = last.is_some_and(|name| name.version < FIRST_TIMESTAMP);
        let mut next = self.next_version()?;
        let mut written = Vec::new();
        for draft in drafts {
            let version = if counts { next } else { now.max(next) };
            let digits = last.map_or(0, |name| name.digits);
            let stem = format!("{version:0digits$}_{}", draft.description);
            let file = |suffix: &str| self.path.join(format!("{stem}{suffix}"));
            // There must be a version left for the next migration.
            next = version
                .checked_add(1)
                .ok_or_else(|| MigrateError::LastVersion { file: file(".sql") })?;
            if simple {
                written.push(create(file(".sql"), &draft.up)?);
            } else {
                // The up file carries the state, so it is written last: without it, the down file
                // has no effect.
                let down = create(file(".down.sql"), &draft.down)?;
                written.push(create(file(".up.sql"), &draft.up)?);
                written.push(down);
            }
        }
        let attributes = self.path.join(".gitattributes");
        if !self.is_managed() && !attributes.exists() {
            written.push(create(attributes, ATTRIBUTES)?);
        }
        Ok(written)
    }
}

/// Returns the SQL files in a folder, including those whose suffix sqlx ignores, such as `.SQL`.
fn sql_files(folder: &Path) -> Result<Vec<PathBuf>, MigrateError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).map_err(MigrateError::io(folder))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(MigrateError::io(folder))?.path();
        let is_sql = |extension: &OsStr| extension.eq_ignore_ascii_case("sql");
        if path.extension().is_some_and(is_sql) && path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

fn create(path: PathBuf, text: &str) -> Result<PathBuf, MigrateError> {
    let mut file = fs::File::create_new(&path).map_err(MigrateError::io(&path))?;
    file.write_all(text.as_bytes()).map_err(MigrateError::io(&path))?;
    Ok(path)
}
