//! [`Migrations`]: where the migrations are, and which ones may be written.

use std::path::{Path, PathBuf};

use super::error::MigrateError;
use super::folder::Folder;
use super::plan::Allowed;
use crate::schema::Dialect;

/// Where the migrations are, and which ones may be written.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use anchor::migrate::{Checked, Migrations, check};
///
/// // In a test: the folder is beside `Cargo.toml`.
/// # let folder = std::env::temp_dir();
/// # /*
/// let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
/// # */
/// let checked = check(UserSession::schema(), &Migrations::in_folder(folder))?;
/// assert_ne!(checked, Checked::UpToDate);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Migrations {
    pub(super) folder: PathBuf,
    /// Whether a missing folder is treated as an empty one.
    optional: bool,
    dialect: Option<Dialect>,
    pub(super) allowed: Allowed,
    pub(super) adopts_fastapi_anchor: bool,
    pub(super) is_baseline: bool,
    pub(super) replaces: bool,
    pub(super) creates: bool,
}

impl Migrations {
    /// Returns the migrations in this folder, or in its folders `postgres`, `mysql` and `sqlite`.
    /// The folder must exist. Otherwise a folder that was moved or misspelt would be treated as a
    /// folder without migrations, and would pass the check.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            optional: false,
            dialect: None,
            allowed: Allowed::default(),
            adopts_fastapi_anchor: false,
            is_baseline: false,
            replaces: false,
            creates: false,
        }
    }

    /// Returns the migrations of a package that may have none.
    pub(super) fn of_package(package: &Path) -> Self {
        Self { optional: true, ..Self::in_folder(package.join("migrations")) }
    }

    /// Sets the dialect of the first file. This is needed if neither the folders nor the features
    /// determine it.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }

    /// Allows migrations that lose values: those that drop a column, replace every value of a
    /// column with the default, or use a cast that may round. An answer in the struct that an
    /// earlier migration has used is valid again.
    ///
    /// Columns are dropped in a separate file, which is to be applied
    /// [after the deployment](crate::migrate#the-order-of-a-deployment).
    ///
    /// ```
    /// # mod before {
    /// #     use anchor::prelude::*;
    /// #     #[derive(Clone, SessionData)]
    /// #     #[session(table = "sessions")]
    /// #     pub struct UserSession {
    /// #         #[session(subject)]
    /// #         pub user_id: i64,
    /// #         pub theme: Option<String>,
    /// #     }
    /// # }
    /// use anchor::migrate::{Migrations, write};
    /// use anchor::prelude::*;
    /// use anchor::schema::Dialect;
    ///
    /// // Its field `theme` was removed.
    /// #[derive(Clone, SessionData)]
    /// #[session(table = "sessions")]
    /// struct UserSession { #[session(subject)] user_id: i64 }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = std::env::temp_dir().join(format!("anchor-example-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// let migrations = Migrations::in_folder(&folder).dialect(Dialect::Sqlite);
    /// # write(before::UserSession::schema(), &migrations)?;
    /// let written = write(UserSession::schema(), &migrations.allow_drops())?;
    /// let names: Vec<_> = written.iter().map(|file| file.to_string_lossy()).collect();
    /// assert!(names.iter().any(|name| name.contains("_drop_theme_after_deploy.")));
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn allow_drops(mut self) -> Self {
        self.allowed.drops = true;
        self
    }

    /// Allows migrations that the previous release and the new one cannot both work with, such as a
    /// rename. No process of the application may run while such a file is applied.
    ///
    /// ```
    /// # mod before {
    /// #     use anchor::prelude::*;
    /// #     #[derive(Clone, SessionData)]
    /// #     #[session(table = "sessions")]
    /// #     pub struct UserSession {
    /// #         #[session(subject)]
    /// #         pub user_id: i64,
    /// #         pub theme: Option<String>,
    /// #     }
    /// # }
    /// use anchor::migrate::{Migrations, write};
    /// use anchor::prelude::*;
    /// use anchor::schema::Dialect;
    ///
    /// #[derive(Clone, SessionData)]
    /// #[session(table = "sessions")]
    /// struct UserSession {
    ///     #[session(subject)]
    ///     user_id: i64,
    ///     #[session(renamed_from = "theme")]
    ///     skin: Option<String>,
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = std::env::temp_dir().join(format!("anchor-example-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// let migrations = Migrations::in_folder(&folder).dialect(Dialect::Sqlite);
    /// # write(before::UserSession::schema(), &migrations)?;
    /// assert!(write(UserSession::schema(), &migrations).is_err());
    /// assert!(write(UserSession::schema(), &migrations.allow_downtime()).is_ok());
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn allow_downtime(mut self) -> Self {
        self.allowed.downtime = true;
        self
    }

    /// Makes the first migration of a table `anchor_sessions` take over the table
    /// `anchor_sessions(id, user_id, expires_at, created_at)` of fastapi-anchor. Its sessions end,
    /// because anchor cannot read them. In a database without that table, the migration creates the
    /// struct's table. It has no effect on tables with other names.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # #[session(table = "anchor_sessions")]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = std::env::temp_dir().join(format!("anchor-example-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// use anchor::migrate::{Migrations, write};
    /// use anchor::schema::Dialect;
    ///
    /// let migrations =
    ///     Migrations::in_folder(&folder).dialect(Dialect::Postgres).adopt_fastapi_anchor();
    /// let written = write(UserSession::schema(), &migrations)?;
    /// assert!(!written.is_empty());
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn adopt_fastapi_anchor(mut self) -> Self {
        self.adopts_fastapi_anchor = true;
        self
    }

    /// Makes a table's first migration take over the table that `store.migrate()` created, with its
    /// sessions. When the migration is applied, it compares that table with the struct, and fails
    /// if they differ. In a database without the table, it creates the table.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = std::env::temp_dir().join(format!("anchor-example-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// use anchor::migrate::{Migrations, write};
    /// use anchor::schema::Dialect;
    ///
    /// let migrations = Migrations::in_folder(&folder).dialect(Dialect::Postgres).baseline();
    /// let written = write(UserSession::schema(), &migrations)?;
    /// assert!(!written.is_empty());
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn baseline(mut self) -> Self {
        self.is_baseline = true;
        self
    }

    /// If the struct differs from a table's newest migration, replaces that migration instead of
    /// writing one that follows it. This is for a wrong migration that has not been applied
    /// anywhere: sqlx refuses a database in which it has been applied.
    ///
    /// ```
    /// # mod before {
    /// #     use anchor::prelude::*;
    /// #     #[derive(Clone, SessionData)]
    /// #     #[session(table = "sessions")]
    /// #     pub struct UserSession {
    /// #         #[session(subject)]
    /// #         pub user_id: i64,
    /// #         pub theme: Option<String>,
    /// #     }
    /// # }
    /// use anchor::migrate::{Checked, Migrations, check, write};
    /// use anchor::prelude::*;
    /// use anchor::schema::Dialect;
    ///
    /// // A field `theme` was in the newest migration by mistake.
    /// #[derive(Clone, SessionData)]
    /// #[session(table = "sessions")]
    /// struct UserSession { #[session(subject)] user_id: i64 }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = std::env::temp_dir().join(format!("anchor-example-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// let migrations = Migrations::in_folder(&folder).dialect(Dialect::Sqlite);
    /// # write(before::UserSession::schema(), &migrations)?;
    /// write(UserSession::schema(), &migrations.clone().replace_newest())?;
    /// assert_eq!(check(UserSession::schema(), &migrations)?, Checked::UpToDate);
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn replace_newest(mut self) -> Self {
        self.replaces = true;
        self
    }

    /// Writes a first migration for a table even if a migration renamed another table of that name,
    /// or if no migration knows the table in `renamed_from`. Without this setting the struct is
    /// refused, because it may refer to the existing table.
    ///
    /// ```
    /// # mod before {
    /// #     use anchor::prelude::*;
    /// #     #[derive(Clone, SessionData)]
    /// #     #[session(table = "sessions")]
    /// #     pub struct UserSession {
    /// #         #[session(subject)]
    /// #         pub user_id: i64,
    /// #         pub theme: Option<String>,
    /// #     }
    /// # }
    /// use anchor::migrate::{Migrations, write};
    /// use anchor::prelude::*;
    /// use anchor::schema::Dialect;
    ///
    /// #[derive(Clone, SessionData)]
    /// #[session(table = "admin_sessions", renamed_from = "logins")]
    /// struct AdminSession { #[session(subject)] user_id: i64 }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = std::env::temp_dir().join(format!("anchor-example-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// // The folder has migrations, and none of them knows a table `logins`.
    /// let migrations = Migrations::in_folder(&folder).dialect(Dialect::Sqlite);
    /// # write(before::UserSession::schema(), &migrations)?;
    /// assert!(write(AdminSession::schema(), &migrations).is_err());
    /// assert!(write(AdminSession::schema(), &migrations.new_table()).is_ok());
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new_table(mut self) -> Self {
        self.creates = true;
        self
    }

    /// Returns the folders that exist, each with its dialect if that is known.
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
            let dialect = folder.dialect().or(self.dialect).or_else(Dialect::only_enabled);
            return Ok(vec![(folder, dialect)]);
        }
        several.into_iter().map(|(path, dialect)| Ok((Folder::read(&path)?, dialect))).collect()
    }

    pub(super) fn unknown_dialect(folder: &Folder) -> MigrateError {
        let features: Vec<_> = Dialect::enabled().map(Dialect::word).collect();
        let features = match features.is_empty() {
            true => "none of anchor's SQL features is on in this build".to_owned(),
            false => format!("several of anchor's SQL features are on ({})", features.join(", ")),
        };
        MigrateError::WhichDialect { folder: folder.path.clone(), features }
    }
}
