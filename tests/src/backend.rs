//! [`Backend`]: the stores that a behaviour is tested on.

use std::sync::Arc;

use anchor::{MemoryStore, MySqlStore, PostgresStore, SessionData, SessionStore, SqliteStore};
use sqlx::{AssertSqlSafe, MySqlPool, PgPool, SqlitePool};

use crate::databases;

/// An empty store of one kind.
pub enum Backend {
    /// This process's memory.
    Memory,
    /// An SQLite file.
    Sqlite(SqlitePool),
    /// A schema of PostgreSQL.
    Postgres(PgPool),
    /// A database of MySQL or MariaDB.
    MySql(MySqlPool),
}

impl Backend {
    /// Memory.
    pub async fn memory() -> Option<Self> {
        Some(Backend::Memory)
    }

    /// SQLite.
    pub async fn sqlite() -> Option<Self> {
        Some(Backend::Sqlite(databases::sqlite().await))
    }

    /// PostgreSQL; `None`, said on standard error, when there is no server.
    pub async fn postgres() -> Option<Self> {
        databases::postgres().await.map(Backend::Postgres)
    }

    /// MySQL or MariaDB; `None`, said on standard error, when there is no server.
    pub async fn mysql() -> Option<Self> {
        databases::mysql().await.map(Backend::MySql)
    }

    /// A store for `T` with its table made. A second call gives the same rows on a database, and other rows in memory.
    ///
    /// # Panics
    ///
    /// When the table cannot be made.
    pub async fn store<T: SessionData>(&self) -> Arc<dyn SessionStore<T>> {
        match self {
            Backend::Memory => Arc::new(MemoryStore::new()),
            Backend::Sqlite(pool) => {
                let store = SqliteStore::new(pool.clone());
                store.migrate().await.expect("SQLite makes the table");
                Arc::new(store)
            }
            Backend::Postgres(pool) => {
                let store = PostgresStore::new(pool.clone());
                store.migrate().await.expect("PostgreSQL makes the table");
                Arc::new(store)
            }
            Backend::MySql(pool) => {
                let store = MySqlStore::new(pool.clone());
                store.migrate().await.expect("MySQL makes the table");
                Arc::new(store)
            }
        }
    }

    /// Runs a statement behind the store's back, and says how many rows it met; `None` where there is no SQL.
    ///
    /// # Panics
    ///
    /// When the database refuses it.
    pub async fn execute(&self, sql: &str) -> Option<u64> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Backend::Memory => None,
            Backend::Sqlite(pool) => {
                Some(sqlx::query(sql).execute(pool).await.expect("SQL").rows_affected())
            }
            Backend::Postgres(pool) => {
                Some(sqlx::query(sql).execute(pool).await.expect("SQL").rows_affected())
            }
            Backend::MySql(pool) => {
                Some(sqlx::query(sql).execute(pool).await.expect("SQL").rows_affected())
            }
        }
    }
}
