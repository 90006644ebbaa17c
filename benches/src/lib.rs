//! Benchmarks; run them with `cargo bench -p anchor-benches`. Each compares both sides of its claim
//! in one run.
