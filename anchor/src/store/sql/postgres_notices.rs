//! [`PostgresNotices`]: `NOTIFY` and `LISTEN`, as the channel of [`Notices`].

use std::num::NonZeroU32;
use std::sync::Arc;

use sqlx::PgPool;
use sqlx::postgres::{PgListener, PgPoolOptions};

use super::database::Database;
use crate::error::StoreError;
use crate::schema::{Dialect, Schema};
use crate::store::gather::{Batch, Gather, Outcome};
use crate::store::{Notices, StoreFuture, Subscription};

/// The channel is named after the table's number, so that tables of several schemas, and names of
/// any length, do not meet.
const CHANNEL: &str = "'anchor:' || to_regclass($1)::oid";

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
        let channel = Arc::new(Channel { database: Database { pool, schema }, table });
        let messages = Gather::new(Messages(Arc::clone(&channel)), NonZeroU32::MIN);
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
        let channel = format!("SELECT {CHANNEL}, current_setting('server_encoding')");
        let (channel, encoding): (Option<String>, String) =
            sqlx::query_as(sqlx::AssertSqlSafe(channel))
                .bind(&self.table)
                .fetch_one(&mut listener)
                .await?;
        let missing = || sqlx::Error::Protocol(format!("there is no table {}", self.table));
        if encoding == "SQL_ASCII" {
            // A message may then be no UTF-8, which sqlx cannot read.
            return Err(sqlx::Error::Protocol(
                "the database's encoding is SQL_ASCII: messages need UTF8, or another encoding \
                 that PostgreSQL converts"
                    .into(),
            ));
        }
        listener.listen(&channel.ok_or_else(missing)?).await?;
        Ok(listener)
    }

    async fn send(&self, messages: Vec<String>) -> Result<(), StoreError> {
        let notify =
            format!("SELECT pg_notify({CHANNEL}, message) FROM unnest($2::text[]) AS message");
        let notify = sqlx::query(sqlx::AssertSqlSafe(notify)).bind(&self.table).bind(messages);
        let sent = notify.execute(&self.database.pool).await;
        sent.map(drop).map_err(|error| self.database.failure(&error))
    }
}

impl Batch for Messages {
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
