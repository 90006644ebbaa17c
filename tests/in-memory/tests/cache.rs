//! The tests of `.cache(lease)` in `anchor-tests`, in memory: all but those of PostgreSQL.

#[macro_use(on_every_store)]
extern crate anchor_tests;

#[path = "../../tests/cache/application.rs"]
mod application;
#[path = "../../tests/cache/authoritative.rs"]
mod authoritative;
#[path = "../../tests/cache/channel.rs"]
mod channel;
#[path = "../../tests/cache/endings.rs"]
mod endings;
#[path = "../../tests/cache/hits.rs"]
mod hits;
#[path = "../../tests/cache/settings.rs"]
mod settings;
#[path = "../../tests/cache/stale_rows.rs"]
mod stale_rows;
