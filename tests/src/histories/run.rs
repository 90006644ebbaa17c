//! Runs many histories on one store, several at once.

use std::sync::Arc;

use anchor::MemoryStore;
use tokio::task::JoinSet;

use super::payload::Numbered;
use super::picture::picture;
use super::plan::Plan;
use super::tasks::{Node, record};
use super::verdict::check;
use crate::Backend;

/// How many histories of each payload continuous integration runs on a store: a third of 1,000.
pub const IN_CI: u64 = 334;

/// How many kinds of payloads there are.
const PAYLOADS: u64 = 3;

/// How many histories run at once.
const AT_ONCE: usize = 12;

/// How many connections the second node may have.
const CONNECTIONS: u32 = 8;

/// The seeds of the histories to run with each payload: one after the other from 1 on, a third of
/// `ANCHOR_HISTORIES`, or [`IN_CI`]; all of them `ANCHOR_HISTORIES_SEED`, if that is set.
///
/// # Panics
///
/// When a variable is not a number.
pub fn seeds() -> impl Iterator<Item = u64> {
    let number = |variable: &str| {
        let text = std::env::var(variable).ok()?;
        Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{variable} is a number: {text}")))
    };
    let count = number("ANCHOR_HISTORIES").map_or(IN_CI, |all| all.div_ceil(PAYLOADS));
    let one = number("ANCHOR_HISTORIES_SEED");
    (1..=count).map(move |next| one.unwrap_or(next))
}

/// The stores of two nodes on one database, each with a pool of its own; in memory, two clones of
/// one store.
///
/// # Panics
///
/// When the table cannot be made.
pub async fn nodes<T: Numbered>(backend: &Backend) -> [Node<T>; 2] {
    if let Backend::Memory = backend {
        let store = MemoryStore::new();
        return [Arc::new(store.clone()), Arc::new(store)];
    }
    [backend.store().await, backend.reconnected(CONNECTIONS).store().await]
}

/// What was run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many histories.
    pub histories: usize,
    /// How many calls.
    pub calls: usize,
    /// How many of them failed.
    pub failed: usize,
}

/// Runs a history of each seed, and checks it.
///
/// # Errors
///
/// A picture of the first history that breaks the contract.
pub async fn run<T: Numbered>(
    nodes: [Node<T>; 2],
    mut seeds: impl Iterator<Item = u64>,
) -> Result<Tally, String> {
    let (mut tally, mut running) = (Tally::default(), JoinSet::new());
    loop {
        while running.len() < AT_ONCE
            && let Some(seed) = seeds.next()
        {
            let nodes = nodes.clone();
            running.spawn(async move {
                let history = record(&nodes, Plan::new(seed, T::CUT_OFF)).await;
                let refusal = check(&history).err();
                (seed, history, refusal)
            });
        }
        let Some(done) = running.join_next().await else { return Ok(tally) };
        let (seed, history, refusal) = done.expect("no history panics");
        if let Some(refusal) = refusal {
            return Err(format!("{}\nagain: {}\n", picture(&history, &refusal), replay(seed)));
        }
        tally.histories += 1;
        tally.calls += history.calls.len();
        tally.failed += history.calls.iter().filter(|made| made.has_failed()).count();
    }
}

/// How to run a history again, as often as it takes.
fn replay(seed: u64) -> String {
    let test = std::thread::current();
    let test = test.name().unwrap_or_default();
    format!("ANCHOR_HISTORIES_SEED={seed} cargo test -p anchor-tests --test histories {test}")
}
