//! Sessions that are not in their subject's shard.

use std::sync::Arc;
use std::time::Duration;

use anchor::payload::{LimitExceeded, SubjectLimit};
use anchor::store::{Change, Created, EndReason, Page, Placement, Replaced, SessionStore};
use anchor::{RedisStore, SessionId, StoreErrorKind};
use anchor_tests::databases::{self, Redis};

use super::{UserSession, create, is_live, live, login, random_id, user};

/// Gives a session to another subject.
async fn hand_over(store: &RedisStore<UserSession>, id: SessionId, heir: &str) {
    let loaded = live(store, id).await;
    let from = Arc::clone(&loaded.record.data);
    let to = Arc::new(UserSession { name: heir.into(), ..UserSession::clone(&from) });
    let (secret, version) = (loaded.secrets.current, loaded.record.version);
    let idle = Duration::from_secs(60);
    store.update(Change { id, secret, version, from, to, idle }).await.unwrap();
}

/// A session that was handed over stays in the shard of its first subject.
async fn a_session_that_was_handed_over_is_its_new_subjects(server: Redis) {
    let store = server.store::<UserSession>().await;
    let heir = "corro".to_owned();
    let handed_over = async || {
        let id = create(&store, user("ferris")).await;
        hand_over(&store, id, "corro").await;
        assert_ne!(id.placement(), Placement::of(b"corro"));
        id
    };
    let id = handed_over().await;
    assert_eq!(store.revoke_subject(&"ferris".into(), EndReason::Revoked).await.unwrap(), 0);
    assert!(is_live(&store, id).await);
    assert_eq!(store.revoke_subject(&heir, EndReason::Revoked).await.unwrap(), 1);
    assert!(!is_live(&store, id).await);

    let id = handed_over().await;
    assert_eq!(store.cut_off(&heir, EndReason::CutOff).await.unwrap(), 1);
    assert!(!is_live(&store, id).await);
    // The login began before the cut-off, and the session becomes the subject's after it.
    let late = create(&store, user("ferris")).await;
    store.cut_off(&heir, EndReason::CutOff).await.unwrap();
    hand_over(&store, late, "corro").await;
    assert!(!is_live(&store, late).await);

    let (oldest, own) = (handed_over().await, create(&store, user("corro")).await);
    let limit = Some(SubjectLimit::new(2, LimitExceeded::EndOldest));
    let mut third = login(&store, user("corro"));
    third.limit = limit;
    let Created::Session { ended, .. } = store.create(third.clone()).await.unwrap() else {
        panic!("it makes room for itself")
    };
    assert_eq!(ended, [oldest]);
    assert!(!is_live(&store, oldest).await && is_live(&store, own).await);
    let listed = store.list(&heir, Page::default()).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.id).collect::<Vec<_>>(), [third.id, own]);
}

#[tokio::test]
async fn a_session_that_was_handed_over_is_its_new_subjects_on_one_server() {
    let Some(server) = databases::redis().await else { return };
    a_session_that_was_handed_over_is_its_new_subjects(server).await;
}

#[tokio::test]
async fn a_session_that_was_handed_over_is_its_new_subjects_in_a_cluster() {
    let Some(server) = databases::redis_cluster().await else { return };
    a_session_that_was_handed_over_is_its_new_subjects(server).await;
}

/// The session that it replaces leaves room for it, and the others count.
#[tokio::test]
async fn a_login_may_replace_a_session_of_another_shard_under_a_limit() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<UserSession>().await;
    for (limit, is_kept) in [(2, true), (1, false)] {
        store.revoke_subject(&"corro".to_owned(), EndReason::Revoked).await.unwrap();
        let [replaced, kept] = [login(&store, user("ferris")), login(&store, user("ferris"))];
        for new in [&replaced, &kept] {
            store.create(new.clone()).await.unwrap();
            hand_over(&store, new.id, "corro").await;
        }
        let mut new = login(&store, user("corro"));
        new.limit = Some(SubjectLimit::new(limit, LimitExceeded::EndOldest));
        new.replaces = Some(Replaced { id: replaced.id, proof: replaced.lasting });
        let Created::Session { ended, .. } = store.create(new.clone()).await.unwrap() else {
            panic!("it makes room for itself")
        };
        assert_eq!(ended, if is_kept { vec![] } else { vec![kept.id] }, "{limit}");
        assert_eq!(is_live(&store, kept.id).await, is_kept, "{limit}");
        assert!(!is_live(&store, replaced.id).await && is_live(&store, new.id).await, "{limit}");
    }
}

#[tokio::test]
async fn another_shard_is_remembered_for_as_long_as_its_session_can_live() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<UserSession>().await;
    let mut lasts_an_hour = login(&store, user("ferris"));
    lasts_an_hour.absolute = Duration::from_secs(3_600);
    store.create(lasts_an_hour.clone()).await.unwrap();
    hand_over(&store, lasts_an_hour.id, "corro").await;
    let home = random_id().placed(Placement::of(b"corro"));
    let away = server.key(super::TABLE, home, "away:corro");
    let left: i64 = server.run(&["PTTL", &away]).await;
    assert!((3_590_000..3_780_000).contains(&left), "{left}");
    let shards: Vec<(String, f64)> = server.run(&["ZRANGE", &away, "0", "-1", "WITHSCORES"]).await;
    let [(_, until)] = &shards[..] else { panic!("{shards:?}") };
    let deadline = live(&store, lasts_an_hour.id).await.record.deadline.as_micros() as f64;
    assert!((deadline..deadline + 120e6).contains(until), "{until}, {deadline}");
}

#[tokio::test]
async fn a_limit_needs_an_id_in_the_subjects_shard() {
    let Some(server) = databases::redis().await else { return };
    let store = server.store::<UserSession>().await;
    let mut misplaced = login(&store, user("ferris"));
    misplaced.id = misplaced.id.placed(Placement::new(misplaced.id.placement().number() + 1));
    misplaced.limit = Some(SubjectLimit::new(2, LimitExceeded::EndOldest));
    let refused = store.create(misplaced).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Constraint);
    assert!(refused.to_string().contains("id.placed(placement)"), "{refused}");
}
