//! Fills large tables: copies the rows that logins created, with new ids, whatever columns the
//! table has.

use sqlx::{AssertSqlSafe, MySqlPool, PgPool, SqlitePool};

use crate::args::{Mode, Store};
use crate::databases::Address;

/// The table of an application, to be filled and measured from outside the application.
pub struct Table {
    pool: Pool,
    mode: Mode,
    name: &'static str,
    store: Store,
}

enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
    MySql(MySqlPool),
}

impl Table {
    /// Returns the table, or `None` if the application has no table.
    pub fn of(mode: Mode, store: Store, address: &Address) -> Option<Self> {
        let pool = match store {
            // Redis has no command that copies many keys.
            Store::Memory | Store::Redis => return None,
            Store::Sqlite => Pool::Sqlite(address.sqlite()),
            Store::Postgres => Pool::Postgres(address.postgres()),
            Store::Mysql => Pool::MySql(address.mysql()),
        };
        let name = match (mode, store) {
            (Mode::Bare | Mode::Layer, _) => return None,
            (Mode::TowerSessions | Mode::AxumLogin, Store::Postgres) => "tower_sessions.session",
            (Mode::TowerSessions | Mode::AxumLogin, Store::Sqlite) => "tower_sessions",
            (Mode::TowerSessions | Mode::AxumLogin, _) => "session",
            (Mode::Anchor | Mode::AnchorCached, _) => "sessions",
            (Mode::AxumSession | Mode::AxumSessionCached, _) => "sessions",
            (Mode::Select | Mode::Gathered, _) => "by_hand",
        };
        Some(Self { pool, mode, name, store })
    }

    /// Adds `count` rows.
    ///
    /// # Panics
    ///
    /// Panics if the table is empty, or if the database returns an error.
    pub async fn add(&self, count: u64, are_expired: bool) {
        let columns = self.columns().await;
        let rows = self.number(format!("SELECT count(*) FROM {}", self.name)).await;
        assert!(rows > 0, "there is no row in {} to copy", self.name);
        let sources = rows.min(10_000);
        let copies = count.div_ceil(sources);
        let values: Vec<String> = columns
            .iter()
            .map(|(column, ty)| match column.as_str() {
                "id" => self.new_id(ty).to_owned(),
                "expires_at" | "expiry_date" if are_expired => self.long_ago(column),
                _ => column.clone(),
            })
            .collect();
        let columns: Vec<String> = columns.into_iter().map(|(column, _)| column).collect();
        let series = match self.store {
            Store::Postgres => format!("generate_series(1, {copies}) AS series"),
            // By default, MariaDB stops a recursion at 1,000 without an error.
            _ => format!(
                "(WITH RECURSIVE series (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM \
                 series WHERE number < {copies}) SELECT number FROM series) AS series"
            ),
        };
        assert!(copies <= 1_000, "{copies} copies of {sources} rows: log in more often");
        self.execute(format!(
            "INSERT INTO {name} ({columns}) SELECT {values} FROM (SELECT * FROM {name} LIMIT \
             {sources}) AS source CROSS JOIN {series} LIMIT {count}",
            name = self.name,
            columns = columns.join(", "),
            values = values.join(", "),
        ))
        .await;
    }

    /// Makes the database do now what it would otherwise do in the middle of a measurement.
    pub async fn settle(&self) {
        match self.store {
            Store::Memory | Store::Redis => {}
            Store::Sqlite => {
                self.execute("ANALYZE".to_owned()).await;
                self.execute("PRAGMA wal_checkpoint(TRUNCATE)".to_owned()).await;
            }
            Store::Postgres => {
                self.execute(format!("VACUUM ANALYZE {}", self.name)).await;
                self.execute("CHECKPOINT".to_owned()).await;
            }
            Store::Mysql => self.execute(format!("ANALYZE TABLE {}", self.name)).await,
        }
    }

    /// Returns the bytes of the table and its indexes.
    pub async fn bytes(&self) -> u64 {
        let sql = match self.store {
            Store::Sqlite => {
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size".to_owned()
            }
            Store::Postgres => {
                format!("SELECT pg_total_relation_size('{}')", self.name)
            }
            _ => format!(
                "SELECT CAST(data_length + index_length AS SIGNED) FROM information_schema.tables \
                 WHERE table_schema = database() AND table_name = '{}'",
                self.name
            ),
        };
        self.number(sql).await
    }

    /// Returns the number of rows.
    pub async fn rows(&self) -> u64 {
        self.number(format!("SELECT count(*) FROM {}", self.name)).await
    }

    /// Returns an expression for an id that no other row has, of the type that the application
    /// uses.
    fn new_id(&self, ty: &str) -> &'static str {
        match (self.store, ty.to_ascii_lowercase().as_str()) {
            (Store::Postgres, "uuid") => "gen_random_uuid()",
            (Store::Postgres, "bytea") => "uuid_send(gen_random_uuid())",
            (Store::Postgres, _) => "replace(gen_random_uuid()::text, '-', '')",
            (Store::Sqlite, "blob") => "randomblob(16)",
            (Store::Sqlite, _) => "hex(randomblob(16))",
            (_, "binary") => "random_bytes(16)",
            _ => "left(hex(random_bytes(16)), 22)",
        }
    }

    /// Returns an expression for a time in the past.
    fn long_ago(&self, column: &str) -> String {
        match self.store {
            // The time since 1970, in seconds or a smaller unit.
            _ if self.mode == Mode::Select || self.mode == Mode::Gathered => "1000".to_owned(),
            Store::Sqlite => "1000".to_owned(),
            Store::Postgres => format!("{column} - interval '60 days'"),
            _ => format!("{column} - INTERVAL 60 DAY"),
        }
    }

    /// Returns the names and types of the columns.
    async fn columns(&self) -> Vec<(String, String)> {
        let (schema, name) = self.name.rsplit_once('.').unwrap_or(("", self.name));
        match &self.pool {
            Pool::Sqlite(pool) => {
                let sql = format!("SELECT name, type FROM pragma_table_info('{name}')");
                sqlx::query_as(AssertSqlSafe(sql)).fetch_all(pool).await
            }
            Pool::Postgres(pool) => {
                let schema = if schema.is_empty() { "public" } else { schema };
                let sql = format!(
                    "SELECT column_name::text, data_type::text FROM information_schema.columns \
                     WHERE table_schema = '{schema}' AND table_name = '{name}'"
                );
                sqlx::query_as(AssertSqlSafe(sql)).fetch_all(pool).await
            }
            Pool::MySql(pool) => {
                let sql = format!(
                    "SELECT CAST(column_name AS CHAR), CAST(data_type AS CHAR) FROM \
                     information_schema.columns WHERE table_schema = database() AND table_name = \
                     '{name}'"
                );
                sqlx::query_as(AssertSqlSafe(sql)).fetch_all(pool).await
            }
        }
        .expect("columns")
    }

    async fn execute(&self, sql: String) {
        let sql = AssertSqlSafe(sql);
        match &self.pool {
            Pool::Sqlite(pool) => sqlx::raw_sql(sql).execute(pool).await.map(drop),
            Pool::Postgres(pool) => sqlx::raw_sql(sql).execute(pool).await.map(drop),
            Pool::MySql(pool) => sqlx::raw_sql(sql).execute(pool).await.map(drop),
        }
        .expect("SQL");
    }

    async fn number(&self, sql: String) -> u64 {
        let sql = AssertSqlSafe(sql);
        let number: i64 = match &self.pool {
            Pool::Sqlite(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
            Pool::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
            Pool::MySql(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
        }
        .expect("a number");
        number as u64
    }
}
