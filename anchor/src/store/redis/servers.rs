//! [`Servers`]: which servers a cluster consists of, and which of them has which slot.

use std::ops::Range;

use redis::{RedisError, RedisResult, Value};

/// One of the servers: `None` for the only one.
pub(super) type Node = Option<(String, u16)>;

/// The servers of a cluster.
#[derive(Debug, Default)]
pub(super) struct Servers {
    pub(super) primaries: Vec<Node>,
    /// Those that may take the place of a primary.
    pub(super) replicas: Vec<Node>,
    /// How many replicas there are besides, whose address the cluster does not show.
    pub(super) hidden: usize,
    /// Which of the primaries has each slot.
    pub(super) owners: Vec<(Range<u16>, Node)>,
}

impl Servers {
    /// Reads the answer of `CLUSTER SLOTS`: of each range, its first and its last slot, its
    /// primary, and that one's replicas. A server whose host is not shown is on `host`, where the
    /// client has found the cluster, as the client itself understands it.
    pub(super) fn read(ranges: Value, host: Option<&str>) -> RedisResult<Self> {
        let mut servers = Self::default();
        let Value::Array(ranges) = ranges else { return Ok(servers) };
        for range in ranges {
            let Value::Array(range) = range else { continue };
            let mut range = range.into_iter();
            let (Some(first), Some(last)) = (range.next(), range.next()) else { continue };
            let (first, last): (u16, u16) =
                (redis::from_redis_value(first)?, redis::from_redis_value(last)?);
            for (number, node) in range.enumerate() {
                let node = node_of(node, host)?;
                match (number, node) {
                    (0, None) => return Err(hidden_primary()),
                    (0, node) => {
                        servers.primaries.push(node.clone());
                        servers.owners.push((first..last.saturating_add(1), node));
                    }
                    (_, None) => servers.hidden += 1,
                    (_, node) => servers.replicas.push(node),
                }
            }
        }
        for nodes in [&mut servers.primaries, &mut servers.replicas] {
            nodes.sort_unstable();
            nodes.dedup();
        }
        Ok(servers)
    }
}

/// Reads a server's address; `None` if it is not shown.
fn node_of(node: Value, host: Option<&str>) -> RedisResult<Node> {
    let Value::Array(node) = node else { return Ok(None) };
    let mut node = node.into_iter();
    let (Some(shown), Some(port)) = (node.next(), node.next()) else { return Ok(None) };
    let shown: Option<String> = redis::from_redis_value(shown)?;
    // A server that does not know its own name calls itself `?`.
    let shown = shown.filter(|shown| !matches!(shown.as_str(), "" | "?"));
    let Some(host) = shown.or_else(|| host.map(str::to_owned)) else { return Ok(None) };
    Ok(Some((host, redis::from_redis_value(port)?)))
}

fn hidden_primary() -> RedisError {
    let hidden = "the cluster does not show the address of a primary: set `cluster-announce-ip`, \
                  and `cluster-preferred-endpoint-type ip`";
    RedisError::from((redis::ErrorKind::Client, hidden))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer for one range of slots.
    fn read(nodes: &[(Value, i64)], host: Option<&str>) -> RedisResult<Servers> {
        let nodes = nodes.iter().map(|(host, port)| {
            Value::Array(vec![host.clone(), Value::Int(*port), Value::BulkString("id".into())])
        });
        let range = [Value::Int(0), Value::Int(16_383)].into_iter().chain(nodes);
        Servers::read(Value::Array(vec![Value::Array(range.collect())]), host)
    }

    fn named(host: &str) -> Value {
        Value::BulkString(host.into())
    }

    #[test]
    fn a_server_whose_host_is_hidden_is_where_the_cluster_was_found() {
        for hidden in [Value::Nil, named(""), named("?")] {
            let nodes = [(named("10.0.0.1"), 6379), (hidden.clone(), 6380)];
            let servers = read(&nodes, Some("cache")).unwrap();
            assert_eq!(servers.primaries, [Some(("10.0.0.1".to_owned(), 6379))]);
            assert_eq!(servers.replicas, [Some(("cache".to_owned(), 6380))]);
            assert_eq!(servers.owners, [(0..16_384, servers.primaries[0].clone())]);

            let servers = read(&nodes, None).unwrap();
            assert_eq!((servers.replicas.len(), servers.hidden), (0, 1));
            // No session of it could be ended.
            let error = read(&[(hidden, 6379)], None).map(drop).unwrap_err();
            assert!(error.to_string().contains("set `cluster-announce-ip`"), "{error}");
        }
    }
}
