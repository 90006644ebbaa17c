//! Writes the rows that `tower_sessions_sqlx_store::PostgresStore` 0.15 writes, with sqlx 0.9. That
//! crate needs sqlx 0.8, and Cargo links one SQLite for both.

use async_trait::async_trait;
use sqlx::{Executor, PgPool};
use tower_sessions::session::{Id, Record};
use tower_sessions::{SessionStore, session_store};

#[derive(Clone, Debug)]
pub(crate) struct PostgresStore {
    pool: PgPool,
}

impl PostgresStore {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    pub(crate) async fn migrate(&self) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        // Other tests do the same, in the same database.
        transaction.execute("SELECT pg_advisory_xact_lock(7)").await?;
        transaction.execute("CREATE SCHEMA IF NOT EXISTS tower_sessions").await?;
        let table = "CREATE TABLE IF NOT EXISTS tower_sessions.session (\
                     id text PRIMARY KEY NOT NULL, data bytea NOT NULL, \
                     expiry_date timestamptz NOT NULL)";
        transaction.execute(table).await?;
        transaction.commit().await
    }
}

fn failed(error: impl ToString) -> session_store::Error {
    session_store::Error::Backend(error.to_string())
}

#[async_trait]
impl SessionStore for PostgresStore {
    async fn save(&self, record: &Record) -> session_store::Result<()> {
        let save = "INSERT INTO tower_sessions.session (id, data, expiry_date) \
                    VALUES ($1, $2, to_timestamp($3::float8)) ON CONFLICT (id) DO UPDATE \
                    SET data = excluded.data, expiry_date = excluded.expiry_date";
        sqlx::query(save)
            .bind(record.id.to_string())
            .bind(rmp_serde::to_vec(record).map_err(failed)?)
            .bind(record.expiry_date.unix_timestamp() as f64)
            .execute(&self.pool)
            .await
            .map_err(failed)?;
        Ok(())
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let load = "SELECT data FROM tower_sessions.session WHERE id = $1 AND expiry_date > now()";
        let data: Option<Vec<u8>> = sqlx::query_scalar(load)
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(failed)?;
        data.map(|data| rmp_serde::from_slice(&data).map_err(failed)).transpose()
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        let delete = "DELETE FROM tower_sessions.session WHERE id = $1";
        sqlx::query(delete).bind(id.to_string()).execute(&self.pool).await.map_err(failed)?;
        Ok(())
    }
}
