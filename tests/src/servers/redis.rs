//! Starts Redis.

use std::process::Command;

use super::supervised::{Supervised, free_port, make_folder};
use super::{Running, programs};

pub(super) fn start() -> Result<Running, String> {
    start_with(&["--save", "", "--appendonly", "no"])
}

/// Starts a server with these options.
pub(super) fn start_with(options: &[&str]) -> Result<Running, String> {
    let redis = programs::find("redis-server", &[])
        .ok_or("install Redis (`apt-get install redis-server`)")?;
    let port = free_port()?;
    let folder = make_folder("redis")?;
    let mut server = Command::new(redis);
    server
        .args(options)
        .args(["--bind", "127.0.0.1", "--dir"])
        .arg(&folder)
        .arg("--port")
        .arg(port.to_string());
    let supervised = Supervised::start(&folder, "KILL", &server, "Ready to accept connections")?;
    Ok(Running { url: format!("redis://127.0.0.1:{port}"), supervised: vec![supervised] })
}
