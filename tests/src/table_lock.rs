//! [`TableLock`]: somebody else who keeps a database from going on.

use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use crate::Backend;

/// Whom a [`TableLock`] keeps waiting.
#[derive(Debug, Clone, Copy)]
pub enum Waiting {
    /// Who reads, and who writes.
    Everyone,
    /// Who writes.
    Writers,
}

/// A table that another connection, none of the pool's, has locked until
/// [`release`](Self::release).
pub enum TableLock {
    /// On PostgreSQL.
    Postgres(PgConnection),
    /// On MySQL or MariaDB.
    MySql(MySqlConnection),
}

impl TableLock {
    /// Locks `table`; `None` where there are no such locks.
    ///
    /// # Panics
    ///
    /// When the database refuses.
    pub async fn of(backend: &Backend, table: &str, waiting: Waiting) -> Option<Self> {
        match backend {
            Backend::Memory | Backend::Sqlite(_) | Backend::Redis(_) => None,
            Backend::Postgres(pool) => {
                let mut connection = pool.connect_options().connect().await.expect("a connection");
                let mode = match waiting {
                    Waiting::Everyone => "ACCESS EXCLUSIVE",
                    Waiting::Writers => "SHARE",
                };
                let lock = format!("BEGIN; LOCK TABLE {table} IN {mode} MODE");
                sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut connection).await.expect("a lock");
                Some(TableLock::Postgres(connection))
            }
            Backend::MySql(pool) => {
                let mut connection = pool.connect_options().connect().await.expect("a connection");
                let mode = match waiting {
                    Waiting::Everyone => "WRITE",
                    Waiting::Writers => "READ",
                };
                let lock = format!("LOCK TABLES {table} {mode}");
                sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut connection).await.expect("a lock");
                Some(TableLock::MySql(connection))
            }
        }
    }

    /// Lets everyone go on.
    ///
    /// # Panics
    ///
    /// When the database refuses.
    pub async fn release(self) {
        match self {
            TableLock::Postgres(connection) => connection.close().await.expect("it closes"),
            TableLock::MySql(connection) => connection.close().await.expect("it closes"),
        }
    }
}
