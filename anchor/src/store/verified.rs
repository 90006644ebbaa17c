//! What a store's `verify` returns.

use crate::error::StoreError;

/// The result of a store's `verify` if it may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// What works, but is a risk. Each warning has been logged. An application may prefer not to
    /// start with a warning.
    pub warnings: Vec<String>,
}

impl Verified {
    /// Logs these warnings.
    pub(crate) fn with(table: &str, warnings: Vec<String>) -> Self {
        for warning in &warnings {
            tracing::warn!(target: "anchor", table, "{warning}");
        }
        Self { warnings }
    }
}

/// Why a store's `verify` failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The table does not match the struct.
    #[error(
        "the table `{table}` is not what the struct declares:{}\nrun your migrations; for a new \
         table in a quick start, `store.migrate()` creates it",
        list(differences)
    )]
    Table {
        /// The table.
        table: &'static str,
        /// What is missing or different, in the struct's order.
        differences: Vec<String>,
    },
    /// The server is set up so that sessions, or their ends, are lost in operation, or cannot be
    /// written.
    #[error("the server does not keep sessions:{}", list(settings))]
    Settings {
        /// Each setting, and what to set instead.
        settings: Vec<String>,
    },
}

/// Refuses a server that is a replica.
pub(crate) fn a_replica(server: &str) -> String {
    format!(
        "{server} is a replica: it answers with an older state, in which a logout may not have \
         happened. Connect to the primary"
    )
}

/// Warns about what undoes logouts on a server, and says which settings prevent it.
pub(crate) fn final_logouts(server: &str, undone: &str, set: &str) -> String {
    format!("{server}: {undone}. For logouts that are final, set {set}")
}

fn list(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  - {line}")).collect()
}
