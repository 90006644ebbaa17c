//! What an administrator does to a Redis Cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue};

/// Runs a command on one server of a cluster, whatever slots it has.
///
/// # Panics
///
/// When the server refuses it.
pub async fn on<R: FromRedisValue>(url: &str, words: &[&str]) -> R {
    let client = Client::open(url).expect("a URL of Redis");
    // On a machine that is busy.
    let patience = Some(Duration::from_secs(20));
    let config = AsyncConnectionConfig::new();
    let config = config.set_connection_timeout(patience).set_response_timeout(patience);
    let connection = client.get_multiplexed_async_connection_with_config(&config).await;
    let mut connection = connection.expect("Redis answers");
    let mut command = Cmd::new();
    command.arg(words);
    command.query_async(&mut connection).await.expect("Redis answers")
}

/// The primaries that have slots, as a server knows them: each URL with its id.
///
/// # Panics
///
/// When the server does not answer.
pub async fn primaries(url: &str) -> BTreeMap<String, String> {
    let nodes: String = on(url, &["CLUSTER", "NODES"]).await;
    let primaries = nodes.lines().filter_map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        let address = words[1].split('@').next()?;
        // A replica that has just joined may still be called a primary, but has no slots.
        let has_slots = words.len() > 8 && !words[2].contains("fail");
        has_slots.then(|| (format!("redis://{address}"), words[0].to_owned()))
    });
    primaries.collect()
}

/// The slot of a key.
///
/// # Panics
///
/// When the server does not answer.
pub async fn slot(url: &str, key: &str) -> u16 {
    on(url, &["CLUSTER", "KEYSLOT", key]).await
}

/// The URL of the primary that has a slot, as a server knows it; `None` if it knows none.
///
/// # Panics
///
/// When the server does not answer.
pub async fn owner(url: &str, slot: u16) -> Option<String> {
    type Range = (u16, u16, (String, u16, redis::Value, redis::Value));
    let ranges: Vec<redis::Value> = on(url, &["CLUSTER", "SLOTS"]).await;
    ranges.into_iter().find_map(|range| {
        let redis::Value::Array(mut range) = range else { return None };
        range.truncate(3);
        let range: Range = redis::from_redis_value(redis::Value::Array(range)).ok()?;
        let (first, last, (host, port, ..)) = range;
        (first..=last).contains(&slot).then(|| format!("redis://{host}:{port}"))
    })
}

/// Moves a slot, key by key, to another primary.
///
/// # Panics
///
/// When a server refuses.
pub async fn move_slot(url: &str, slot: u16, to: &str) {
    let primaries = primaries(url).await;
    let from = owner(url, slot).await.expect("a primary has the slot");
    let (from_id, to_id) = (&primaries[&from], &primaries[to]);
    let number = slot.to_string();
    on::<()>(to, &["CLUSTER", "SETSLOT", &number, "IMPORTING", from_id]).await;
    on::<()>(&from, &["CLUSTER", "SETSLOT", &number, "MIGRATING", to_id]).await;
    let (host, port) = to.trim_start_matches("redis://").split_once(':').expect("host:port");
    loop {
        let keys: Vec<String> = on(&from, &["CLUSTER", "GETKEYSINSLOT", &number, "10"]).await;
        if keys.is_empty() {
            break;
        }
        for key in keys {
            on::<String>(&from, &["MIGRATE", host, port, &key, "0", "5000"]).await;
        }
    }
    // First the new owner, so that there is always one.
    let others = primaries.keys().filter(|url| **url != to && **url != from);
    for url in [to, &from].into_iter().chain(others.map(String::as_str)) {
        on::<()>(url, &["CLUSTER", "SETSLOT", &number, "NODE", to_id]).await;
    }
}
