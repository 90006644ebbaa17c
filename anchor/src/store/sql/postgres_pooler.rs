//! A pooler between the application and PostgreSQL, such as PgBouncer in transaction mode: what it
//! must do for prepared statements, and how `verify` notices that it does not.

use std::time::Duration;

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{ConnectOptions, Connection};

use super::failure;

/// How long the two clients may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Returns what to set if clients of this pool lose their prepared statements, or get those of
/// other clients.
///
/// Two clients prepare a statement each. sqlx gives both statements the same name. If a pooler runs
/// both on one connection to the server and does not rename them, the server refuses the second
/// one. An idle pooler does that. A busy one may not, and then the errors come in operation, with
/// the same advice.
pub(super) async fn refusal(pool: &PgPool) -> Option<String> {
    // A pooler without a free connection to the server lets its clients wait for minutes.
    tokio::time::timeout(PATIENCE, probe(pool)).await.ok().flatten()
}

async fn probe(pool: &PgPool) -> Option<String> {
    let options = (*pool.connect_options()).clone();
    let mut clients = Vec::new();
    for _ in 0..2 {
        // Whether the server has room for one more is for others to find out.
        let mut client = options.connect().await.ok()?;
        if let Err(error) = prepare(&mut client).await {
            return failure::pooler_advice(&error);
        }
        clients.push(client);
    }
    for client in clients {
        let _ = client.close().await;
    }
    None
}

async fn prepare(client: &mut PgConnection) -> Result<(), sqlx::Error> {
    // Once to prepare it, and once more when the pooler may have changed the connection.
    for _ in 0..2 {
        sqlx::query("SELECT 1").execute(&mut *client).await?;
    }
    Ok(())
}
