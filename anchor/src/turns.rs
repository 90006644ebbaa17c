//! [`Turns`]: who of this node's requests may try next to update a contended session.

use std::hash::{BuildHasher, RandomState};

use tokio::sync::Mutex;

use crate::id::SessionId;

/// How many sessions can be contended at once before two of them wait for each other.
const QUEUES: usize = 64;

/// Queues of requests that met a conflict; first come, first served.
pub(crate) struct Turns {
    hash: RandomState,
    queues: [Mutex<()>; QUEUES],
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { hash: RandomState::new(), queues: std::array::from_fn(|_| Mutex::new(())) }
    }

    /// The queue of this session.
    pub(crate) fn of(&self, id: SessionId) -> &Mutex<()> {
        let queues = QUEUES as u64;
        &self.queues[(self.hash.hash_one(id) % queues) as usize]
    }
}
