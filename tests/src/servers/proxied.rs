//! [`Proxied`]: a Redis Cluster of three primaries whose clients come through a proxy, because its
//! servers tell them that they are there.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::redis_cluster::{self, Shape};
use super::{Running, announce, servers_are_required};
use crate::Proxy;

/// All that this process has started, and whether a test uses each.
static STARTED: Mutex<Vec<(Arc<Proxied>, bool)>> = Mutex::new(Vec::new());

thread_local! {
    /// That of the test on this thread.
    static MINE: RefCell<Option<Lease>> = const { RefCell::new(None) };
}

/// A cluster, and its proxy.
pub(crate) struct Proxied {
    running: Running,
    proxy: Proxy,
}

/// A cluster that one test alone uses, until its thread ends.
struct Lease(Arc<Proxied>);

impl Proxied {
    /// One that no other test uses until this one, and with it this thread, ends; `None`, said on
    /// standard error, when there is none to start.
    pub(crate) fn of_this_test() -> Option<Arc<Self>> {
        if let Some(mine) = MINE.with_borrow(|mine| mine.as_ref().map(|mine| Arc::clone(&mine.0))) {
            mine.proxy.heal();
            return Some(mine);
        }
        let idle = started().iter_mut().find(|(_, is_used)| !is_used).map(|(cluster, is_used)| {
            *is_used = true;
            Arc::clone(cluster)
        });
        let cluster = match idle {
            Some(cluster) => cluster,
            None => {
                let cluster = Arc::new(Self::start()?);
                started().push((Arc::clone(&cluster), true));
                cluster
            }
        };
        MINE.set(Some(Lease(Arc::clone(&cluster))));
        Some(cluster)
    }

    fn start() -> Option<Self> {
        let shape = Shape { replicas: 0, ..Shape::default() };
        match redis_cluster::start_behind_a_proxy(&shape) {
            Ok((running, proxy)) => Some(Self { running, proxy }),
            Err(reason) if servers_are_required() => panic!("no Redis Cluster to cut: {reason}"),
            Err(reason) => {
                announce(&format!("a test that cuts Redis Cluster passes untested: {reason}"));
                None
            }
        }
    }

    /// The one whose servers, not whose proxy, are at these URLs.
    pub(crate) fn at(url: &str) -> Option<Arc<Self>> {
        let started = started();
        let (cluster, _) = started.iter().find(|(cluster, _)| cluster.url() == url)?;
        Some(Arc::clone(cluster))
    }

    /// Where the servers themselves listen.
    pub(crate) fn url(&self) -> &str {
        &self.running.url
    }

    pub(crate) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// Where each server says that it is, and where it is.
    pub(crate) fn places(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
        let servers = self.url().split(',').map(|url| {
            let address = url.trim_start_matches("redis://");
            address.parse().expect("an address")
        });
        self.proxy.addresses().iter().copied().zip(servers)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.proxy.heal();
        for (cluster, is_used) in started().iter_mut() {
            *is_used &= !Arc::ptr_eq(cluster, &self.0);
        }
    }
}

fn started() -> MutexGuard<'static, Vec<(Arc<Proxied>, bool)>> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}
