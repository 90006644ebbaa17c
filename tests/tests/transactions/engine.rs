//! The databases, and the application's own statements on them.

use std::time::Duration;

use anchor::manager::SessionTransaction;
use anchor::store::Transactional;
use anchor::{MySqlStore, PostgresStore, SessionData, SqliteStore};
use anchor_tests::{Backend, Proxy, databases};
use sqlx::{AssertSqlSafe, MySqlPool, PgPool, SqlitePool};

/// Makes a test of each of these functions for each SQL store. Each takes an [`Engine`].
macro_rules! on_every_database {
    ($($behaviour:ident),+ $(,)?) => {
        crate::engine::on_every_database! { @database sqlite sqlx::SqlitePool: $($behaviour)+ }
        crate::engine::on_every_database! { @database postgres sqlx::PgPool: $($behaviour)+ }
        crate::engine::on_every_database! { @database mysql sqlx::MySqlPool: $($behaviour)+ }
    };
    (@database $name:ident $pool:ty: $($behaviour:ident)+) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    if let Some(pool) = <$pool as crate::engine::Engine>::pool().await {
                        super::$behaviour::<$pool>(pool).await;
                    }
                }
            )+
        }
    };
}
pub(crate) use on_every_database;

/// The pool of the transactions of an engine.
pub(crate) type Pool<E, T> = <<E as Engine>::Store<T> as Transactional<T>>::Pool;

/// A transaction of an engine.
pub(crate) type Transaction<E, T> = SessionTransaction<T, Pool<E, T>>;

/// A pool, and what the application does with it.
pub(crate) trait Engine: Clone + Send + Sync + 'static {
    type Store<T: SessionData>: Transactional<T> + Clone;

    async fn pool() -> Option<Self>;

    async fn store<T: SessionData>(&self) -> Self::Store<T>;

    /// The same database behind a proxy, through a pool of its own; `None` without a network.
    fn behind_a_proxy(&self) -> Option<(Self, Proxy)>;

    /// Makes the database refuse what a trigger of this kind sees, if the condition holds.
    async fn refuse(&self, trigger: &str, kind: &str, table: &str, condition: &str);

    async fn refuse_no_longer(&self, trigger: &str, table: &str);

    /// Another database, which has no table.
    async fn elsewhere() -> Option<Self> {
        Self::pool().await
    }

    /// Runs a statement by itself.
    async fn execute(&self, sql: &str);

    /// The number that a query finds.
    async fn number(&self, sql: &str) -> i64;

    /// Runs a statement of the application's in a transaction.
    fn execute_in<T: SessionData>(
        transaction: &mut Transaction<Self, T>,
        sql: &str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// The number that a query finds in a transaction.
    fn number_in<T: SessionData>(
        transaction: &mut Transaction<Self, T>,
        sql: &str,
    ) -> impl Future<Output = i64> + Send;

    /// Takes over a transaction that the application has begun with this statement.
    fn hand_over<T: SessionData>(
        &self,
        sessions: &anchor::SessionManager<T>,
        store: &Self::Store<T>,
        begin: &'static str,
    ) -> impl Future<Output = Result<Transaction<Self, T>, anchor::Error>> + Send;
}

macro_rules! engine {
    ($pool:ty, $store:ident, $backend:ident, $open:expr) => {
        impl Engine for $pool {
            type Store<T: SessionData> = $store<T>;

            async fn pool() -> Option<Self> {
                $open
            }

            async fn store<T: SessionData>(&self) -> $store<T> {
                let store = $store::new(self.clone());
                store.migrate().await.expect("the table is made");
                store
            }

            fn behind_a_proxy(&self) -> Option<(Self, Proxy)> {
                match Backend::$backend(self.clone()).behind_a_proxy(4)? {
                    (Backend::$backend(pool), proxy) => Some((pool, proxy)),
                    _ => None,
                }
            }

            async fn refuse(&self, trigger: &str, kind: &str, table: &str, condition: &str) {
                for statement in refusal(stringify!($backend), trigger, kind, table, condition) {
                    self.execute(&statement).await;
                }
            }

            async fn refuse_no_longer(&self, trigger: &str, table: &str) {
                match stringify!($backend) {
                    "Postgres" => self.execute(&format!("DROP TRIGGER {trigger} ON {table}")).await,
                    _ => self.execute(&format!("DROP TRIGGER {trigger}")).await,
                }
            }

            async fn execute(&self, sql: &str) {
                let statement = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
                statement.execute(self).await.expect("SQL");
            }

            async fn number(&self, sql: &str) -> i64 {
                let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
                query.fetch_one(self).await.expect("a number")
            }

            async fn execute_in<T: SessionData>(
                transaction: &mut Transaction<Self, T>,
                sql: &str,
            ) -> Result<(), sqlx::Error> {
                let statement = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
                statement.execute(&mut **transaction).await.map(drop)
            }

            async fn number_in<T: SessionData>(
                transaction: &mut Transaction<Self, T>,
                sql: &str,
            ) -> i64 {
                let query = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
                query.fetch_one(&mut **transaction).await.expect("a number")
            }

            async fn hand_over<T: SessionData>(
                &self,
                sessions: &anchor::SessionManager<T>,
                store: &$store<T>,
                begin: &'static str,
            ) -> Result<Transaction<Self, T>, anchor::Error> {
                let transaction = <$pool>::begin_with(self, begin).await.expect("it begins");
                sessions.within(store, transaction).await
            }
        }
    };
}

engine!(SqlitePool, SqliteStore, Sqlite, Some(databases::sqlite().await));
engine!(PgPool, PostgresStore, Postgres, databases::postgres().await);
engine!(MySqlPool, MySqlStore, MySql, databases::mysql().await);

/// The statements that make a trigger which refuses a row.
fn refusal(database: &str, trigger: &str, kind: &str, table: &str, condition: &str) -> Vec<String> {
    let create = format!("CREATE TRIGGER {trigger} {kind} ON {table} FOR EACH ROW");
    match database {
        "Postgres" => vec![
            format!(
                "CREATE FUNCTION {trigger}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                 IF {condition} THEN RAISE EXCEPTION 'refused by a test'; END IF; \
                 RETURN COALESCE(NEW, OLD); END $$"
            ),
            format!("{create} EXECUTE FUNCTION {trigger}()"),
        ],
        "MySql" => vec![format!(
            "{create} BEGIN IF {condition} THEN SIGNAL SQLSTATE '45000' \
             SET MESSAGE_TEXT = 'refused by a test'; END IF; END"
        )],
        _ => vec![format!(
            "{create} WHEN {condition} BEGIN SELECT RAISE(ABORT, 'refused by a test'); END"
        )],
    }
}

/// Waits until something is so, on a machine that is busy.
pub(crate) async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect(what);
}

/// For what must not happen, and would happen at once.
pub(crate) const A_MOMENT: Duration = Duration::from_millis(150);
