//! What confirms the end of a session, and what the server may lose.

use std::time::{Duration, Instant};

use anchor::prelude::*;
use anchor::store::{Consumed, Durability, EndReason, Ending, Replaced, SessionStore, VerifyError};
use anchor::{RedisStore, StoreErrorKind};
use anchor_tests::cluster::on;
use anchor_tests::databases::{self, Redis};
use anchor_tests::http::Served;
use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;

use super::{UserSession, create, is_live, login, user};

#[tokio::test]
async fn an_end_that_no_replica_confirms_is_an_error() {
    let Some(server) = databases::redis().await else { return };
    let within = Duration::from_millis(100);
    let replicas = Durability::Replicas { replicas: 1, within };
    let store = server.store::<UserSession>().await.durability(replicas).await.unwrap();
    let subject = "ferris".to_owned();
    let ids = [create(&store, user("ferris")).await, create(&store, user("ferris")).await];
    let refused = [
        store.revoke(ids[0], None, EndReason::Logout).await.map(drop).unwrap_err(),
        // Repeated, it ends nothing, and still nobody has confirmed the end.
        store.revoke(ids[0], None, EndReason::Logout).await.map(drop).unwrap_err(),
        store.revoke_subject(&subject, EndReason::LogoutAll).await.map(drop).unwrap_err(),
        store.cut_off(&subject, EndReason::CutOff).await.map(drop).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(error.to_string().contains("0 of 1 replicas"), "{error}");
    }
    for id in ids {
        assert!(!is_live(&store, id).await);
    }
    // A login that replaces a session ends one; if that is not confirmed, there is no new one.
    let old = login(&store, user("ferris"));
    store.create(old.clone()).await.unwrap();
    let mut new = login(&store, user("ferris"));
    new.replaces = Some(Replaced { id: old.id, proof: old.lasting });
    store.create(new.clone()).await.map(drop).unwrap_err();
    assert!(!is_live(&store, new.id).await);

    let forever = Durability::Replicas { replicas: 1, within: Duration::from_secs(5) };
    assert!(server.store::<UserSession>().await.durability(forever).await.is_err());
    let given = RedisStore::<UserSession>::new(server.connection().await);
    let error = given.durability(replicas).await.unwrap_err().to_string();
    assert!(error.contains("RedisStore::connect"), "{error}");
}

#[tokio::test]
async fn an_end_that_a_replica_confirms_is_answered() {
    let Some(server) = databases::redis_cluster().await else { return };
    let replicas = Durability::Replicas { replicas: 1, within: Duration::from_secs(4) };
    let store = server.store::<UserSession>().await.durability(replicas).await.unwrap();
    for name in ["ferris", "corro", "hopper", "ada", "grace"] {
        let new = login(&store, user(name));
        store.create(new.clone()).await.unwrap();
        let ended = store.revoke(new.id, Some(new.lasting), EndReason::Logout).await.unwrap();
        assert_eq!(ended, Ending::Ended);
        create(&store, user(name)).await;
        assert_eq!(store.revoke_subject(&name.into(), EndReason::LogoutAll).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn each_primary_of_a_cluster_is_looked_at() {
    let Some(server) = databases::redis_cluster().await else { return };
    let store = server.store::<UserSession>().await;
    let name = |number: u32| format!("subject {number}");
    for number in 0..50 {
        create(&store, user(&name(number))).await;
    }
    let warnings = store.verify().await.unwrap().warnings;
    let primaries = warnings.iter().filter(|one| one.contains("appendonly yes")).count();
    assert!(primaries == 0 || primaries >= 3, "{warnings:?}");
    assert_eq!(store.revoke_everyone(EndReason::Everyone).await.unwrap(), 50);

    // A replica evicts nothing until it is a primary, and then it does.
    let replica = replica_of_one(&server).await;
    let policy =
        async |policy| on::<()>(&replica, &["CONFIG", "SET", "maxmemory-policy", policy]).await;
    policy("allkeys-lru").await;
    let began = Instant::now();
    // The primaries may not have told one another of it.
    let refused = loop {
        match store.verify().await {
            Err(VerifyError::Settings { settings }) => break settings,
            other => assert!(began.elapsed() < Duration::from_secs(30), "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    policy("noeviction").await;
    let [refused] = &refused[..] else { panic!("{refused:?}") };
    assert!(refused.contains(replica.trim_start_matches("redis://")), "{refused}");
    assert!(refused.contains("Set `maxmemory-policy noeviction`"), "{refused}");
    store.verify().await.unwrap();
}

/// Finds a replica through the first server of a cluster, which may be a primary or a replica.
async fn replica_of_one(server: &Redis) -> String {
    let first = server.url.split(',').next().expect("at least one");
    let replication = on::<String>(first, &["INFO", "replication"]).await;
    if replication.contains("role:slave") {
        return first.to_owned();
    }
    let replica = replication.lines().find_map(|line| line.strip_prefix("slave0:"));
    let fact = |name: &str| {
        let mut facts = replica.expect("each primary has a replica").split(',');
        facts.find_map(|fact| fact.strip_prefix(name)).expect("an address").to_owned()
    };
    format!("redis://{}:{}", fact("ip="), fact("port="))
}

#[tokio::test]
async fn ends_wait_for_their_confirmations_side_by_side() {
    let Some(server) = databases::redis().await else { return };
    let within = Duration::from_millis(500);
    let replicas = Durability::Replicas { replicas: 1, within };
    let store = server.store::<UserSession>().await.durability(replicas).await.unwrap();
    let mut ends = tokio::task::JoinSet::new();
    let began = Instant::now();
    for number in 0..8 {
        let (store, subject) = (store.clone(), format!("subject {number}"));
        ends.spawn(async move { store.revoke_subject(&subject, EndReason::LogoutAll).await });
    }
    for end in ends.join_all().await {
        assert!(end.unwrap_err().to_string().contains("0 of 1 replicas"));
    }
    let took = began.elapsed();
    assert!(took >= within && took < 4 * within, "{took:?} for 8 ends");
}

/// One confirmation is for all ends that have gathered before it.
#[tokio::test]
async fn many_ends_take_hardly_longer_than_one() {
    const ENDS: usize = 400;
    let Some(server) = databases::redis().await else { return };
    let within = Duration::from_millis(500);
    let replicas = Durability::Replicas { replicas: 1, within };
    let store = server.store::<UserSession>().await.durability(replicas).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..ENDS {
        ids.push(create(&store, user(&format!("subject {number}"))).await);
    }
    let mut ends = tokio::task::JoinSet::new();
    let began = Instant::now();
    for id in ids.clone() {
        let store = store.clone();
        ends.spawn(async move { store.revoke(id, None, EndReason::Logout).await });
    }
    // Nobody has confirmed them, so each has waited for as long as it may.
    for end in ends.join_all().await {
        assert!(end.unwrap_err().to_string().contains("0 of 1 replicas"));
    }
    let took = began.elapsed();
    println!("{ENDS} ends in {took:?}");
    assert!(took >= within && took < 4 * within, "{took:?} for {ENDS} ends");
    for id in ids {
        assert!(!is_live(&store, id).await);
    }
}

/// A server that has forgotten some of the scripts carries out the other ends: each caller learns
/// what its own call has ended.
#[tokio::test]
async fn ends_that_go_together_are_carried_out_once() {
    let Some(server) = databases::own_redis() else { return };
    let within = Duration::from_millis(500);
    let replicas = Durability::Replicas { replicas: 0, within };
    let plain = server.store::<UserSession>().await;
    let store = plain.clone().durability(replicas).await.unwrap();
    let mut sessions = Vec::new();
    for number in 0..48 {
        let new = login(&store, user(&format!("subject {number}")));
        store.create(new.clone()).await.unwrap();
        sessions.push(new);
    }
    server.run::<String>(&["SCRIPT", "FLUSH"]).await;
    // It knows this one again.
    plain.revoke(create(&plain, user("corro")).await, None, EndReason::Logout).await.unwrap();
    let mut ends = tokio::task::JoinSet::new();
    for (number, new) in sessions.into_iter().enumerate() {
        let store = store.clone();
        ends.spawn(async move {
            match number % 3 {
                0 => {
                    let ending = store.revoke(new.id, None, EndReason::Logout).await.unwrap();
                    (number, ending == Ending::Ended)
                }
                1 => {
                    let subject = &new.data.name;
                    let count = store.revoke_subject(subject, EndReason::Logout).await.unwrap();
                    (number, count == 1)
                }
                _ => {
                    let consumed = store.consume(new.id, new.secret).await.unwrap();
                    (number, matches!(consumed, Consumed::Ended(last) if *last == *new.data))
                }
            }
        });
    }
    let mut lost = ends.join_all().await;
    lost.retain(|(_, ended)| !ended);
    assert!(lost.is_empty(), "these ended a session, and were told that they did not: {lost:?}");
}

/// A consumption that is not confirmed gives nobody the payload.
#[tokio::test]
async fn a_consumption_that_no_replica_confirms_is_an_error() {
    let Some(server) = databases::redis().await else { return };
    let within = Duration::from_millis(100);
    let replicas = Durability::Replicas { replicas: 1, within };
    let store = server.store::<UserSession>().await.durability(replicas).await.unwrap();
    let new = login(&store, user("ferris"));
    store.create(new.clone()).await.unwrap();
    for _ in 0..2 {
        let error = store.consume(new.id, new.secret).await.unwrap_err();
        assert!(error.to_string().contains("0 of 1 replicas"), "{error}");
        assert!(!is_live(&store, new.id).await);
    }
}

#[tokio::test]
async fn too_few_replicas_are_warned_of() {
    let Some(server) = databases::own_redis() else { return };
    let within = Duration::from_millis(100);
    for (replicas, are_warned_of) in [(0, false), (1, true)] {
        let replicas = Durability::Replicas { replicas, within };
        let store = server.store::<UserSession>().await.durability(replicas).await.unwrap();
        let warnings = store.verify().await.unwrap().warnings;
        let lacks = warnings.iter().any(|one| one.contains("has 0 connected replicas of the 1"));
        assert_eq!(lacks, are_warned_of, "{warnings:?}");
    }
}

/// A cluster can be set up to say only that a server is where the client has found it.
#[tokio::test]
async fn servers_whose_address_a_cluster_hides_are_looked_at() {
    let Some(server) = databases::proxied_redis_cluster().await else { return };
    let store = RedisStore::<UserSession>::connect_cluster(server.url.split(',')).await.unwrap();
    let prefer = async |endpoint| {
        for url in server.url.split(',') {
            let setting = "cluster-preferred-endpoint-type";
            on::<()>(url, &["CONFIG", "SET", setting, endpoint]).await;
        }
    };
    prefer("unknown-endpoint").await;
    let (verified, ended) =
        (store.verify().await, store.revoke_everyone(EndReason::Everyone).await);
    prefer("ip").await;
    verified.unwrap();
    ended.unwrap();
}

#[tokio::test]
async fn an_end_is_confirmed_on_the_disk_where_redis_can() {
    let Some(own) = databases::own_redis() else { return };
    let disks = Durability::Disks { replicas: 0, within: Duration::from_secs(4) };
    let store = own.store::<UserSession>().await.durability(disks).await.unwrap();
    let id = create(&store, user("ferris")).await;
    let info: String = own.run(&["INFO", "server"]).await;
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap();
    let numbers: Vec<u32> = version.split('.').map_while(|number| number.parse().ok()).collect();
    let refusal = async || match store.verify().await {
        Err(VerifyError::Settings { settings }) => settings.concat(),
        other => panic!("{other:?}"),
    };
    if numbers[..2] < [7, 2][..] {
        let refusal = refusal().await;
        assert!(refusal.contains(&format!("is Redis {version}, which does not know `WAITAOF`")));
        store.revoke(id, None, EndReason::Logout).await.unwrap_err();
        assert!(!is_live(&store, id).await);
        return;
    }
    assert!(refusal().await.contains("Set `appendonly yes`"));
    store.revoke(id, None, EndReason::Logout).await.unwrap_err();
    own.run::<String>(&["CONFIG", "SET", "appendonly", "yes"]).await;
    assert_eq!(store.verify().await.unwrap().warnings, [""; 0]);
    let id = create(&store, user("ferris")).await;
    assert_eq!(store.revoke(id, None, EndReason::Logout).await.unwrap(), Ending::Ended);
    // Nobody else has a disk for it.
    let disks = Durability::Disks { replicas: 1, within: Duration::from_millis(100) };
    let store = own.store::<UserSession>().await.durability(disks).await.unwrap();
    let id = create(&store, user("ferris")).await;
    store.revoke(id, None, EndReason::Logout).await.unwrap_err();
}

#[tokio::test]
async fn a_server_that_loses_sessions_is_refused_and_a_restart_is_warned_of() {
    let Some(own) = databases::own_redis() else { return };
    let store = own.store::<UserSession>().await;
    let warnings = store.verify().await.unwrap().warnings;
    assert!(warnings.iter().any(|one| one.contains("a restart ends all sessions")), "{warnings:?}");
    own.run::<String>(&["CONFIG", "SET", "appendonly", "yes"]).await;
    own.run::<String>(&["CONFIG", "SET", "appendfsync", "always"]).await;
    assert_eq!(store.verify().await.unwrap().warnings, [""; 0]);
    own.run::<String>(&["CONFIG", "SET", "appendfsync", "everysec"]).await;
    let warnings = store.verify().await.unwrap().warnings;
    assert!(warnings[0].contains("the last second"), "{warnings:?}");

    own.run::<String>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    let Err(VerifyError::Settings { settings }) = store.verify().await else {
        panic!("keys are evicted")
    };
    assert!(settings[0].contains("maxmemory-policy noeviction"), "{settings:?}");

    // And one that has no memory left refuses logins, and still carries out logouts.
    own.run::<String>(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    let id = create(&store, user("ferris")).await;
    own.run::<String>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let refused = store.create(login(&store, user("ferris"))).await.map(drop).unwrap_err();
    assert!(refused.to_string().contains("raise `maxmemory`"), "{refused}");
    assert!(is_live(&store, id).await);
    assert_eq!(store.revoke(id, None, EndReason::Logout).await.unwrap(), Ending::Ended);
}

#[require_session(UserSession)]
async fn me(session: Session<UserSession>) -> String {
    session.name.clone()
}

#[logout(UserSession)]
async fn logout() {}

async fn log_in(auth: Auth<UserSession>) -> Result<(), anchor::Error> {
    auth.login(user("ferris")).await.map(drop)
}

#[tokio::test]
async fn a_logout_that_no_replica_confirms_is_503() {
    let Some(server) = databases::redis().await else { return };
    let within = Duration::from_millis(50);
    let store = server.store::<UserSession>().await;
    let store = store.durability(Durability::Replicas { replicas: 1, within }).await.unwrap();
    let sessions = SessionManager::<UserSession>::builder(store)
        .keys(KeyRing::new([[7; 32]]).unwrap())
        .build()
        .unwrap();
    let router = Router::new()
        .route("/login", post(log_in))
        .route("/me", get(me))
        .route("/logout", post(logout))
        .layer(sessions.layer());
    let served = Served::start(router).await;
    let cookie = served.post("/login").send().await.expect(StatusCode::OK).cookie();
    served.get("/me").cookie(&cookie).send().await.expect(StatusCode::OK);
    let answer = served.post("/logout").cookie(&cookie).send().await;
    answer.expect(StatusCode::SERVICE_UNAVAILABLE);
}
