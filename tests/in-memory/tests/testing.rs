//! The tests of `anchor::testing` in `anchor-tests`, in memory: all but those of a failing store.

#[macro_use(on_every_store)]
extern crate anchor_tests;

#[path = "../../tests/testing/application.rs"]
mod application;

#[path = "../../tests/testing/clock.rs"]
mod clock;
#[path = "../../tests/testing/direct_calls.rs"]
mod direct_calls;
#[path = "../../tests/testing/frontends.rs"]
mod frontends;
#[path = "../../tests/testing/logins.rs"]
mod logins;
#[path = "../../tests/testing/responses.rs"]
mod responses;
