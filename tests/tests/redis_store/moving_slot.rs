//! While a cluster moves a slot, its keys are on two servers, and nothing is known of a session.

use std::collections::BTreeMap;

use redis::{Client, Cmd, FromRedisValue};

use super::*;

/// Runs a command on one server of the cluster.
pub(super) async fn on<R: FromRedisValue>(url: &str, words: &[&str]) -> R {
    let mut connection =
        Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut command = Cmd::new();
    command.arg(words);
    command.query_async(&mut connection).await.unwrap()
}

/// Returns the primaries: each address with its id.
async fn primaries(url: &str) -> BTreeMap<String, String> {
    let nodes: String = on(url, &["CLUSTER", "NODES"]).await;
    let primaries = nodes.lines().filter_map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        let address = words[1].split('@').next()?;
        // A replica that has just joined may still be called a primary, but has no slots.
        (words.len() > 8).then(|| (format!("redis://{address}"), words[0].to_owned()))
    });
    primaries.collect()
}

#[tokio::test]
async fn a_session_of_a_slot_that_is_being_moved_is_neither_absent_nor_ended() {
    let Some(cluster) = databases::redis_cluster().await else { return };
    let store = cluster.store::<UserSession>().await;
    let new = login(&store, user("ferris"));
    store.create(new.clone()).await.unwrap();
    let any = cluster.url.split(',').next().unwrap();
    let key = cluster.key(TABLE, new.id, "any");
    let slot: u32 = on(any, &["CLUSTER", "KEYSLOT", &key]).await;
    let slot = slot.to_string();
    let primaries = primaries(any).await;
    let mut owner = None;
    for (url, id) in &primaries {
        let count: u32 = on(url, &["CLUSTER", "COUNTKEYSINSLOT", &slot]).await;
        if count > 0 {
            owner = Some((url, id));
        }
    }
    let (from, from_id) = owner.expect("a primary has the session");
    let (to, to_id) = primaries.iter().find(|(url, _)| *url != from).expect("another primary");
    on::<()>(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", from_id]).await;
    on::<()>(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", to_id]).await;
    let load = store.load(new.id).await;
    let end = store.revoke(new.id, Some(new.lasting), EndReason::Logout).await;
    for url in [from, to] {
        on::<()>(url, &["CLUSTER", "SETSLOT", &slot, "STABLE"]).await;
    }
    assert!(matches!(load, Err(_) | Ok(Load::Live(_))), "{load:?}");
    match end {
        Ok(Ending::Ended) => assert!(!is_live(&store, new.id).await),
        Err(_) => assert!(is_live(&store, new.id).await),
        Ok(other) => panic!("a logout that was carried out nowhere: {other:?}"),
    }
}
