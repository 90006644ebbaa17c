//! The databases, and the application's own statements on them.

use std::time::Duration;

use anchor::manager::SessionTransaction;
use anchor::store::Transactional;
use anchor::{MySqlStore, PostgresStore, SessionData, SqliteStore};
use anchor_tests::databases;
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

    /// Takes over a transaction that the application has begun with this statement.
    async fn hand_over<T: SessionData>(
        &self,
        sessions: &anchor::SessionManager<T>,
        store: &Self::Store<T>,
        begin: &'static str,
    ) -> Result<Transaction<Self, T>, anchor::Error>;
}

macro_rules! engine {
    ($pool:ty, $store:ident, $open:expr) => {
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

engine!(SqlitePool, SqliteStore, Some(databases::sqlite().await));
engine!(PgPool, PostgresStore, databases::postgres().await);
engine!(MySqlPool, MySqlStore, databases::mysql().await);

/// For what must not happen, and would happen at once.
pub(crate) const A_MOMENT: Duration = Duration::from_millis(150);
