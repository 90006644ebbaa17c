//! The table of the hand-written applications: one statement per verb, for each SQL database.

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{AssertSqlSafe, MySqlPool, PgPool, SqlitePool};

pub(super) type Id = [u8; 16];

#[derive(Clone)]
pub(super) struct Row {
    pub(super) user_id: i64,
    pub(super) name: String,
}

/// The same in each table as in anchor's.
pub(super) const LIFETIME_SECONDS: i64 = 7_200;

pub(super) fn seconds_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// Lists of ids are padded to one of these lengths, so that only a few statements are prepared.
const LENGTHS: [usize; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
/// The longest list.
pub(super) const LONGEST: usize = 128;

/// What a database answers, or the error of its client.
pub(super) type Answer<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A table of sessions.
pub(super) trait Rows: Clone + Send + Sync + 'static {
    fn create_table(&self) -> impl Future<Output = Answer<()>> + Send;
    fn select(&self, id: Id) -> impl Future<Output = Answer<Option<Row>>> + Send;
    fn select_many(&self, ids: &[Id]) -> impl Future<Output = Answer<Vec<(Id, Row)>>> + Send;
    fn insert_many(&self, rows: &[(Id, Row)]) -> impl Future<Output = Answer<()>> + Send;
    fn delete_many(&self, ids: &[Id]) -> impl Future<Output = Answer<()>> + Send;
    fn extend(&self, id: Id) -> impl Future<Output = Answer<()>> + Send;
}

/// Returns `count` placeholders. The first one has the number `first`.
fn placeholders(count: usize, first: usize, is_numbered: bool) -> String {
    let one = |index| if is_numbered { format!("${}", first + index) } else { "?".to_owned() };
    (0..count).map(one).collect::<Vec<_>>().join(", ")
}

/// The statements with lists of each length, built once.
#[derive(Clone)]
pub(super) struct Statements {
    create: &'static str,
    select: &'static str,
    extend: &'static str,
    select_many: [String; LENGTHS.len()],
    insert_many: [String; LENGTHS.len()],
    delete_many: [String; LENGTHS.len()],
}

impl Statements {
    fn new(
        create: &'static str,
        select: &'static str,
        extend: &'static str,
        is_numbered: bool,
    ) -> Self {
        let list = |length: usize, first| placeholders(length, first, is_numbered);
        Self {
            create,
            select,
            extend,
            select_many: LENGTHS.map(|length| {
                let now = placeholders(1, 1, is_numbered);
                let ids = list(length, 2);
                format!(
                    "SELECT id, user_id, name FROM by_hand WHERE expires_at > {now} AND id IN \
                     ({ids})"
                )
            }),
            insert_many: LENGTHS.map(|length| {
                let rows = (0..length).map(|row| format!("({})", list(4, 1 + 4 * row)));
                let rows = rows.collect::<Vec<_>>().join(", ");
                format!("INSERT INTO by_hand (id, user_id, name, expires_at) VALUES {rows}")
            }),
            delete_many: LENGTHS
                .map(|length| format!("DELETE FROM by_hand WHERE id IN ({})", list(length, 1))),
        }
    }
}

/// Returns the index in [`LENGTHS`] of the shortest list that holds `count` ids.
fn length_for(count: usize) -> usize {
    LENGTHS.iter().position(|length| *length >= count).expect("at most LONGEST at once")
}

/// A pool and its statements.
#[derive(Clone)]
pub(super) struct Table<P> {
    pool: P,
    statements: std::sync::Arc<Statements>,
}

impl From<PgPool> for Table<PgPool> {
    fn from(pool: PgPool) -> Self {
        let statements = Statements::new(
            "CREATE TABLE IF NOT EXISTS by_hand (id BYTEA PRIMARY KEY, user_id BIGINT NOT NULL, \
             name TEXT NOT NULL, expires_at BIGINT NOT NULL)",
            "SELECT user_id, name FROM by_hand WHERE id = $1 AND expires_at > $2",
            "UPDATE by_hand SET expires_at = $1 WHERE id = $2",
            true,
        );
        Self { pool, statements: statements.into() }
    }
}

impl From<SqlitePool> for Table<SqlitePool> {
    fn from(pool: SqlitePool) -> Self {
        let statements = Statements::new(
            "CREATE TABLE IF NOT EXISTS by_hand (id BLOB PRIMARY KEY, user_id BIGINT NOT NULL, \
             name TEXT NOT NULL, expires_at BIGINT NOT NULL) WITHOUT ROWID",
            "SELECT user_id, name FROM by_hand WHERE id = ? AND expires_at > ?",
            "UPDATE by_hand SET expires_at = ? WHERE id = ?",
            false,
        );
        Self { pool, statements: statements.into() }
    }
}

impl From<MySqlPool> for Table<MySqlPool> {
    fn from(pool: MySqlPool) -> Self {
        let statements = Statements::new(
            "CREATE TABLE IF NOT EXISTS by_hand (id BINARY(16) PRIMARY KEY, user_id BIGINT NOT \
             NULL, name VARCHAR(100) NOT NULL, expires_at BIGINT NOT NULL)",
            "SELECT user_id, name FROM by_hand WHERE id = ? AND expires_at > ?",
            "UPDATE by_hand SET expires_at = ? WHERE id = ?",
            false,
        );
        Self { pool, statements: statements.into() }
    }
}

/// Implements [`Rows`] for each pool. The bounds for generic code would be longer than the code.
macro_rules! rows {
    ($($pool:ty)*) => {$(
        impl Rows for Table<$pool> {
            async fn create_table(&self) -> Answer<()> {
                sqlx::query(self.statements.create).execute(&self.pool).await?;
                Ok(())
            }

            async fn select(&self, id: Id) -> Answer<Option<Row>> {
                let row: Option<(i64, String)> = sqlx::query_as(self.statements.select)
                    .bind(id.to_vec())
                    .bind(seconds_now())
                    .fetch_optional(&self.pool)
                    .await?;
                Ok(row.map(|(user_id, name)| Row { user_id, name }))
            }

            async fn select_many(&self, ids: &[Id]) -> Answer<Vec<(Id, Row)>> {
                let length = length_for(ids.len());
                let sql = self.statements.select_many[length].as_str();
                let mut query = sqlx::query_as::<_, (Vec<u8>, i64, String)>(AssertSqlSafe(sql))
                    .bind(seconds_now());
                let padding = ids.last().into_iter().cycle().take(LENGTHS[length] - ids.len());
                for id in ids.iter().chain(padding) {
                    query = query.bind(id.to_vec());
                }
                let rows = query.fetch_all(&self.pool).await?;
                Ok(rows
                    .into_iter()
                    .map(|(id, user_id, name)| {
                        (Id::try_from(id).expect("16 bytes"), Row { user_id, name })
                    })
                    .collect())
            }

            async fn insert_many(&self, mut rows: &[(Id, Row)]) -> Answer<()> {
                // A list of rows cannot be padded. It is split into the lengths that add up to it,
                // in one transaction.
                let mut transaction = None;
                while !rows.is_empty() {
                    let length = LENGTHS.iter().rposition(|length| *length <= rows.len());
                    let length = length.expect("1 is a length");
                    let (first, rest) = rows.split_at(LENGTHS[length]);
                    let sql = self.statements.insert_many[length].as_str();
                    let mut query = sqlx::query(AssertSqlSafe(sql));
                    for (id, row) in first {
                        query = query
                            .bind(id.to_vec())
                            .bind(row.user_id)
                            .bind(row.name.clone())
                            .bind(seconds_now() + LIFETIME_SECONDS);
                    }
                    rows = rest;
                    match &mut transaction {
                        None if rows.is_empty() => {
                            query.execute(&self.pool).await?;
                        }
                        None => {
                            let begun = transaction.insert(self.pool.begin().await?);
                            query.execute(&mut **begun).await?;
                        }
                        Some(begun) => {
                            query.execute(&mut **begun).await?;
                        }
                    }
                }
                match transaction {
                    Some(transaction) => Ok(transaction.commit().await?),
                    None => Ok(()),
                }
            }

            async fn delete_many(&self, ids: &[Id]) -> Answer<()> {
                let length = length_for(ids.len());
                let sql = self.statements.delete_many[length].as_str();
                let mut query = sqlx::query(AssertSqlSafe(sql));
                let padding = ids.last().into_iter().cycle().take(LENGTHS[length] - ids.len());
                for id in ids.iter().chain(padding) {
                    query = query.bind(id.to_vec());
                }
                query.execute(&self.pool).await?;
                Ok(())
            }

            async fn extend(&self, id: Id) -> Answer<()> {
                sqlx::query(self.statements.extend)
                    .bind(seconds_now() + LIFETIME_SECONDS)
                    .bind(id.to_vec())
                    .execute(&self.pool)
                    .await?;
                Ok(())
            }
        }
    )*};
}

rows!(PgPool SqlitePool MySqlPool);
