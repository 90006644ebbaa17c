//! The application's own users table, with Argon2 password hashes.

use sqlx::PgPool;
use uuid::Uuid;

use crate::Role;

pub(crate) type UsersError = Box<dyn std::error::Error + Send + Sync>;

pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) role: Role,
}

/// Creates a user and returns whether the address was free.
pub(crate) async fn create(
    pool: &PgPool,
    email: &str,
    password: String,
) -> Result<bool, UsersError> {
    let hash = tokio::task::spawn_blocking(|| password_auth::generate_hash(password)).await?;
    let done = sqlx::query(
        "INSERT INTO users (id, email, password_hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(Uuid::new_v4())
    .bind(email)
    .bind(hash)
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Returns the user with this address, if the password is correct.
pub(crate) async fn authenticate(
    pool: &PgPool,
    email: &str,
    password: String,
) -> Result<Option<User>, UsersError> {
    let row: Option<(Uuid, String, String)> =
        sqlx::query_as("SELECT id, role, password_hash FROM users WHERE email = $1")
            .bind(email)
            .fetch_optional(pool)
            .await?;
    let Some((id, role, hash)) = row else {
        // This takes as long as a wrong password, so that the time does not reveal which addresses
        // are known.
        tokio::task::spawn_blocking(|| password_auth::generate_hash(password)).await?;
        return Ok(None);
    };
    let matches = tokio::task::spawn_blocking(move || {
        password_auth::verify_password(password, &hash).is_ok()
    })
    .await?;
    let role = if role == "admin" { Role::Admin } else { Role::Member };
    Ok(matches.then_some(User { id, role }))
}

pub(crate) async fn count(pool: &PgPool) -> Result<i64, UsersError> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(pool).await?)
}

pub(crate) async fn delete(pool: &PgPool, id: Uuid) -> Result<(), UsersError> {
    sqlx::query("DELETE FROM users WHERE id = $1").bind(id).execute(pool).await?;
    Ok(())
}
