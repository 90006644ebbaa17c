//! Calls to different servers, one of which lags behind.

use std::future::Future;
use std::num::NonZeroU32;
use std::time::Duration;

use anchor::conformance::Extended;
use anchor::payload::{LimitExceeded, SubjectLimit};
use anchor::prelude::*;
use anchor::store::{
    Created, EndReason, Ending, Load, NewSession, Page, RecordUses, SessionStore, Touch, Touched,
    Use,
};
use anchor::{MySqlStore, Timestamp};
use anchor_tests::databases;
use sqlx::{AssertSqlSafe, MySqlPool};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::pause::Pause;
use super::{HOUR, new_uuid, session_of, stores, stores_on};

/// How long a call is watched that must not answer yet.
const WHILE: Duration = Duration::from_millis(300);

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "one_each", migrations = false)]
struct OneEach {
    #[session(subject)]
    user_id: Uuid,
    /// Nobody else's session may have it.
    #[session(unique)]
    device: i64,
}

fn of(user_id: Uuid) -> NewSession<Extended<0>> {
    session_of(Extended { user_id, visits: 0 })
}

fn limited<T>(mut new: NewSession<T>, max: u32, overflow: LimitExceeded) -> NewSession<T> {
    new.limit = Some(SubjectLimit { max: NonZeroU32::new(max).unwrap(), overflow });
    new
}

/// Returns the answer of a call that waits for the paused server, after the pause.
async fn only_after<R: Send + 'static>(
    pause: Pause,
    call: impl Future<Output = R> + Send + 'static,
) -> R {
    let mut call = tokio::spawn(call);
    let early = tokio::time::timeout(WHILE, &mut call).await;
    assert!(early.is_err(), "it is answered by a server that does not know the newest state");
    pause.end().await;
    call.await.unwrap()
}

/// A server that lags behind, and whoever asks it for the session in plain SQL still finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_on_one_server_is_seen_by_the_next_request_on_another() {
    let Some(pools) = databases::galera().await else { return };
    let [one, _, other] = stores_on::<Extended<0>>(pools.clone()).await;
    let new = of(new_uuid());
    one.create(new.clone()).await.unwrap();
    assert!(matches!(other.load(new.id).await.unwrap(), Load::Live(_)));

    let pause = Pause::of_the_last(&pools).await;
    let logout = one.revoke(new.id, Some(new.lasting), EndReason::Logout).await.unwrap();
    assert_eq!(logout, Ending::Ended);
    let plain = "SELECT COUNT(*) FROM anchor_conformance_extended";
    let found: i64 = sqlx::query_scalar(plain).fetch_one(&pools[2]).await.unwrap();
    assert_eq!(found, 1, "without waiting, the server answers with a state before the logout");
    let load = only_after(pause, async move { other.load(new.id).await.unwrap() }).await;
    assert!(matches!(load, Load::Absent | Load::Ended), "{load:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_on_one_server_can_be_logged_out_on_another_at_once() {
    let Some(pools) = databases::galera().await else { return };
    let [one, _, other] = stores_on::<Extended<0>>(pools.clone()).await;
    let pause = Pause::of_the_last(&pools).await;
    let new = of(new_uuid());
    one.create(new.clone()).await.unwrap();
    let logout = async move { other.revoke(new.id, Some(new.lasting), EndReason::Logout).await };
    assert_eq!(only_after(pause, logout).await.unwrap(), Ending::Ended);
    assert!(!matches!(one.load(new.id).await.unwrap(), Load::Live(_)));
}

/// Logouts that share a transaction, and the other verbs that find or end sessions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verb_waits_for_what_was_answered_on_another_server() {
    let Some(pools) = databases::galera().await else { return };
    let [one, _, other] = stores_on::<Extended<0>>(pools.clone()).await;
    let pause = Pause::of_the_last(&pools).await;
    let (user, stranger) = (new_uuid(), new_uuid());
    let leaving: Vec<_> = (0..6).map(|_| of(user)).collect();
    // A use of a row that somebody else has locked is not recorded.
    let (staying, used) = (of(user), of(user));
    for new in leaving.iter().chain([&staying, &used, &of(stranger)]) {
        one.create(new.clone()).await.unwrap();
    }
    let mut ends = JoinSet::new();
    for NewSession { id, lasting, .. } in leaving {
        let other = other.clone();
        ends.spawn(async move { other.revoke(id, Some(lasting), EndReason::Logout).await });
    }
    let calls = async move {
        tokio::join!(
            ends.join_all(),
            other.revoke_subject(&stranger, EndReason::Revoked),
            other.list(&user, Page::default()),
            other.touch(Touch::new(staying.id, HOUR)),
            other.record_uses(vec![Use::new(used.id, Timestamp::now(), HOUR)]),
        )
    };
    let (ends, strangers, list, touched, recorded) = only_after(pause, calls).await;
    assert!(ends.into_iter().all(|end| end.unwrap() == Ending::Ended));
    assert_eq!(strangers.unwrap(), 1);
    assert!(list.unwrap().iter().any(|record| record.id == staying.id));
    assert!(matches!(touched.unwrap(), Touched::Written { .. }));
    assert_eq!(recorded.unwrap(), [used.id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_began_before_a_cut_off_on_another_server_is_dead() {
    let Some(pools) = databases::galera().await else { return };
    let [one, _, other] = stores_on::<Extended<0>>(pools.clone()).await;
    let pause = Pause::of_the_last(&pools).await;
    let user = new_uuid();
    let mut began = of(user);
    began.began = Some(Instant::now());
    one.cut_off(&user, EndReason::CutOff).await.unwrap();
    let id = began.id;
    let load = async move {
        other.create(began).await.unwrap();
        other.load(id).await.unwrap()
    };
    assert!(!matches!(only_after(pause, load).await, Load::Live(_)));
    assert!(!matches!(one.load(id).await.unwrap(), Load::Live(_)));
}

/// 64 logins on three servers, several times, of a user who may have two sessions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_holds_whatever_servers_the_logins_go_to() {
    let Some(stores) = stores::<Extended<0>>().await else { return };
    for (round, overflow) in [LimitExceeded::EndOldest, LimitExceeded::Refuse].iter().enumerate() {
        let user = Uuid::from_u128(round as u128);
        let mut logins = JoinSet::new();
        for at in 0..64 {
            let (store, overflow) = (stores[at % 3].clone(), *overflow);
            logins.spawn(async move {
                let created = store.create(limited(of(user), 2, overflow)).await.unwrap();
                let live = store.list(&user, Page::default()).await.unwrap().len();
                (created, live)
            });
        }
        let mut admitted = 0;
        for (created, live) in logins.join_all().await {
            admitted += usize::from(matches!(created, Created::Session { .. }));
            assert!(live <= 2, "{live} sessions at once");
        }
        let live = stores[0].list(&user, Page::default()).await.unwrap().len();
        assert_eq!((live, admitted), (2, if round == 0 { 64 } else { 2 }));
    }
}

/// The row that stands for the lock has the same value for a moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_works_beside_a_unique_column() {
    let Some([store, ..]) = stores::<OneEach>().await else { return };
    let user_id = new_uuid();
    for _ in 0..3 {
        let new = session_of(OneEach { user_id, device: 7 });
        let created = store.create(limited(new, 1, LimitExceeded::EndOldest)).await.unwrap();
        assert!(matches!(created, Created::Session { .. }), "{created:?}");
    }
    let list = store.list(&user_id, Page::default()).await.unwrap();
    assert_eq!(list.len(), 1);
}

/// One row is written to on three servers: some of the writes collide, and are done again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_collide_are_repeated() {
    let Some(pools) = databases::galera().await else { return };
    let stores = stores_on::<Extended<0>>(pools.clone()).await;
    let before = collisions(&pools).await;
    let mut ended = 0;
    while collisions(&pools).await == before || ended < 20 {
        let new = of(new_uuid());
        stores[0].create(new.clone()).await.unwrap();
        let mut calls = JoinSet::new();
        for store in &stores {
            let store: MySqlStore<_> = store.clone();
            calls.spawn(async move {
                let touch = Touch::new(new.id, HOUR);
                store.touch(touch).await.expect("a touch is repeated");
                let proof = Some(new.lasting);
                store.revoke(new.id, proof, EndReason::Logout).await.expect("a logout is repeated")
            });
        }
        let ends = calls.join_all().await;
        let winners = ends.iter().filter(|end| **end == Ending::Ended).count();
        assert_eq!(winners, 1, "{ends:?}");
        ended += 1;
        assert!(ended < 5_000, "nothing collides");
    }
}

/// How many transactions these servers have undone because of another server's.
async fn collisions(pools: &[MySqlPool; 3]) -> u64 {
    let mut collisions = 0;
    for pool in pools {
        for name in ["wsrep_local_cert_failures", "wsrep_local_bf_aborts"] {
            let status = AssertSqlSafe(format!("SHOW GLOBAL STATUS LIKE '{name}'"));
            let (_, count): (String, String) =
                sqlx::query_as(status).fetch_one(pool).await.unwrap();
            collisions += count.parse::<u64>().unwrap();
        }
    }
    collisions
}
