//! Sessions that the index has lost: "end all sessions of this subject" ends them all the same.

use anchor::store::{Change, Updated};

use super::*;

async fn end_all(store: &RedisStore<UserSession>, name: &str) -> u64 {
    store.revoke_subject(&name.to_owned(), EndReason::LogoutAll).await.unwrap()
}

/// Removes a session from the index, as nothing of anchor's does.
async fn lose(server: &Redis, id: SessionId) {
    let index = server.key(TABLE, id, "index");
    assert_eq!(server.run::<i64>(&["ZREM", &index, &id.to_string()]).await, 1);
}

fn log(server: &Redis) -> String {
    format!("{{{}:{TABLE}:ends}}", server.prefix)
}

#[tokio::test]
async fn an_end_of_all_sessions_ends_one_that_the_index_has_lost() {
    let Some(server) = databases::redis().await else { return };
    let (store, other_node) = (server.store().await, server.store::<UserSession>().await);
    let (lost, kept) = (create(&store, user("ferris")).await, create(&store, user("ferris")).await);
    let others = create(&store, user("corro")).await;
    assert!(is_live(&other_node, lost).await);
    lose(&server, lost).await;
    assert_eq!(end_all(&store, "ferris").await, 1, "the index has one");
    for node in [&store, &other_node] {
        assert!(matches!(node.load(lost).await, Ok(Load::Ended)));
        assert!(matches!(node.load(kept).await, Ok(Load::Absent)));
        assert!(is_live(node, others).await);
    }
    let later = create(&store, user("ferris")).await;
    for node in [&store, &other_node, &server.store().await] {
        assert!(is_live(node, later).await);
        assert!(matches!(node.load(lost).await, Ok(Load::Ended)));
    }
}

/// There, and with a connection of the application's, each load asks the index.
#[tokio::test]
async fn without_a_log_a_session_that_the_index_has_lost_has_ended() {
    let Some(cluster) = databases::redis_cluster().await else { return };
    let Some(server) = databases::redis().await else { return };
    let given = RedisStore::new(server.connection().await).prefix(&server.prefix);
    for (server, store) in [(&cluster, cluster.store().await), (&server, given)] {
        let lost = create(&store, user("ferris")).await;
        let kept = create(&store, user("ferris")).await;
        lose(server, lost).await;
        assert!(matches!(store.load(lost).await, Ok(Load::Ended)));
        assert!(is_live(&store, kept).await);
        assert_eq!(end_all(&store, "ferris").await, 1);
        assert!(!is_live(&store, lost).await && !is_live(&store, kept).await);
    }
    // For nodes that read it, such a store writes it all the same.
    assert!(server.run::<bool>(&["EXISTS", &log(&server)]).await);
}

#[tokio::test]
async fn an_end_of_the_others_spares_one_and_ends_one_that_the_index_has_lost() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store().await;
    let (lost, kept) = (create(&store, user("ferris")).await, create(&store, user("ferris")).await);
    lose(&server, lost).await;
    let subject = "ferris".to_owned();
    assert_eq!(store.revoke_others(&subject, kept, EndReason::LogoutOthers).await.unwrap(), 0);
    assert!(is_live(&store, kept).await);
    assert!(!is_live(&store, lost).await);
    // It is older than the end, so the index is asked, and has to have it under its subject.
    let index = server.key(TABLE, kept, "index");
    server.run::<i64>(&["ZADD", &index, "4711", &kept.to_string()]).await;
    assert!(matches!(store.load(kept).await, Ok(Load::Ended)));
}

#[tokio::test]
async fn a_cut_off_ends_one_that_the_index_has_lost() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store().await;
    let lost = create(&store, user("ferris")).await;
    lose(&server, lost).await;
    store.cut_off(&"ferris".to_owned(), EndReason::CutOff).await.unwrap();
    assert!(!is_live(&store, lost).await);
}

/// What the verbs on one session do with it, and what its own logout does.
#[tokio::test]
async fn a_session_that_the_index_has_lost_can_be_ended_alone() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store().await;
    let new = login(&store, user("ferris"));
    store.create(new.clone()).await.unwrap();
    lose(&server, new.id).await;
    store.revoke(new.id, Some(new.lasting), EndReason::Logout).await.unwrap();
    assert!(!is_live(&store, new.id).await);
    let lost = create(&store, user("ferris")).await;
    lose(&server, lost).await;
    store.revoke_everyone(EndReason::Everyone).await.unwrap();
    assert!(!is_live(&store, lost).await);
}

#[tokio::test]
async fn entries_are_later_than_those_before_even_if_the_clock_was_set_back() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store().await;
    end_all(&store, "ferris").await;
    let log = log(&server);
    let [ferris, at] = server.run::<[String; 2]>(&["ZRANGE", &log, "0", "-1", "WITHSCORES"]).await;
    let ahead = at.parse::<u64>().unwrap() + 3_600_000_000;
    server.run::<i64>(&["ZADD", &log, &ahead.to_string(), &ferris]).await;
    let lost = create(&store, user("corro")).await;
    assert!(is_live(&store, lost).await);
    lose(&server, lost).await;
    end_all(&store, "corro").await;
    let latest: Vec<String> = server.run(&["ZRANGE", &log, "-1", "-1", "WITHSCORES"]).await;
    assert_ne!(latest[0], ferris);
    assert_eq!(latest[1].parse::<u64>().unwrap(), ahead + 1);
    assert!(!is_live(&store, lost).await);
    // Sessions from before the clock has caught up are looked up in the index.
    assert!(is_live(&store, create(&store, user("corro")).await).await);
}

/// A server that was restarted may have lost the latest entries. Later ones may be earlier than the
/// latest one that a node knows.
#[tokio::test]
async fn a_log_that_was_lost_is_read_again() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store().await;
    end_all(&store, "ferris").await;
    let log = log(&server);
    let [ferris, _] = server.run::<[String; 2]>(&["ZRANGE", &log, "0", "-1", "WITHSCORES"]).await;
    server.run::<i64>(&["DEL", &log]).await;
    let lost = create(&store, user("ferris")).await;
    let began = live(&store, lost).await.record.created_at.as_micros();
    lose(&server, lost).await;
    end_all(&store, "corro").await;
    assert!(is_live(&store, lost).await, "only the other subject's have ended");
    server.run::<i64>(&["DEL", &log]).await;
    server.run::<i64>(&["ZADD", &log, &(began + 1).to_string(), &ferris]).await;
    assert!(!is_live(&store, lost).await);
    // From here on, both know the same.
    let later = create(&store, user("ferris")).await;
    assert!(is_live(&store, later).await);
    lose(&server, later).await;
    end_all(&store, "ferris").await;
    assert!(!is_live(&store, later).await);
}

/// Logins, ends of all sessions and lookups of two nodes at the same time: what an end has answered
/// is over, whatever the index has.
#[tokio::test]
async fn no_node_finds_a_lost_session_after_the_answer_of_an_end() {
    let Some(server) = databases::redis().await else { return };
    let (store, other_node) = (server.store().await, server.store::<UserSession>().await);
    for round in 0..100 {
        let name = format!("user {}", round % 7);
        let lost = create(&store, user(&name)).await;
        lose(&server, lost).await;
        let looks = (0..8).map(|_| {
            let node = other_node.clone();
            tokio::spawn(async move { node.load(lost).await.map(drop) })
        });
        let looks: Vec<_> = looks.collect();
        end_all(&store, &name).await;
        assert!(!is_live(&other_node, lost).await, "round {round}");
        for look in looks {
            look.await.unwrap().unwrap();
        }
    }
}

/// An update has given a session to a subject of another shard, which does not know of it any more.
#[tokio::test]
async fn an_end_of_all_sessions_ends_one_that_has_strayed() {
    let Some(server) = databases::redis().await else { return };
    let (store, other_node) = (server.store().await, server.store::<UserSession>().await);
    let mut moved = Vec::new();
    for _ in 0..2 {
        let new = login(&store, user("ferris"));
        store.create(new.clone()).await.unwrap();
        let (from, to) = (Arc::clone(&new.data), Arc::new(user("corro")));
        let (id, secret, idle) = (new.id, new.secret, new.idle);
        let change = Change { id, secret, version: 1, from, to, idle };
        assert!(matches!(store.update(change).await, Ok(Updated::Written { .. })));
        moved.push(new.id);
    }
    let corro = "corro".to_owned();
    store.revoke_others(&corro, moved[0], EndReason::LogoutOthers).await.unwrap();
    for node in [&store, &other_node] {
        assert!(is_live(node, moved[0]).await);
        assert!(!is_live(node, moved[1]).await);
    }
    let away = server.key(TABLE, create(&store, user("corro")).await, "away:corro");
    assert_eq!(server.run::<i64>(&["DEL", &away]).await, 1);
    assert_eq!(end_all(&store, "corro").await, 1, "the shard knows of one");
    for node in [&store, &other_node] {
        assert!(!is_live(node, moved[0]).await);
    }
}
