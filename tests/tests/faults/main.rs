//! Faults past the application: a network that loses answers, a server or a process that is killed,
//! a failover, a slow store, clocks that disagree.
//!
//! Each promise is tested by a storm or a sweep, and the same sweep is run on something careless,
//! which it must find: a handler that does not look at the answer, or a server that is set up to
//! lose what it has confirmed.

#[macro_use(on_every_server)]
extern crate anchor_tests;

mod application;
mod clocks;
mod dead_machines;
mod failover;
mod killed;
mod lost_answers;
mod lost_logins;
mod node;
mod slow;
mod storm;
