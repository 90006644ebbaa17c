//! `cut_off` in a transaction: logins that find the old password must not stay.

use std::time::Duration;

use http::StatusCode;
use tokio::time::timeout;

use crate::application::{Application, FERRIS, set_password};
use crate::engine::{A_MOMENT, Engine, eventually, on_every_database};

on_every_database![
    a_login_that_begins_before_the_commit_does_not_stay,
    a_login_that_begins_after_the_commit_stays,
    if_the_node_dies_after_the_commit_no_early_login_stays,
    a_login_after_a_cut_off_in_the_same_transaction_is_refused,
    until_a_cut_off_is_settled_a_login_is_refused_and_not_dead,
    a_cut_off_that_cannot_be_recorded_again_commits_nothing,
];

/// It checks the old password, because the new one is not visible yet.
async fn a_login_that_begins_before_the_commit_does_not_stay<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let mut transaction = app.begin().await;
    set_password::<E>(&mut transaction).await;
    transaction.cut_off(&FERRIS).await.unwrap();
    // On SQLite, its insertion waits for the commit.
    let login = app.log_in(FERRIS);
    let commit = async {
        tokio::time::sleep(A_MOMENT).await;
        transaction.commit().await.unwrap();
    };
    let (early, ()) = tokio::join!(login, commit);
    app.me(&early).await.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(app.sessions.list(&FERRIS).await.unwrap().len(), 0);
}

async fn a_login_that_begins_after_the_commit_stays<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    for _ in 0..3 {
        let mut transaction = app.begin().await;
        transaction.cut_off(&FERRIS).await.unwrap();
        transaction.commit().await.unwrap();
        // The login's time is measured from the answer of the database.
        tokio::time::sleep(A_MOMENT).await;
        let login = app.log_in(FERRIS).await;
        app.me(&login).await.expect(StatusCode::OK);
    }
}

/// It has committed, and does nothing afterwards.
async fn if_the_node_dies_after_the_commit_no_early_login_stays<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let mut transaction = app.begin().await;
    set_password::<E>(&mut transaction).await;
    transaction.cut_off(&FERRIS).await.unwrap();
    let login = app.log_in(FERRIS);
    let commit = async {
        tokio::time::sleep(A_MOMENT).await;
        E::execute_in(&mut transaction, "COMMIT").await.unwrap();
        transaction.commit().await.unwrap_err();
    };
    let (early, ()) = tokio::join!(login, commit);
    app.me(&early).await.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(app.password().await, 2);
}

async fn a_login_after_a_cut_off_in_the_same_transaction_is_refused<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let refused = app.post("/change-password").send().await;
    let refused = refused.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.set_cookies().is_empty());
    assert_eq!(app.password().await, 1);
}

/// What sets the cut-off to the time of the commit fails for a while.
async fn until_a_cut_off_is_settled_a_login_is_refused_and_not_dead<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let table = "tx_sessions_cut_offs";
    let earlier = "NEW.cut_off_at < OLD.cut_off_at";
    app.pool.refuse("not_settled", "BEFORE UPDATE", table, earlier).await;
    let cookie = app.log_in(FERRIS).await;
    app.events();
    let mut transaction = app.begin().await;
    transaction.cut_off(&FERRIS).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(app.events(), ["Subject 1 cut_off"]);
    assert!(!app.is_live(&cookie).await);
    for login in ["/login/7", "/login-now/7"] {
        let refused = app.post(login).send().await.expect(StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.set_cookies().is_empty(), "{refused:?}");
    }
    let other = app.log_in(8).await;
    assert!(app.is_live(&other).await);
    app.pool.refuse_no_longer("not_settled", table).await;
    // It is tried again, long before the instant that was recorded.
    let is_settled = async || app.post("/login/7").send().await.status == StatusCode::OK;
    eventually("it is settled", is_settled).await;
    let login = app.log_in(FERRIS).await;
    assert!(app.is_live(&login).await);
}

/// The transaction may have taken longer than the cut-off lay ahead. So right before the commit, it
/// is recorded again.
async fn a_cut_off_that_cannot_be_recorded_again_commits_nothing<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let table = "tx_sessions_cut_offs";
    app.pool.refuse("not_again", "BEFORE UPDATE", table, "NEW.cut_off_at > OLD.cut_off_at").await;
    let cookie = app.log_in(FERRIS).await;
    let mut transaction = app.begin().await;
    set_password::<E>(&mut transaction).await;
    transaction.cut_off(&FERRIS).await.unwrap();
    // SQLite's clock has steps of a millisecond.
    tokio::time::sleep(Duration::from_millis(5)).await;
    transaction.commit().await.unwrap_err();
    assert_eq!(app.password().await, 1);
    assert!(app.is_live(&cookie).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_is_woken_before_a_cut_off_is_settled() {
    let Some(pool) = anchor_tests::databases::postgres().await else { return };
    let app = Application::start(pool).await;
    let wait = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                IF NEW.cut_off_at < OLD.cut_off_at THEN PERFORM pg_advisory_xact_lock(77); END IF; \
                RETURN NEW; END $$";
    app.pool.execute(wait).await;
    let trigger = "CREATE TRIGGER wait BEFORE UPDATE ON tx_sessions_cut_offs \
                   FOR EACH ROW EXECUTE FUNCTION wait()";
    app.pool.execute(trigger).await;
    let mut gate = app.pool.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock(77)").execute(&mut *gate).await.unwrap();
    let cookie = app.log_in(FERRIS).await;
    app.events();
    let mut transaction = app.begin().await;
    transaction.cut_off(&FERRIS).await.unwrap();
    let waiting = app.get("/wait").cookie(&cookie).send();
    let commit = tokio::spawn(async move {
        tokio::time::sleep(A_MOMENT).await;
        transaction.commit().await
    });
    // Much less than the `store_timeout` of 10 seconds.
    let waited = timeout(Duration::from_secs(5), waiting).await.expect("woken");
    waited.expect(StatusCode::OK);
    eventually("it is reported", async || app.events() == ["Subject 1 cut_off"]).await;
    assert!(!commit.is_finished(), "it is not settled yet");
    gate.rollback().await.unwrap();
    commit.await.unwrap().unwrap();
    let login = app.log_in(FERRIS).await;
    assert!(app.is_live(&login).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_off_reaches_further_than_a_commit_may_take() {
    let Some(pool) = anchor_tests::databases::postgres().await else { return };
    let timeout = Duration::from_secs(300);
    let app = Application::configured(pool, |sessions| sessions.store_timeout(timeout)).await;
    let mut transaction = app.begin().await;
    transaction.cut_off(&FERRIS).await.unwrap();
    let ahead = "SELECT CAST(EXTRACT(EPOCH FROM cut_off_at - clock_timestamp()) AS BIGINT) \
                 FROM tx_sessions_cut_offs";
    let ahead: i64 = sqlx::query_scalar(ahead).fetch_one(&mut *transaction).await.unwrap();
    assert!((600..700).contains(&ahead), "{ahead} s");
    transaction.rollback().await.unwrap();
}
