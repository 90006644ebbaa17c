//! Applies the migrations to the SQLite file in `DATABASE_URL` (by default `migrations.db` in the
//! current folder), as a release does at startup, and reports whether the table matches the struct.

use anchor::prelude::*;
use migrations_example::UserSession;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnectOptions;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite:migrations.db".into());
    let options: SqliteConnectOptions = url.parse()?;
    let pool = SqlitePool::connect_with(options.create_if_missing(true)).await?;
    sqlx::migrate!("migrations/sqlite").run(&pool).await?;
    SqliteStore::<UserSession>::new(pool).verify().await?;
    println!("the table `{}` matches the struct", UserSession::schema().table);
    Ok(())
}
