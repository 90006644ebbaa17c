//! The databases: servers that are started from installed binaries, one database per application,
//! and its pools.
//!
//! The servers are those of the tests ([`anchor_tests::servers`]). They do not wait for the disk,
//! so the comparison is between programs and not between disks. `ANCHOR_TEST_POSTGRES_URL`,
//! `ANCHOR_TEST_MYSQL_URL` and `ANCHOR_TEST_REDIS_URL` name servers of your own, with your own
//! settings.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use anchor_tests::servers::{MYSQL, POSTGRES, REDIS};
use serde::{Deserialize, Serialize};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, MySqlPool, PgPool, SqlitePool};
use tower_sessions_sqlx_store::sqlx as older;

use crate::args::Store;

/// The number of connections in each pool: sqlx's default.
pub const CONNECTIONS: u32 = 10;

/// Where an application's rows are.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub enum Address {
    Memory,
    Sqlite(PathBuf),
    /// A URL whose path names the database.
    Server(String),
}

impl Address {
    /// Creates an empty database for the application with this name.
    ///
    /// # Panics
    ///
    /// Panics if the server is not installed or returns an error.
    pub async fn make(store: Store, name: &str, folder: &Path) -> Self {
        let name = format!("side_by_side_{}", name.replace('-', "_"));
        match store {
            Store::Memory => Address::Memory,
            Store::Sqlite => {
                let file = folder.join(format!("{name}.db"));
                for end in ["", "-wal", "-shm"] {
                    let _ = std::fs::remove_file(folder.join(format!("{name}.db{end}")));
                }
                Address::Sqlite(file)
            }
            Store::Postgres => {
                let url = POSTGRES.url().expect("install PostgreSQL, see above");
                let server = PgConnectOptions::from_str(url).expect("a URL");
                let mut admin = server.connect().await.expect("PostgreSQL answers");
                for statement in [
                    format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
                    format!("CREATE DATABASE {name}"),
                ] {
                    admin.execute(AssertSqlSafe(statement)).await.expect("a database");
                }
                admin.close().await.expect("a goodbye");
                Address::Server(in_database(url, &name))
            }
            Store::Mysql => {
                let url = MYSQL.url().expect("install MariaDB, see above");
                let server = MySqlConnectOptions::from_str(url).expect("a URL");
                let mut admin = server.connect().await.expect("MariaDB answers");
                for statement in
                    [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")]
                {
                    admin.execute(AssertSqlSafe(statement)).await.expect("a database");
                }
                admin.close().await.expect("a goodbye");
                Address::Server(in_database(url, &name))
            }
            Store::Redis => Self::make_on_redis().await,
        }
    }

    /// Takes the next database of Redis, which calls it by its number.
    async fn make_on_redis() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let url = REDIS.url().expect("install Redis, see above");
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let server = rest.split('/').next().expect("a server");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let address = Address::Server(format!("{scheme}://{server}/{number}"));
        let mut connection = address.redis().await;
        let size: u64 = redis::cmd("DBSIZE").query_async(&mut connection).await.expect("a size");
        assert_eq!(size, 0, "the database {number} of Redis is in use: name another server");
        address
    }

    /// Returns the URL of a server, whose path names the database.
    pub fn url(&self) -> &str {
        let Address::Server(url) = self else { panic!("{self:?} is not a server's") };
        url
    }

    fn file(&self) -> &Path {
        let Address::Sqlite(file) = self else { panic!("{self:?} is not SQLite's") };
        file
    }

    pub fn postgres(&self) -> PgPool {
        let options = PgConnectOptions::from_str(self.url()).expect("a URL");
        PgPoolOptions::new().max_connections(CONNECTIONS).connect_lazy_with(options)
    }

    pub fn mysql(&self) -> MySqlPool {
        let options = MySqlConnectOptions::from_str(self.url()).expect("a URL");
        MySqlPoolOptions::new().max_connections(CONNECTIONS).connect_lazy_with(options)
    }

    pub fn sqlite(&self) -> SqlitePool {
        let options = SqliteConnectOptions::new()
            .filename(self.file())
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal);
        SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_lazy_with(options)
    }

    /// Opens a connection that many calls share.
    pub async fn redis(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url()).expect("a URL");
        client.get_multiplexed_async_connection().await.expect("Redis answers")
    }

    /// Opens a pool of the sqlx version that the stores of tower-sessions need.
    pub fn older_postgres(&self) -> older::PgPool {
        let options = older::postgres::PgConnectOptions::from_str(self.url()).expect("a URL");
        older::postgres::PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_lazy_with(options)
    }

    /// Opens a pool of the sqlx version that the stores of tower-sessions need.
    pub fn older_mysql(&self) -> older::MySqlPool {
        let options = older::mysql::MySqlConnectOptions::from_str(self.url()).expect("a URL");
        older::mysql::MySqlPoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_lazy_with(options)
    }

    /// Opens a pool of the sqlx version that the stores of tower-sessions need.
    pub fn older_sqlite(&self) -> older::SqlitePool {
        let options = older::sqlite::SqliteConnectOptions::new()
            .filename(self.file())
            .create_if_missing(true)
            .journal_mode(older::sqlite::SqliteJournalMode::Wal)
            .synchronous(older::sqlite::SqliteSynchronous::Normal);
        older::sqlite::SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .connect_lazy_with(options)
    }

    /// Returns the name of the database in MariaDB, which calls it a schema.
    pub fn mysql_database(&self) -> &str {
        self.url().split("?").next().expect("a URL").rsplit('/').next().expect("a path")
    }
}

/// Returns the URL with another path.
fn in_database(url: &str, name: &str) -> String {
    let (url, query) = url.split_once('?').unwrap_or((url, ""));
    let (server, _) = url.rsplit_once('/').expect("a URL with a database");
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    format!("{server}/{name}{query}")
}
