//! The application's own users table, with Argon2 password hashes.

use std::sync::OnceLock;

use sqlx::SqlitePool;

pub(crate) type UsersError = Box<dyn std::error::Error + Send + Sync>;

pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) username: String,
}

/// Creates the table and, once, the demo user.
pub(crate) async fn migrate(pool: &SqlitePool) -> Result<(), UsersError> {
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS users (
            id            INTEGER PRIMARY KEY,
            username      TEXT NOT NULL UNIQUE,
            password_hash TEXT NOT NULL
        )",
    )
    .execute(pool)
    .await?;
    let exists =
        sqlx::query("SELECT 1 FROM users WHERE username = 'ferris'").fetch_optional(pool).await?;
    if exists.is_none() {
        let hash =
            tokio::task::spawn_blocking(|| password_auth::generate_hash("rustacean")).await?;
        sqlx::query(
            "INSERT INTO users (username, password_hash) VALUES ('ferris', ?) ON CONFLICT \
            DO NOTHING",
        )
        .bind(hash)
        .execute(pool)
        .await?;
    }
    Ok(())
}

/// Returns the user with this name, if the password is correct. An unknown name takes as long as a
/// wrong password.
pub(crate) async fn authenticate(
    pool: &SqlitePool,
    username: String,
    password: String,
) -> Result<Option<User>, UsersError> {
    static NOBODY: OnceLock<String> = OnceLock::new();
    let row: Option<(i64, String)> =
        sqlx::query_as("SELECT id, password_hash FROM users WHERE username = ?")
            .bind(&username)
            .fetch_optional(pool)
            .await?;
    let (id, hash) = row.unzip();
    let matches = tokio::task::spawn_blocking(move || {
        let hash = hash.as_deref().unwrap_or_else(|| {
            NOBODY.get_or_init(|| password_auth::generate_hash("nobody has this password"))
        });
        password_auth::verify_password(password, hash).is_ok()
    })
    .await?;
    Ok(id.filter(|_| matches).map(|id| User { id, username }))
}
