//! The users table, which the old application had as well. The move adds one column:
//! `old_sessions_ended`.

use anchor::{Error, StoreError};
use sqlx::{PgConnection, PgPool};

/// A row of the table.
#[derive(sqlx::FromRow)]
pub struct User {
    /// The primary key.
    pub id: i64,
    /// The hash of the password, with its salt and parameters.
    pub password_hash: String,
}

/// Returns the user of an old session, or `None` if the user was deleted, or has logged out
/// everywhere since the move.
///
/// The row stays locked until the transaction ends, so that a logout everywhere comes before the
/// takeover or after it, and never between.
///
/// # Errors
///
/// Returns an error if the database does.
pub async fn of_old_session(connection: &mut PgConnection, id: i64) -> sqlx::Result<Option<User>> {
    let user = "SELECT id, password_hash FROM users WHERE id = $1 AND NOT old_sessions_ended \
                FOR SHARE";
    sqlx::query_as(user).bind(id).fetch_optional(connection).await
}

/// Lets no old session of the user be taken over any more. It belongs to every change after which
/// a user must be logged out elsewhere: a new password, "log out everywhere", a suspension.
///
/// # Errors
///
/// Returns an error if the database does.
pub async fn end_old_sessions(connection: &mut PgConnection, id: i64) -> sqlx::Result<()> {
    let end = "UPDATE users SET old_sessions_ended = TRUE WHERE id = $1";
    sqlx::query(end).bind(id).execute(connection).await.map(drop)
}

/// Returns the user with this name, if the password is correct.
pub(crate) async fn authenticate(
    pool: &PgPool,
    name: &str,
    password: String,
) -> Result<Option<User>, Error> {
    let user: Option<User> = sqlx::query_as("SELECT id, password_hash FROM users WHERE name = $1")
        .bind(name)
        .fetch_optional(pool)
        .await
        .map_err(StoreError::unavailable)?;
    let Some(user) = user else {
        // Takes as long as a wrong password.
        blocking(|| password_auth::generate_hash(password)).await?;
        return Ok(None);
    };
    Ok(verify(&user, password).await?.then_some(user))
}

/// Returns whether this is the password of the user.
pub(crate) async fn confirm(pool: &PgPool, id: i64, password: String) -> Result<bool, Error> {
    let user: User = sqlx::query_as("SELECT id, password_hash FROM users WHERE id = $1")
        .bind(id)
        .fetch_one(pool)
        .await
        .map_err(StoreError::unavailable)?;
    verify(&user, password).await
}

async fn verify(user: &User, password: String) -> Result<bool, Error> {
    let hash = user.password_hash.clone();
    blocking(move || password_auth::verify_password(password, &hash).is_ok()).await
}

/// Runs a password's hash where it does not hold up other requests.
async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| StoreError::unavailable(error).into())
}
