//! Galera: three servers of MariaDB that all accept writes.
//!
//! Each server applies what the others have committed a moment after it was answered, which
//! [`Pause`](pause::Pause) makes as long as a test needs. The contract holds whatever server a call
//! goes to.

mod alternating;
mod lost;
mod pause;
mod settings;
mod transactions;
mod writers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anchor::conformance::{Extended, Payload};
use anchor::store::NewSession;
use anchor::token::{LastingHash, SecretHash};
use anchor::{MySqlStore, SessionData, SessionId};
use anchor_tests::databases;
use anchor_tests::histories::{Node, Numbered, run};
use sqlx::{Executor, MySqlPool};
use uuid::Uuid;

use alternating::Alternating;

mod on_one_server {
    use super::*;

    anchor::__conformance_plain!(async || {
        let [_, pool, _] = databases::galera().await?;
        let store = MySqlStore::new(pool);
        store.migrate().await.expect("Galera makes the table");
        Some(store)
    });
}

mod on_three_servers {
    use super::*;

    anchor::conformance!(async || Some(Alternating::between(stores().await?)));
}

/// A store on each server, over one table.
async fn stores<T: SessionData>() -> Option<[MySqlStore<T>; 3]> {
    Some(stores_on(databases::galera().await?).await)
}

async fn stores_on<T: SessionData>(pools: [MySqlPool; 3]) -> [MySqlStore<T>; 3] {
    let stores = pools.map(MySqlStore::new);
    stores[0].migrate().await.expect("Galera makes the table");
    for store in &stores {
        // Answered when that has been applied here, too.
        let wait = "SET STATEMENT wsrep_sync_wait = 15 FOR SELECT 1";
        store.pool().execute(wait).await.expect("Galera waits");
    }
    stores
}

/// How many histories of each payload run.
const HISTORIES: u64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_of_plain_sessions() {
    keep_the_contract::<Payload>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_of_sessions_that_can_be_cut_off() {
    keep_the_contract::<Extended<0>>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_of_sessions_that_are_kept() {
    keep_the_contract::<Extended<86_400>>().await;
}

/// Two nodes of the application, each with a server of its own.
async fn keep_the_contract<T: Numbered>() {
    let Some([one, other, _]) = stores::<T>().await else { return };
    let nodes: [Node<T>; 2] = [Arc::new(one), Arc::new(other)];
    let histories = std::env::var("ANCHOR_HISTORIES").ok().and_then(|count| count.parse().ok());
    let histories = histories.map_or(HISTORIES, |all: u64| all.div_ceil(3));
    let tally = run(nodes, 1..=histories).await;
    let tally = tally.unwrap_or_else(|picture| panic!("{picture}"));
    println!("{tally:?}");
    assert!(tally.failed * 100 < tally.calls, "too much is not known: {tally:?}");
}

const HOUR: Duration = Duration::from_secs(3_600);

/// A new session with this payload.
pub(crate) fn session_of<T: SessionData>(data: T) -> NewSession<T> {
    let id = new_uuid();
    let hash = [id.into_bytes(), id.into_bytes()].concat().try_into().expect("two halves");
    let (lasting, secret) = (LastingHash::from_bytes(hash), SecretHash::from_bytes(hash));
    let mut new = NewSession::new(SessionId::from_uuid(id), lasting, secret, Arc::new(data));
    (new.idle, new.absolute) = (HOUR, 2 * HOUR);
    new
}

/// One that no other session or subject of these tests has.
fn new_uuid() -> Uuid {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u64_pair(1, COUNT.fetch_add(1, Ordering::Relaxed))
}
