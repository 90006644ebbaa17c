//! `sessions.begin(&store)` and `sessions.within(&store, transaction)`: sessions that change in a
//! transaction of the application's, on each SQL store.

mod application;
mod engine;

mod commits;
mod conflicts;
mod cut_offs;
mod left_behind;
mod levels;
mod logins;
mod releases;
mod rollbacks;
mod slow_commits;
