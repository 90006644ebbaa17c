//! Isolation levels, and the locks with which a login and a demotion wait for each other.

use std::sync::Arc;
use std::time::Duration;

use anchor::prelude::*;
use anchor::{Error, SessionData};
use anchor_tests::http::Served;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use http::StatusCode;
use tokio::sync::Semaphore;

use crate::application::{Application, FERRIS, Role, UserSession};
use crate::engine::{A_MOMENT, Engine, Transaction, on_every_database};

on_every_database![a_login_and_a_demotion_wait_for_each_other];

/// What a login reads in its own transaction cannot change until it commits. On SQLite, `begin`
/// lets one transaction write at a time.
fn share<E>() -> &'static str {
    match std::any::type_name::<E>() {
        name if name.contains("Postgres") => " FOR SHARE",
        // MySQL has both, and MariaDB only this one.
        name if name.contains("MySql") => " LOCK IN SHARE MODE",
        _ => "",
    }
}

type Shared<E> = (SessionManager<UserSession>, <E as Engine>::Store<UserSession>);

/// Reads the role, and logs in a moment later. An administrator has the password 1.
async fn login<E: Engine>(
    auth: Auth<UserSession>,
    State((sessions, store)): State<Shared<E>>,
) -> Result<(), Error> {
    let mut transaction: Transaction<E, UserSession> = sessions.begin(&store).await?;
    let read = format!("SELECT password FROM users WHERE id = 7{}", share::<E>());
    let role = match E::number_in(&mut transaction, &read).await {
        1 => Role::Admin,
        _ => Role::Member,
    };
    tokio::time::sleep(2 * A_MOMENT).await;
    let session = UserSession { user_id: FERRIS, role, visits: 0 };
    auth.login(session).within(&mut transaction).await?;
    transaction.commit().await
}

async fn a_login_and_a_demotion_wait_for_each_other<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let shared = (app.sessions.clone(), app.store.clone());
    let routes = Router::new().route("/login", post(login::<E>)).with_state(shared);
    let logins = Served::start(routes.layer(app.sessions.layer())).await;
    let demote = async |pause: Duration| {
        tokio::time::sleep(pause).await;
        let mut transaction = app.begin().await;
        let demote = "UPDATE users SET password = 2 WHERE id = 7";
        E::execute_in(&mut transaction, demote).await.unwrap();
        let demoted = transaction.update_subject(&FERRIS, |user| user.role = Role::Member).await;
        tokio::time::sleep(2 * A_MOMENT).await;
        transaction.commit().await.unwrap();
        demoted.unwrap()
    };
    for (login_first, found) in [(true, 1), (false, 0)] {
        app.pool.execute("UPDATE users SET password = 1 WHERE id = 7").await;
        app.sessions.revoke_subject(&FERRIS).await.unwrap();
        let (login, demoted) = match login_first {
            true => tokio::join!(logins.post("/login").send(), demote(A_MOMENT)),
            false => {
                let login = async {
                    tokio::time::sleep(A_MOMENT).await;
                    logins.post("/login").send().await
                };
                tokio::join!(login, demote(Duration::ZERO))
            }
        };
        let cookie = login.expect(StatusCode::OK).cookie();
        assert_eq!(demoted, found);
        assert_eq!(app.me(&cookie).await.expect(StatusCode::OK).text(), "Member 0");
    }
}

#[derive(Clone, SessionData)]
#[session(table = "tx_levels", cookie = "__Host-tx-levels", max_per_subject = 2)]
#[session(migrations = false)]
struct Few {
    #[session(subject)]
    user_id: i64,
}

/// A login in a transaction that reads, and then waits.
struct Waiting<E: Engine> {
    pool: E,
    sessions: SessionManager<Few>,
    store: E::Store<Few>,
    has_read: Semaphore,
    may_go_on: Semaphore,
}

async fn login_later<E: Engine>(
    auth: Auth<Few>,
    State(waiting): State<Arc<Waiting<E>>>,
) -> Result<(), Error> {
    let begin = match std::any::type_name::<E>().contains("Postgres") {
        true => "BEGIN ISOLATION LEVEL REPEATABLE READ",
        // MySQL's default level.
        false => "BEGIN",
    };
    let begun = waiting.pool.hand_over(&waiting.sessions, &waiting.store, begin).await;
    let mut transaction: Transaction<E, Few> = begun?;
    assert_eq!(E::number_in(&mut transaction, "SELECT COUNT(*) FROM tx_levels").await, 0);
    waiting.has_read.add_permits(1);
    waiting.may_go_on.acquire().await.unwrap().forget();
    let login = auth.login(Few { user_id: 7 }).within(&mut transaction).await;
    let committed = transaction.commit().await;
    assert_eq!(login.is_ok(), committed.is_ok());
    login.map(drop)
}

/// Returns the status of a login whose transaction does not see two others, and how many sessions
/// there are in the end.
async fn log_in_unseen<E: Engine>(pool: E) -> (StatusCode, usize) {
    let store = pool.store::<Few>().await;
    let keys = KeyRing::new([[7; 32]]).unwrap();
    let sessions = SessionManager::builder(store.clone()).keys(keys).build().unwrap();
    let (has_read, may_go_on) = (Semaphore::new(0), Semaphore::new(0));
    let waiting = Waiting { pool, sessions: sessions.clone(), store, has_read, may_go_on };
    let waiting = Arc::new(waiting);
    let login = async |auth: Auth<Few>| auth.login(Few { user_id: 7 }).await.map(drop);
    let routes = Router::new()
        .route("/login", post(login))
        .route("/login-later", post(login_later::<E>))
        .with_state(Arc::clone(&waiting));
    let app = Served::start(routes.layer(sessions.layer())).await;
    let others = async {
        waiting.has_read.acquire().await.unwrap().forget();
        for _ in 0..2 {
            app.post("/login").send().await.expect(StatusCode::OK);
        }
        waiting.may_go_on.add_permits(1);
    };
    let (late, ()) = tokio::join!(app.post("/login-later").send(), others);
    (late.status, sessions.list(&7).await.unwrap().len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_under_a_limit_that_would_not_see_others_is_refused() {
    let Some(pool) = anchor_tests::databases::postgres().await else { return };
    assert_eq!(log_in_unseen(pool).await, (StatusCode::SERVICE_UNAVAILABLE, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_under_a_limit_sees_others_at_the_default_level_of_mysql() {
    let Some(pool) = anchor_tests::databases::mysql().await else { return };
    assert_eq!(log_in_unseen(pool).await, (StatusCode::OK, 2));
}
