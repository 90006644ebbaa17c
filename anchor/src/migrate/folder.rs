//! A folder of migrations as sqlx reads it: whose file says what, which comes last, and how the next is named.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::MigrateError;
use super::state::State;
use crate::schema::{Dialect, Schema};

/// The first version that is a time (2000-01-01) and not a count.
const FIRST_TIMESTAMP: i64 = 20_000_101_000_000;

/// A folder of one dialect's migrations.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    files: Vec<File>,
}

/// A migration's file, of anchor's or not.
#[derive(Debug)]
struct File {
    version: i64,
    /// How many digits the name gives to the version.
    digits: usize,
    path: PathBuf,
    direction: Direction,
    state: Option<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Simple,
    Up,
    Down,
}

/// A migration to be written.
#[derive(Debug)]
pub(super) struct Draft {
    /// `create_sessions`.
    pub(super) description: String,
    pub(super) up: String,
    pub(super) down: String,
}

impl Folder {
    /// Reads a folder; one that does not exist is empty.
    pub(super) fn read(path: &Path) -> Result<Self, MigrateError> {
        let mut files = Vec::new();
        for path in sql_files(path)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // sqlx reads `<version>_<description>.sql`, and so does this.
            let Some((version, _)) = name.split_once('_') else { continue };
            let Ok(number) = version.parse::<i64>() else { continue };
            let direction = match name.as_ref() {
                name if name.ends_with(".up.sql") => Direction::Up,
                name if name.ends_with(".down.sql") => Direction::Down,
                _ => Direction::Simple,
            };
            let state = match direction {
                Direction::Down => None,
                Direction::Up | Direction::Simple => {
                    let text = fs::read(&path).map_err(MigrateError::io(&path))?;
                    State::parse(&String::from_utf8_lossy(&text)).map_err(|error| {
                        MigrateError::Header {
                            file: path.clone(),
                            line: error.line,
                            reason: error.reason,
                        }
                    })?
                }
            };
            let digits = version.len();
            files.push(File { version: number, digits, path, direction, state });
        }
        files.sort_by(|a, b| (a.version, &a.path).cmp(&(b.version, &b.path)));
        Ok(Self { path: path.to_owned(), files })
    }

    fn states(&self) -> impl Iterator<Item = (&File, &State)> {
        self.files.iter().filter_map(|file| Some((file, file.state.as_ref()?)))
    }

    /// Whether any file is of anchor's.
    pub(super) fn is_managed(&self) -> bool {
        self.states().next().is_some()
    }

    /// The dialect that the files are of, if any says so.
    pub(super) fn dialect(&self) -> Option<Dialect> {
        self.states().next().map(|(_, state)| state.table.dialect)
    }

    /// The table as the last of its migrations leaves it: under its name, or under the one that it had before.
    pub(super) fn head(
        &self,
        schema: &Schema,
        dialect: Dialect,
    ) -> Result<Option<&State>, MigrateError> {
        self.check_history(dialect)?;
        let heads = || {
            self.states().filter(|(_, state)| {
                let hash = state.hash();
                !self.states().any(|(_, next)| next.parent.as_ref() == Some(&hash))
            })
        };
        for name in [Some(schema.table), schema.renamed_from].into_iter().flatten() {
            let mut heads = heads().filter(|(_, state)| state.table.name == name);
            match (heads.next(), heads.next()) {
                (Some((first, _)), Some((second, _))) => return Err(forked(name, first, second)),
                (Some((_, head)), None) => return Ok(Some(head)),
                (None, _) => {}
            }
        }
        Ok(None)
    }

    /// Each file follows one that is there and runs before it, no two follow the same, and all are of one dialect.
    fn check_history(&self, dialect: Dialect) -> Result<(), MigrateError> {
        for (at, (file, state)) in self.states().enumerate() {
            if state.table.dialect != dialect {
                return Err(MigrateError::MixedDialects {
                    file: file.path.clone(),
                    found: state.table.dialect,
                    expected: dialect,
                });
            }
            let Some(parent) = &state.parent else { continue };
            let sibling =
                self.states().take(at).find(|(_, other)| other.parent.as_ref() == Some(parent));
            if let Some((sibling, _)) = sibling {
                return Err(forked(&state.table.name, sibling, file));
            }
            match self.states().find(|(_, other)| other.hash() == *parent) {
                None => {
                    return Err(MigrateError::Orphaned {
                        file: file.path.clone(),
                        parent: parent.clone(),
                    });
                }
                Some((before, _)) if before.version >= file.version => {
                    return Err(MigrateError::OutOfOrder {
                        file: file.path.clone(),
                        parent: before.path.clone(),
                    });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Writes migrations, named as the folder's others are. Each gets a version higher than any there is.
    pub(super) fn write(&self, drafts: &[Draft], now: i64) -> Result<Vec<PathBuf>, MigrateError> {
        fs::create_dir_all(&self.path).map_err(MigrateError::io(&self.path))?;
        let last = self.files.last();
        let simple = last.is_some_and(|file| file.direction == Direction::Simple);
        let mut version = last.map_or(0, |file| file.version);
        let mut written = Vec::new();
        for draft in drafts {
            version = match last {
                Some(last) if last.version < FIRST_TIMESTAMP => version + 1,
                _ => now.max(version + 1),
            };
            let digits = last.map_or(0, |last| last.digits);
            let stem = format!("{version:0digits$}_{}", draft.description);
            let file = |suffix: &str| self.path.join(format!("{stem}{suffix}"));
            if simple {
                written.push(create(file(".sql"), &draft.up)?);
            } else {
                // The file with the state comes last: without it, the other one is nothing.
                let down = create(file(".down.sql"), &draft.down)?;
                written.push(create(file(".up.sql"), &draft.up)?);
                written.push(down);
            }
        }
        Ok(written)
    }
}

fn forked(table: &str, first: &File, second: &File) -> MigrateError {
    let files = [first.path.clone(), second.path.clone()];
    MigrateError::Forked { table: table.to_owned(), files }
}

/// The SQL files in a folder.
fn sql_files(folder: &Path) -> Result<Vec<PathBuf>, MigrateError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).map_err(MigrateError::io(folder))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(MigrateError::io(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "sql") && path.is_file() {
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
