//! Run it with `ANCHOR_DEVELOPMENT=true cargo run -p forms-example`, then open
//! <http://127.0.0.1:3000/login> and log in as `ferris` with the password `rustacean`.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use anchor::Environment;
use anchor::prelude::*;
use forms_example::{LoginLimits, UserSession};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
        .environment(Environment::of_process("ANCHOR"))
        .build()?;
    let app = forms_example::app(&sessions, LoginLimits::default());
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 3000)).await?;
    println!("Listening on http://{}/login", listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async {
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    // A logout continues after its client has disconnected. Wait for it.
    sessions.shutdown().await;
    Ok(())
}
