//! The end of all sessions, while another server takes the place of the first one.

use std::time::Duration;

use anchor_tests::Proxy;
use tokio::task::JoinSet;

use super::*;

#[tokio::test]
async fn an_end_of_everyone_finds_all_sessions_of_a_server_that_took_anothers_place() {
    let Some(first) = databases::own_redis() else { return };
    let Some(second) = databases::own_redis() else { return };
    let second = Redis { prefix: first.prefix.clone(), ..second };
    let mut logins = JoinSet::new();
    for number in 0..3_000 {
        let store = first.store::<UserSession>();
        if logins.len() == 64 {
            logins.join_next().await.unwrap().unwrap();
        }
        let store = store.await;
        logins.spawn(async move { create(&store, user(&format!("user {number}"))).await });
    }
    while let Some(login) = logins.join_next().await {
        login.unwrap();
    }
    // It has the same sessions, at other places of its table of keys.
    let (host, port) =
        first.address().rsplit_once(':').map(|(h, p)| (h.to_owned(), p.to_owned())).unwrap();
    second.run::<String>(&["REPLICAOF", &host, &port]).await;
    let keys: u64 = first.run(&["DBSIZE"]).await;
    while second.run::<u64>(&["DBSIZE"]).await < keys {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    second.run::<String>(&["REPLICAOF", "NO", "ONE"]).await;

    let proxy = Proxy::before(first.address());
    let url = format!("redis://{}", proxy.address());
    let store = RedisStore::<UserSession>::connect(&url).await.unwrap().prefix(&first.prefix);
    let everyone = {
        let store = store.clone();
        tokio::spawn(async move { store.revoke_everyone(EndReason::Everyone).await })
    };
    let pattern = format!("*{}*:index", first.prefix);
    let began: Vec<String> = first.run(&["KEYS", &pattern]).await;
    while first.run::<Vec<String>>(&["KEYS", &pattern]).await.len() > began.len() * 2 / 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    proxy.redirect(second.address());
    everyone.await.unwrap().expect("it begins again");
    let store = second.store::<UserSession>().await;
    assert_eq!(store.revoke_everyone(EndReason::Everyone).await.unwrap(), 0, "some were left");
}
