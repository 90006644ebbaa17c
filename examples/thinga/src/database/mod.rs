//! The application's own tables: users, things and votes, on SQLite or PostgreSQL.
//!
//! Each statement is written once, in SQL that both understand.

pub(crate) mod things;
pub(crate) mod users;
pub(crate) mod votes;

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{PgPool, SqlitePool};

/// The database. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// Runs the same code on either pool: sqlx's types differ, and nothing else does.
macro_rules! on {
    ($database:expr, $pool:ident => $code:expr) => {
        match $database {
            $crate::database::Database::Sqlite($pool) => $code,
            $crate::database::Database::Postgres($pool) => $code,
        }
    };
}
pub(crate) use on;

impl Database {
    /// Connects, and brings the tables up to date, including those of the sessions.
    pub(crate) async fn start(url: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let scheme = url.split_once(':').map_or(url, |(scheme, _)| scheme);
        match scheme {
            "sqlite" => {
                let options = SqliteConnectOptions::from_str(url)?
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    // A logout that was answered survives a crash of the machine.
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(Duration::from_secs(5));
                let pool = SqlitePool::connect_with(options).await?;
                sqlx::migrate!("migrations/sqlite").run(&pool).await?;
                Ok(Self::Sqlite(pool))
            }
            "postgres" | "postgresql" => {
                let options = PgPoolOptions::new().acquire_timeout(Duration::from_secs(8));
                let pool = options.connect(url).await?;
                sqlx::migrate!("migrations/postgres").run(&pool).await?;
                Ok(Self::Postgres(pool))
            }
            other => Err(format!(
                "DATABASE_URL: `{other}:` is not supported: write `sqlite:thinga.db` or \
                 `postgres://user@host/database`"
            )
            .into()),
        }
    }

    /// Returns an error if the database does not answer.
    pub(crate) async fn check(&self) -> Result<(), sqlx::Error> {
        on!(self, pool => sqlx::query("SELECT 1").execute(pool).await.map(drop))
    }
}
