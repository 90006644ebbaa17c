//! [`Drift`]: how a struct and the migrations in one folder differ.

use std::fmt;
use std::path::PathBuf;

/// How a struct and the migrations in one folder differ.
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
