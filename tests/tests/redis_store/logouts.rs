//! Logouts that plain commands carry out together, instead of a script each.

use std::time::Duration;

use anchor::StoreErrorKind;
use tokio::task::JoinSet;

use super::*;

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "visits", idle = "2h", absolute = "14d", migrations = false)]
struct Visit {
    #[session(subject)]
    name: String,
    note: Option<String>,
}

const TABLE: &str = "visits";

/// Logs in, each as another user.
async fn logins(store: &RedisStore<Visit>, count: usize) -> Vec<NewSession<Visit>> {
    let mut all = Vec::new();
    for number in 0..count {
        let new = login(store, Visit { name: format!("user {number}"), note: None });
        store.create(new.clone()).await.unwrap();
        all.push(new);
    }
    all
}

/// Ends all of these at the same time.
async fn end_together(
    store: &RedisStore<Visit>,
    logouts: &[(SessionId, LastingHash)],
) -> Vec<Result<Ending, anchor::StoreError>> {
    let mut tasks = JoinSet::new();
    for (place, (id, proof)) in logouts.iter().copied().enumerate() {
        let store = store.clone();
        tasks.spawn(async move { (place, store.revoke(id, Some(proof), EndReason::Logout).await) });
    }
    let mut endings = tasks.join_all().await;
    endings.sort_unstable_by_key(|(place, _)| *place);
    endings.into_iter().map(|(_, ending)| ending).collect()
}

async fn scripts(server: &Redis) -> u64 {
    let facts: redis::InfoDict = server.run(&["INFO", "commandstats"]).await;
    let calls: Option<String> = facts.get("cmdstat_evalsha");
    calls.map_or(0, |calls| calls[6..calls.find(',').unwrap()].parse().unwrap())
}

#[tokio::test]
async fn each_has_its_own_answer() {
    let Some(server) = databases::own_redis() else { return };
    let store = server.store::<Visit>().await;
    let all = logins(&store, 48).await;
    let before = scripts(&server).await;
    // Each of three kinds: twice, with another's proof, and one that never was.
    let mut logouts = Vec::new();
    for (place, new) in all.iter().enumerate() {
        match place % 3 {
            0 => logouts.extend([(new.id, new.lasting); 2]),
            1 => logouts.push((new.id, all[0].lasting)),
            _ => logouts.push((random_id(), new.lasting)),
        }
    }
    let mut endings = end_together(&store, &logouts).await.into_iter().map(Result::unwrap);
    for (place, new) in all.iter().enumerate() {
        match place % 3 {
            0 => {
                let both = [endings.next().unwrap(), endings.next().unwrap()];
                assert!(both.contains(&Ending::Ended), "{both:?}");
                assert!(both.contains(&Ending::NotLive), "{both:?}");
            }
            1 => assert_eq!(endings.next(), Some(Ending::Unproven)),
            _ => assert_eq!(endings.next(), Some(Ending::NotLive)),
        }
        assert_eq!(is_live(&store, new.id).await, place % 3 != 0, "{place}");
        let listed = store.list(&new.data.name, Page::default()).await.unwrap().len();
        assert_eq!(listed, usize::from(place % 3 != 0));
    }
    // The one that was alone, and what `list` needs.
    let count = scripts(&server).await - before;
    assert!(count <= 48 + 8, "{count}");
}

#[tokio::test]
async fn they_leave_what_one_alone_leaves() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<Visit>().await;
    let all = logins(&store, 24).await;
    store.revoke(all[0].id, Some(all[0].lasting), EndReason::Logout).await.unwrap();
    let logouts: Vec<_> = all[1..].iter().map(|new| (new.id, new.lasting)).collect();
    for ending in end_together(&store, &logouts).await {
        assert_eq!(ending.unwrap(), Ending::Ended);
    }
    for new in &all {
        let key = server.key(TABLE, new.id, &format!("session:{}", new.id));
        let left: Vec<String> = server.run(&["HKEYS", &key]).await;
        assert_eq!(left, ["@gone"], "a mark against a login that comes late");
        let millis: i64 = server.run(&["PTTL", &key]).await;
        assert!((800_000..=900_001).contains(&millis), "{millis}");
        let index = server.key(TABLE, new.id, "index");
        let score: Option<f64> = server.run(&["ZSCORE", &index, &new.id.to_string()]).await;
        assert_eq!(score, None);
        // The login comes late, or a second time.
        let error = store.create(new.clone()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Constraint);
        assert!(!is_live(&store, new.id).await);
    }
}

#[tokio::test]
async fn a_session_of_long_ago_and_an_expired_one_leave_nothing() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<Visit>().await;
    let all = logins(&store, 24).await;
    for (place, new) in all.iter().enumerate() {
        let key = server.key(TABLE, new.id, &format!("session:{}", new.id));
        let own: String = server.run(&["HGET", &key, "@session"]).await;
        let earlier = |own: &str, name: &str, by: i64| {
            let entry = own.split(';').find(|entry| entry.starts_with(name)).unwrap();
            let at: i64 = entry[name.len() + 1..].parse().unwrap();
            own.replace(entry, &format!("{name}={}", at - by))
        };
        let mut own = earlier(&own, "created_at", 901_000_000);
        if place % 2 == 0 {
            own = earlier(&own, "expires_at", 2 * 3_600_000_000);
        }
        server.run::<i64>(&["HSET", &key, "@session", &own]).await;
    }
    let logouts: Vec<_> = all.iter().map(|new| (new.id, new.lasting)).collect();
    for (place, ending) in end_together(&store, &logouts).await.into_iter().enumerate() {
        let expected = if place % 2 == 0 { Ending::NotLive } else { Ending::Ended };
        assert_eq!(ending.unwrap(), expected, "{place}");
        let key = server.key(TABLE, all[place].id, &format!("session:{}", all[place].id));
        assert!(!server.run::<bool>(&["EXISTS", &key]).await, "{place}");
    }
}

#[tokio::test]
async fn a_session_that_cannot_be_read_concerns_no_other() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<Visit>().await;
    let all = logins(&store, 24).await;
    server.set_wrong_type(TABLE, all[3].id).await;
    let key =
        |place: usize| server.key(TABLE, all[place].id, &format!("session:{}", all[place].id));
    let own: String = server.run(&["HGET", &key(5), "@session"]).await;
    server
        .run::<i64>(&["HSET", &key(5), "@session", &own.replace("deadline=", "deadline=x")])
        .await;
    server.run::<String>(&["SET", &server.key(TABLE, all[7].id, "index"), "x"]).await;
    let logouts: Vec<_> = all.iter().map(|new| (new.id, new.lasting)).collect();
    for (place, ending) in end_together(&store, &logouts).await.into_iter().enumerate() {
        match (place, ending) {
            (3 | 5, Ok(ending)) => assert_eq!(ending, Ending::NotLive, "{place}"),
            (7, Err(error)) => assert!(error.to_string().contains("another type"), "{error}"),
            (_, ending) => assert!(matches!(ending, Ok(Ending::Ended)), "{place}: {ending:?}"),
        }
        assert!(!matches!(store.load(all[place].id).await, Ok(Load::Live(_))), "{place}");
    }
}

/// A transaction would not keep them.
#[tokio::test]
async fn ended_sessions_are_kept_where_they_have_to_be() {
    #[derive(Debug, Clone, PartialEq, SessionData)]
    #[session(table = "kept", idle = "2h", absolute = "14d", keep_ended = "30d")]
    #[session(migrations = false)]
    struct Kept {
        #[session(subject)]
        name: String,
    }
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<Kept>().await;
    let mut logouts = JoinSet::new();
    for _ in 0..16 {
        let new = login(&store, Kept { name: "ferris".into() });
        store.create(new.clone()).await.unwrap();
        let store = store.clone();
        logouts.spawn(async move {
            store.revoke(new.id, Some(new.lasting), EndReason::Logout).await.unwrap()
        });
    }
    assert_eq!(logouts.join_all().await, [Ending::Ended; 16]);
    let kept = store.history(&"ferris".to_owned(), Page::default()).await.unwrap();
    assert_eq!(kept.len(), 16);
}

#[tokio::test]
async fn a_server_without_memory_carries_them_out() {
    let Some(server) = databases::own_redis() else { return };
    let store = server.store::<Visit>().await;
    let all = logins(&store, 24).await;
    // The script is loaded, which needs memory, too.
    store.revoke(random_id(), Some(all[0].lasting), EndReason::Logout).await.unwrap();
    server.run::<String>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let logouts: Vec<_> = all.iter().map(|new| (new.id, new.lasting)).collect();
    for ending in end_together(&store, &logouts).await {
        assert_eq!(ending.unwrap(), Ending::Ended);
    }
    for new in &all {
        assert!(!is_live(&store, new.id).await);
    }
    tokio::time::timeout(
        Duration::from_secs(5),
        store.revoke_subject(&"a".into(), EndReason::LogoutAll),
    )
    .await
    .expect("it answers")
    .unwrap();
}
