//! `.cache(lease)`: what it serves, what it never serves, and how nodes hear of one another.

#[macro_use(on_every_store)]
extern crate anchor_tests;

mod application;
mod authoritative;
mod channel;
mod endings;
mod hits;
mod postgres;
mod settings;
mod stale_rows;
