//! A folder of migrations as sqlx reads it: whose file says what, which comes last, and how the
//! next is named.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::deployment::Moment;
use super::error::MigrateError;
use super::state::{HeaderError, State};
use crate::schema::{Dialect, Schema};

/// The first version that is a time (2000-01-01) and not a count.
const FIRST_TIMESTAMP: i64 = 20_000_101_000_000;

/// sqlx's checksum is of a file's bytes: a checkout with other line ends is another migration.
const ATTRIBUTES: &str = "*.sql text eol=lf\n";

/// A folder of one dialect's migrations.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    files: Vec<File>,
}

/// A migration's file, of anchor's or not.
#[derive(Debug)]
pub(super) struct File {
    name: Name,
    path: PathBuf,
    header: Option<Header>,
}

/// A file's header, with its state's hash, which is asked for often.
#[derive(Debug)]
struct Header {
    state: State,
    hash: String,
}

/// What sqlx reads in a file's name.
#[derive(Debug, Clone, Copy)]
struct Name {
    version: i64,
    /// How many digits the name gives to the version.
    digits: usize,
    direction: Direction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Simple,
    Up,
    Down,
}

/// The table as the last of its migrations leaves it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'f> {
    file: &'f File,
    pub(super) state: &'f State,
}

/// The files that the newest migration of a table was written with.
#[derive(Debug)]
pub(super) struct Newest<'f> {
    /// The last of them.
    pub(super) file: &'f Path,
    pub(super) versions: Vec<i64>,
    /// The table before them; `None` where they create it.
    pub(super) before: Option<&'f State>,
}

/// A table that had the name that a struct looks for, and has another now.
#[derive(Debug)]
pub(super) struct Renamed<'f> {
    /// The name that it had.
    name: &'static str,
    pub(super) head: Head<'f>,
    /// The file that gave it another.
    by: &'f File,
    /// Whether that file is of the table's newest migration, which may be replaced.
    pub(super) is_newest: bool,
}

impl Renamed<'_> {
    /// What there is to choose.
    pub(super) fn refusal(&self, schema: &Schema) -> MigrateError {
        MigrateError::TableRenamed {
            table: schema.table.to_owned(),
            from: (self.name != schema.table).then(|| self.name.to_owned()),
            now: self.head.state.table.name.clone(),
            file: self.by.path.clone(),
            is_newest: self.is_newest,
        }
    }
}

/// A migration to be written.
#[derive(Debug)]
pub(super) struct Draft {
    /// `create_sessions`.
    pub(super) description: String,
    pub(super) moment: Moment,
    pub(super) up: String,
    pub(super) down: String,
}

impl Name {
    /// sqlx reads `<version>_<description>.sql`, and so does this; `None` where sqlx does not.
    fn of(name: &str) -> Option<Self> {
        let (version, description) = name.split_once('_')?;
        let direction = match description {
            _ if description.ends_with(".up.sql") => Direction::Up,
            _ if description.ends_with(".down.sql") => Direction::Down,
            _ if description.ends_with(".sql") => Direction::Simple,
            _ => return None,
        };
        Some(Self { version: version.parse().ok()?, digits: version.len(), direction })
    }
}

impl File {
    /// Reads a file; `None` where it is neither sqlx's nor anchor's.
    fn read(path: PathBuf) -> Result<Option<Self>, MigrateError> {
        let name = Name::of(&path.file_name().unwrap_or_default().to_string_lossy());
        let bytes = fs::read(&path).map_err(MigrateError::io(&path))?;
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            // sqlx does not read it either.
            Err(_) if name.is_some() => return Err(MigrateError::NotText { file: path }),
            Err(_) => return Ok(None),
        };
        let header = |HeaderError { line, reason }| MigrateError::Header {
            file: path.clone(),
            line,
            reason,
        };
        let state = State::parse(&text);
        let Some(name) = name else {
            return match state {
                Ok(None) => Ok(None),
                _ => Err(MigrateError::Misnamed { file: path }),
            };
        };
        let state = match (name.direction, state) {
            (Direction::Down, Ok(None)) => None,
            (Direction::Down, _) => return Err(MigrateError::HeaderInDown { file: path }),
            (_, state) => state.map_err(header)?,
        };
        if state.is_some() && text.contains("\r\n") {
            return Err(MigrateError::LineEnds { file: path });
        }
        let header = state.map(|state| Header { hash: state.hash(), state });
        Ok(Some(Self { name, path, header }))
    }

    /// Which of the files that were written together it is.
    fn step(&self) -> Option<(usize, usize)> {
        self.header.as_ref()?.state.step
    }

    /// Whether sqlx runs it on the way forward.
    fn is_forward(&self) -> bool {
        self.name.direction != Direction::Down
    }
}

impl Folder {
    /// Reads a folder; one that does not exist is empty.
    pub(super) fn read(path: &Path) -> Result<Self, MigrateError> {
        let mut files = Vec::new();
        for path in sql_files(path)? {
            files.extend(File::read(path)?);
        }
        files.sort_by(|a, b| (a.name.version, &a.path).cmp(&(b.name.version, &b.path)));
        Ok(Self { path: path.to_owned(), files })
    }

    fn headers(&self) -> impl Iterator<Item = (&File, &Header)> {
        self.files.iter().filter_map(|file| Some((file, file.header.as_ref()?)))
    }

    /// The first file of anchor's.
    pub(super) fn first_managed(&self) -> Option<&Path> {
        self.headers().next().map(|(file, _)| file.path.as_path())
    }

    /// Whether any file is of anchor's.
    pub(super) fn is_managed(&self) -> bool {
        self.first_managed().is_some()
    }

    /// The dialect that the files are of, if any says so.
    pub(super) fn dialect(&self) -> Option<Dialect> {
        self.headers().next().map(|(_, header)| header.state.table.dialect)
    }

    /// The files by their states' hashes.
    fn by_hash(&self) -> HashMap<&str, (&File, &State)> {
        let states = self.headers().map(|(file, header)| (&*header.hash, (file, &header.state)));
        states.collect()
    }

    /// The last file of each table.
    fn heads(&self) -> impl Iterator<Item = (&File, &Header)> {
        let followed: HashSet<_> =
            self.headers().filter_map(|(_, header)| header.state.parent.as_deref()).collect();
        self.headers().filter(move |(_, header)| !followed.contains(&*header.hash))
    }

    /// The table as the last of its migrations leaves it: under its name, or under the one that it
    /// had before.
    pub(super) fn head(
        &self,
        schema: &Schema,
        dialect: Dialect,
    ) -> Result<Option<Head<'_>>, MigrateError> {
        self.check_history(dialect)?;
        for name in [Some(schema.table), schema.renamed_from].into_iter().flatten() {
            let mut heads = self.heads().filter(|(_, header)| header.state.table.name == name);
            match (heads.next(), heads.next()) {
                (Some((first, _)), Some((second, _))) => {
                    let roots = [self.named_by(first, name), self.named_by(second, name)];
                    return Err(self.forked(roots));
                }
                (Some((file, header)), None) => {
                    let head = Head { file, state: &header.state };
                    self.check_renamed_from(schema, &head)?;
                    return Ok(Some(head));
                }
                (None, _) => {}
            }
        }
        Ok(None)
    }

    /// A struct whose `renamed_from` names one table while another has its name would be taken for
    /// the other, with the sessions of somebody else.
    fn check_renamed_from(&self, schema: &Schema, head: &Head<'_>) -> Result<(), MigrateError> {
        let Some(from) = schema.renamed_from.filter(|_| head.state.table.name == schema.table)
        else {
            return Ok(());
        };
        let mut tables = self.heads().map(|(_, header)| header.state.table.name.as_str());
        let mut before =
            std::iter::successors(Some((head.file, head.state)), |(_, state)| self.before(state));
        if from == schema.table
            || !tables.any(|name| name == from)
            || before.any(|(_, state)| state.table.name == from)
        {
            return Ok(());
        }
        let created = self.newest(head).ok().filter(|newest| newest.before.is_none());
        let created = created.map(|newest| {
            let is_of =
                |file: &&File| file.is_forward() && newest.versions.contains(&file.name.version);
            self.files.iter().filter(is_of).map(|file| file.path.clone()).collect()
        });
        Err(MigrateError::BothTables {
            table: schema.table.to_owned(),
            from: from.to_owned(),
            folder: self.path.clone(),
            created: created.unwrap_or_default(),
        })
    }

    /// Where no table has the struct's name, nor the one before it: the table that had it last and
    /// has another now.
    ///
    /// # Errors
    ///
    /// [`MigrateError::UnknownTable`] when the struct names a table that no migration knows.
    pub(super) fn renamed(&self, schema: &Schema) -> Result<Option<Renamed<'_>>, MigrateError> {
        for name in [Some(schema.table), schema.renamed_from].into_iter().flatten() {
            let renamed = self.headers().filter_map(|(file, header)| {
                let (_, before) = self.before(&header.state)?;
                (before.table.name == name && header.state.table.name != name).then_some(file)
            });
            let Some(by) = renamed.last() else { continue };
            let head = self.last_of(by);
            let newest = self.newest(&head).ok().and_then(|newest| newest.before);
            let is_newest = newest.is_some_and(|before| before.table.name == name);
            return Ok(Some(Renamed { name, head, by, is_newest }));
        }
        match schema.renamed_from {
            Some(from) if self.is_managed() => Err(MigrateError::UnknownTable {
                table: schema.table.to_owned(),
                from: from.to_owned(),
                folder: self.path.clone(),
            }),
            _ => Ok(None),
        }
    }

    /// The file that a state follows.
    fn before(&self, state: &State) -> Option<(&File, &State)> {
        let parent = state.parent.as_deref()?;
        let (file, header) = self.headers().find(|(_, header)| header.hash == parent)?;
        Some((file, &header.state))
    }

    /// The files that follow this one, itself the first, by their versions.
    fn from(&self, first: &File) -> Vec<&File> {
        let mut followed = HashSet::new();
        let mut files = Vec::new();
        for (file, Header { state, hash }) in self.headers() {
            let follows = state.parent.as_deref().is_some_and(|parent| followed.contains(parent));
            if follows || std::ptr::eq(file, first) {
                followed.insert(hash.as_str());
                files.push(file);
            }
        }
        files
    }

    /// The table as the last file that follows this one leaves it.
    fn last_of<'f>(&'f self, first: &'f File) -> Head<'f> {
        let file = self.from(first).pop().unwrap_or(first);
        let header = file.header.as_ref().expect("a file of anchor's");
        Head { file, state: &header.state }
    }

    /// The file that gave the table its name: that renamed it, or created it.
    fn named_by<'f>(&'f self, file: &'f File, name: &str) -> &'f File {
        let mut first = file;
        while let Some((file, state)) =
            first.header.as_ref().and_then(|header| self.before(&header.state))
            && state.table.name == name
        {
            first = file;
        }
        first
    }

    /// Each file follows one that is there and runs before it, no two follow the same, no two have
    /// one version, no change is left half way, and all are of one dialect.
    fn check_history(&self, dialect: Dialect) -> Result<(), MigrateError> {
        let mut followers: HashMap<&str, &File> = HashMap::new();
        let mut hashes = HashSet::new();
        let mut copies = Vec::new();
        let mut fork = None;
        for (file, Header { state, hash }) in self.headers() {
            if state.table.dialect != dialect {
                return Err(MigrateError::MixedDialects {
                    file: file.path.clone(),
                    found: state.table.dialect,
                    expected: dialect,
                });
            }
            if !hashes.insert(hash) {
                copies.push(file.path.clone());
                continue;
            }
            let Some(parent) = &state.parent else { continue };
            if let Some(other) = followers.insert(parent, file) {
                fork = fork.or(Some([other, file]));
            }
        }
        if !copies.is_empty() {
            return Err(MigrateError::Copied { files: copies });
        }
        if let Some(files) = fork {
            return Err(self.forked(files));
        }
        if self.is_managed() {
            self.check_versions()?;
        }
        let by_hash = self.by_hash();
        for (file, Header { state, hash }) in self.headers() {
            if let Some((step, of)) = state.step
                && step < of
                && followers.get(hash.as_str()).and_then(|next| next.step()) != Some((step + 1, of))
            {
                return Err(self.unfinished(file, (step, of)));
            }
            let Some(parent) = &state.parent else { continue };
            match by_hash.get(parent.as_str()) {
                None => {
                    return Err(MigrateError::Orphaned {
                        file: file.path.clone(),
                        parent: parent.clone(),
                    });
                }
                Some((before, _)) if before.name.version >= file.name.version => {
                    return Err(MigrateError::OutOfOrder {
                        file: file.path.clone(),
                        parent: before.path.clone(),
                        free: self.next_version()?,
                    });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Two histories of a table; the one that parts later is to be written anew.
    fn forked(&self, mut files: [&File; 2]) -> MigrateError {
        files.sort_by_key(|file| file.name.version);
        let table = files[1].header.as_ref().map(|header| header.state.table.name.clone());
        MigrateError::Forked {
            table: table.unwrap_or_default(),
            anew: self.from(files[1]).into_iter().map(|file| file.path.clone()).collect(),
            files: files.map(|file| file.path.clone()),
        }
    }

    /// A change whose files end before its last step.
    fn unfinished(&self, file: &File, step: (usize, usize)) -> MigrateError {
        let mut first = file;
        while let Some(header) = &first.header
            && header.state.step.is_some_and(|(step, _)| step > 1)
            && let Some((before, _)) = self.before(&header.state)
        {
            first = before;
        }
        MigrateError::Unfinished {
            file: file.path.clone(),
            step,
            anew: self.from(first).into_iter().map(|file| file.path.clone()).collect(),
        }
    }

    /// sqlx runs one file a version.
    fn check_versions(&self) -> Result<(), MigrateError> {
        let forward: Vec<_> = self.files.iter().filter(|file| file.is_forward()).collect();
        for pair in forward.windows(2) {
            let [first, second] = pair else { continue };
            if first.name.version == second.name.version {
                let files = [first.path.clone(), second.path.clone()];
                return Err(MigrateError::SameVersion { files, free: self.next_version()? });
            }
        }
        Ok(())
    }

    /// The version after the last.
    fn next_version(&self) -> Result<i64, MigrateError> {
        let Some(last) = self.files.last() else { return Ok(1) };
        let next = last.name.version.checked_add(1);
        next.ok_or_else(|| MigrateError::LastVersion { file: last.path.clone() })
    }

    /// The files that the newest migration of a table was written with, and the table before them.
    ///
    /// # Errors
    ///
    /// [`MigrateError::NotNewest`] when a file by hand comes after them, for it may build on them.
    pub(super) fn newest<'f>(&'f self, head: &Head<'f>) -> Result<Newest<'f>, MigrateError> {
        let by_hash = self.by_hash();
        let mut versions = vec![head.file.name.version];
        let mut state = head.state;
        let before = loop {
            let before = state.parent.as_deref().and_then(|parent| by_hash.get(parent));
            let Some((file, before)) = before else { break None };
            if state.step.is_none_or(|(step, _)| step == 1) {
                break Some(*before);
            }
            versions.push(file.name.version);
            state = before;
        };
        let by_hand = |file: &&File| file.is_forward() && file.header.is_none();
        let later = |file: &&File| versions.iter().any(|version| file.name.version > *version);
        if let Some(after) = self.files.iter().find(|file| by_hand(file) && later(file)) {
            let (file, after) = (head.file.path.clone(), after.path.clone());
            return Err(MigrateError::NotNewest { file, after });
        }
        Ok(Newest { file: &head.file.path, versions, before })
    }

    /// Removes the migrations of these versions, with their ways back, and returns the files.
    pub(super) fn remove(&mut self, versions: &[i64]) -> Result<Vec<PathBuf>, MigrateError> {
        let is_removed = |file: &File| versions.contains(&file.name.version);
        let (removed, kept) = std::mem::take(&mut self.files).into_iter().partition(is_removed);
        self.files = kept;
        let removed: Vec<File> = removed;
        for file in &removed {
            fs::remove_file(&file.path).map_err(MigrateError::io(&file.path))?;
        }
        Ok(removed.into_iter().map(|file| file.path).collect())
    }

    /// Writes migrations, named as the folder's others are. Each gets a version higher than any
    /// there is. The folder's first file of anchor's comes with a `.gitattributes`.
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
            // The one after it must have a version, too.
            next = version
                .checked_add(1)
                .ok_or_else(|| MigrateError::LastVersion { file: file(".sql") })?;
            if simple {
                written.push(create(file(".sql"), &draft.up)?);
            } else {
                // The file with the state comes last: without it, the other one is nothing.
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

/// The SQL files in a folder, those with a suffix that sqlx does not know among them.
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
