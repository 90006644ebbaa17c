//! What a rollback leaves as it was, and what cannot be committed.

use http::StatusCode;
use tokio::time::timeout;

use crate::application::{Application, FERRIS, Role, UserSession, set_password};
use crate::engine::{A_MOMENT, Engine, Transaction, on_every_database};

on_every_database![
    a_transaction_that_is_dropped_or_rolled_back_changes_nothing,
    a_call_that_was_dropped_half_way_commits_nothing,
    what_a_statement_has_undone_is_not_committed_and_not_reported,
    a_transaction_on_another_database_says_so,
    a_change_of_the_subject_commits_nothing,
    another_store_of_the_same_payload_is_refused,
];

async fn a_transaction_that_is_dropped_or_rolled_back_changes_nothing<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let cookie = app.log_in(FERRIS).await;
    app.events();
    for by_drop in [false, true] {
        let mut transaction = app.begin().await;
        set_password::<E>(&mut transaction).await;
        let demoted = transaction.update_subject(&FERRIS, |user| user.role = Role::Member).await;
        assert_eq!(demoted.unwrap(), 1);
        assert!(transaction.revoke(app.id(&cookie).await).await.unwrap());
        transaction.revoke_subject(&FERRIS).await.unwrap();
        transaction.cut_off(&FERRIS).await.unwrap();
        match by_drop {
            true => drop(transaction),
            false => transaction.rollback().await.unwrap(),
        }
        assert_eq!(app.me(&cookie).await.expect(StatusCode::OK).text(), "Admin 0");
        assert_eq!((app.password().await, app.events()), (1, vec![]));
        let login = app.log_in(FERRIS).await;
        assert!(app.is_live(&login).await, "no cut-off remains");
        app.post("/logout").cookie(&login).send().await.expect(StatusCode::NO_CONTENT);
        app.events();
    }
}

async fn a_call_that_was_dropped_half_way_commits_nothing<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let cookie = app.log_in(FERRIS).await;
    // It waits for the lock of another transaction.
    let mut other = app.begin().await;
    other.revoke_subject(&FERRIS).await.unwrap();
    let begun = app.pool.hand_over(&app.sessions, &app.store, "BEGIN").await;
    let mut transaction = begun.unwrap();
    let dropped = timeout(A_MOMENT, transaction.revoke_subject(&FERRIS)).await;
    assert!(dropped.is_err(), "{dropped:?}");
    other.rollback().await.unwrap();
    let refused = transaction.revoke_subject(&FERRIS).await.unwrap_err();
    assert!(refused.to_string().contains("begin another one"), "{refused}");
    let refused = transaction.commit().await.unwrap_err();
    assert!(refused.to_string().contains("begin another one"), "{refused}");
    assert!(app.is_live(&cookie).await);
}

async fn what_a_statement_has_undone_is_not_committed_and_not_reported<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let cookie = app.log_in(FERRIS).await;
    app.events();
    let mut transaction = app.begin().await;
    E::execute_in(&mut transaction, "SAVEPOINT mine").await.unwrap();
    assert_eq!(transaction.revoke_subject(&FERRIS).await.unwrap(), 1);
    E::execute_in(&mut transaction, "ROLLBACK TO SAVEPOINT mine").await.unwrap_err();
    transaction.rollback().await.unwrap();

    let undone = async |by: &str, verb_first: bool| {
        let mut transaction: Transaction<E, _> = app.begin().await;
        set_password::<E>(&mut transaction).await;
        if verb_first {
            assert_eq!(transaction.revoke_subject(&FERRIS).await.unwrap(), 1);
        }
        let _ = E::execute_in(&mut transaction, by).await;
        if !verb_first {
            transaction.revoke_subject(&FERRIS).await.unwrap_err();
        }
        let refused = transaction.commit().await.unwrap_err().to_string();
        let says = refused.contains("so it is rolled back") || refused.contains("begin another");
        assert!(says, "{by}: {refused}");
        assert!(app.is_live(&cookie).await, "{by}");
        assert_eq!((app.password().await, app.events()), (1, vec![]), "{by}");
    };
    if std::any::type_name::<E>().contains("Postgres") {
        // Whoever ignores this error finds that PostgreSQL answers a COMMIT with a rollback.
        for verb_first in [true, false] {
            undone("SELECT 1 / 0", verb_first).await;
        }
        let mut transaction = app.begin().await;
        E::execute_in(&mut transaction, "SELECT 1 / 0").await.unwrap_err();
        transaction.commit().await.unwrap_err();
    }
    // More often than the pool has connections: each is as good as before.
    for verb_first in [true, false].repeat(6) {
        undone("ROLLBACK", verb_first).await;
    }
}

async fn a_transaction_on_another_database_says_so<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let other = E::elsewhere().await.unwrap();
    let begun = other.hand_over(&app.sessions, &app.store, "BEGIN").await;
    let mut transaction = begun.unwrap();
    let refused = transaction.revoke_subject(&FERRIS).await.unwrap_err().to_string();
    assert!(refused.contains("`tx_sessions` does not exist"), "{refused}");
    assert!(refused.contains("not on the database of the session store"), "{refused}");
    transaction.commit().await.unwrap_err();
}

async fn a_change_of_the_subject_commits_nothing<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let cookie = app.log_in(FERRIS).await;
    let mut transaction = app.begin().await;
    set_password::<E>(&mut transaction).await;
    let refused = transaction.update_subject(&FERRIS, |user| user.user_id = 8).await;
    assert!(matches!(refused, Err(anchor::Error::SubjectChanged { .. })), "{refused:?}");
    transaction.commit().await.unwrap_err();
    assert_eq!((app.password().await, app.is_live(&cookie).await), (1, true));
}

async fn another_store_of_the_same_payload_is_refused<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let another = app.pool.store::<UserSession>().await;
    let begun = app.sessions.begin(&another).await.map(drop);
    let taken_over = app.pool.hand_over(&app.sessions, &another, "BEGIN").await.map(drop);
    for refused in [begun, taken_over] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, anchor::Error::OtherStore { .. }), "{refused}");
        assert!(refused.to_string().contains("`SessionManager::builder(store.clone())`"));
        let status = anchor::Rejection::from(refused).status();
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    }
    app.sessions.begin(&app.store.clone()).await.unwrap().commit().await.unwrap();
}
