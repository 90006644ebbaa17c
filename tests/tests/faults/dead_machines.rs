//! A machine that is gone without having closed its connections: nothing is acknowledged on them
//! any more, which the client's system notices within seconds, instead of 15 minutes.

use std::fs;
use std::time::Duration;

use anchor_tests::{Backend, Proxy};
use http::StatusCode;
use tokio::time::{Instant, sleep};

use crate::application::{Application, log_in, me};
use crate::storm::is_live;

/// How long it may take: five seconds, and then the client's attempts.
const NOTICED: Duration = Duration::from_secs(15);

/// Starts the application over the store behind a proxy.
async fn behind(backend: Option<Backend>) -> Option<(Application, Proxy)> {
    let (behind, proxy) = backend?.behind_a_proxy(1).expect("a connection to swallow");
    Some((Application::over(behind.store().await, |sessions| sessions).await, proxy))
}

/// How many connections of this machine to the proxy are open, as its system sees it.
fn open_connections(proxy: &Proxy) -> usize {
    const ESTABLISHED: &str = "01";
    let connections = fs::read_to_string("/proc/net/tcp").expect("Linux");
    let ports: Vec<_> =
        proxy.addresses().iter().map(|address| format!(":{:04X}", address.port())).collect();
    let is_open = |line: &&str| {
        let mut words = line.split_whitespace().skip(2);
        let (remote, state) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        state == ESTABLISHED && ports.iter().any(|port| remote.ends_with(port.as_str()))
    };
    connections.lines().filter(is_open).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_of_a_cluster_that_is_gone_is_noticed_within_seconds() {
    let Some((app, proxy)) = behind(Backend::redis_cluster().await).await else { return };
    let session = log_in(&app, "ferris").await;
    let mut longest = Duration::ZERO;
    // One of them has the session.
    for number in 0..proxy.addresses().len() {
        proxy.swallow_those_to(number);
        let began = Instant::now();
        // It asks until there is an answer other than 503.
        assert!(is_live(&app, &session).await);
        longest = longest.max(began.elapsed());
    }
    println!("the cluster answered again after {longest:?}");
    assert!(longest > Duration::from_secs(1), "nothing was swallowed");
    assert!(longest < NOTICED, "{longest:?}");
    proxy.heal();
}

/// Nobody calls: the system asks by itself whether the machine is still there.
async fn an_idle_connection_is_noticed(backend: Option<Backend>) {
    let Some((app, proxy)) = behind(backend).await else { return };
    let session = log_in(&app, "ferris").await;
    assert!(open_connections(&proxy) > 0);
    proxy.swallow();
    let began = Instant::now();
    while open_connections(&proxy) > 0 {
        assert!(began.elapsed() < 2 * NOTICED, "connections to a dead machine stay open");
        sleep(Duration::from_millis(50)).await;
    }
    let began = Instant::now();
    assert_eq!(me(&app, &session).await, StatusCode::OK);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    proxy.heal();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_redis_an_idle_connection_to_a_machine_that_is_gone_is_noticed() {
    an_idle_connection_is_noticed(Backend::redis().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster_idle_connections_to_a_machine_that_is_gone_are_noticed() {
    an_idle_connection_is_noticed(Backend::redis_cluster().await).await;
}
