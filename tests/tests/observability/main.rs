//! What an operator sees: metrics, and the spans of the store's calls.

mod application;

mod events;
mod failures;
mod live_count;
mod names;
mod spans;
mod store_calls;
