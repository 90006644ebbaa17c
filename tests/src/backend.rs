//! [`Backend`]: the stores that a behaviour is tested on.

use std::any::Any;
use std::sync::Arc;

use anchor::store::SessionStore;
use anchor::{MemoryStore, MySqlStore, PostgresStore, SessionData, SqliteStore};
use sqlx::pool::PoolOptions;
use sqlx::{AssertSqlSafe, Database, MySqlPool, PgPool, Pool, SqlitePool};

use crate::databases::{self, Redis};

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
    /// A prefix of Redis.
    Redis(Redis),
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

    /// Redis; `None`, said on standard error, when there is no server.
    pub async fn redis() -> Option<Self> {
        databases::redis().await.map(Backend::Redis)
    }

    /// A store for `T` with its table made. A second call gives the same rows on a database, and
    /// other rows in memory.
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
            Backend::Redis(server) => Arc::new(server.store().await),
        }
    }

    /// The same database through a pool of its own, of at most so many connections; memory is
    /// another one.
    pub fn reconnected(&self, connections: u32) -> Self {
        /// A pool with the options of another one.
        fn again<D: Database>(pool: &Pool<D>, connections: u32) -> Pool<D> {
            let options = (*pool.connect_options()).clone();
            PoolOptions::new().max_connections(connections).connect_lazy_with(options)
        }
        match self {
            Backend::Memory => Backend::Memory,
            Backend::Sqlite(pool) => Backend::Sqlite(again(pool, connections)),
            Backend::Postgres(pool) => Backend::Postgres(again(pool, connections)),
            Backend::MySql(pool) => Backend::MySql(again(pool, connections)),
            // Each of its stores has a connection of its own.
            Backend::Redis(server) => Backend::Redis(server.clone()),
        }
    }

    /// Whether an expired session's row is gone at once, and no sweep counts it.
    pub fn removes_expired_rows(&self) -> bool {
        matches!(self, Backend::Redis(_))
    }

    /// How many connections of the pool somebody holds.
    pub fn connections_in_use(&self) -> usize {
        match self {
            Backend::Memory | Backend::Redis(_) => 0,
            Backend::Sqlite(pool) => pool.size() as usize - pool.num_idle(),
            Backend::Postgres(pool) => pool.size() as usize - pool.num_idle(),
            Backend::MySql(pool) => pool.size() as usize - pool.num_idle(),
        }
    }

    /// Takes every connection of the pool, until the result is dropped.
    ///
    /// # Panics
    ///
    /// When the database refuses one.
    pub async fn take_every_connection(&self) -> Vec<Box<dyn Any + Send>> {
        /// All that the pool may have.
        async fn all<D: Database>(pool: &Pool<D>) -> Vec<Box<dyn Any + Send>> {
            let mut taken: Vec<Box<dyn Any + Send>> = Vec::new();
            for _ in 0..pool.options().get_max_connections() {
                taken.push(Box::new(pool.acquire().await.expect("a connection")));
            }
            taken
        }
        match self {
            Backend::Memory | Backend::Redis(_) => Vec::new(),
            Backend::Sqlite(pool) => all(pool).await,
            Backend::Postgres(pool) => all(pool).await,
            Backend::MySql(pool) => all(pool).await,
        }
    }

    /// Runs a statement behind the store's back, and says how many rows it met; `None` where there
    /// is no SQL.
    ///
    /// # Panics
    ///
    /// When the database refuses it.
    pub async fn execute(&self, sql: &str) -> Option<u64> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Backend::Memory | Backend::Redis(_) => None,
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
