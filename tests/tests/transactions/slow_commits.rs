//! Commits that take longer than `store_timeout`: the server has carried them out, and its answer
//! is late.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anchor::prelude::*;
use anchor::{Error, MySqlStore, SessionData};
use anchor_tests::http::Served;
use anchor_tests::{Direction, Loss, Proxy};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use http::StatusCode;
use sqlx::MySqlPool;
use sqlx::mysql::MySqlConnectOptions;

use crate::application::{Application, FERRIS, UserSession, set_password, word_of};
use crate::engine::{Engine, Transaction, eventually, on_every_database};

on_every_database![
    a_late_commit_is_reported_and_settled_when_it_is_answered,
    a_late_commit_gives_the_lock_of_its_login_back,
];

/// After how many pieces of the server's answers one is late, until it is that of the commit. On a
/// machine that is busy, another one may be late, so they are tried again.
fn each_piece() -> impl Iterator<Item = usize> {
    (0..12).cycle().take(36)
}

const SHORT: Duration = Duration::from_secs(1);

const KEY: [u8; 32] = [7; 32];

fn is_in_doubt(outcome: &Result<(), Error>) -> bool {
    outcome.as_ref().is_err_and(|error| error.to_string().contains("is not known"))
}

async fn a_late_commit_is_reported_and_settled_when_it_is_answered<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let Some((far, proxy)) = app.pool.behind_a_proxy() else { return };
    let store = far.store::<UserSession>().await;
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&events);
    let sessions = SessionManager::builder(store.clone())
        .keys(KeyRing::new([KEY]).unwrap())
        .store_timeout(SHORT)
        .on_event(move |event| told.lock().unwrap().extend(word_of(event)))
        .build()
        .unwrap();
    let can_log_in = async || app.post("/login/7").send().await.status == StatusCode::OK;
    for pieces in each_piece() {
        eventually("an earlier cut-off is settled", &can_log_in).await;
        let cookie = app.log_in(FERRIS).await;
        let mut transaction: Transaction<E, UserSession> = sessions.begin(&store).await.unwrap();
        set_password::<E>(&mut transaction).await;
        transaction.cut_off(&FERRIS).await.unwrap();
        proxy.lose(Direction::ToClient, pieces, Loss::Silence);
        let outcome = transaction.commit().await;
        if !is_in_doubt(&outcome) {
            proxy.heal();
            events.lock().unwrap().clear();
            continue;
        }
        assert_eq!(app.password().await, 2, "the server has committed");
        assert!(!app.is_live(&cookie).await);
        let early = app.post("/login/7").send().await.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert!(early.set_cookies().is_empty(), "{early:?}");
        assert!(events.lock().unwrap().is_empty());
        assert!(proxy.heal());
        let is_reported = async || events.lock().unwrap().iter().any(|it| it.ends_with(" cut_off"));
        eventually("it is reported", is_reported).await;
        eventually("it is settled", &can_log_in).await;
        let login = app.log_in(FERRIS).await;
        assert!(app.is_live(&login).await);
        return;
    }
    panic!("no answer of a commit was late");
}

#[derive(Clone, SessionData)]
#[session(table = "tx_slow", cookie = "__Host-tx-slow", max_per_subject = 2, migrations = false)]
struct Slow {
    #[session(subject)]
    user_id: i64,
}

type Shared<E> = (Proxy, SessionManager<Slow>, <E as Engine>::Store<Slow>);

/// The body says whether nobody knows what the commit has come to.
async fn login<E: Engine>(
    auth: Auth<Slow>,
    State((proxy, sessions, store)): State<Shared<E>>,
    Path(pieces): Path<usize>,
) -> Result<String, Error> {
    let mut transaction: Transaction<E, Slow> = sessions.begin(&store).await?;
    auth.login(Slow { user_id: 7 }).within(&mut transaction).await?;
    proxy.lose(Direction::ToClient, pieces, Loss::Silence);
    Ok(is_in_doubt(&transaction.commit().await).to_string())
}

async fn a_late_commit_gives_the_lock_of_its_login_back<E: Engine>(pool: E) {
    let near = pool.store::<Slow>().await;
    let Some((far, proxy)) = pool.behind_a_proxy() else { return };
    let store = far.store::<Slow>().await;
    let builder = |store| SessionManager::builder(store).keys(KeyRing::new([KEY]).unwrap());
    let sessions = builder(store.clone()).store_timeout(SHORT).build().unwrap();
    let shared = (proxy.clone(), sessions.clone(), store);
    let routes = Router::new().route("/login/{pieces}", post(login::<E>)).with_state(shared);
    let app = Served::start(routes.layer(sessions.layer())).await;
    let near = builder(near).build().unwrap();
    let log_in = async |auth: Auth<Slow>| auth.login(Slow { user_id: 7 }).await.map(drop);
    let routes = Router::new().route("/login", post(log_in));
    let other = Served::start(routes.layer(near.layer())).await;
    for pieces in each_piece() {
        let answer = app.post(&format!("/login/{pieces}")).send().await;
        proxy.heal();
        if answer.text() == "true" {
            // It waits for the lock for as long as its `store_timeout`.
            other.post("/login").send().await.expect(StatusCode::OK);
            let live = near.list(&7).await.unwrap().len();
            assert!((1..=2).contains(&live), "{live}");
            return;
        }
    }
    panic!("no answer of a commit was late");
}

/// Commits while the server prepares no statement: the lock cannot be given back.
async fn login_with_a_stuck_lock(
    auth: Auth<Slow>,
    State((pool, sessions, store)): State<(MySqlPool, SessionManager<Slow>, MySqlStore<Slow>)>,
) -> Result<(), Error> {
    let mut transaction = sessions.begin(&store).await?;
    auth.login(Slow { user_id: 7 }).within(&mut transaction).await?;
    pool.execute("SET GLOBAL max_prepared_stmt_count = 0").await;
    let committed = transaction.commit().await;
    pool.execute("SET GLOBAL max_prepared_stmt_count = 16382").await;
    committed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_whose_lock_cannot_be_given_back_is_closed() {
    let Some(pool) = anchor_tests::databases::own_mysql().await else { return };
    let other = MySqlPool::connect_lazy_with(MySqlConnectOptions::clone(&pool.connect_options()));
    let (store, other) = (pool.store::<Slow>().await, other.store::<Slow>().await);
    let builder = |store| SessionManager::builder(store).keys(KeyRing::new([KEY]).unwrap());
    let sessions = builder(store.clone()).build().unwrap();
    let others = builder(other).store_timeout(5 * SHORT).build().unwrap();
    let shared = (pool, sessions.clone(), store);
    let routes = Router::new().route("/login", post(login_with_a_stuck_lock)).with_state(shared);
    let app = Served::start(routes.layer(sessions.layer())).await;
    let log_in = async |auth: Auth<Slow>| auth.login(Slow { user_id: 7 }).await.map(drop);
    let routes = Router::new().route("/login", post(log_in));
    let other = Served::start(routes.layer(others.layer())).await;
    app.post("/login").send().await.expect(StatusCode::OK);
    other.post("/login").send().await.expect(StatusCode::OK);
    assert_eq!(others.list(&7).await.unwrap().len(), 2);
}

/// PostgreSQL tells the caches, before it answers the node that has committed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_caches_learn_of_a_commit_before_it_is_answered() {
    let Some(pool) = anchor_tests::databases::postgres().await else { return };
    let cache = Duration::from_secs(60);
    let near = Application::configured(pool, |sessions| sessions.cache(cache)).await;
    let (far, proxy) = near.pool.behind_a_proxy().unwrap();
    let store = far.store::<UserSession>().await;
    let sessions = SessionManager::builder(store.clone()).keys(KeyRing::new([KEY]).unwrap());
    let sessions = sessions.cache(cache).store_timeout(8 * SHORT).build().unwrap();
    let me = async |user: UserSession| user.visits.to_string();
    let far = Served::start(Router::new().route("/me", get(me)).layer(sessions.layer())).await;
    let is_live = async |app: &Served, cookie: &str| {
        app.get("/me").cookie(cookie).send().await.status == StatusCode::OK
    };
    // The caches are on a moment after the first request.
    let warm = near.log_in(FERRIS).await;
    for _ in 0..10 {
        assert!(is_live(&far, &warm).await && is_live(&near, &warm).await);
        tokio::time::sleep(SHORT / 10).await;
    }
    for pieces in each_piece() {
        let cookie = near.log_in(FERRIS).await;
        for _ in 0..3 {
            assert!(is_live(&far, &cookie).await && is_live(&near, &cookie).await);
        }
        let mut transaction = sessions.begin(&store).await.unwrap();
        near.pool.execute("UPDATE users SET password = 1").await;
        set_password::<sqlx::PgPool>(&mut transaction).await;
        transaction.revoke_subject(&FERRIS).await.unwrap();
        proxy.lose(Direction::ToClient, pieces, Loss::OneIsLate);
        let commit = tokio::spawn(transaction.commit());
        tokio::time::sleep(SHORT).await;
        let is_committed = near.password().await == 2;
        let lives = [is_live(&near, &cookie).await, is_live(&far, &cookie).await];
        // On a machine that is busy, another answer may be the late one.
        if !is_committed || commit.is_finished() {
            proxy.heal();
            let _ = commit.await;
            continue;
        }
        assert_eq!(lives, [false, false], "on another node, and on the one that has committed");
        assert!(proxy.heal());
        commit.await.unwrap().unwrap();
        return;
    }
    panic!("no answer of a commit was late");
}
