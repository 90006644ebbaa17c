//! Transactions of an application, whose clients share the connections to the server.

use std::sync::LazyLock;

use anchor::PostgresStore;
use anchor::prelude::*;
use anchor::store::{Load, SessionStore};
use anchor_tests::servers::Killable;
use sqlx::Executor;
use tokio::task::JoinSet;

use super::{FORGETFUL, KEEPING, KEPT, NOT_KEPT, connected, options, session};
use crate::application::UserSession;

/// Many transactions at once, of two nodes. Every other one is rolled back.
async fn change_together(bouncer: &LazyLock<Option<Killable>>, capacity: usize) {
    let Some(bouncer) = bouncer.as_ref() else { return };
    let Some(options) = options(bouncer, capacity).await else { return };
    let stores: [PostgresStore<UserSession>; 2] = [connected(&options), connected(&options)];
    stores[0].migrate().await.unwrap();
    let unkept = options.clone().statement_cache_capacity(NOT_KEPT);
    let plain = connected::<UserSession>(&unkept);
    plain.pool().execute("CREATE TABLE users (name TEXT, password INTEGER)").await.unwrap();
    let nodes = stores.clone().map(|store| {
        let keys = KeyRing::new([[7; 32]]).unwrap();
        SessionManager::builder(store).keys(keys).build().unwrap()
    });
    let mut users = JoinSet::new();
    for number in 0..16 {
        let (node, store) = (nodes[number % 2].clone(), stores[number % 2].clone());
        let other = stores[(number + 1) % 2].clone();
        users.spawn(async move {
            for round in 0..6 {
                let new = session(&format!("user {number} {round}"));
                let name = new.data.name.clone();
                store.create(new.clone()).await.unwrap();
                let mut transaction = node.begin(&store).await.unwrap();
                // The application's own statement is not kept either.
                sqlx::query("INSERT INTO users VALUES ($1, 1)")
                    .bind(&name)
                    .persistent(false)
                    .execute(&mut *transaction)
                    .await
                    .unwrap();
                assert_eq!(transaction.revoke_subject(&name).await.unwrap(), 1);
                match round % 2 {
                    0 => transaction.commit().await.unwrap(),
                    _ => transaction.rollback().await.unwrap(),
                }
                let is_live = matches!(other.load(new.id).await.unwrap(), Load::Live(_));
                assert_eq!(is_live, round % 2 == 1, "{name}");
            }
        });
    }
    users.join_all().await;
    let committed = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM users").persistent(false);
    assert_eq!(committed.fetch_one(plain.pool()).await.unwrap(), 48);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_keep_apart_without_kept_statements() {
    change_together(&FORGETFUL, NOT_KEPT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_keep_apart_with_kept_statements() {
    change_together(&KEEPING, KEPT).await;
}
