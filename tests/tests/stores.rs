//! Every store keeps the contract, and the suite that says so catches stores that do not.

mod memory {
    anchor::conformance!(async || anchor::MemoryStore::new());
}
