//! A database that migrations are applied to, and what its catalogue says of a table.

use std::collections::BTreeSet;
use std::path::Path;

use anchor::schema::Dialect;
use anchor_tests::databases;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, MySqlPool, PgPool, Row, SqlitePool};

#[derive(Clone)]
pub(crate) enum Live {
    Postgres(PgPool),
    MySql(MySqlPool),
    Sqlite(SqlitePool),
}

/// Runs the expression with each kind of pool.
macro_rules! with {
    ($live:expr, $pool:ident => $body:expr) => {
        match $live {
            Live::Postgres($pool) => $body,
            Live::MySql($pool) => $body,
            Live::Sqlite($pool) => $body,
        }
    };
}

/// sqlx's lock is one for the whole server's database, and PostgreSQL builds an index beside
/// sessions in use only when nobody waits for that lock.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

impl Live {
    /// An empty database; `None` when there is no server.
    pub(crate) async fn new(dialect: Dialect) -> Option<Self> {
        Some(match dialect {
            Dialect::Postgres => Live::Postgres(databases::postgres().await?),
            Dialect::MySql => Live::MySql(databases::mysql().await?),
            // One connection: SQLite says of a table that another connection has dropped that it
            // exists.
            Dialect::Sqlite => {
                let options = databases::sqlite().await.connect_options().as_ref().clone();
                let one = SqlitePoolOptions::new().max_connections(1);
                Live::Sqlite(one.connect_lazy_with(options))
            }
        })
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Live::Postgres(_) => Dialect::Postgres,
            Live::MySql(_) => Dialect::MySql,
            Live::Sqlite(_) => Dialect::Sqlite,
        }
    }

    pub(crate) async fn execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        with!(self, pool => sql.execute(pool).await.map(drop))
    }

    /// The rows of a query whose columns are all texts.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>, sqlx::Error> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        with!(self, pool => {
            let rows = sql.fetch_all(pool).await?;
            let cell = |text: Option<String>| text.unwrap_or_else(|| "NULL".into());
            rows.iter()
                .map(|row| (0..row.len()).map(|at| row.try_get(at).map(cell)).collect())
                .collect()
        })
    }

    pub(crate) async fn run(&self, folder: &Path) -> Result<(), MigrateError> {
        let _turn = TURN.lock().await;
        let migrator = Migrator::new(folder).await?;
        with!(self, pool => migrator.run(pool).await)
    }

    /// The migrations up to and including this version.
    pub(crate) async fn run_to(&self, folder: &Path, version: i64) -> Result<(), MigrateError> {
        let _turn = TURN.lock().await;
        let migrator = Migrator::new(folder).await?;
        with!(self, pool => migrator.run_to(version, pool).await)
    }

    /// On a connection of its own and without taking turns, as a process does. Where it fails,
    /// sqlx keeps its lock as long as the connection lasts.
    pub(crate) async fn run_alone(&self, folder: &Path) -> Result<(), MigrateError> {
        let migrator = Migrator::new(folder).await?;
        with!(self, pool => {
            let mut connection = pool.connect_options().connect().await?;
            let ran = migrator.run_direct(None, &mut connection, false).await;
            connection.close().await?;
            ran
        })
    }

    /// The same for the way back.
    pub(crate) async fn undo_alone(&self, folder: &Path, target: i64) -> Result<(), MigrateError> {
        let migrator = Migrator::new(folder).await?;
        with!(self, pool => {
            let mut connection = pool.connect_options().connect().await?;
            let ran = migrator.undo(&mut connection, target).await;
            connection.close().await?;
            ran
        })
    }

    /// The same database on a connection of its own.
    pub(crate) async fn another_connection(&self) -> Self {
        match self {
            Live::Sqlite(pool) => {
                let options = pool.connect_options().as_ref().clone();
                Live::Sqlite(SqlitePoolOptions::new().connect_lazy_with(options))
            }
            other => other.clone(),
        }
    }

    /// The same database by one connection of a MySQL that cuts what is too long.
    pub(crate) async fn lax(&self) -> Self {
        let Live::MySql(pool) = self else { return self.clone() };
        let options = pool.connect_options().as_ref().clone();
        let options = options.pipes_as_concat(false).no_engine_substitution(false);
        let pool =
            sqlx::mysql::MySqlPoolOptions::new().max_connections(1).connect_lazy_with(options);
        sqlx::raw_sql("SET SESSION sql_mode = ''").execute(&pool).await.expect("a setting");
        Live::MySql(pool)
    }

    /// A transaction that has read the sessions, and goes on.
    pub(crate) async fn reader(&self) -> Box<dyn std::any::Any + Send> {
        let sql = || sqlx::raw_sql("SELECT * FROM sessions");
        macro_rules! begin {
            ($pool:expr) => {{
                let mut transaction = $pool.begin().await.expect("a transaction");
                sql().execute(&mut *transaction).await.expect("rows");
                Box::new(transaction)
            }};
        }
        match self {
            Live::Postgres(pool) => begin!(pool),
            Live::MySql(pool) => begin!(pool),
            Live::Sqlite(pool) => begin!(pool),
        }
    }

    /// The same database through connections of its own.
    pub(crate) fn again(&self) -> Self {
        match self {
            Live::Postgres(pool) => {
                Live::Postgres(PgPool::connect_lazy_with((*pool.connect_options()).clone()))
            }
            Live::MySql(pool) => {
                Live::MySql(MySqlPool::connect_lazy_with((*pool.connect_options()).clone()))
            }
            Live::Sqlite(pool) => {
                Live::Sqlite(SqlitePool::connect_lazy_with((*pool.connect_options()).clone()))
            }
        }
    }

    /// Runs migrations of which one fails, and returns why. The database is left alone afterwards:
    /// sqlx keeps its lock in the connection.
    pub(crate) async fn run_and_close(self, folder: &Path) -> MigrateError {
        let failed = self.run(folder).await;
        with!(&self, pool => pool.close().await);
        match failed {
            Ok(()) => panic!("{:?}: the migrations ran", self.dialect()),
            Err(error) => error,
        }
    }

    pub(crate) async fn undo(&self, folder: &Path, target: i64) -> Result<(), MigrateError> {
        let _turn = TURN.lock().await;
        let migrator = Migrator::new(folder).await?;
        with!(self, pool => migrator.undo(pool, target).await)
    }

    pub(crate) async fn count(&self, table: &str) -> Result<usize, sqlx::Error> {
        let count = match self.dialect() {
            Dialect::MySql => "CAST(COUNT(*) AS CHAR)",
            _ => "CAST(COUNT(*) AS TEXT)",
        };
        let rows =
            self.rows(&format!("SELECT {count} FROM {}", self.dialect().table(table))).await?;
        Ok(rows[0][0].parse().expect("a number"))
    }

    /// The values of a column, one a session, as texts that a wider type does not change.
    /// A column's values as text, by the rows' ids.
    pub(crate) async fn texts(
        &self,
        table: &str,
        column: &str,
    ) -> Result<Vec<String>, sqlx::Error> {
        let dialect = self.dialect();
        let (table, column) = (dialect.table(table), dialect.identifier(column));
        let value = match dialect {
            Dialect::Postgres => format!("CAST({column} AS text)"),
            // Bytes that are no text are shown as such.
            Dialect::MySql => format!(
                "IF(CONVERT({column} USING utf8mb4) IS NULL, HEX({column}), CAST({column} AS CHAR))"
            ),
            Dialect::Sqlite => format!(
                "CASE typeof({column}) WHEN 'blob' THEN hex({column}) ELSE CAST({column} AS TEXT) \
                 END"
            ),
        };
        let rows = self.rows(&format!("SELECT {value} FROM {table} ORDER BY id")).await?;
        Ok(rows.into_iter().map(|mut row| row.remove(0)).collect())
    }

    /// Everything that the catalogue says of a table, but for the order of its columns.
    pub(crate) async fn catalogue(&self, table: &str) -> Result<BTreeSet<String>, sqlx::Error> {
        let name = table.replace('\\', "\\\\").replace('\'', "''");
        let mut found = BTreeSet::new();
        for query in self.catalogue_queries() {
            for row in self.rows(&query.replace("{table}", &name)).await? {
                found.insert(row.join(" | "));
            }
        }
        if let Live::Sqlite(_) = self {
            let sql =
                self.rows(&format!("SELECT sql FROM sqlite_schema WHERE name = '{name}'")).await?;
            for row in sql {
                found.extend(checks(&row[0]));
            }
        }
        Ok(found)
    }

    fn catalogue_queries(&self) -> &'static [&'static str] {
        match self {
            Live::Postgres(_) => &[
                "SELECT 'column', CAST(attname AS text), format_type(atttypid, atttypmod), \
                 CAST(attnotnull AS text), pg_get_expr(adbin, adrelid) \
                 FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum \
                 WHERE attrelid = to_regclass('\"{table}\"') AND attnum > 0 AND NOT attisdropped",
                "SELECT 'constraint', CAST(conname AS text), pg_get_constraintdef(oid) \
                 FROM pg_constraint WHERE conrelid = to_regclass('\"{table}\"') AND contype <> 'n'",
                "SELECT 'index', CAST(relname AS text), CAST(indisunique AS text), CAST(indisvalid \
                 AS text), \
                 (SELECT CAST(attname AS text) FROM pg_attribute WHERE attrelid = indrelid AND \
                 attnum = indkey[0]) \
                 FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
                 WHERE indrelid = to_regclass('\"{table}\"')",
            ],
            Live::MySql(_) => &[
                "SELECT 'column', CAST(column_name AS CHAR), CAST(column_type AS CHAR), \
                 CAST(is_nullable AS CHAR), \
                 CAST(column_default AS CHAR), CAST(collation_name AS CHAR) \
                 FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = \
                 '{table}'",
                "SELECT 'index', CAST(index_name AS CHAR), CAST(non_unique AS CHAR), \
                 CAST(column_name AS CHAR) \
                 FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name \
                 = '{table}'",
                // MySQL has no `table_name` in `check_constraints`, where MariaDB has one.
                "SELECT 'check', CAST(c.constraint_name AS CHAR), CAST(c.check_clause AS CHAR) \
                 FROM information_schema.table_constraints AS t \
                 JOIN information_schema.check_constraints AS c \
                 ON c.constraint_schema = t.constraint_schema AND c.constraint_name = \
                 t.constraint_name \
                 WHERE t.table_schema = DATABASE() AND t.table_name = '{table}' AND \
                 t.constraint_type = 'CHECK'",
                "SELECT 'foreign key', CAST(k.constraint_name AS CHAR), CAST(k.column_name AS \
                 CHAR), \
                 CAST(k.referenced_table_name AS CHAR), CAST(k.referenced_column_name AS CHAR), \
                 CAST(r.delete_rule AS CHAR) \
                 FROM information_schema.key_column_usage AS k \
                 JOIN information_schema.referential_constraints AS r \
                 ON r.constraint_schema = k.constraint_schema AND r.constraint_name = \
                 k.constraint_name \
                 AND r.table_name = k.table_name \
                 WHERE k.table_schema = DATABASE() AND k.table_name = '{table}'",
            ],
            Live::Sqlite(_) => &[
                "SELECT 'column', name, type, CAST(\"notnull\" AS TEXT), dflt_value, CAST(pk AS \
                 TEXT) \
                 FROM pragma_table_info('{table}')",
                "SELECT 'index', list.name, CAST(list.\"unique\" AS TEXT), info.name \
                 FROM pragma_index_list('{table}') AS list JOIN pragma_index_info(list.name) AS \
                 info",
                "SELECT 'foreign key', \"from\", \"table\", \"to\", on_delete \
                 FROM pragma_foreign_key_list('{table}')",
            ],
        }
    }
}

/// The `CHECK`s of a table's definition, without the quotes that a rename adds.
fn checks(sql: &str) -> Vec<String> {
    let mut checks = Vec::new();
    let mut rest = sql;
    while let Some(at) = rest.find(" CHECK (") {
        rest = &rest[at + 1..];
        let mut depth = 0;
        let mut in_text = None;
        let end = rest.char_indices().find(|(_, c)| {
            match (in_text, *c) {
                (Some(open), c) if open == c => in_text = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => in_text = Some(*c),
                (None, '(') => depth += 1,
                (None, ')') => {
                    depth -= 1;
                    return depth == 0;
                }
                _ => {}
            }
            false
        });
        let end = end.map_or(rest.len(), |(at, _)| at + 1);
        checks.push(rest[..end].replace('"', ""));
        rest = &rest[end..];
    }
    checks
}
