//! What the workspace's tests share: real database servers, a real HTTP server and client, a store
//! that is watched and made to fail, a network that loses what it is told to lose, and clocks that
//! are wrong.

mod backend;
pub mod batching;
pub mod careless;
pub mod cluster;
pub mod databases;
pub mod dice;
pub mod exposition;
mod fake_clock;
pub mod histories;
pub mod http;
pub mod late;
pub mod logs;
pub mod naive;
mod on_every_store;
mod postgres_tap;
pub mod process;
mod proxy;
pub mod servers;
mod table_lock;
mod watched;

pub use backend::Backend;
pub use fake_clock::FakeClock;
pub use postgres_tap::Tap;
pub use proxy::{Direction, Loss, Proxy};
pub use table_lock::{TableLock, Waiting};
pub use watched::{Hold, Verb, Watched};
