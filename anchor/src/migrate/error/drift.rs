//! [`Drift`]: how a struct and the migrations in one folder differ.

use std::fmt;
use std::path::PathBuf;

/// How a struct and the migrations in one folder differ.
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
/// use anchor::migrate::{MigrateError, Migrations, check, write};
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
/// let Err(MigrateError::Drift(drifts)) = check(UserSession::schema(), &migrations) else {
///     panic!("the struct and the migrations differ")
/// };
/// assert!(drifts[0].difference.starts_with("- theme"));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drift {
    /// The table.
    pub table: String,
    /// The folder.
    pub folder: PathBuf,
    /// One difference per line: `+` is only in the struct, `-` only in the migrations, `~` in both.
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
                 If the struct is not stored in your database, for example because only a test \
                 uses it: #[session(migrations = false)]\n\
                 If the table had another name before: #[session(renamed_from = \"..\")]"
            );
        }
        writeln!(f, "the struct of the table `{table}` and the migrations in {folder} differ:\n")?;
        difference.lines().try_for_each(|line| writeln!(f, "  {line}"))?;
        writeln!(f, "\n(+ is only in the struct, - only in the migrations, ~ in both)")
    }
}
