//! Run it with `ANCHOR_DEVELOPMENT=true cargo run -p cors-example`, and a front end on
//! <http://localhost:5173>.

use std::error::Error;
use std::net::Ipv4Addr;

use anchor::Environment;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    let front_end = "http://localhost:5173";
    let sessions = cors_example::sessions(front_end, Environment::of_process("ANCHOR"))?;
    let app = cors_example::app(front_end, &sessions)?;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 3000)).await?;
    println!("Listening on http://{} with routes\n{}", listener.local_addr()?, app.policies());
    axum::serve(listener, app.build()?)
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    // A logout continues after its client has disconnected. Wait for it.
    sessions.shutdown().await;
    Ok(())
}
