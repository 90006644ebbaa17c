//! [`Transactional`]: the stores whose sessions can be changed in a transaction of the
//! application's.

use super::SessionStore;
use super::sql::{SqlStore, Transactions};
use crate::payload::SessionData;

/// A store whose sessions can be changed in a transaction of the application's:
/// [`SessionManager::begin`](crate::SessionManager::begin) and
/// [`SessionManager::within`](crate::SessionManager::within). These are `PostgresStore`,
/// `MySqlStore` and `SqliteStore`. A store that wraps one of them can implement this trait, too. It
/// then forwards [`SessionStore::identity`].
///
/// ```compile_fail,E0277
/// # #[cfg(not(feature = "memory"))] compile_error!("of another kind");
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # #[session(migrations = false)]
/// # struct UserSession { user_id: i64 }
/// # async fn demo(sessions: SessionManager<UserSession>) -> Result<(), anchor::Error> {
/// let store = MemoryStore::<UserSession>::new();
/// let transaction = sessions.begin(&store).await?;    // does not compile
/// # Ok(())
/// # }
/// ```
///
/// ```
/// use anchor::prelude::*;
/// use anchor::store::Transactional;
///
/// /// On every SQL store.
/// async fn end_together<T: SessionData, S: Transactional<T>>(
///     sessions: &SessionManager<T>,
///     store: &S,
///     subjects: &[T::Subject],
/// ) -> Result<(), anchor::Error> {
///     let mut transaction = sessions.begin(store).await?;
///     for subject in subjects {
///         transaction.revoke_subject(subject).await?;
///     }
///     transaction.commit().await
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the sessions of `{Self}` cannot be changed in a transaction of your own",
    label = "this store has no SQL transactions",
    note = "pass the `PostgresStore`, `MySqlStore` or `SqliteStore` that the manager was built \
        with, as in `sessions.begin(&store)`; with another store, call the methods of \
        `SessionManager`, which take effect at once"
)]
pub trait Transactional<T: SessionData>: SessionStore<T> {
    /// sqlx's pool of the database, such as `sqlx::PgPool`.
    type Pool: Transactions;

    /// Returns the store that is on the database.
    fn sql_store(&self) -> &SqlStore<Self::Pool, T>;
}

impl<D: Transactions, T: SessionData> Transactional<T> for SqlStore<D, T> {
    type Pool = D;

    fn sql_store(&self) -> &SqlStore<D, T> {
        self
    }
}
