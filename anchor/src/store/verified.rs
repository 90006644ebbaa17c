//! What a store's `verify` returns.

use crate::error::StoreError;

/// The result of a store's `verify` if it may be used.
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # async fn example(
/// #     store: PostgresStore<UserSession>,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// let verified = store.verify().await?;
/// if !verified.warnings.is_empty() {
///     return Err("not in this company: logouts must survive a crash".into());
/// }
/// # Ok(())
/// # }
/// ```
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
///
/// ```
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let pool = sqlx::sqlite::SqlitePoolOptions::new()
/// #     .max_connections(1)
/// #     .connect("sqlite::memory:")
/// #     .await?;
/// use anchor::store::VerifyError;
///
/// // Neither migrations nor `store.migrate()` have run.
/// let store = SqliteStore::<UserSession>::new(pool);
/// let VerifyError::Table { table, .. } = store.verify().await.unwrap_err() else {
///     panic!("the table is missing")
/// };
/// assert_eq!(table, "user_session");
/// # Ok(())
/// # }
/// ```
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
