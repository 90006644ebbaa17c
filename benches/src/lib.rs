//! Benchmarks. Run them with `cargo bench -p anchor-benches`. Each benchmark compares both sides of
//! its claim in one run.
