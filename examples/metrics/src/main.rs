//! Run it with `ANCHOR_DEVELOPMENT=true cargo run -p metrics-example`. The application is
//! <http://127.0.0.1:3000>, and the endpoint for Prometheus <http://127.0.0.1:9464/metrics>.

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use anchor::{Environment, SqliteStore};
use axum::Router;
use sqlx::sqlite::SqlitePoolOptions;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    tracing_subscriber::fmt().with_env_filter("info,sqlx=warn").init();
    let recorder = metrics_example::recorder()?;
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| "there is a recorder already")?;

    // In memory, so this database must have one connection, which stays open.
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect("sqlite::memory:")
        .await?;
    let store = SqliteStore::new(pool);
    store.migrate().await?;
    let sessions = metrics_example::sessions(store, Environment::of_process("ANCHOR"))?;
    let _sweeper = sessions.run_sweeper(Duration::from_secs(300));

    tokio::spawn({
        let (sessions, handle) = (sessions.clone(), handle.clone());
        async move {
            let mut seconds = tokio::time::interval(Duration::from_secs(5));
            let mut ticks = 0_u32;
            loop {
                seconds.tick().await;
                // What was measured since the last time is added up, even if nobody scrapes.
                handle.run_upkeep();
                if ticks.is_multiple_of(12) {
                    // Once a minute. An error has been logged and counted.
                    let _ = sessions.record_live_count().await;
                }
                ticks = ticks.wrapping_add(1);
            }
        }
    });

    let endpoint = listen(9464).await?;
    let app = listen(3000).await?;
    println!("Listening on http://{}", app.local_addr()?);
    println!("Metrics on http://{}/metrics", endpoint.local_addr()?);
    tokio::spawn(serve(endpoint, metrics_example::endpoint(handle)));
    serve(app, metrics_example::app(&sessions)).await?;
    // A logout continues after its client has disconnected. Wait for it.
    sessions.shutdown().await;
    Ok(())
}

async fn listen(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

async fn serve(listener: TcpListener, router: Router) -> std::io::Result<()> {
    axum::serve(listener, router)
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await
}
