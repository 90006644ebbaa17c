//! What the HTTP tests share, with `MemoryStore` as the only store. The files are those of
//! `anchor-tests`.
#![cfg(feature = "mutants")]

#[path = "../../src/http.rs"]
pub mod http;
#[path = "../../src/logs.rs"]
pub mod logs;
#[path = "../../src/proxy.rs"]
mod proxy;
#[path = "../../src/watched.rs"]
mod watched;

use std::any::Any;
use std::convert::Infallible;
use std::sync::Arc;

use anchor::store::SessionStore;
use anchor::{MemoryStore, SessionData, SessionId};
pub use proxy::{Direction, Loss, Proxy};
pub use watched::{Hold, Verb, Watched};

/// The stores that the tests name, of which only one can be had.
#[allow(missing_docs)]
pub enum Backend {
    Memory,
    Sqlite(Infallible),
    Postgres(Infallible),
    MySql(Infallible),
    Redis(Infallible),
}

#[allow(missing_docs, clippy::unused_async)]
impl Backend {
    pub async fn memory() -> Option<Self> {
        Some(Backend::Memory)
    }

    pub async fn sqlite() -> Option<Self> {
        None
    }

    pub async fn postgres() -> Option<Self> {
        None
    }

    pub async fn mysql() -> Option<Self> {
        None
    }

    pub async fn redis() -> Option<Self> {
        None
    }

    pub async fn store<T: SessionData>(&self) -> Arc<dyn SessionStore<T>> {
        Arc::new(MemoryStore::new())
    }

    pub fn reconnected(&self, _: u32) -> Self {
        Backend::Memory
    }

    pub fn behind_a_proxy(&self, _: u32) -> Option<(Self, Proxy)> {
        None
    }

    pub fn removes_expired_rows(&self) -> bool {
        false
    }

    pub fn connections_in_use(&self) -> usize {
        0
    }

    pub async fn take_every_connection(&self) -> Vec<Box<dyn Any + Send>> {
        Vec::new()
    }

    pub async fn execute(&self, _: &str) -> Option<u64> {
        None
    }

    pub async fn forget(&self, _: &str, _: SessionId) {}
}

/// Makes a test of each of these functions, in memory.
#[macro_export]
macro_rules! on_every_store {
    ($($behaviour:ident),+ $(,)?) => {
        mod memory {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    super::$behaviour($crate::Backend::Memory).await;
                }
            )+
        }
    };
}

/// Makes no test: there is no server.
#[macro_export]
macro_rules! on_every_server {
    ($($behaviour:ident),+ $(,)?) => {
        mod servers {
            $(
                #[allow(unused_imports)]
                use super::$behaviour;
            )+
        }
    };
}
