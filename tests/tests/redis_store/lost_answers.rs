//! Calls whose answer is lost on the way: they are sent again, and have the effect of one call.

use std::sync::Arc;
use std::time::Duration;

use anchor::RedisStore;
use anchor::payload::{LimitExceeded, SubjectLimit};
use anchor::store::{
    Change, Consumed, Created, EndReason, OldSecret, Page, Rotated, Rotation, SessionStore, Updated,
};
use anchor::token::SecretHash;
use anchor_tests::{Direction, Loss, Proxy, databases};

use super::{TABLE, UserSession, create, is_live, live, login, user};

#[track_caller]
fn assert_lost(proxy: &Proxy) {
    assert!(proxy.heal(), "no answer came");
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_has_the_effect_of_one_call() {
    has_the_effect_of_one_call(Loss::OneConnection).await;
}

#[tokio::test]
async fn a_call_whose_answer_ends_in_the_middle_has_the_effect_of_one_call() {
    has_the_effect_of_one_call(Loss::OneInTheMiddle).await;
}

async fn has_the_effect_of_one_call(loss: Loss) {
    // Instead of passing all of Redis' next answer on.
    let lose_the_next_answer = |proxy: &Proxy| proxy.lose(Direction::ToClient, 0, loss);
    let Some(server) = databases::redis().await else { return };
    let proxy = Proxy::before(server.address());
    let url = format!("redis://{}", proxy.address());
    let store = RedisStore::<UserSession>::connect(&url).await.unwrap().prefix(&server.prefix);
    let idle = Duration::from_secs(60);
    // Every script is loaded.
    let warm = create(&store, user("corro")).await;
    let loaded = live(&store, warm).await;

    let new = login(&store, user("ferris"));
    lose_the_next_answer(&proxy);
    let created = store.create(new.clone()).await.unwrap();
    assert_lost(&proxy);
    assert!(matches!(created, Created::Session { .. }), "{created:?}");
    assert_eq!(store.list(&"ferris".to_owned(), Page::default()).await.unwrap().len(), 1);

    // Whom a login has ended is said again.
    let mut instead = login(&store, user("ferris"));
    instead.limit = Some(SubjectLimit::new(1, LimitExceeded::EndOldest));
    lose_the_next_answer(&proxy);
    let created = store.create(instead).await.unwrap();
    assert_lost(&proxy);
    let Created::Session { ended, .. } = created else { panic!("{created:?}") };
    assert_eq!(ended, [new.id]);

    let change = |version, visits| {
        let from = Arc::clone(&loaded.record.data);
        let to = Arc::new(UserSession { visits, ..UserSession::clone(&from) });
        Change { id: warm, secret: loaded.secrets.current, version, from, to, idle }
    };
    store.update(change(1, 42)).await.unwrap();
    lose_the_next_answer(&proxy);
    let updated = store.update(change(2, 43)).await.unwrap();
    assert_lost(&proxy);
    assert_eq!(updated, Updated::Written { version: 3 });
    assert_eq!(live(&store, warm).await.record.data.visits, 43);

    let rotation = |from, to| Rotation {
        id: warm,
        from,
        to: SecretHash::from_bytes(to),
        grace: idle,
        old: OldSecret::Exchanged,
        idle,
    };
    store.rotate(rotation(loaded.secrets.current, [1; 32])).await.unwrap();
    lose_the_next_answer(&proxy);
    let second = rotation(SecretHash::from_bytes([1; 32]), [2; 32]);
    assert_eq!(store.rotate(second).await.unwrap(), Rotated::Written);
    assert_lost(&proxy);
    let secrets = live(&store, warm).await.secrets;
    assert_eq!(secrets.current, SecretHash::from_bytes([2; 32]));
    assert_eq!(secrets.previous, Some(SecretHash::from_bytes([1; 32])));

    // Who has consumed a session gets its payload, and nobody else does.
    let consumed = create(&store, user("hopper")).await;
    let secret = live(&store, consumed).await.secrets.current;
    store.consume(create(&store, user("hopper")).await, secret).await.unwrap();
    lose_the_next_answer(&proxy);
    let last = store.consume(consumed, secret).await.unwrap();
    assert_lost(&proxy);
    let Consumed::Ended(last) = last else { panic!("{last:?}") };
    assert_eq!(*last, user("hopper"));
    assert!(!is_live(&store, consumed).await);
    let again = store.consume(consumed, secret).await.unwrap();
    assert!(matches!(again, Consumed::Gone), "{again:?}");
    // What the repeated call was answered from does not stay.
    let kept = server.key(TABLE, consumed, &format!("consumed:{consumed}"));
    let left: i64 = server.run(&["PTTL", &kept]).await;
    assert!((1..=60_000).contains(&left), "{left} ms");

    lose_the_next_answer(&proxy);
    store.revoke(warm, Some(loaded.secrets.lasting), EndReason::Logout).await.unwrap();
    assert_lost(&proxy);
    assert!(!is_live(&store, warm).await);
}

/// How much later a call that is sent again arrives.
const LATER: Duration = Duration::from_millis(400);

#[tokio::test]
async fn an_update_that_is_sent_again_after_others_is_not_made_again() {
    let Some(server) = databases::redis().await else { return };
    let proxy = Proxy::before(server.address());
    let url = format!("redis://{}", proxy.address());
    let behind = RedisStore::<UserSession>::connect(&url).await.unwrap().prefix(&server.prefix);
    let direct = server.store::<UserSession>().await;
    let id = create(&direct, user("ferris")).await;
    let secret = live(&direct, id).await.secrets.current;
    let one_more = |from: &Arc<UserSession>, version| {
        let (idle, visits) = (Duration::from_secs(60), from.visits + 1);
        let to = Arc::new(UserSession { visits, ..UserSession::clone(from) });
        Change { id, secret, version, from: Arc::clone(from), to, idle }
    };
    for others in [1, 7] {
        let before = live(&direct, id).await.record;
        let change = one_more(&before.data, before.version);
        proxy.delay(LATER);
        proxy.lose(Direction::ToClient, 0, Loss::OneConnection);
        let update = {
            let behind = behind.clone();
            tokio::spawn(async move { behind.update(change).await })
        };
        while live(&direct, id).await.record.version == before.version {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for _ in 0..others {
            let now = live(&direct, id).await.record;
            let updated = direct.update(one_more(&now.data, now.version)).await.unwrap();
            assert_eq!(updated, Updated::Written { version: now.version + 1 });
        }
        assert!(!update.is_finished(), "it was sent again before the others came");
        let updated = update.await.unwrap().unwrap();
        assert_lost(&proxy);
        assert_eq!(updated, Updated::Written { version: before.version + 1 });
        let after = live(&direct, id).await.record;
        assert_eq!(after.data.visits, before.data.visits + 1 + others);
        assert_eq!(after.version, before.version + 1 + others);
    }
}
