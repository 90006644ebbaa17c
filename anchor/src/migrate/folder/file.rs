//! [`File`]: one file of the folder, with what its name and its header say.

use std::fs;
use std::path::PathBuf;

use crate::migrate::error::MigrateError;
use crate::migrate::state::{HeaderError, State};

/// A migration's file, whether anchor wrote it or not.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: Name,
    pub(super) path: PathBuf,
    pub(super) header: Option<Header>,
}

/// A file's header. The hash of its state is kept, because it is needed often.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) state: State,
    pub(super) hash: String,
}

/// What sqlx reads from a file's name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name {
    pub(super) version: i64,
    /// How many digits the version has in the name.
    pub(super) digits: usize,
    pub(super) direction: Direction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Simple,
    Up,
    Down,
}

impl Name {
    /// Parses `<version>_<description>.sql` as sqlx does. Returns `None` if sqlx would ignore the
    /// file.
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
    /// Reads a file. Returns `None` if neither sqlx nor anchor uses it.
    pub(super) fn read(path: PathBuf) -> Result<Option<Self>, MigrateError> {
        let name = Name::of(&path.file_name().unwrap_or_default().to_string_lossy());
        let bytes = fs::read(&path).map_err(MigrateError::io(&path))?;
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            // sqlx cannot read it either.
            Err(_) if name.is_some() => return Err(MigrateError::NotText { file: path }),
            Err(_) => return Ok(None),
        };
        let state = match (name.map(|name| name.direction), State::parse(&text)) {
            (_, Ok(None)) => None,
            (None, _) => return Err(MigrateError::Misnamed { file: path }),
            (Some(Direction::Down), _) => return Err(MigrateError::HeaderInDown { file: path }),
            (_, Err(HeaderError { line, reason })) => {
                return Err(MigrateError::Header { file: path, line, reason });
            }
            (_, Ok(Some(_))) if text.contains("\r\n") => {
                return Err(MigrateError::LineEnds { file: path });
            }
            (_, Ok(state)) => state,
        };
        let header = state.map(|state| Header { hash: state.hash(), state });
        Ok(name.map(|name| Self { name, path, header }))
    }

    /// Returns whether sqlx runs this file to go forward, not to revert.
    pub(super) fn is_forward(&self) -> bool {
        self.name.direction != Direction::Down
    }
}
