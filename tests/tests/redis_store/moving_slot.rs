//! While a cluster moves a slot, its keys are on two servers, and nothing is known of a session.

use anchor_tests::cluster::{on, primaries};

use super::*;

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
