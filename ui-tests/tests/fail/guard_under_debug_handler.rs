//! `#[require_session]` goes above `#[debug_handler]`; the other way round, the guard's argument comes too late.

use anchor::prelude::*;

#[axum::debug_handler]
#[require_session]
async fn handler() {}

fn main() {}
