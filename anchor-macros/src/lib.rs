//! The procedural macros of anchor. Use them through the `anchor` crate, which documents them.
