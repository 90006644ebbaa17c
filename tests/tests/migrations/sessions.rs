//! Sessions on a migrated table, as a store of its struct sees them.

use std::sync::Arc;

use anchor::store::{Load, NewSession, SessionStore};
use anchor::token::{LastingHash, SecretHash};
use anchor::{MySqlStore, PostgresStore, SessionData, SessionId, SqliteStore};
use uuid::Uuid;

use crate::live::Live;

pub(crate) fn store<T: SessionData>(live: &Live) -> Arc<dyn SessionStore<T>> {
    match live {
        Live::Postgres(pool) => Arc::new(PostgresStore::new(pool.clone())),
        Live::MySql(pool) => Arc::new(MySqlStore::new(pool.clone())),
        Live::Sqlite(pool) => Arc::new(SqliteStore::new(pool.clone())),
    }
}

pub(crate) fn id(number: u128) -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(number))
}

pub(crate) fn session<T: SessionData>(number: u128, data: T) -> NewSession<T> {
    let (lasting, secret) = (LastingHash::from_bytes([6; 32]), SecretHash::from_bytes([7; 32]));
    NewSession::new(id(number), lasting, secret, Arc::new(data))
}

pub(crate) async fn is_live<T: SessionData>(live: &Live, number: u128) -> bool {
    let found = store::<T>(live).load(id(number)).await.expect("the store answers");
    matches!(found, Load::Live(_))
}

/// Compares the live table with the struct.
pub(crate) async fn verify<T: SessionData>(live: &Live) {
    let verified = match live {
        Live::Postgres(pool) => PostgresStore::<T>::new(pool.clone()).verify().await,
        Live::MySql(pool) => MySqlStore::<T>::new(pool.clone()).verify().await,
        Live::Sqlite(pool) => SqliteStore::<T>::new(pool.clone()).verify().await,
    };
    verified.expect("the table is as the struct declares it");
}
