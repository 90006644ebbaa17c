//! [`Transactions`]: what a transaction of the application's needs from its database, besides what
//! a [`Driver`] has.

use std::future::Future;
use std::ops::DerefMut;

use sqlx::{AssertSqlSafe, Executor};

use super::cluster::Cluster;
use super::driver::Driver;
use super::subject_lock::SubjectLock;

/// The savepoint that exists as long as nothing has undone what the verbs have written.
const SAVEPOINT: &str = "anchor_sessions";

/// Closes the connection that it runs on. Only MySQL has locks that need it.
const CLOSE: &str = "KILL CONNECTION_ID()";

/// A pool whose transactions an application can share with its sessions. No other crate can name
/// or implement this trait.
pub trait Transactions: Driver {
    /// sqlx's own transaction. If it is dropped, it changes nothing.
    type Owned: DerefMut<Target = Self::Connection> + Send + 'static;

    /// Begins a transaction that reads what other transactions have committed, and that can write.
    fn begin_own(
        &self,
        cluster: Cluster,
    ) -> impl Future<Output = Result<Self::Owned, sqlx::Error>> + Send;

    /// Ends a transaction, and keeps what it has written.
    fn commit_own(transaction: Self::Owned)
    -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Ends a transaction, and undoes what it has written.
    fn rollback_own(
        transaction: Self::Owned,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Waits until no other transaction holds the lock. It is held until the transaction has ended
    /// and [`unlock`](Self::unlock) was called.
    fn lock(
        connection: &mut Self::Connection,
        lock: SubjectLock,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        let (_, _) = (connection, lock);
        async { Ok(()) }
    }

    /// Whether a lock outlives its transaction, so that it has to be unlocked.
    const LOCKS_OUTLIVE: bool = false;

    /// Returns whether there are locks that outlive their transaction.
    fn outlive(locks: &[SubjectLock]) -> bool {
        Self::LOCKS_OUTLIVE && !locks.is_empty()
    }

    /// Gives a lock back after its transaction has ended.
    fn unlock(
        connection: &mut Self::Connection,
        lock: SubjectLock,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        let (_, _) = (connection, lock);
        async { Ok(()) }
    }

    /// Returns whether a statement sees what was committed before it, and not only what was
    /// committed before the transaction.
    fn reads_committed(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send {
        let _ = connection;
        async { Ok(true) }
    }

    /// Makes the database tell other nodes what has changed, if and when the transaction commits.
    #[cfg(feature = "cache")]
    fn notify(
        connection: &mut Self::Connection,
        table: String,
        messages: Vec<String>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        let (_, _, _) = (connection, table, messages);
        async { Ok(()) }
    }

    /// Runs a statement without arguments.
    fn run(
        connection: &mut Self::Connection,
        statement: String,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Marks the place from which on nothing may be undone: the beginning, and each verb.
    fn mark(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        Self::run(connection, format!("SAVEPOINT {SAVEPOINT}"))
    }

    /// Fails if something was undone since [`mark`](Self::mark): the transaction was aborted, or
    /// ended by a statement, or went back to an earlier savepoint.
    fn check_mark(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        Self::run(connection, format!("RELEASE SAVEPOINT {SAVEPOINT}"))
    }

    /// Fails as [`check_mark`](Self::check_mark) does, and marks this place instead.
    fn mark_again(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        Self::run(connection, format!("RELEASE SAVEPOINT {SAVEPOINT}; SAVEPOINT {SAVEPOINT}"))
    }

    /// Whether sqlx cannot roll back a transaction that a statement has ended.
    const REOPENS: bool = false;

    /// Lets sqlx roll back a transaction that a statement of the application's may have ended.
    fn reopen(connection: &mut Self::Connection) -> impl Future<Output = ()> + Send {
        let _ = connection;
        async {}
    }

    /// Ends a transaction by a statement, and gives its locks back. sqlx would give the connection
    /// away before. Returns what the statement came to: a connection that is lost after it gives
    /// the locks back as well. If this is dropped half way, the pool lends a connection that has
    /// the locks, so it runs in a task.
    fn end_and_unlock(
        mut transaction: Self::Owned,
        statement: &'static str,
        locks: Vec<SubjectLock>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send {
        async move {
            let ended = Self::run(&mut transaction, statement.to_owned()).await;
            for lock in locks {
                if let Err(error) = Self::unlock(&mut transaction, lock).await {
                    tracing::warn!(
                        target: "anchor",
                        "a connection is closed, because the lock of its login was not given back: \
                         {error}"
                    );
                    // It answers with an error, which ends the connection on this side, too.
                    let _ = Self::run(&mut transaction, CLOSE.to_owned()).await;
                    break;
                }
            }
            // Undoes what the statement did not end, and tells sqlx that there is no transaction.
            let undone = Self::rollback_own(transaction).await;
            if ended.is_err() { ended } else { undone.or(Ok(())) }
        }
    }
}

#[cfg(feature = "postgres")]
impl Transactions for sqlx::PgPool {
    type Owned = sqlx::Transaction<'static, sqlx::Postgres>;

    async fn commit_own(transaction: Self::Owned) -> Result<(), sqlx::Error> {
        transaction.commit().await
    }

    async fn rollback_own(transaction: Self::Owned) -> Result<(), sqlx::Error> {
        transaction.rollback().await
    }

    async fn begin_own(&self, _: Cluster) -> Result<Self::Owned, sqlx::Error> {
        self.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await
    }

    async fn lock(
        connection: &mut sqlx::PgConnection,
        lock: SubjectLock,
    ) -> Result<(), sqlx::Error> {
        Self::run(connection, format!("SELECT pg_advisory_xact_lock({})", lock.number())).await
    }

    async fn reads_committed(connection: &mut sqlx::PgConnection) -> Result<bool, sqlx::Error> {
        let level = "SELECT current_setting('transaction_isolation')";
        let level = sqlx::raw_sql(level).fetch_one(connection).await?;
        let level: String = sqlx::Row::try_get(&level, 0)?;
        Ok(matches!(level.as_str(), "read committed" | "read uncommitted"))
    }

    #[cfg(feature = "cache")]
    async fn notify(
        connection: &mut sqlx::PgConnection,
        table: String,
        messages: Vec<String>,
    ) -> Result<(), sqlx::Error> {
        let notify = super::postgres_notices::notify();
        let notify = sqlx::query(AssertSqlSafe(notify)).bind(table).bind(messages);
        notify.persistent(false).execute(connection).await.map(drop)
    }

    async fn run(
        connection: &mut sqlx::PgConnection,
        statement: String,
    ) -> Result<(), sqlx::Error> {
        connection.execute(AssertSqlSafe(statement)).await.map(drop)
    }
}

#[cfg(feature = "mysql")]
impl Transactions for sqlx::MySqlPool {
    type Owned = sqlx::Transaction<'static, sqlx::MySql>;

    async fn commit_own(transaction: Self::Owned) -> Result<(), sqlx::Error> {
        transaction.commit().await
    }

    async fn rollback_own(transaction: Self::Owned) -> Result<(), sqlx::Error> {
        transaction.rollback().await
    }

    async fn begin_own(&self, cluster: Cluster) -> Result<Self::Owned, sqlx::Error> {
        let mut connection = self.acquire().await?;
        // For the next transaction. At MySQL's default level, a DELETE of a row that is gone locks
        // the gap where the row would be, and logins deadlock on each other's gaps.
        connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        let begin = AssertSqlSafe(format!("{}START TRANSACTION", cluster.wait()));
        sqlx::Transaction::begin(connection, Some(sqlx::SqlSafeStr::into_sql_str(begin))).await
    }

    const LOCKS_OUTLIVE: bool = true;

    async fn lock(
        connection: &mut sqlx::MySqlConnection,
        lock: SubjectLock,
    ) -> Result<(), sqlx::Error> {
        super::mysql::get_lock(connection, &lock.name()).await
    }

    async fn unlock(
        connection: &mut sqlx::MySqlConnection,
        lock: SubjectLock,
    ) -> Result<(), sqlx::Error> {
        super::mysql::release_lock(connection, &lock.name()).await
    }

    async fn run(
        connection: &mut sqlx::MySqlConnection,
        statement: String,
    ) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
    }
}

#[cfg(feature = "sqlite")]
impl Transactions for sqlx::SqlitePool {
    type Owned = sqlx::Transaction<'static, sqlx::Sqlite>;

    async fn commit_own(transaction: Self::Owned) -> Result<(), sqlx::Error> {
        transaction.commit().await
    }

    async fn rollback_own(transaction: Self::Owned) -> Result<(), sqlx::Error> {
        transaction.rollback().await
    }

    async fn begin_own(&self, _: Cluster) -> Result<Self::Owned, sqlx::Error> {
        super::sqlite::begin(self).await
    }

    const REOPENS: bool = true;

    /// SQLite refuses a `ROLLBACK` without a transaction, and sqlx then goes on counting one, on a
    /// connection that others use next.
    async fn reopen(connection: &mut sqlx::SqliteConnection) {
        super::sqlite::reopen(connection).await;
    }

    async fn run(
        connection: &mut sqlx::SqliteConnection,
        statement: String,
    ) -> Result<(), sqlx::Error> {
        connection.execute(AssertSqlSafe(statement)).await.map(drop)
    }
}

/// A transaction of the application's, and the locks that outlive it. If it is dropped, it changes
/// nothing.
pub(crate) struct OwnTransaction<D: Transactions> {
    /// Taken when it ends.
    open: Option<D::Owned>,
    locks: Vec<SubjectLock>,
}

impl<D: Transactions> OwnTransaction<D> {
    pub(crate) fn new(open: D::Owned) -> Self {
        Self { open: Some(open), locks: Vec::new() }
    }

    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        match self.take() {
            Some((open, locks)) if D::outlive(&locks) => {
                D::end_and_unlock(open, "COMMIT", locks).await
            }
            Some((open, _)) => D::commit_own(open).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn rollback(mut self) -> Result<(), sqlx::Error> {
        match self.take() {
            Some((open, locks)) => roll_back::<D>(open, locks).await,
            None => Ok(()),
        }
    }

    fn take(&mut self) -> Option<(D::Owned, Vec<SubjectLock>)> {
        Some((self.open.take()?, std::mem::take(&mut self.locks)))
    }

    /// Returns the connection, and the locks that it holds.
    pub(crate) fn parts(&mut self) -> (&mut D::Connection, &mut Vec<SubjectLock>) {
        let Self { open, locks } = self;
        match open {
            Some(open) => (&mut *open, locks),
            None => unreachable!("whatever ends a transaction consumes it"),
        }
    }

    pub(crate) fn connection(&self) -> &D::Connection {
        match &self.open {
            Some(open) => open,
            None => unreachable!("whatever ends a transaction consumes it"),
        }
    }
}

async fn roll_back<D: Transactions>(
    mut open: D::Owned,
    locks: Vec<SubjectLock>,
) -> Result<(), sqlx::Error> {
    if D::outlive(&locks) {
        return D::end_and_unlock(open, "ROLLBACK", locks).await;
    }
    D::reopen(&mut open).await;
    D::rollback_own(open).await
}

impl<D: Transactions> Drop for OwnTransaction<D> {
    fn drop(&mut self) {
        // Where sqlx alone leaves a good connection, it also does without a runtime.
        if !D::REOPENS && !D::outlive(&self.locks) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if let Some((open, locks)) = self.take() {
            runtime.spawn(async move {
                if let Err(error) = roll_back::<D>(open, locks).await {
                    tracing::warn!(
                        target: "anchor",
                        "a transaction that was dropped could not be rolled back, so that its \
                         connection is closed: {error}"
                    );
                }
            });
        }
    }
}
