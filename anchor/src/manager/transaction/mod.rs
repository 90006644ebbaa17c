//! [`SessionTransaction`]: sessions that change in a transaction of the application's.

mod commit;
mod effects;
mod verbs;

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use effects::Effect;
use effects::Effects;
pub use effects::PendingLogin;

use super::SessionManager;
use super::sessions::Sessions;
use crate::error::StoreError;
use crate::payload::SessionData;
use crate::rejection::Error;
use crate::store::Transactional;
#[cfg(feature = "cache")]
use crate::store::cache::Changing;
use crate::store::sql::{OwnTransaction, SqlStore, Transactions};

#[cfg_attr(docsrs, doc(cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))))]
impl<T: SessionData> SessionManager<T> {
    /// Begins a transaction in which the application's own statements and sessions change together,
    /// or not at all. `store` is the store that the manager was built with, or a clone of it.
    ///
    /// The transaction reads what others have committed (`READ COMMITTED`), and on SQLite it takes
    /// the write lock at once (`BEGIN IMMEDIATE`). Until it ends, it holds one of the pool's
    /// connections. Costs two statements, on MySQL three.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = sqlx::sqlite::SqlitePoolOptions::new()
    /// #     .max_connections(1)
    /// #     .connect("sqlite::memory:")
    /// #     .await?;
    /// # let store = SqliteStore::new(pool);
    /// # store.migrate().await?;
    /// # let sessions = SessionManager::<UserSession>::builder(store.clone())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build()?;
    /// # sqlx::raw_sql("CREATE TABLE users (id INTEGER, name TEXT)").execute(store.pool()).await?;
    /// # sessions.test_session(UserSession { user_id: 1 }).await;
    /// let mut transaction = sessions.begin(&store).await?;
    /// sqlx::query("DELETE FROM users WHERE id = ?").bind(1).execute(&mut *transaction).await?;
    /// assert_eq!(transaction.revoke_subject(&1).await?, 1);
    /// transaction.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot answer, and [`Error::OtherStore`] if the manager was
    /// built with another store.
    pub async fn begin<S: Transactional<T>>(
        &self,
        store: &S,
    ) -> Result<SessionTransaction<T, S::Pool>, Error> {
        let store = self.own(store)?;
        let beginning = store.clone();
        // sqlx leaves a transaction open whose beginning is dropped half way.
        let begin = self.inner.tasks.complete(async move { beginning.begin_own().await });
        let begin = async { begin.await? };
        let begun = in_time(self.inner.store.timeout(), "begin", begin).await;
        SessionTransaction::new(&self.inner, store, self.logged(begun)?).marked().await
    }

    /// Takes over a transaction that the application has begun, with an isolation level of its own,
    /// for example. It can then be used as before, and is ended by
    /// [`SessionTransaction::commit`]. `store` is the store that the manager was built with, or a
    /// clone of it, and the transaction is on the same database.
    ///
    /// ```no_run
    /// # #[cfg(feature = "postgres")]
    /// # async fn demo<T: anchor::SessionData>(
    /// #     sessions: anchor::SessionManager<T>, store: anchor::PostgresStore<T>,
    /// #     pool: sqlx::PgPool, user_id: T::Subject,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let transaction = pool.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE").await?;
    /// let mut transaction = sessions.within(&store, transaction).await?;
    /// transaction.revoke_subject(&user_id).await?;
    /// transaction.commit().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// | the transaction is | what to expect |
    /// | --- | --- |
    /// | `READ COMMITTED` | a verb finds the sessions that were there when it began |
    /// | `REPEATABLE READ` or `SERIALIZABLE` on PostgreSQL | a verb finds the sessions that were there when the transaction read something for the first time: a login since then is not found. A session that another request has changed or ended since is an error of the kind [`TransactionConflict`](crate::StoreErrorKind::TransactionConflict). A login under a limit is refused |
    /// | `REPEATABLE READ` on MySQL, its default | a verb finds the sessions that are there; deadlocks are more frequent |
    /// | begun by `BEGIN` on SQLite, as `pool.begin()` does | if it has read before its first write, and another connection has written since, its first write fails with the kind [`TransactionConflict`](crate::StoreErrorKind::TransactionConflict) |
    /// | on a Galera cluster | refused: use [`begin`](Self::begin) |
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot answer, or is a Galera cluster, and
    /// [`Error::OtherStore`] if the manager was built with another store.
    pub async fn within<S: Transactional<T>>(
        &self,
        store: &S,
        transaction: <S::Pool as Transactions>::Owned,
    ) -> Result<SessionTransaction<T, S::Pool>, Error> {
        let store = self.own(store)?;
        self.logged(store.check_begun().await)?;
        SessionTransaction::new(&self.inner, store, transaction).marked().await
    }

    /// Returns the SQL store, if it is the one that the manager was built with.
    fn own<S: Transactional<T>>(&self, store: &S) -> Result<SqlStore<S::Pool, T>, Error> {
        let store = store.sql_store();
        match self.inner.store.identity() == Some(store.own_identity()) {
            true => Ok(store.clone()),
            false => Err(self.inner.failed(Error::OtherStore { table: T::schema().table })),
        }
    }
}

/// A transaction of the application's that also ends, changes or begins sessions: they commit
/// together with the application's own statements, or not at all. Returned by
/// [`SessionManager::begin`] and [`SessionManager::within`]. It dereferences to sqlx's connection,
/// for the application's statements.
///
/// ```no_run
/// # #[cfg(feature = "postgres")]
/// # mod postgres {
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # #[session(cut_off, migrations = false)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # async fn demo(
/// #     sessions: SessionManager<UserSession>, store: PostgresStore<UserSession>,
/// #     user_id: i64, hash: &str,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// let mut transaction = sessions.begin(&store).await?;
/// sqlx::query("UPDATE users SET password_hash = $1 WHERE id = $2")
///     .bind(hash)
///     .bind(user_id)
///     .execute(&mut *transaction)
///     .await?;
/// transaction.cut_off(&user_id).await?;
/// transaction.commit().await?;
/// # Ok(())
/// # }
/// # }
/// ```
///
/// **Before the commit nothing has happened.** The sessions live on for everybody else, no event is
/// reported, no cookie is sent. [`commit`](Self::commit) makes it happen, and then wakes those who
/// wait for the end of a session, empties the caches, and reports the events. It is the only way to
/// commit, so none of this can be forgotten. A transaction that is dropped is rolled back.
///
/// **Any error ends it.** After a verb has failed or was dropped half way, `commit` rolls back and
/// fails. It also rolls back and fails if one of the application's own statements has aborted the
/// transaction, or has committed or rolled it back. A verb ends the application's own savepoints:
/// going back to one from before a verb is an error of the database, and undoes nothing. An error
/// of the kind [`TransactionConflict`](crate::StoreErrorKind::TransactionConflict) says that
/// another transaction came first: run the whole transaction again.
///
/// **Rows stay locked until the end.** Requests of a session that the transaction has ended or
/// changed are answered meanwhile; their writes to it, such as a logout, wait. So keep it short,
/// and hash a password before it begins.
///
/// Costs one round trip more than the verbs themselves for each of them, and one at the commit.
#[must_use = "a transaction that is dropped is rolled back: add `.commit().await?`"]
pub struct SessionTransaction<T: SessionData, D: Transactions> {
    sessions: Arc<Sessions<T>>,
    store: SqlStore<D, T>,
    transaction: OwnTransaction<D>,
    stage: Stage,
    effects: Effects<T>,
    /// The subjects that were cut off.
    cut_off: Vec<T::Subject>,
    /// What the caches must not serve any longer.
    #[cfg(feature = "cache")]
    changing: Option<Changing<T>>,
}

/// What a transaction has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Every verb so far has succeeded.
    Sound,
    /// A verb is running, was dropped, was refused, or has failed.
    Broken,
}

impl<T: SessionData, D: Transactions> SessionTransaction<T, D> {
    fn new(sessions: &Arc<Sessions<T>>, store: SqlStore<D, T>, transaction: D::Owned) -> Self {
        Self {
            sessions: Arc::clone(sessions),
            store,
            transaction: OwnTransaction::new(transaction),
            stage: Stage::Sound,
            effects: Effects::none(),
            cut_off: Vec::new(),
            #[cfg(feature = "cache")]
            changing: None,
        }
    }

    /// Marks the place from which on nothing may be undone by the application's statements.
    async fn marked(mut self) -> Result<Self, Error> {
        let timeout = self.sessions.store.timeout();
        let mark = self.store.within(self.transaction.parts().0).mark();
        match in_time(timeout, "SAVEPOINT", mark).await {
            Ok(()) => Ok(self),
            Err(error) => Err(self.sessions.failed(error)),
        }
    }

    /// Commits the transaction, and then reports what has happened to the sessions. It continues if
    /// the client closes the connection meanwhile.
    ///
    /// If the database takes longer than `store_timeout`, this call fails, and the commit goes on.
    /// Nobody knows then whether it will succeed. The caches no longer serve the sessions that it
    /// may end. As soon as the database answers that it has committed, the events are reported, and
    /// a login gets its cookie, or is ended again if its response has been sent.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = sqlx::sqlite::SqlitePoolOptions::new()
    /// #     .max_connections(1)
    /// #     .connect("sqlite::memory:")
    /// #     .await?;
    /// # let store = SqliteStore::new(pool);
    /// # store.migrate().await?;
    /// # let sessions = SessionManager::<UserSession>::builder(store.clone())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build()?;
    /// let id = sessions.test_session(UserSession { user_id: 1 }).await.id();
    /// let mut transaction = sessions.begin(&store).await?;
    /// transaction.revoke(id).await?;
    /// transaction.commit().await?;
    /// assert!(sessions.get(id).await?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Store`] if the transaction was not committed: it was rolled back. If the database
    /// does not answer, it may have been committed, and the message says so. In both cases the
    /// caches are emptied, so that the next requests see what has happened.
    /// [`Error::ResponseBegun`] if the transaction was committed, but the response of its login has
    /// been sent: that session was ended again.
    pub async fn commit(self) -> Result<(), Error> {
        let sessions = Arc::clone(&self.sessions);
        let committed = sessions.tasks.answered(|answer| self.run_commit(answer)).await;
        let committed = committed.unwrap_or_else(|error| Err(error.into()));
        committed.map_err(|error| sessions.failed(error))
    }

    /// Undoes everything that happened in the transaction. Dropping it does the same, a little
    /// later.
    ///
    /// ```
    /// # use anchor::prelude::*;
    /// # #[derive(Clone, SessionData)]
    /// # struct UserSession { #[session(subject)] user_id: i64 }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = sqlx::sqlite::SqlitePoolOptions::new()
    /// #     .max_connections(1)
    /// #     .connect("sqlite::memory:")
    /// #     .await?;
    /// # let store = SqliteStore::new(pool);
    /// # store.migrate().await?;
    /// # let sessions = SessionManager::<UserSession>::builder(store.clone())
    /// #     .keys(KeyRing::generate()?)
    /// #     .build()?;
    /// let id = sessions.test_session(UserSession { user_id: 1 }).await.id();
    /// let mut transaction = sessions.begin(&store).await?;
    /// transaction.revoke(id).await?;
    /// transaction.rollback().await?;
    /// assert!(sessions.get(id).await?.is_some(), "it is still live");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error if the database does not answer. The transaction is undone all the same.
    pub async fn rollback(self) -> Result<(), Error> {
        let Self { sessions, store, transaction, .. } = self;
        let rollback = async move { transaction.rollback().await };
        // It goes on if it takes too long.
        let rollback = async {
            let undone = sessions.tasks.complete(rollback).await?;
            undone.map_err(|error| store.ended(&error))
        };
        let undone = in_time(sessions.store.timeout(), "rollback", rollback).await;
        undone.map_err(|error| sessions.failed(error))
    }

    /// Lets the transaction only be rolled back, because a call in it was refused.
    pub(crate) fn refuse(&mut self) {
        self.stage = Stage::Broken;
    }
}

/// For the application's own statements: `.execute(&mut *transaction)`.
impl<T: SessionData, D: Transactions> Deref for SessionTransaction<T, D> {
    type Target = D::Connection;

    fn deref(&self) -> &Self::Target {
        self.transaction.connection()
    }
}

impl<T: SessionData, D: Transactions> DerefMut for SessionTransaction<T, D> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.transaction.parts().0
    }
}

impl<T: SessionData, D: Transactions> fmt::Debug for SessionTransaction<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionTransaction")
            .field("table", &T::schema().table)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

fn broken() -> StoreError {
    StoreError::unavailable(
        "a call that changes sessions has failed in this transaction, or was dropped before it was \
         done, so the transaction was rolled back: begin another one",
    )
}

/// Ends a call within a time limit, if necessary with an error.
async fn in_time<R>(
    timeout: Duration,
    verb: &str,
    call: impl Future<Output = Result<R, StoreError>>,
) -> Result<R, StoreError> {
    tokio::time::timeout(timeout, call).await.unwrap_or_else(|_| {
        Err(StoreError::unavailable(format!(
            "`{verb}` of a transaction took longer than the {timeout:?} of `store_timeout`: it may \
             wait for a connection, or for a row that another transaction has locked"
        )))
    })
}
