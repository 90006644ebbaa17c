//! Applies the migrations to the SQLite file in `DATABASE_URL` (else `migrations.db` in the current
//! folder), as a release does when it starts, and says whether the table is what the struct
//! declares.

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
    println!("the table `{}` is what the struct declares", UserSession::schema().table);
    Ok(())
}
