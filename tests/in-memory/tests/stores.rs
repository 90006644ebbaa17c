//! The contract on `MemoryStore`.

#[path = "../../tests/stores/memory_races.rs"]
mod memory_races;
#[path = "../../tests/stores/memory_store.rs"]
mod memory_store;

mod memory {
    anchor::conformance!(async || anchor::MemoryStore::new());
}
