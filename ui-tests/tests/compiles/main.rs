//! What compiles, without a warning even from lints that are off by default.

#![deny(
    warnings,
    missing_debug_implementations,
    missing_docs,
    private_interfaces,
    unused_qualifications,
    clippy::pedantic,
    reason = "an expansion must not bring warnings into a user's crate"
)]
#![allow(
    unreachable_pub,
    reason = "a test crate exports nothing; some payloads are public all the same"
)]
#![allow(clippy::unused_async, reason = "the handlers below are empty")]

mod handlers;
mod odd_names;
mod payloads;
mod reexported;
