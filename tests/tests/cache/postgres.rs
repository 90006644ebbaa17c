//! PostgreSQL's notifications: two nodes, each with its own pool.

use std::sync::Arc;
use std::time::Duration;

use anchor::PostgresStore;
use anchor_tests::{Watched, databases};
use http::StatusCode;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::time::{Instant, sleep};

use crate::application::{LONG, Node, UserSession};

/// A node whose connections have this name.
async fn node(pool: &PgPool, name: &str) -> Node {
    node_and_store(pool, name).await.0
}

/// A node, and the store that its manager was built with.
async fn node_and_store(pool: &PgPool, name: &str) -> (Node, PostgresStore<UserSession>) {
    let options = (*pool.connect_options()).clone().application_name(name);
    let pool = PgPoolOptions::new().max_connections(3).connect_lazy_with(options);
    let store = PostgresStore::new(pool);
    store.migrate().await.unwrap();
    let watched = Watched::new(Arc::new(store.clone()));
    (Node::over(watched, |it| it.cache(LONG)).await.ready().await, store)
}

/// How many connections of this name listen.
async fn listeners(pool: &PgPool, name: &str) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE application_name = $1 AND query LIKE 'LISTEN%'",
    )
    .bind(name)
    .fetch_one(pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_is_seen_on_the_other_node_long_before_the_lease() {
    let Some(pool) = databases::postgres().await else { return };
    let (one, two) = (node(&pool, "logout_one").await, node(&pool, "logout_two").await);
    for way in ["/logout", "/logout-all", "/rotate-now"] {
        let cookie = one.log_in_warm("ferris").await;
        two.warm(&cookie).await;
        let ended = one.post(way).cookie(&cookie).send().await;
        assert!(ended.status.is_success(), "{ended:?}");
        let answered = Instant::now();
        while two.me(&cookie).await.status == StatusCode::OK {
            assert!(answered.elapsed() < Duration::from_secs(2), "{way}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_is_seen_on_the_other_node_when_it_commits_and_not_before() {
    let Some(pool) = databases::postgres().await else { return };
    let (one, store) = node_and_store(&pool, "commits_one").await;
    let two = node(&pool, "commits_two").await;
    let name = "transactions".to_owned();
    for verb in ["revoke_subject", "cut_off", "update_subject"] {
        let cookie = one.log_in(&name).await;
        one.post("/promote").cookie(&cookie).send().await.expect(StatusCode::OK);
        two.warm(&cookie).await;
        let mut transaction = one.sessions.begin(&store).await.unwrap();
        let count = match verb {
            "revoke_subject" => transaction.revoke_subject(&name).await,
            "cut_off" => transaction.cut_off(&name).await,
            _ => transaction.update_subject(&name, |user| user.admin = false).await,
        };
        assert_eq!(count.unwrap(), 1, "{verb}");
        sleep(Duration::from_millis(200)).await;
        assert_eq!(two.loads_for("/admin", &cookie, StatusCode::OK).await, 0, "{verb}");
        transaction.commit().await.unwrap();
        let answered = Instant::now();
        while two.get("/admin").cookie(&cookie).send().await.status == StatusCode::OK {
            assert!(answered.elapsed() < Duration::from_secs(2), "{verb}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_logouts_are_all_seen() {
    let Some(pool) = databases::postgres().await else { return };
    let (one, two) = (node(&pool, "many_one").await, node(&pool, "many_two").await);
    let mut cookies = Vec::new();
    for user in 0..40 {
        let cookie = one.log_in(&format!("user{user}")).await;
        two.warm(&cookie).await;
        cookies.push(cookie);
    }
    let one = Arc::new(one);
    let logouts: Vec<_> = cookies
        .iter()
        .cloned()
        .map(|cookie| {
            let one = Arc::clone(&one);
            tokio::spawn(async move { one.log_out(&cookie).await })
        })
        .collect();
    for logout in logouts {
        logout.await.unwrap();
    }
    sleep(Duration::from_millis(500)).await;
    for cookie in &cookies {
        two.me(cookie).await.expect(StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_while_the_connection_was_lost_is_not_served() {
    let Some(pool) = databases::postgres().await else { return };
    let (one, two) = (node(&pool, "killed_one").await, node(&pool, "killed_two").await);
    let cookie = one.log_in_warm("ferris").await;
    two.warm(&cookie).await;
    let killed: bool = sqlx::query_scalar(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE application_name = 'killed_two' AND query LIKE 'LISTEN%'",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert!(killed);
    while listeners(&pool, "killed_two").await > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    // The next attempt follows after most of a second.
    sleep(Duration::from_millis(100)).await;
    one.log_out(&cookie).await;
    two.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
    let other = one.log_in("corro").await;
    assert_eq!(two.loads_for("/me", &other, StatusCode::OK).await, 1);
    assert_eq!(two.loads_for("/me", &other, StatusCode::OK).await, 1);
    two.warm(&other).await;
    two.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_gone_leaves_no_connection() {
    let Some(pool) = databases::postgres().await else { return };
    let (one, two) = (node(&pool, "gone_one").await, node(&pool, "gone_two").await);
    assert_eq!(listeners(&pool, "gone_one").await, 1);
    assert_eq!(listeners(&pool, "gone_two").await, 1);
    drop(one);
    two.sessions.shutdown().await;
    let began = Instant::now();
    while listeners(&pool, "gone_one").await + listeners(&pool, "gone_two").await > 0 {
        assert!(began.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(10)).await;
    }
}
