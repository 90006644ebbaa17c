//! [`Migrations`]: where migrations are, and what may be written.

use std::path::{Path, PathBuf};

use super::dialect::{features, only_feature};
use super::error::MigrateError;
use super::folder::Folder;
use super::plan::Allowed;
use crate::schema::Dialect;

/// Where migrations are, and what may be written.
#[derive(Debug, Clone)]
pub struct Migrations {
    pub(super) folder: PathBuf,
    /// Whether the folder may be absent, and is then empty.
    optional: bool,
    dialect: Option<Dialect>,
    pub(super) allowed: Allowed,
    pub(super) adopts: bool,
    pub(super) takes_over: bool,
    pub(super) replaces: bool,
    pub(super) creates: bool,
}

impl Migrations {
    /// The migrations in this folder, or in its folders `postgres`, `mysql` and `sqlite`. The
    /// folder must exist: one that was moved or misspelt would pass for one without migrations.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            optional: false,
            dialect: None,
            allowed: Allowed::default(),
            adopts: false,
            takes_over: false,
            replaces: false,
            creates: false,
        }
    }

    /// Those of a package that may have none.
    pub(super) fn of_package(package: &Path) -> Self {
        Self { optional: true, ..Self::in_folder(package.join("migrations")) }
    }

    /// The dialect of the first file, where neither folders nor features say it.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }

    /// Allows migrations that lose values: that drop columns, give every row the default in place
    /// of what its new type does not hold, or cast with a loss. An answer in the struct that
    /// belongs to an earlier change holds for this one, too.
    ///
    /// Columns are dropped in a file of their own, to be applied
    /// [after the deployment](self#the-order-of-a-deployment).
    #[must_use]
    pub fn allow_drops(mut self) -> Self {
        self.allowed.drops = true;
        self
    }

    /// Allows migrations that neither the release before nor the new one can live with, such as a
    /// rename: no process of the application runs while such a file is applied.
    #[must_use]
    pub fn allow_downtime(mut self) -> Self {
        self.allowed.downtime = true;
        self
    }

    /// Makes the first migration of a table `anchor_sessions` take over the table
    /// `anchor_sessions(id, user_id, expires_at, created_at)` of fastapi-anchor. Its sessions end,
    /// for they cannot be read as anchor's. In a database without that table it creates the
    /// struct's. Tables of other names are not concerned.
    #[must_use]
    pub fn adopt_fastapi_anchor(mut self) -> Self {
        self.adopts = true;
        self
    }

    /// Makes a table's first migration take over the table that `store.migrate()` made, with its
    /// sessions. Where it is run, it compares that table with the struct and fails if they differ;
    /// a database without the table gets it.
    #[must_use]
    pub fn baseline(mut self) -> Self {
        self.takes_over = true;
        self
    }

    /// Replaces a table's newest migration, where the struct differs from it, in place of writing
    /// one that follows. For a migration that is wrong and has been applied nowhere: a database
    /// that has run it refuses to go on without it.
    #[must_use]
    pub fn replace_newest(mut self) -> Self {
        self.replaces = true;
        self
    }

    /// Makes a first migration for a table whose name another table of the migrations had, before a
    /// migration renamed it, or whose `renamed_from` these migrations do not know. Without this the
    /// struct is refused, for it may mean a table that is there.
    #[must_use]
    pub fn new_table(mut self) -> Self {
        self.creates = true;
        self
    }

    /// The folders that are there, each with its dialect if that is known.
    pub(super) fn folders(&self) -> Result<Vec<(Folder, Option<Dialect>)>, MigrateError> {
        if !self.optional && !self.folder.is_dir() {
            return Err(MigrateError::NoFolder { folder: self.folder.clone() });
        }
        let names = ["postgres", "postgresql", "mysql", "mariadb", "sqlite"];
        let several: Vec<_> = names
            .into_iter()
            .map(|name| (self.folder.join(name), Dialect::of_word(name)))
            .filter(|(path, _)| path.is_dir())
            .collect();
        let folder = Folder::read(&self.folder)?;
        if let (Some(file), [(of_dialect, _), ..]) = (folder.first_managed(), &*several) {
            let (file, folder) = (file.to_owned(), of_dialect.clone());
            return Err(MigrateError::MixedLayout { file, folder });
        }
        if several.is_empty() {
            let dialect = folder.dialect().or(self.dialect).or_else(only_feature);
            return Ok(vec![(folder, dialect)]);
        }
        several.into_iter().map(|(path, dialect)| Ok((Folder::read(&path)?, dialect))).collect()
    }

    pub(super) fn which_dialect(folder: &Folder) -> MigrateError {
        let features: Vec<_> = features().map(Dialect::word).collect();
        let features = match features.is_empty() {
            true => "none of anchor's SQL features is on in this build".to_owned(),
            false => format!("several of anchor's SQL features are on ({})", features.join(", ")),
        };
        MigrateError::WhichDialect { folder: folder.path.clone(), features }
    }
}
