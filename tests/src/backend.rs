//! [`Backend`]: the stores that a behaviour is tested on.

use std::sync::Arc;

use anchor::{MemoryStore, SessionData, SessionStore};

/// An empty store of one kind.
pub enum Backend {
    /// This process's memory.
    Memory,
}

impl Backend {
    /// A store for `T` with its table made. A second call gives the same rows on a database, and other rows in memory.
    pub async fn store<T: SessionData>(&self) -> Arc<dyn SessionStore<T>> {
        match self {
            Backend::Memory => Arc::new(MemoryStore::new()),
        }
    }

    /// Runs a statement behind the store's back; `false` where there is no SQL.
    pub async fn execute(&self, _sql: &str) -> bool {
        match self {
            Backend::Memory => false,
        }
    }
}
