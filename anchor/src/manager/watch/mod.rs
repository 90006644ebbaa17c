//! Keeps track of who waits for the end of which session (`table.rs`). All who wait for one session
//! on this node share one poll (`poll.rs`). Each one asks the verifier about its own request
//! (`revoked.rs`).

mod poll;
mod revoked;
pub(crate) mod table;

pub(crate) use revoked::revoked;
