//! Run it with `cargo run -p thinga`, then open <http://127.0.0.1:3000>. [`thinga::config`] lists
//! the environment variables.

use std::net::SocketAddr;
use std::sync::Arc;

use thinga::config::Config;
use thinga::{StartError, Thinga};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), StartError> {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info,sqlx=warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).init();
    let config = Config::from_env()?;
    let listener = tokio::net::TcpListener::bind(config.listen).await?;
    let thinga = Arc::new(Thinga::start(config).await?);
    println!("Listening on http://{}", listener.local_addr()?);

    let mut terminate = signal(SignalKind::terminate())?;
    let stopping = Arc::clone(&thinga);
    let router = thinga.router().into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            // The live pages would otherwise keep the server waiting.
            stopping.shutdown().await;
        })
        .await?;
    thinga.shutdown().await;
    Ok(())
}
