//! [`Backend`]: the stores that a behaviour is tested on.

use std::any::Any;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anchor::store::SessionStore;
use anchor::{MemoryStore, MySqlStore, PostgresStore, SessionData, SessionId, SqliteStore};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::pool::PoolOptions;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Database, MySqlPool, PgPool, Pool, SqlitePool};

use crate::Proxy;
use crate::databases::{self, Redis};
use crate::servers::Proxied;

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

    /// Redis Cluster, which [`behind_a_proxy`](Self::behind_a_proxy) can cut; `None`, said on
    /// standard error, when there is none to start.
    pub async fn redis_cluster() -> Option<Self> {
        databases::proxied_redis_cluster().await.map(Backend::Redis)
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

    /// The same database behind a proxy, through a pool of its own of at most so many connections.
    /// `None` where there is no connection that a proxy could cut.
    pub fn behind_a_proxy(&self, connections: u32) -> Option<(Self, Proxy)> {
        let place = |proxy: &Proxy| (proxy.address().ip().to_string(), proxy.address().port());
        match self {
            Backend::Memory | Backend::Sqlite(_) => None,
            Backend::Postgres(direct) => {
                let options = PgConnectOptions::clone(&direct.connect_options());
                let server = format!("{}:{}", options.get_host(), options.get_port());
                let proxy = Proxy::before(server);
                let (host, port) = place(&proxy);
                let pool = PoolOptions::new().max_connections(connections);
                let pool = pool.connect_lazy_with(options.host(&host).port(port));
                Some((Backend::Postgres(pool), proxy))
            }
            Backend::MySql(direct) => {
                let options = MySqlConnectOptions::clone(&direct.connect_options());
                let server = format!("{}:{}", options.get_host(), options.get_port());
                let proxy = Proxy::before(server);
                let (host, port) = place(&proxy);
                let pool = PoolOptions::new().max_connections(connections);
                let pool = pool.connect_lazy_with(options.host(&host).port(port));
                Some((Backend::MySql(pool), proxy))
            }
            Backend::Redis(direct) if direct.url.contains(',') => {
                let proxy = Proxied::at(&direct.url)?.proxy().clone();
                let urls = proxy.addresses().iter().map(|address| format!("redis://{address}"));
                let url = urls.collect::<Vec<_>>().join(",");
                Some((Backend::Redis(Redis { url, ..direct.clone() }), proxy))
            }
            Backend::Redis(direct) => {
                let server = direct.address();
                let proxy = Proxy::before(server.clone());
                let url = direct.url.replacen(&server, &proxy.address().to_string(), 1);
                Some((Backend::Redis(Redis { url, ..direct.clone() }), proxy))
            }
        }
    }

    /// What another process passes to [`at`](Self::at) to have the same rows, except in memory.
    ///
    /// # Panics
    ///
    /// When the file of SQLite has a name that is not UTF-8.
    pub fn url(&self) -> String {
        match self {
            Backend::Memory => "memory:".to_owned(),
            Backend::Sqlite(pool) => {
                let options = pool.connect_options();
                format!("sqlite:{}", options.get_filename().to_str().expect("UTF-8"))
            }
            Backend::Postgres(pool) => {
                let options = pool.connect_options();
                let mut url = options.to_url_lossy();
                // sqlx leaves them out, and the schema is among them.
                if let Some(settings) = options.get_options() {
                    url.query_pairs_mut().append_pair("options", settings);
                }
                url.into()
            }
            Backend::MySql(pool) => pool.connect_options().to_url_lossy().into(),
            Backend::Redis(server) => format!("{}#{}", server.url, server.prefix),
        }
    }

    /// What is at a URL that [`url`](Self::url) has made, or at the URL of a server. SQLite writes
    /// so that a loss of power loses nothing.
    ///
    /// # Panics
    ///
    /// When this is not such a URL.
    pub fn at(url: &str) -> Self {
        /// A pool that does not wait long for a server that is gone.
        fn pool<D: Database>() -> PoolOptions<D> {
            PoolOptions::new().max_connections(8).acquire_timeout(Duration::from_secs(3))
        }
        match url.split(':').next() {
            Some("memory") => Backend::Memory,
            Some("sqlite") => {
                let options = SqliteConnectOptions::from_str(url).expect("a URL of SQLite");
                let options = options
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full);
                Backend::Sqlite(pool().connect_lazy_with(options))
            }
            Some("postgres") => {
                Backend::Postgres(pool().connect_lazy(url).expect("a URL of PostgreSQL"))
            }
            Some("mysql") => Backend::MySql(pool().connect_lazy(url).expect("a URL of MySQL")),
            Some("redis") => {
                let (url, prefix) = url.split_once('#').unwrap_or((url, "anchor"));
                Backend::Redis(Redis { url: url.to_owned(), prefix: prefix.to_owned() })
            }
            _ => panic!("no store is at `{url}`"),
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

    /// Forgets that there ever was a session, which Redis remembers for a while after its end.
    ///
    /// # Panics
    ///
    /// When Redis refuses it.
    pub async fn forget(&self, table: &str, id: SessionId) {
        if let Backend::Redis(server) = self {
            let key = server.key(table, id, &format!("session:{id}"));
            server.run::<i64>(&["DEL", &key]).await;
        }
    }
}
