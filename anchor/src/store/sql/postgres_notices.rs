//! [`PostgresNotices`]: `NOTIFY` and `LISTEN`, as the channel of [`Notices`].

use std::num::NonZeroU32;
use std::sync::Arc;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions, Postgres};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, FromRow, PgPool, Row};

use super::cluster::Cluster;
use super::database::Database;
use super::driver::Driver;
use crate::error::StoreError;
use crate::schema::{Dialect, Schema};
use crate::store::gather::{Batch, Gather, Outcome};
use crate::store::{Notices, StoreFuture, Subscription};

/// The channel is named after the table's number, so that tables of several schemas, and names of
/// any length, do not meet.
const CHANNEL: &str = "'anchor:' || to_regclass($1)::oid";

/// How often a listener's connection is compared with another one.
const COMPARISONS: usize = 5;

/// The largest number of messages that one statement sends.
const LARGEST: usize = 64;

/// The channel of one table, which concurrent messages reach by one statement.
pub(super) struct PostgresNotices {
    channel: Arc<Channel>,
    messages: Arc<Gather<Messages>>,
}

struct Channel {
    database: Database<PgPool>,
    /// The table's name in SQL.
    table: String,
}

struct Messages(Arc<Channel>);

impl PostgresNotices {
    pub(super) fn new(pool: PgPool, schema: &'static Schema) -> Self {
        let table = Dialect::Postgres.table(schema.table);
        let channel = Arc::new(Channel { database: Database::new(pool, schema), table });
        let messages = Messages(Arc::clone(&channel));
        let messages = Gather::new(schema.table, messages, NonZeroU32::MIN);
        Self { channel, messages }
    }
}

impl Notices for PostgresNotices {
    fn publish(&self, message: String) -> StoreFuture<'_, ()> {
        Box::pin(self.messages.get(message))
    }

    fn subscribe(&self) -> StoreFuture<'_, Box<dyn Subscription>> {
        Box::pin(async move {
            let listener = self.channel.listen().await;
            let listener = listener.map_err(|error| self.channel.database.failure(&error))?;
            Ok(Box::new(Listening(listener)) as Box<dyn Subscription>)
        })
    }
}

impl Channel {
    /// Listens on a connection of its own: in the application's pool, it would take a place for
    /// good.
    async fn listen(&self) -> Result<PgListener, sqlx::Error> {
        let options = self.database.pool.connect_options();
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .connect_lazy_with((*options).clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        // Messages are lost during a reconnection: whoever listens has to know.
        listener.eager_reconnect(false);
        let table = Dialect::Postgres.literal(&self.table);
        let channel = CHANNEL.replace("$1", &table);
        let channel = format!("SELECT {channel}, current_setting('server_encoding')");
        let answer = sqlx::raw_sql(AssertSqlSafe(channel)).fetch_one(&mut listener).await?;
        let (channel, encoding): (Option<String>, String) = FromRow::from_row(&answer)?;
        let missing = || sqlx::Error::Protocol(format!("there is no table {}", self.table));
        if encoding == "SQL_ASCII" {
            // A message may then be no UTF-8, which sqlx cannot read.
            return Err(sqlx::Error::Protocol(
                "the database's encoding is SQL_ASCII: messages need UTF8, or another encoding \
                 that PostgreSQL converts"
                    .into(),
            ));
        }
        let channel = channel.ok_or_else(missing)?;
        if shares_connections(&mut listener, &options).await? {
            return Err(sqlx::Error::Protocol(
                "a pooler in transaction mode does not give LISTEN a connection of its own: \
                 connect to the database directly, or remove `.cache(..)`"
                    .into(),
            ));
        }
        listener.listen(&channel).await?;
        Ok(listener)
    }

    async fn send(&self, messages: Vec<String>) -> Result<(), StoreError> {
        let notify = sqlx::query(AssertSqlSafe(notify())).bind(&self.table).bind(messages);
        let Database { pool, keeps_statements, .. } = &self.database;
        let sent = async {
            if *keeps_statements {
                return notify.execute(pool).await.map(drop);
            }
            let mut transaction = Driver::begin(pool, None, Cluster::OneWriter).await?;
            notify.persistent(false).execute(&mut *transaction).await?;
            PgPool::commit(transaction).await
        };
        sent.await.map_err(|error| self.database.failure(&error))
    }
}

/// Returns the statement that sends messages (`$2`) on the channel of a table (`$1`).
pub(super) fn notify() -> String {
    format!("SELECT pg_notify({CHANNEL}, message) FROM unnest($2::text[]) AS message")
}

/// Returns whether a pooler runs the statements of this client on connections to the server that
/// other clients use, too.
///
/// There, one of those connections would listen, and its notifications would reach whichever client
/// uses that connection next. sqlx then fails that client's statement.
async fn shares_connections(
    listener: &mut PgListener,
    options: &PgConnectOptions,
) -> Result<bool, sqlx::Error> {
    let mut other = options.connect().await?;
    let first = server_process(&mut *listener).await?;
    // If the pooler is idle, it runs both on one connection. If it is busy, it changes them.
    for _ in 0..COMPARISONS {
        let processes = [server_process(&mut other).await?, server_process(&mut *listener).await?];
        if processes[0] == first || processes[1] != first {
            return Ok(true);
        }
    }
    other.close().await?;
    Ok(false)
}

/// Returns the process of the server that runs this statement.
async fn server_process<'c>(
    client: impl Executor<'c, Database = Postgres>,
) -> Result<i32, sqlx::Error> {
    sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(client).await?.try_get(0)
}

impl Batch for Messages {
    const VERB: &'static str = "notify";

    type Item = String;

    type Answer = ();

    type Kept = ();

    fn size(waiting: usize) -> usize {
        waiting.min(LARGEST)
    }

    async fn run_alone(&self, message: String) -> Result<(), StoreError> {
        self.0.send(vec![message]).await
    }

    async fn run(&self, messages: Vec<String>, (): &mut ()) -> Vec<Outcome<String, ()>> {
        let count = messages.len();
        let sent = self.0.send(messages).await;
        (0..count).map(|_| Outcome::Answered(sent.clone())).collect()
    }
}

struct Listening(PgListener);

impl Subscription for Listening {
    fn next(&mut self) -> StoreFuture<'_, String> {
        Box::pin(async move {
            match self.0.try_recv().await {
                Ok(Some(notice)) => Ok(notice.payload().to_owned()),
                Ok(None) => Err(StoreError::unavailable("the connection that listens was lost")),
                Err(error) => Err(StoreError::unavailable(error)),
            }
        })
    }
}
