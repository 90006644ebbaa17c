//! `cut_off` in a transaction: logins that find the old password must not stay.

use http::StatusCode;

use crate::application::{Application, FERRIS, set_password};
use crate::engine::{A_MOMENT, Engine, on_every_database};

on_every_database![
    a_login_that_begins_before_the_commit_does_not_stay,
    a_login_that_begins_after_the_commit_stays,
    if_the_node_dies_after_the_commit_no_early_login_stays,
    a_login_after_a_cut_off_in_the_same_transaction_is_refused,
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
