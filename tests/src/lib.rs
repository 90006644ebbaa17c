//! What the workspace's tests share: real database servers, a real HTTP server and client, and a
//! store that is watched and made to fail.

mod backend;
pub mod batching;
pub mod careless;
pub mod databases;
pub mod dice;
pub mod histories;
pub mod http;
pub mod late;
pub mod logs;
pub mod naive;
mod on_every_store;
mod postgres_tap;
pub mod servers;
mod table_lock;
mod watched;

pub use backend::Backend;
pub use postgres_tap::Tap;
pub use table_lock::{TableLock, Waiting};
pub use watched::{Hold, Verb, Watched};
