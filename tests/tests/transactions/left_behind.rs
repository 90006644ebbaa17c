//! What logins and transactions leave behind that overlap, or that end in another way than by a
//! verb: no session that nobody has a token for, no lock, no useless connection.

use std::net::SocketAddr;
use std::time::Duration;

use anchor::prelude::*;
use anchor::{Error, MySqlStore, SqliteStore};
use anchor_tests::databases;
use anchor_tests::http::Served;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use http::StatusCode;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{MySqlPool, SqlitePool};

use crate::engine::{Engine, Transaction, on_every_database};

on_every_database![
    logins_of_one_request_leave_one_session,
    a_login_in_another_managers_transaction_is_refused,
];

const KEY: [u8; 32] = [7; 32];

#[derive(Clone, SessionData)]
#[session(table = "tx_left", cookie = "__Host-tx-left", migrations = false)]
struct Left {
    #[session(subject)]
    user_id: i64,
}

const USER: Left = Left { user_id: 7 };

fn manager<E: Engine>(store: &E::Store<Left>) -> SessionManager<Left> {
    let sessions = SessionManager::builder(store.clone()).keys(KeyRing::new([KEY]).unwrap());
    sessions.store_timeout(Duration::from_secs(3)).build().unwrap()
}

type Shared<E> = (SessionManager<Left>, <E as Engine>::Store<Left>);

/// Logs in twice.
async fn log_in<E: Engine>(
    auth: Auth<Left>,
    State((sessions, store)): State<Shared<E>>,
    Path(how): Path<String>,
) -> Result<(), Error> {
    if how == "together" {
        let (one, other) = tokio::join!(auth.login(USER), auth.login(USER));
        return one.and(other).map(drop);
    }
    let mut transaction: Transaction<E, Left> = sessions.begin(&store).await?;
    auth.login(USER).within(&mut transaction).await?;
    match &*how {
        "beside" => auth.login(USER).await.map(drop)?,
        _ => auth.login(USER).within(&mut transaction).await.map(drop)?,
    }
    transaction.commit().await
}

async fn logins_of_one_request_leave_one_session<E: Engine>(pool: E) {
    let store = pool.store::<Left>().await;
    let sessions = manager::<E>(&store);
    let routes = Router::new()
        .route("/login/{how}", post(log_in::<E>))
        .route("/me", get(async |left: Left| left.user_id.to_string()))
        .with_state((sessions.clone(), store));
    let app = Served::start(routes.layer(sessions.layer())).await;
    // On SQLite, a login beside a transaction would wait for it.
    let is_sqlite = std::any::type_name::<E>().contains("Sqlite");
    for how in if is_sqlite { vec!["together"] } else { vec!["together", "beside"] } {
        let cookie = app.post(&format!("/login/{how}")).send().await;
        let cookie = cookie.expect(StatusCode::OK).cookie();
        app.get("/me").cookie(&cookie).send().await.expect(StatusCode::OK);
        assert_eq!(sessions.list(&7).await.unwrap().len(), 1, "{how}");
        sessions.revoke_subject(&7).await.unwrap();
    }
    let twice = app.post("/login/twice").send().await;
    // A transaction has one login.
    assert!(twice.expect(StatusCode::SERVICE_UNAVAILABLE).set_cookies().is_empty());
    assert_eq!(sessions.list(&7).await.unwrap().len(), 0);
}

async fn log_in_there<E: Engine>(
    auth: Auth<Left>,
    State((others, store)): State<Shared<E>>,
) -> Result<(), Error> {
    let mut transaction: Transaction<E, Left> = others.begin(&store).await?;
    let refused = auth.login(USER).within(&mut transaction).await.unwrap_err();
    assert!(matches!(refused, Error::OtherStore { table: "tx_left" }), "{refused}");
    let refused = transaction.commit().await.unwrap_err();
    assert!(refused.to_string().contains("begin another one"), "{refused}");
    Err(refused)
}

async fn a_login_in_another_managers_transaction_is_refused<E: Engine>(pool: E) {
    let Some(elsewhere) = E::elsewhere().await else { return };
    let there = elsewhere.store::<Left>().await;
    let others = manager::<E>(&there);
    let sessions = manager::<E>(&pool.store::<Left>().await);
    let routes = Router::new().route("/login", post(log_in_there::<E>));
    let routes = routes.with_state((others.clone(), there)).layer(sessions.layer());
    let app = Served::start(routes).await;
    let answer = app.post("/login").send().await.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.set_cookies().is_empty(), "{answer:?}");
    assert_eq!(others.list(&7).await.unwrap().len(), 0);
}

#[derive(Clone, SessionData)]
#[session(table = "tx_few_left", cookie = "__Host-tx-few-left", max_per_subject = 9)]
#[session(migrations = false)]
struct Few {
    #[session(subject)]
    user_id: i64,
}

type Here = (SessionManager<Few>, MySqlStore<Few>, SocketAddr);

async fn log_in_while_another_database_has_a_login(
    auth: Auth<Few>,
    State((sessions, store, other)): State<Here>,
) -> Result<(), Error> {
    let mut transaction = sessions.begin(&store).await?;
    auth.login(Few { user_id: 7 }).within(&mut transaction).await?;
    let other = Served::elsewhere(other).post("/login").send().await;
    other.expect(StatusCode::OK);
    transaction.commit().await
}

/// The databases of a server share MySQL's locks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_does_not_wait_for_one_in_another_database() {
    let Some((here, there)) = MySqlPool::pool().await.zip(MySqlPool::pool().await) else { return };
    let builder = |store: &MySqlStore<Few>| {
        let sessions = SessionManager::builder(store.clone()).keys(KeyRing::new([KEY]).unwrap());
        sessions.store_timeout(Duration::from_secs(3)).build().unwrap()
    };
    let others = builder(&there.store().await);
    let log_in = async |auth: Auth<Few>| auth.login(Few { user_id: 7 }).await.map(drop);
    let routes = Router::new().route("/login", post(log_in)).layer(others.layer());
    let other = Served::start(routes).await;

    let store = here.store().await;
    let sessions = builder(&store);
    let routes = Router::new()
        .route("/login", post(log_in_while_another_database_has_a_login))
        .with_state((sessions.clone(), store, other.address()));
    let app = Served::start(routes.layer(sessions.layer())).await;
    app.post("/login").send().await.expect(StatusCode::OK);
}

#[logout(Left)]
async fn log_out() {}

/// SQLite refuses the `ROLLBACK` of a transaction that a statement has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_a_statement_has_ended_leaves_a_connection_that_works() {
    let options = databases::sqlite().await.connect_options();
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with((*options).clone()).await;
    let pool: SqlitePool = pool.unwrap();
    let store: SqliteStore<Left> = pool.store::<Left>().await;
    let sessions = manager::<SqlitePool>(&store);
    pool.execute("CREATE TABLE one (id INTEGER PRIMARY KEY)").await;
    pool.execute("INSERT INTO one VALUES (1)").await;
    let log_in = async |auth: Auth<Left>| auth.login(USER).await.map(drop);
    let routes = Router::new().route("/login", post(log_in)).route("/logout", post(log_out));
    let app = Served::start(routes.layer(sessions.layer())).await;
    let ends = "INSERT OR ROLLBACK INTO one VALUES (1)";
    for how in ["dropped", "rolled back", "committed", "the application's own"] {
        if how == "the application's own" {
            let mut transaction = pool.begin().await.unwrap();
            sqlx::query(ends).execute(&mut *transaction).await.unwrap_err();
        } else {
            let mut transaction = sessions.begin(&store).await.unwrap();
            SqlitePool::execute_in(&mut transaction, ends).await.unwrap_err();
            match how {
                "dropped" => drop(transaction),
                "rolled back" => transaction.rollback().await.unwrap(),
                _ => assert!(transaction.commit().await.is_err()),
            }
        }
        let login = app.post("/login").send().await;
        assert_eq!(login.status, StatusCode::OK, "{how}: {login:?}");
        sessions.begin(&store).await.unwrap().commit().await.unwrap();
    }

    // A savepoint of sqlx's, where it counts a transaction that is no more, begins one that nobody
    // commits.
    let cookie = app.post("/login").send().await.expect(StatusCode::OK).cookie();
    for statement in [ends, "SELECT nothing"] {
        let mut transaction = pool.begin().await.unwrap();
        sqlx::query(statement).execute(&mut *transaction).await.unwrap_err();
    }
    app.post("/logout").cookie(&cookie).send().await.expect(StatusCode::OK);
    pool.close().await;
    let reopened = SqlitePoolOptions::new().connect_with((*options).clone()).await.unwrap();
    let sessions = manager::<SqlitePool>(&reopened.store::<Left>().await);
    let routes = Router::new().route("/me", get(async |left: Left| left.user_id.to_string()));
    let app = Served::start(routes.layer(sessions.layer())).await;
    app.get("/me").cookie(&cookie).send().await.expect(StatusCode::UNAUTHORIZED);
}
