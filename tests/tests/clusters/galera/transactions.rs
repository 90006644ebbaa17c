//! Transactions of an application, each on a server of its own.

use std::time::Duration;

use anchor::manager::SessionTransaction;
use anchor::prelude::*;
use anchor::store::{Load, SessionStore};
use anchor::{MySqlStore, StoreErrorKind};
use anchor_tests::databases;
use sqlx::MySqlPool;
use tokio::time::sleep;

use super::pause::Pause;
use super::{session_of, stores, stores_on};

#[derive(Debug, Clone, SessionData)]
#[session(table = "galera_tx", cookie = "__Host-galera-tx", cut_off, migrations = false)]
struct UserSession {
    #[session(subject)]
    user_id: i64,
    visits: i64,
}

type Transaction = SessionTransaction<UserSession, MySqlPool>;

/// A node of the application on each server.
fn nodes(stores: &[MySqlStore<UserSession>; 3]) -> [SessionManager<UserSession>; 3] {
    stores.clone().map(|store| {
        let keys = KeyRing::new([[7; 32]]).unwrap();
        SessionManager::builder(store).keys(keys).build().unwrap()
    })
}

fn ferris() -> UserSession {
    UserSession { user_id: 7, visits: 0 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_finds_what_other_servers_have_answered() {
    let Some(pools) = databases::galera().await else { return };
    let stores = stores_on(pools.clone()).await;
    let [.., node] = nodes(&stores);
    let pause = Pause::of_the_last(&pools).await;
    let new = session_of(ferris());
    stores[0].create(new.clone()).await.unwrap();
    let last = stores[2].clone();
    let ending = tokio::spawn(async move {
        let mut transaction = node.begin(&last).await.unwrap();
        let count = transaction.revoke_subject(&7).await.unwrap();
        transaction.commit().await.unwrap();
        count
    });
    sleep(Duration::from_millis(300)).await;
    assert!(!ending.is_finished(), "the server has not applied the login");
    pause.end().await;
    assert_eq!(ending.await.unwrap(), 1);
    for store in &stores {
        assert!(matches!(store.load(new.id).await.unwrap(), Load::Absent));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_off_is_seen_on_the_other_servers_and_its_subject_logs_in_there() {
    let Some(stores) = stores::<UserSession>().await else { return };
    let [node, ..] = nodes(&stores);
    for store in &stores {
        let new = session_of(ferris());
        store.create(new.clone()).await.unwrap();
        let mut transaction = node.begin(&stores[0]).await.unwrap();
        assert_eq!(transaction.cut_off(&7).await.unwrap(), 1);
        assert!(matches!(store.load(new.id).await.unwrap(), Load::Live(_)));
        transaction.commit().await.unwrap();
        assert!(matches!(store.load(new.id).await.unwrap(), Load::Absent));
        let next = session_of(ferris());
        store.create(next.clone()).await.unwrap();
        assert!(matches!(store.load(next.id).await.unwrap(), Load::Live(_)));
        let mut transaction = node.begin(&stores[0]).await.unwrap();
        assert!(transaction.revoke(next.id).await.unwrap());
        transaction.commit().await.unwrap();
    }
}

/// The row is locked on each server by its own transaction. The first commit wins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_transactions_on_two_servers_one_says_to_run_it_again() {
    let Some(stores) = stores::<UserSession>().await else { return };
    let [one, other, _] = nodes(&stores);
    let new = session_of(ferris());
    stores[0].create(new.clone()).await.unwrap();
    let (mut first, mut second): (Transaction, Transaction) =
        (one.begin(&stores[0]).await.unwrap(), other.begin(&stores[1]).await.unwrap());
    let visit = |user: &mut UserSession| user.visits += 1;
    assert_eq!(first.update_subject(&7, visit).await.unwrap(), 1);
    assert_eq!(second.update_subject(&7, visit).await.unwrap(), 1);
    first.commit().await.unwrap();
    let refused = second.commit().await.unwrap_err();
    let anchor::Error::Store(error) = &refused else { panic!("{refused}") };
    assert_eq!(error.kind(), StoreErrorKind::TransactionConflict, "{error}");
    for store in &stores {
        let Load::Live(found) = store.load(new.id).await.unwrap() else { panic!("it is live") };
        assert_eq!(found.record.data.visits, 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_does_not_wait_for_other_servers_is_refused() {
    let Some(stores) = stores::<UserSession>().await else { return };
    let [node, ..] = nodes(&stores);
    let begun = stores[0].pool().begin().await.unwrap();
    let refused = node.within(&stores[0], begun).await.map(drop).unwrap_err();
    assert!(refused.to_string().contains("begin it with `sessions.begin(&store)`"), "{refused}");
}
