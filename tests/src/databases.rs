//! An empty database for each test, on the servers of [`servers`].
//!
//! A PostgreSQL test gets a schema, a MySQL test a database, an SQLite test a file, named after
//! this process and a count. What an earlier process left on a server that the environment named is
//! dropped once it is an hour old.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{LazyLock, Once};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, MySqlConnection, MySqlPool, PgConnection,
    PgPool, SqlitePool,
};

use anchor::{RedisStore, SessionData, SessionId};
use redis::FromRedisValue;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::{ClusterClient, NodeAddress};
use redis::cluster_async::ClusterConnection;

use crate::servers::{
    self, GALERA, MYSQL, POSTGRES, POSTGRES_STANDBY, Proxied, REDIS, REDIS_CLUSTER, ScratchFolder,
    Server,
};

/// How long Redis may take for a command of a test.
const PATIENCE: Duration = Duration::from_secs(30);

const PREFIX: &str = "anchor_test_";
const LEFTOVER_AFTER_SECONDS: u64 = 3600;
const CONNECTIONS: u32 = 8;

/// A pool on an empty schema of PostgreSQL; `None`, said on standard error, when there is no
/// server.
///
/// # Panics
///
/// When the server refuses.
pub async fn postgres() -> Option<PgPool> {
    static TIDIED: Once = Once::new();
    let server = PgConnectOptions::from_str(POSTGRES.url()?).expect("a PostgreSQL URL");
    let mut admin: PgConnection = server.connect().await.expect("PostgreSQL answers");
    if first_time(&TIDIED) {
        let schemas: Vec<String> = sqlx::query_scalar("SELECT nspname::text FROM pg_namespace")
            .fetch_all(&mut admin)
            .await
            .expect("PostgreSQL lists its schemas");
        for schema in schemas.iter().filter(|name| is_leftover(name)) {
            // Another process may be dropping it too.
            let drop = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
            let _ = admin.execute(AssertSqlSafe(drop)).await;
        }
    }
    let schema = new_name();
    admin
        .execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}")))
        .await
        .expect("PostgreSQL makes a schema");
    admin.close().await.expect("PostgreSQL says goodbye");
    let options = PgPoolOptions::new().max_connections(CONNECTIONS);
    Some(options.connect_lazy_with(server.options([("search_path", schema)])))
}

/// An empty database of PostgreSQL, by its name, for what cannot choose a schema; `None`, said on
/// standard error, when there is no server.
///
/// # Panics
///
/// When the server refuses.
pub async fn postgres_database() -> Option<String> {
    static TIDIED: Once = Once::new();
    let server = PgConnectOptions::from_str(POSTGRES.url()?).expect("a PostgreSQL URL");
    let mut admin: PgConnection = server.connect().await.expect("PostgreSQL answers");
    if first_time(&TIDIED) {
        let databases: Vec<String> = sqlx::query_scalar("SELECT datname::text FROM pg_database")
            .fetch_all(&mut admin)
            .await
            .expect("PostgreSQL lists its databases");
        for database in databases.iter().filter(|name| is_leftover(name)) {
            // Another process may be dropping it too.
            let drop = format!("DROP DATABASE IF EXISTS {database}");
            let _ = admin.execute(AssertSqlSafe(drop)).await;
        }
    }
    let database = new_name();
    admin
        .execute(AssertSqlSafe(format!("CREATE DATABASE {database}")))
        .await
        .expect("PostgreSQL makes a database");
    admin.close().await.expect("PostgreSQL says goodbye");
    Some(database)
}

/// An empty schema of PostgreSQL, and the name of the database of PgBouncer that is this schema;
/// `None`, said on standard error, when there is no server.
///
/// # Panics
///
/// When the server refuses.
pub async fn postgres_schema_of_pgbouncer() -> Option<String> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let server = PgConnectOptions::from_str(POSTGRES.url()?).expect("a PostgreSQL URL");
    let mut admin: PgConnection = server.connect().await.expect("PostgreSQL answers");
    let schema = servers::pgbouncer::schema(COUNT.fetch_add(1, Ordering::Relaxed));
    let create = AssertSqlSafe(format!("CREATE SCHEMA {schema}"));
    admin.execute(create).await.expect("PostgreSQL makes a schema");
    admin.close().await.expect("PostgreSQL says goodbye");
    Some(schema)
}

/// A pool on a standby of PostgreSQL, which accepts no writes; `None`, said on standard error, when
/// there is none.
///
/// # Panics
///
/// When its URL is not one.
pub fn postgres_standby() -> Option<PgPool> {
    let server = PgConnectOptions::from_str(POSTGRES_STANDBY.url()?).expect("a PostgreSQL URL");
    Some(PgPoolOptions::new().max_connections(CONNECTIONS).connect_lazy_with(server))
}

/// A pool on an empty database of MySQL or MariaDB; `None`, said on standard error, when there is
/// no server.
///
/// # Panics
///
/// When the server refuses.
pub async fn mysql() -> Option<MySqlPool> {
    Some(empty_database(MYSQL.url()?).await)
}

/// The same on a MariaDB with a binary log that this process alone uses, and one test in it.
///
/// # Panics
///
/// When the server refuses.
pub async fn own_mysql() -> Option<MySqlPool> {
    static OWN: Server = Server::own_mysql();
    Some(empty_database(OWN.url()?).await)
}

/// A pool on each of three servers of a Galera cluster, on one empty database; `None`, said on
/// standard error, when there is no cluster.
///
/// # Panics
///
/// When a server refuses.
pub async fn galera() -> Option<[MySqlPool; 3]> {
    Some(galera_at(GALERA.url()?).await)
}

/// The same on the cluster of these servers, with commas between their URLs.
///
/// # Panics
///
/// When a server refuses, or there are not three.
pub async fn galera_at(urls: &str) -> [MySqlPool; 3] {
    let mut urls = urls.split(',');
    let first = empty_database(urls.next().expect("a URL")).await;
    let database = first.connect_options().get_database().expect("a database").to_owned();
    let mut pools = vec![first];
    for url in urls {
        let server = MySqlConnectOptions::from_str(url).expect("a MySQL URL");
        let mut admin: MySqlConnection = server.connect().await.expect("MySQL answers");
        // The database has been made on this server, too, when this is answered.
        let made = "SET STATEMENT wsrep_sync_wait = 15 FOR SELECT 1";
        admin.execute(made).await.expect("MySQL waits");
        admin.close().await.expect("MySQL says goodbye");
        let options = MySqlPoolOptions::new().max_connections(CONNECTIONS);
        pools.push(options.connect_lazy_with(server.database(&database)));
    }
    pools.try_into().expect("three servers")
}

async fn empty_database(url: &str) -> MySqlPool {
    static TIDIED: Once = Once::new();
    let server = MySqlConnectOptions::from_str(url).expect("a MySQL URL");
    let mut admin: MySqlConnection = server.connect().await.expect("MySQL answers");
    if first_time(&TIDIED) {
        let list = "SELECT CAST(schema_name AS CHAR) FROM information_schema.schemata";
        let databases: Vec<String> = sqlx::query_scalar(list)
            .fetch_all(&mut admin)
            .await
            .expect("MySQL lists its databases");
        for database in databases.iter().filter(|name| is_leftover(name)) {
            // Another process may be dropping it too.
            let drop = format!("DROP DATABASE IF EXISTS {database}");
            let _ = admin.execute(AssertSqlSafe(drop)).await;
        }
    }
    let database = new_name();
    admin
        .execute(AssertSqlSafe(format!("CREATE DATABASE {database}")))
        .await
        .expect("MySQL makes a database");
    admin.close().await.expect("MySQL says goodbye");
    let options = MySqlPoolOptions::new().max_connections(CONNECTIONS);
    options.connect_lazy_with(server.database(&database))
}

/// A pool on an empty SQLite file, which is removed when this process ends.
///
/// # Panics
///
/// When no file can be made.
pub async fn sqlite() -> SqlitePool {
    static FOLDER: LazyLock<ScratchFolder> =
        LazyLock::new(|| ScratchFolder::new("sqlite").expect("a folder for SQLite"));
    let file = FOLDER.path().join(format!("{}.db", new_name()));
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Off);
    SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_lazy_with(options)
}

/// A prefix of keys that no other test has, and a server of Redis; `None`, said on standard error,
/// when there is no server. What a test leaves there expires with its sessions.
pub async fn redis() -> Option<Redis> {
    Some(Redis { url: REDIS.url()?.to_owned(), prefix: new_name() })
}

/// The same on a Redis Cluster.
pub async fn redis_cluster() -> Option<Redis> {
    Some(Redis { url: REDIS_CLUSTER.url()?.to_owned(), prefix: new_name() })
}

/// The same on a Redis Cluster whose clients come through a proxy, and which no other test uses
/// meanwhile.
pub async fn proxied_redis_cluster() -> Option<Redis> {
    Some(Redis { url: Proxied::of_this_test()?.url().to_owned(), prefix: new_name() })
}

/// A server of Redis that this process alone uses, and one test in it; `None`, said on standard
/// error, when there is none to start.
pub fn own_redis() -> Option<Redis> {
    static ONES: [Server; 32] = [const { Server::own_redis() }; 32];
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    let one = ONES.get(TAKEN.fetch_add(1, Ordering::Relaxed)).expect("a server for each test");
    Some(Redis { url: one.url()?.to_owned(), prefix: new_name() })
}

/// A server of Redis, or several of a cluster, and a part of its keys.
#[derive(Clone)]
pub struct Redis {
    /// Where it listens; with commas between the servers of a cluster.
    pub url: String,
    /// What the names of the keys begin with.
    pub prefix: String,
}

impl Redis {
    /// A store there.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    pub async fn store<T: SessionData>(&self) -> RedisStore<T> {
        let store = match (self.url.contains(','), Proxied::at(&self.url)) {
            // Past the proxy, where its servers say that they are.
            (true, Some(_)) => Ok(RedisStore::new(self.cluster_connection().await)),
            (true, None) => RedisStore::connect_cluster(self.url.split(',')).await,
            (false, _) => RedisStore::connect(&self.url).await,
        };
        store.expect("Redis answers").prefix(&self.prefix)
    }

    /// A connection to a cluster, past a proxy.
    async fn cluster_connection(&self) -> ClusterConnection {
        let mut places = HashMap::new();
        if let Some(proxied) = Proxied::at(&self.url) {
            for (said, real) in proxied.places() {
                let [said, real] = [said, real]
                    .map(|place| NodeAddress::new(place.ip().to_string(), place.port()));
                places.insert(said, real);
            }
        }
        let client = ClusterClient::builder(self.url.split(','))
            .connection_timeout(Duration::from_secs(2))
            .response_timeout(Duration::from_secs(5))
            .node_address_map(places)
            .build();
        let connection = client.expect("URLs of Redis").get_async_connection().await;
        connection.expect("Redis Cluster answers")
    }

    /// Where its one server listens: `host:port`.
    ///
    /// # Panics
    ///
    /// When the URL does not say that.
    pub fn address(&self) -> String {
        let client = redis::Client::open(self.url.as_str()).expect("a URL of Redis");
        client.get_connection_info().addr().to_string()
    }

    /// A connection of its own.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    pub async fn connection(&self) -> ConnectionManager {
        let client = redis::Client::open(self.url.as_str()).expect("a URL of Redis");
        // A snapshot may take as long as a busy disk makes it.
        let patient = ConnectionManagerConfig::new().set_response_timeout(Some(PATIENCE));
        ConnectionManager::new_with_config(client, patient).await.expect("Redis answers")
    }

    /// The name of a key in the shard of a session, such as `session:<id>`.
    pub fn key(&self, table: &str, id: SessionId, name: &str) -> String {
        format!("{{{}:{table}:{:03x}}}:{name}", self.prefix, id.placement().number())
    }

    /// Runs a command behind the store's back.
    ///
    /// # Panics
    ///
    /// When the server refuses it.
    pub async fn run<R: FromRedisValue>(&self, words: &[&str]) -> R {
        let mut command = redis::Cmd::new();
        command.arg(words);
        let answer = match self.url.contains(',') {
            // The key says which of the servers.
            true => command.query_async(&mut self.cluster_connection().await).await,
            false => command.query_async(&mut self.connection().await).await,
        };
        answer.expect("Redis answers")
    }

    /// Puts a text under the key of a session.
    ///
    /// # Panics
    ///
    /// When the server does not answer.
    pub async fn set_wrong_type(&self, table: &str, id: SessionId) {
        let key = self.key(table, id, &format!("session:{id}"));
        let set = redis::cmd("SET")
            .arg(key)
            .arg("of another program")
            .exec_async(&mut self.connection().await)
            .await;
        set.expect("Redis sets a text");
    }
}

fn first_time(once: &Once) -> bool {
    let mut first = false;
    once.call_once(|| first = true);
    first
}

/// `anchor_test_<seconds since 1970>_<process>_<count>`.
pub(crate) fn new_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}_{}_{count}", seconds_now(), std::process::id())
}

fn is_leftover(name: &str) -> bool {
    name.strip_prefix(PREFIX)
        .and_then(|rest| rest.split('_').next()?.parse::<u64>().ok())
        .is_some_and(|made| made + LEFTOVER_AFTER_SECONDS < seconds_now())
}

fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_names_of_tests_are_leftovers() {
        assert!(is_leftover("anchor_test_1000_7_3"));
        for name in [new_name().as_str(), "public", "anchor_test_", "anchor_test_x_1_1"] {
            assert!(!is_leftover(name), "{name}");
        }
    }
}
