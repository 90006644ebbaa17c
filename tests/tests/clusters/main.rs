//! Clusters that users run: what holds on them when a server is lost, and what a user has to set.

#[allow(dead_code, reason = "the tests of faults use all of it")]
#[path = "../faults/application.rs"]
mod application;
mod crowd;
mod galera;
mod lost_connections;
mod nodes;
mod pgbouncer;
mod postgres_standby;
mod processes;
mod redis_cluster;
#[allow(dead_code, reason = "the tests of faults use all of it")]
#[path = "../faults/storm.rs"]
mod storm;
