//! Transactions that meet requests, and one another.

use anchor::StoreErrorKind;
use http::StatusCode;

use crate::application::{Application, FERRIS, Role};
use crate::engine::{A_MOMENT, Engine, on_every_database};

on_every_database![
    a_logout_during_a_change_of_all_sessions_is_final,
    a_logout_and_a_transaction_end_a_session_once,
    a_login_during_the_end_of_all_sessions_is_not_found,
];

async fn a_logout_during_a_change_of_all_sessions_is_final<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let (staying, leaving) = (app.log_in(FERRIS).await, app.log_in(FERRIS).await);
    let mut transaction = app.begin().await;
    let demoted = transaction.update_subject(&FERRIS, |user| user.role = Role::Member).await;
    assert_eq!(demoted.unwrap(), 2);
    // It waits for the commit.
    let logout = app.post("/logout").cookie(&leaving).send();
    let commit = async {
        tokio::time::sleep(A_MOMENT).await;
        transaction.commit().await.unwrap();
    };
    let (logout, ()) = tokio::join!(logout, commit);
    logout.expect(StatusCode::NO_CONTENT);
    assert!(!app.is_live(&leaving).await);
    assert_eq!(app.me(&staying).await.text(), "Member 0");
}

async fn a_logout_and_a_transaction_end_a_session_once<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    for commits in [true, false] {
        let cookie = app.log_in(FERRIS).await;
        let mut transaction = app.begin().await;
        assert_eq!(transaction.revoke_subject(&FERRIS).await.unwrap(), 1);
        app.events();
        let logout = app.post("/logout").cookie(&cookie).send();
        let end = async {
            tokio::time::sleep(A_MOMENT).await;
            match commits {
                true => transaction.commit().await.unwrap(),
                false => transaction.rollback().await.unwrap(),
            }
        };
        let (logout, ()) = tokio::join!(logout, end);
        assert!(matches!(logout.status.as_u16(), 204 | 401), "{logout:?}");
        assert!(!app.is_live(&cookie).await, "{commits}");
    }
}

/// As the documentation says: `cut_off` is for this.
async fn a_login_during_the_end_of_all_sessions_is_not_found<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let mut transaction = app.begin().await;
    assert_eq!(transaction.revoke_subject(&FERRIS).await.unwrap(), 0);
    let commit = async {
        tokio::time::sleep(A_MOMENT).await;
        transaction.commit().await.unwrap();
    };
    let (login, ()) = tokio::join!(app.log_in(FERRIS), commit);
    assert!(app.is_live(&login).await);
}

fn kind(error: &anchor::Error) -> Option<StoreErrorKind> {
    match error {
        anchor::Error::Store(error) => Some(error.kind()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serialization_failure_says_to_run_the_transaction_again() {
    let Some(pool) = anchor_tests::databases::postgres().await else { return };
    let app = Application::start(pool).await;
    let cookie = app.log_in(FERRIS).await;
    for level in ["BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN ISOLATION LEVEL SERIALIZABLE"] {
        let begun = app.pool.hand_over(&app.sessions, &app.store, level).await;
        let mut transaction = begun.unwrap();
        sqlx::query("SELECT id FROM users").execute(&mut *transaction).await.unwrap();
        app.post("/visit").cookie(&cookie).send().await.expect(StatusCode::OK);
        let refused = transaction.revoke_subject(&FERRIS).await.unwrap_err();
        assert_eq!(kind(&refused), Some(StoreErrorKind::TransactionConflict), "{refused}");
        assert!(refused.to_string().contains("run the whole transaction again"), "{refused}");
        transaction.commit().await.unwrap_err();
        assert!(app.is_live(&cookie).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_says_to_run_the_transaction_again() {
    let Some(pool) = anchor_tests::databases::mysql().await else { return };
    let app = Application::start(pool).await;
    let (one, two) = (app.log_in(FERRIS).await, app.log_in(8).await);
    let (mut first, mut second) = (app.begin().await, app.begin().await);
    first.revoke(app.id(&one).await).await.unwrap();
    second.revoke(app.id(&two).await).await.unwrap();
    let (two, one) = (app.id(&two).await, app.id(&one).await);
    let (first_answer, second_answer) = tokio::join!(first.revoke(two), second.revoke(one));
    let refused = [first_answer, second_answer].into_iter().find_map(Result::err).unwrap();
    assert_eq!(kind(&refused), Some(StoreErrorKind::TransactionConflict), "{refused}");
    let outcomes = [first.commit().await, second.commit().await];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_on_sqlite_that_becomes_a_write_too_late_says_what_to_do() {
    let app = Application::start(anchor_tests::databases::sqlite().await).await;
    let cookie = app.log_in(FERRIS).await;
    let begun = app.pool.hand_over(&app.sessions, &app.store, "BEGIN").await;
    let mut transaction = begun.unwrap();
    sqlx::query("SELECT id FROM users").fetch_all(&mut *transaction).await.unwrap();
    app.post("/visit").cookie(&cookie).send().await.expect(StatusCode::OK);
    let refused = transaction.revoke_subject(&FERRIS).await.unwrap_err();
    assert_eq!(kind(&refused), Some(StoreErrorKind::TransactionConflict), "{refused}");
    assert!(refused.to_string().contains("sessions.begin(&store)"), "{refused}");
    transaction.commit().await.unwrap_err();
    assert!(app.is_live(&cookie).await);
}
