//! Starts a Redis Cluster: three primaries, and a replica of each, unless another shape is given.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Proxy;

use super::supervised::{Supervised, free_port, make_folder};
use super::{Running, programs};

/// How long the nodes may take to agree.
const AGREEMENT_LIMIT: Duration = Duration::from_secs(60);

/// What a cluster is made of.
pub(super) struct Shape<'a> {
    pub(super) primaries: usize,
    /// How many replicas each primary has.
    pub(super) replicas: usize,
    /// After how many milliseconds a server that does not answer counts as lost.
    pub(super) node_timeout: &'a str,
    pub(super) options: &'a [&'a str],
}

impl Default for Shape<'_> {
    fn default() -> Self {
        let options = &["--save", "", "--appendonly", "no"];
        Self { primaries: 3, replicas: 1, node_timeout: "5000", options }
    }
}

pub(super) fn start() -> Result<Running, String> {
    start_with(&Shape::default())
}

/// Starts a cluster of this shape.
pub(super) fn start_with(shape: &Shape<'_>) -> Result<Running, String> {
    let ports = free_ports(shape)?;
    start_at(shape, &ports, &[])
}

/// Starts a cluster whose servers tell clients that they are behind a proxy.
pub(super) fn start_behind_a_proxy(shape: &Shape<'_>) -> Result<(Running, Proxy), String> {
    let ports = free_ports(shape)?;
    let proxy = Proxy::before_each(ports.iter().map(|port| format!("127.0.0.1:{port}")).collect());
    let announced: Vec<u16> = proxy.addresses().iter().map(SocketAddr::port).collect();
    Ok((start_at(shape, &ports, &announced)?, proxy))
}

fn free_ports(shape: &Shape<'_>) -> Result<Vec<u16>, String> {
    (0..shape.primaries * (1 + shape.replicas)).map(|_| free_port()).collect()
}

fn start_at(shape: &Shape<'_>, ports: &[u16], announced: &[u16]) -> Result<Running, String> {
    let install = "install Redis (`apt-get install redis-server`)";
    let redis = programs::find("redis-server", &[]).ok_or(install)?;
    let cli = programs::find("redis-cli", &[]).ok_or(install)?;
    let (mut supervised, mut nodes) = (Vec::new(), Vec::new());
    for (number, port) in ports.iter().enumerate() {
        let folder = make_folder("redis-cluster")?;
        let bus = free_port()?;
        let mut server = Command::new(&redis);
        server
            .args(shape.options)
            .args(["--bind", "127.0.0.1", "--cluster-enabled", "yes"])
            .args(["--cluster-node-timeout", shape.node_timeout])
            .args(["--repl-diskless-sync-delay", "0"])
            .arg("--dir")
            .arg(&folder)
            .args(["--port", &port.to_string(), "--cluster-port", &bus.to_string()]);
        if let Some(announced) = announced.get(number) {
            server.args(["--cluster-announce-port", &announced.to_string()]);
        }
        let ready = "Ready to accept connections";
        supervised.push(Supervised::start(&folder, "KILL", &server, ready)?);
        nodes.push(format!("127.0.0.1:{port}"));
    }
    let mut create = Command::new(&cli);
    create.args(["--cluster", "create"]).args(&nodes);
    create.args(["--cluster-replicas", &shape.replicas.to_string(), "--cluster-yes"]);
    programs::run(create)?;
    agree(&cli, &nodes)?;
    let urls: Vec<_> = nodes.iter().map(|node| format!("redis://{node}")).collect();
    Ok(Running { url: urls.join(","), supervised })
}

/// Waits until every node knows the whole cluster.
fn agree(cli: &std::path::Path, nodes: &[String]) -> Result<(), String> {
    let started = Instant::now();
    for node in nodes {
        let Some((host, port)) = node.split_once(':') else { continue };
        loop {
            let mut info = Command::new(cli);
            info.args(["-h", host, "-p", port, "cluster", "info"]);
            let said = info.output().map_err(|error| format!("{info:?}: {error}"))?;
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            let known = format!("cluster_known_nodes:{}\r", nodes.len());
            if said.contains("cluster_state:ok") && said.contains(&known) {
                break;
            }
            if started.elapsed() > AGREEMENT_LIMIT {
                return Err(format!("the cluster's nodes do not agree: {said}"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}
