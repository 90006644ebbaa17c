//! Starts a Redis Cluster: three primaries, and a replica of each.

use std::process::Command;
use std::time::{Duration, Instant};

use super::supervised::{Supervised, free_port, make_folder};
use super::{Running, programs};

const NODES: usize = 6;

/// How long the nodes may take to agree.
const AGREEMENT_LIMIT: Duration = Duration::from_secs(60);

pub(super) fn start() -> Result<Running, String> {
    let install = "install Redis (`apt-get install redis-server`)";
    let redis = programs::find("redis-server", &[]).ok_or(install)?;
    let cli = programs::find("redis-cli", &[]).ok_or(install)?;
    let (mut supervised, mut nodes) = (Vec::new(), Vec::new());
    for _ in 0..NODES {
        let folder = make_folder("redis-cluster")?;
        let (port, bus) = (free_port()?, free_port()?);
        let mut server = Command::new(&redis);
        server
            .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"])
            .args(["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"])
            .args(["--repl-diskless-sync-delay", "0"])
            .arg("--dir")
            .arg(&folder)
            .args(["--port", &port.to_string(), "--cluster-port", &bus.to_string()]);
        let ready = "Ready to accept connections";
        supervised.push(Supervised::start(&folder, "KILL", &server, ready)?);
        nodes.push(format!("127.0.0.1:{port}"));
    }
    let mut create = Command::new(&cli);
    create.args(["--cluster", "create"]).args(&nodes);
    create.args(["--cluster-replicas", "1", "--cluster-yes"]);
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
            if said.contains("cluster_state:ok") && said.contains("cluster_known_nodes:6") {
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
