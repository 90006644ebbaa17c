//! Redis Cluster under load: slots are moved from one primary to another, and a primary is killed,
//! while users log in, read, write and log out on two processes.

use std::sync::Arc;
use std::time::Duration;

use anchor::store::Placement;
use anchor_tests::http::Served;
use anchor_tests::servers::Killable;
use anchor_tests::{Backend, Proxy, cluster, databases};
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use crate::crowd::{Crowd, Habits, Told, USERS, name, until_everything_works};
use crate::nodes::{Node, Setup, TABLE};

pub(crate) const IN_MEMORY: [&str; 4] = ["--save", "", "--appendonly", "no"];

/// After how many milliseconds the cluster replaces a primary that does not answer.
const NODE_TIMEOUT: &str = "2000";

/// How long the cluster and the application may take until everything works again.
const RECOVERY: Duration = Duration::from_secs(30);

/// A little load between two events.
const A_WHILE: Duration = Duration::from_millis(300);

/// The slot that has the sessions of a user.
async fn slot_of(url: &str, prefix: &str, user: usize) -> u16 {
    let shard = Placement::of(name(user).as_bytes()).number();
    cluster::slot(url, &format!("{{{prefix}:{TABLE}:{shard:03x}}}:any")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_are_moved_under_load_lose_nothing() {
    let Some(servers) = databases::redis_cluster().await else { return };
    let any = servers.url.split(',').next().unwrap();
    let processes = Node::start_two(&Backend::Redis(servers.clone()).url(), Setup::default());
    let nodes = processes.each_ref().map(Node::served);
    let crowd = Crowd::gather(&nodes, Habits::default());
    sleep(A_WHILE).await;
    let (mut moved_at_first, mut keys) = (Vec::new(), 0);
    for round in 0..2 {
        for user in 0..USERS {
            let slot = slot_of(any, &servers.prefix, user).await;
            let from = cluster::owner(any, slot).await.unwrap();
            let primaries = cluster::primaries(any).await;
            // The second time, to the third primary.
            let others: Vec<_> = primaries.keys().filter(|url| **url != from).collect();
            let first_owner = moved_at_first.get(user).map(|(_, from)| from);
            let to = others.iter().find(|url| Some(**url) != first_owner).unwrap();
            let slot_name = slot.to_string();
            let count: usize =
                cluster::on(&from, &["CLUSTER", "COUNTKEYSINSLOT", &slot_name]).await;
            keys += count;
            cluster::move_slot(any, slot, to).await;
            if round == 0 {
                moved_at_first.push((slot, from));
            }
            sleep(A_WHILE / 3).await;
        }
    }
    // Each user keeps three sessions.
    assert!(keys >= 2 * 3 * USERS, "only {keys} keys were moved");
    let told = crowd.leave().await;
    println!("{} slots with {keys} keys: {}", 2 * USERS, told.summary());
    assert_eq!(told.broken, [""; 0]);
    assert!(told.ended.len() > 10 * USERS, "no load: {}", told.summary());
    assert!(told.unavailable * 20 < told.requests, "it is never there: {}", told.summary());
    for node in &nodes {
        assert_eq!(told.lost(node, RECOVERY).await, 0);
        assert_eq!(told.undone(node, RECOVERY).await, 0);
    }
    until_everything_works(&nodes, RECOVERY).await;
    for (slot, home) in moved_at_first {
        cluster::move_slot(any, slot, &home).await;
    }
}

/// A cluster whose replicas can be cut off, and the application on it.
struct Scene {
    servers: Killable,
    proxy: Proxy,
    _processes: [Node; 2],
    nodes: [Arc<Served>; 2],
}

impl Scene {
    async fn start(setup: Setup) -> Option<Self> {
        let started = block_in_place(|| {
            Killable::redis_cluster_behind_a_proxy(3, 1, NODE_TIMEOUT, &IN_MEMORY)
        });
        let (servers, proxy) = started?;
        for url in servers.url().split(',') {
            let began = Instant::now();
            loop {
                let info: String = cluster::on(url, &["INFO", "replication"]).await;
                if info.contains("state=online") || info.contains("master_link_status:up") {
                    break;
                }
                assert!(began.elapsed() < RECOVERY, "a replica does not connect: {info}");
                sleep(Duration::from_millis(20)).await;
            }
        }
        let processes = Node::start_two(servers.url(), setup);
        let nodes = processes.each_ref().map(Node::served);
        Some(Self { servers, proxy, _processes: processes, nodes })
    }

    /// Where each server is that says to be at this URL.
    fn real(&self, said: &str) -> &str {
        let said = said.trim_start_matches("redis://");
        let mut places = self.proxy.addresses().iter().zip(self.servers.url().split(','));
        places.find(|(place, _)| place.to_string() == said).expect("a server").1
    }

    /// Lets users be there for a while, and returns what they were told.
    async fn crowd_for(&self, span: Duration) -> Told {
        let habits = Habits { may_lose: true, ..Habits::default() };
        let crowd = Crowd::gather(&self.nodes, habits);
        sleep(span).await;
        crowd.leave().await
    }

    /// Cuts off the replicas, and a little later kills the primary that has this slot, all of it
    /// under load. Returns when another server has taken its place, and what users were told.
    async fn fail_over(&self, slot: u16) -> (Told, String) {
        let habits = Habits { may_lose: true, ..Habits::default() };
        let crowd = Crowd::gather(&self.nodes, habits);
        sleep(A_WHILE).await;
        self.proxy.silence_replicas();
        crowd.tidy_up();
        sleep(3 * A_WHILE).await;
        let any = self.servers.url().split(',').next().unwrap();
        let said = cluster::owner(any, slot).await.unwrap();
        let victim = self.real(&said).to_owned();
        block_in_place(|| self.servers.kill_one(self.servers.number_of(&victim)));
        let other = self.servers.url().split(',').find(|url| **url != victim).unwrap();
        let killed = Instant::now();
        while cluster::owner(other, slot).await.is_none_or(|owner| owner == said) {
            assert!(killed.elapsed() < RECOVERY, "no replica takes its place");
            sleep(Duration::from_millis(50)).await;
        }
        println!("a replica took its place after {:?}", killed.elapsed());
        sleep(A_WHILE).await;
        (crowd.leave().await, victim)
    }
}

/// A primary is killed whose replicas were cut off. Returns what users were told before, and how
/// many logouts were undone.
async fn kill_a_primary(setup: Setup) -> Option<(Told, usize)> {
    let mut scene = Scene::start(setup).await?;
    let mut told = scene.crowd_for(A_WHILE).await;
    assert!(told.ended.len() >= USERS, "a replica in reach confirms nothing: {}", told.summary());
    let any = scene.servers.url().split(',').next().unwrap();
    let slot = slot_of(any, "anchor", 0).await;
    let (during, victim) = scene.fail_over(slot).await;
    told.extend(during);
    scene.proxy.heal();
    let undone = told.undone(&scene.nodes[0], RECOVERY).await;
    println!("{setup:?}: {undone} logouts undone: {}", told.summary());
    // It comes back as a replica of the one that has taken its place.
    let victim = scene.servers.number_of(&victim);
    block_in_place(|| scene.servers.restart_one(victim));
    let took = until_everything_works(&scene.nodes, RECOVERY).await;
    println!("everything worked {took:?} after it was started again");
    Some((told, undone))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_killed_under_load_takes_no_confirmed_logout_with_it() {
    let setup = Setup { replicas: Some(1), ..Setup::default() };
    let Some((told, undone)) = kill_a_primary(setup).await else { return };
    assert_eq!(undone, 0);
    assert_eq!(told.broken, [""; 0]);
    assert!(told.unavailable > 0, "what nobody has confirmed is a 503: {}", told.summary());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_confirmation_it_takes_logouts_with_it() {
    // It may happen that the primary has just sent all of them.
    for _ in 0..3 {
        match kill_a_primary(Setup::default()).await {
            Some((_, 0)) => {}
            Some(_) | None => return,
        }
    }
    panic!("no logout was undone");
}
