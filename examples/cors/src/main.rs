//! `ANCHOR_DEVELOPMENT=true cargo run -p cors-example`, with a front end on <http://localhost:5173>.

use std::error::Error;
use std::net::Ipv4Addr;

use anchor::Environment;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_env_filter("info").init();
    let app = cors_example::app("http://localhost:5173", Environment::of_process("ANCHOR"))?;
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 3000)).await?;
    println!("Listening on http://{}, where there is\n{}", listener.local_addr()?, app.policies());
    axum::serve(listener, app).await?;
    Ok(())
}
