//! [`MemoryStore`]: sessions in this process.
