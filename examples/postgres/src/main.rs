//! Run it with:
//!
//! ```sh
//! export DATABASE_URL=postgres://localhost/test ANCHOR_KEYS="$(openssl rand -base64 32)"
//! cargo run -p postgres-example
//! ```

use std::error::Error;
use std::net::Ipv4Addr;

use anchor::KeyRing;
use anchor::frontend::SessionCookie;
use sqlx::PgPool;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter("info,sqlx=warn").init();
    let url = std::env::var("DATABASE_URL").map_err(
        |_| "DATABASE_URL is not set: set it to the database, such as postgres://localhost/test",
    )?;
    let pool = PgPool::connect(&url).await?;
    postgres_example::migrate(&pool).await?;
    let sessions = postgres_example::sessions(
        pool.clone(),
        KeyRing::from_env("ANCHOR_KEYS")?,
        SessionCookie::development(),
    )?;
    let app = postgres_example::app(pool, sessions.clone());
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 3000)).await?;
    println!("Listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app)
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    // A logout continues after its client has disconnected. Wait for it.
    sessions.shutdown().await;
    Ok(())
}
