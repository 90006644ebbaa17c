//! How the store reaches Redis: one server, or a cluster.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{
    Client, Cmd, ConnectionAddr, FromRedisValue, IntoConnectionInfo, Pipeline, RedisError,
    RedisResult, Script, ScriptInvocation, Value,
};

use super::failure::store_error;
use super::replaceable::{Replaceable, WhenReplaced};
use super::servers::{Node, Servers};
use crate::error::StoreError;
use crate::store::transport::Transport;

/// The longest time that a connection may take.
const CONNECT: Duration = Duration::from_secs(2);

/// The longest time that the server may take for an answer.
pub(super) const ANSWER: Duration = Duration::from_secs(5);

/// How many commands may wait to be sent.
const WAITING: usize = 1_024;

/// After how long without a sign of life the system asks the machine at the other end for one.
const QUIET: Duration = Duration::from_secs(5);

/// How long what was sent may stay without an acknowledgement of the machine at the other end. The
/// connection counts as lost then, before a call that waits for its answer fails. Without this, it
/// takes 15 minutes.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(4);

/// A connection to Redis that the application has made with the crate `redis`. `.into()` makes one
/// of a [`ConnectionManager`] or a [`ClusterConnection`].
///
/// A connection that reads from replicas must not be used: a replica answers with an older state,
/// in which a logout may not have happened.
///
/// The store does not replace such a connection: it does not know what made it. Under load, the
/// crate's `ClusterConnection` may stop for good when connections to several servers are lost at
/// the same time. From then on, all calls of the store fail, and nothing but a new store with a new
/// connection helps. [`RedisStore::connect_cluster`](super::RedisStore::connect_cluster) replaces
/// its connection by itself.
///
/// ```no_run
/// # use anchor::prelude::*;
/// # #[derive(Clone, SessionData)]
/// # struct UserSession { #[session(subject)] user_id: i64 }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use anchor::RedisStore;
/// use anchor::store::RedisConnection;
///
/// let client = redis::Client::open("redis://127.0.0.1:6379")?;
/// let connection = RedisConnection::from(client.get_connection_manager().await?);
/// let store = RedisStore::<UserSession>::new(connection);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisConnection {
    kind: Kind,
    /// What made it, if the store itself did.
    origin: Option<Origin>,
}

#[derive(Clone)]
enum Kind {
    One(Arc<Replaceable<ConnectionManager>>),
    Cluster(Arc<Replaceable<ClusterConnection>>),
}

#[derive(Clone)]
enum Origin {
    One(Box<Client>),
    Cluster {
        client: Box<ClusterClient>,
        /// The host of the servers, if they have only one.
        host: Option<Arc<str>>,
    },
}

impl From<ConnectionManager> for RedisConnection {
    fn from(connection: ConnectionManager) -> Self {
        Self { kind: Kind::One(Arc::new(Replaceable::given(connection))), origin: None }
    }
}

impl From<ClusterConnection> for RedisConnection {
    fn from(connection: ClusterConnection) -> Self {
        Self { kind: Kind::Cluster(Arc::new(Replaceable::given(connection))), origin: None }
    }
}

/// Shows the kind only.
impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::One(_) => "RedisConnection(one server)",
            Kind::Cluster(_) => "RedisConnection(cluster)",
        })
    }
}

/// A connection that the store has made.
pub(super) struct Reached {
    pub(super) connection: RedisConnection,
    /// How errors call the server.
    pub(super) server: String,
    /// What is a risk about how it is reached.
    pub(super) warnings: Vec<String>,
}

impl RedisConnection {
    /// Connects to one server.
    pub(super) async fn to_server(url: &str) -> Result<Reached, StoreError> {
        let client = url.into_connection_info().and_then(|information| {
            Client::open(information.set_tcp_settings(noticing_dead_machines()))
        });
        let client = client.map_err(|error| not_a_url(&error))?;
        let address = client.get_connection_info().addr();
        let server = format!("Redis at {address}");
        let warnings = transport_warning(address).into_iter().collect();
        let connection = Self::made_by(Origin::One(Box::new(client)), Duration::ZERO).await;
        let connection = connection.map_err(|error| store_error(&server, &error))?;
        Ok(Reached { connection, server, warnings })
    }

    /// Connects to a cluster.
    pub(super) async fn to_cluster(urls: &[String]) -> Result<Reached, StoreError> {
        let (mut servers, mut hosts, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        for url in urls {
            let client = Client::open(url.as_str()).map_err(|error| not_a_url(&error))?;
            let address = client.get_connection_info().addr();
            if let ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } = address {
                hosts.push(Arc::<str>::from(host.as_str()));
            }
            servers.push(address.to_string());
            warnings.extend(transport_warning(address));
        }
        hosts.dedup();
        let host = hosts.pop().filter(|_| hosts.is_empty());
        let server = format!("Redis Cluster at {}", servers.join(", "));
        let client = ClusterClient::builder(urls.iter().map(String::as_str))
            .connection_timeout(CONNECT)
            .response_timeout(ANSWER)
            .retries(6)
            .min_retry_wait(10)
            .max_retry_wait(500)
            .tcp_settings(noticing_dead_machines())
            .build();
        let client = client.map_err(|error| store_error(&server, &error))?;
        let origin = Origin::Cluster { client: Box::new(client), host };
        let connection = Self::made_by(origin, Duration::ZERO).await;
        let connection = connection.map_err(|error| store_error(&server, &error))?;
        Ok(Reached { connection, server, warnings })
    }

    /// Connects, for commands of which none makes the server wait for longer than `waits`.
    async fn made_by(origin: Origin, waits: Duration) -> RedisResult<Self> {
        let kind = match origin.clone() {
            Origin::One(client) => {
                // An answer that fails is better than one that comes too late for its request.
                let config = ConnectionManagerConfig::new()
                    .set_connection_timeout(Some(CONNECT))
                    .set_response_timeout(Some(ANSWER))
                    .set_number_of_retries(1)
                    .set_pipeline_buffer_size(WAITING);
                Kind::One(Arc::new(Replaceable::connect((*client, config), waits).await?))
            }
            Origin::Cluster { client, .. } => {
                Kind::Cluster(Arc::new(Replaceable::connect(*client, waits).await?))
            }
        };
        Ok(Self { kind, origin: Some(origin) })
    }

    /// Makes another connection to the same server, for commands that may make it wait for so long;
    /// `None` if the application made this one.
    pub(super) async fn another(&self, waits: Duration) -> RedisResult<Option<Self>> {
        match self.origin.clone() {
            Some(origin) => Self::made_by(origin, waits).await.map(Some),
            None => Ok(None),
        }
    }

    /// Returns whether verbs may be plain commands instead of scripts: on one server, whose
    /// connection the store has made. Another one may have a cache, which answers with an older
    /// state, but not for scripts.
    pub(super) fn takes_plain_commands(&self) -> bool {
        matches!((&self.kind, &self.origin), (Kind::One(_), Some(_)))
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.kind, Kind::Cluster(_))
    }

    /// Runs commands directly one after the other, on one connection: in a cluster, on that to the
    /// primary of this key. If the connection was lost, they are run once more on a new one.
    pub(super) async fn run_together(
        &self,
        key: &str,
        commands: &Pipeline,
    ) -> RedisResult<Vec<Value>> {
        let count = commands.len();
        match &self.kind {
            Kind::One(server) => {
                let run = |mut on: ConnectionManager| async move {
                    on.req_packed_commands(commands, 0, count).await
                };
                server.ask(WhenReplaced::Fail, run).await
            }
            Kind::Cluster(cluster) => {
                let run = |mut on: ClusterConnection| async move {
                    let route = Route::with_key(key, SlotAddr::Master);
                    let route = SingleNodeRoutingInfo::SpecificNode(route);
                    on.route_pipeline(commands.clone(), 0, count, route).await
                };
                cluster.ask(WhenReplaced::Fail, run).await
            }
        }
    }

    /// Loads a script that the server does not know.
    pub(super) async fn load(&self, script: &Script) -> RedisResult<()> {
        let repeat = WhenReplaced::Repeat;
        let loaded = match &self.kind {
            Kind::One(server) => {
                server.ask(repeat, |mut on| async move { script.load_async(&mut on).await }).await
            }
            Kind::Cluster(cluster) => {
                cluster.ask(repeat, |mut on| async move { script.load_async(&mut on).await }).await
            }
        };
        loaded.map(drop)
    }

    /// Calls a script. If the connection was lost, it is called once more on a new one: a script
    /// that is called twice has the effect of one call.
    pub(super) async fn call(
        &self,
        script: &ScriptInvocation<'_>,
        when_replaced: WhenReplaced,
    ) -> RedisResult<Value> {
        match &self.kind {
            Kind::One(server) => {
                let invoke = |mut on| async move { script.invoke_async(&mut on).await };
                server.ask(when_replaced, invoke).await
            }
            Kind::Cluster(cluster) => {
                let invoke = |mut on| async move { script.invoke_async(&mut on).await };
                cluster.ask(when_replaced, invoke).await
            }
        }
    }

    /// Runs a command that only reads.
    pub(super) async fn read<R: FromRedisValue>(&self, command: &Cmd) -> RedisResult<R> {
        let repeat = WhenReplaced::Repeat;
        // An answer that cannot be converted was not lost.
        let answer: Value = match &self.kind {
            Kind::One(server) => {
                server.ask(repeat, |mut on| async move { command.query_async(&mut on).await }).await
            }
            Kind::Cluster(cluster) => {
                let query = |mut on| async move { command.query_async(&mut on).await };
                cluster.ask(repeat, query).await
            }
        }?;
        redis::from_redis_value(answer).map_err(Into::into)
    }
}

impl RedisConnection {
    /// Returns the servers that hold sessions, and those that may take their place.
    pub(super) async fn servers(&self) -> RedisResult<Servers> {
        let Kind::Cluster(cluster) = &self.kind else {
            return Ok(Servers { primaries: vec![None], ..Servers::default() });
        };
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let ranges = route(cluster, &command, &SingleNodeRoutingInfo::RandomPrimary).await?;
        let host = match &self.origin {
            Some(Origin::Cluster { host, .. }) => host.as_deref(),
            _ => None,
        };
        Servers::read(ranges, host)
    }

    /// Returns the servers that hold sessions.
    pub(super) async fn primaries(&self) -> RedisResult<Vec<Node>> {
        self.servers().await.map(|servers| servers.primaries)
    }

    /// Returns some of the keys of a server, and the cursor for the next ones; 0 ends the scan.
    pub(super) async fn scan(
        &self,
        node: &Node,
        cursor: u64,
        pattern: &str,
    ) -> RedisResult<(u64, Vec<String>)> {
        let mut command = redis::cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(1_000);
        self.ask(node, command).await
    }

    /// Runs a command on one of the servers.
    pub(super) async fn ask<R: FromRedisValue>(&self, node: &Node, command: Cmd) -> RedisResult<R> {
        match (&self.kind, node) {
            (Kind::Cluster(cluster), Some((host, port))) => {
                let (host, port) = (host.clone(), *port);
                let node = SingleNodeRoutingInfo::ByAddress { host, port };
                let answer = route(cluster, &command, &node).await?;
                redis::from_redis_value(answer).map_err(Into::into)
            }
            _ => self.read(&command).await,
        }
    }
}

/// Runs a command that only reads, on one server of a cluster.
async fn route(
    cluster: &Replaceable<ClusterConnection>,
    command: &Cmd,
    node: &SingleNodeRoutingInfo,
) -> RedisResult<Value> {
    let run = |mut on: ClusterConnection| async move {
        let node = RoutingInfo::SingleNode(node.clone());
        on.route_command(command.clone(), node).await?.extract_error()
    };
    cluster.ask(WhenReplaced::Repeat, run).await
}

/// Returns how a connection notices that the machine at the other end is gone.
fn noticing_dead_machines() -> TcpSettings {
    let probes = TcpKeepalive::new().with_time(QUIET);
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "windows"))]
    let probes = probes.with_interval(Duration::from_secs(1)).with_retries(5);
    // A call must not wait until an earlier one is acknowledged.
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(probes);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(UNACKNOWLEDGED);
    settings
}

fn transport_warning(address: &ConnectionAddr) -> Option<String> {
    let (host, port, demands_tls) = match address {
        ConnectionAddr::Tcp(host, port) => (host, *port, false),
        ConnectionAddr::TcpTls { host, port, insecure, .. } => (host, *port, !insecure),
        _ => return None,
    };
    let remedy = "Write `rediss://` instead of `redis://` in the URL, and enable the feature \
                  `tokio-rustls-comp` of the crate `redis`";
    let database = "Redis";
    Transport { database, host, port, is_socket: false, demands_tls, remedy }.warning()
}

fn not_a_url(error: &RedisError) -> StoreError {
    // The detail might quote the password.
    let detail = error.category().to_owned();
    StoreError::unavailable(format!(
        "the URL is not one of Redis ({detail}): write `redis://host:6379/0`, \
         `redis://user:password@host:6379` or, with TLS, `rediss://host:6379`; a URL with `rediss` \
         needs the feature `tokio-rustls-comp` of the crate `redis`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_leaves_the_machine_without_tls_is_warned_of() {
        let warning = |url: &str| {
            let client = Client::open(url).unwrap();
            transport_warning(client.get_connection_info().addr())
        };
        let warning_far = warning("redis://user:hunter2@cache.example.com").unwrap();
        assert!(warning_far.contains("cache.example.com:6379"), "{warning_far}");
        assert!(warning_far.contains("Write `rediss://`"), "{warning_far}");
        assert!(!warning_far.contains("hunter2"), "{warning_far}");
        assert_eq!(warning("redis://127.0.0.1:6379"), None);
        assert_eq!(warning("redis://localhost"), None);
    }

    #[test]
    fn tls_whose_certificate_is_not_checked_is_warned_of() {
        let warning = |insecure| {
            let host = "cache.example.com".to_owned();
            let tls_params = None;
            transport_warning(&ConnectionAddr::TcpTls { host, port: 6379, insecure, tls_params })
        };
        assert!(warning(true).unwrap().contains("cache.example.com:6379"));
        assert_eq!(warning(false), None);
    }
}
