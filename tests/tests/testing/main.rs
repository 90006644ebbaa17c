//! `anchor::testing`, as the tests of an application use it.

#[macro_use(on_every_store)]
extern crate anchor_tests;

mod application;

mod clock;
mod direct_calls;
mod faulty;
mod frontends;
mod logins;
mod responses;
