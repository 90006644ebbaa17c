//! What a commit makes true, and nothing before it.

use std::sync::{Arc, Mutex};

use anchor::manager::Event;
use anchor::prelude::*;
use anchor::store::{Load, SessionStore};
use anchor_tests::http::Answer;
use http::StatusCode;
use tokio::time::timeout;

use crate::application::{Application, FERRIS, Role, UserSession, set_password};
use crate::engine::{A_MOMENT, Engine, Transaction, on_every_database};

on_every_database![
    a_password_and_the_end_of_all_sessions_are_committed_together,
    each_verb_takes_effect_at_the_commit,
    a_change_of_all_sessions_is_committed,
    an_event_of_a_commit_has_the_version_that_is_stored,
    who_waits_for_the_end_of_a_session_is_woken_by_the_commit,
    a_commit_empties_the_cache,
    a_commit_continues_without_its_caller,
    an_application_may_begin_the_transaction_itself,
    a_transaction_without_a_verb_is_committed,
];

async fn a_password_and_the_end_of_all_sessions_are_committed_together<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let cookies = [app.log_in(FERRIS).await, app.log_in(FERRIS).await];
    let other = app.log_in(8).await;
    app.events();
    let mut transaction = app.begin().await;
    set_password::<E>(&mut transaction).await;
    assert_eq!(transaction.revoke_subject(&FERRIS).await.unwrap(), 2);
    for cookie in &cookies {
        assert!(app.is_live(cookie).await, "before the commit");
    }
    assert_eq!((app.password().await, app.events()), (1, vec![]));
    transaction.commit().await.unwrap();
    for cookie in &cookies {
        assert!(!app.is_live(cookie).await, "after the commit");
    }
    assert_eq!((app.password().await, app.events()), (2, vec!["Subject 2 revoked".to_owned()]));
    assert!(app.is_live(&other).await);
}

async fn each_verb_takes_effect_at_the_commit<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let (kept, ended) = (app.log_in(FERRIS).await, app.log_in(FERRIS).await);
    app.events();
    let mut transaction = app.begin().await;
    assert!(transaction.revoke(app.id(&ended).await).await.unwrap());
    assert!(!transaction.revoke(app.id(&ended).await).await.unwrap());
    transaction.commit().await.unwrap();
    assert_eq!((app.is_live(&kept).await, app.is_live(&ended).await), (true, false));
    assert_eq!(app.events(), ["One 1 revoked", "One 0 revoked"]);

    let ended = app.log_in(FERRIS).await;
    app.events();
    let mut transaction = app.begin().await;
    let keep = app.id(&kept).await;
    assert_eq!(transaction.revoke_others(&FERRIS, keep).await.unwrap(), 1);
    transaction.commit().await.unwrap();
    assert_eq!((app.is_live(&kept).await, app.is_live(&ended).await), (true, false));
    assert_eq!(app.events(), ["Others 1 revoked"]);

    let mut transaction = app.begin().await;
    assert_eq!(transaction.cut_off(&FERRIS).await.unwrap(), 1);
    assert!(app.is_live(&kept).await);
    transaction.commit().await.unwrap();
    assert!(!app.is_live(&kept).await);
    assert_eq!(app.events(), ["Subject 1 cut_off"]);
}

async fn a_change_of_all_sessions_is_committed<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let cookies = [app.log_in(FERRIS).await, app.log_in(FERRIS).await];
    let other = app.log_in(8).await;
    app.post("/visit").cookie(&cookies[0]).send().await.expect(StatusCode::OK);
    app.events();
    let mut transaction = app.begin().await;
    let demoted = transaction.update_subject(&FERRIS, |user| user.role = Role::Member).await;
    assert_eq!(demoted.unwrap(), 2);
    let again = transaction.update_subject(&FERRIS, |user| user.role = Role::Member).await;
    assert_eq!(again.unwrap(), 0, "the transaction sees what it has written");
    let me = async |cookie| app.me(cookie).await.expect(StatusCode::OK);
    assert_eq!(me(&cookies[0]).await.text(), "Admin 1");
    assert_eq!(app.events(), [""; 0]);
    transaction.commit().await.unwrap();
    assert_eq!(me(&cookies[0]).await.text(), "Member 1");
    assert_eq!(me(&cookies[1]).await.text(), "Member 0");
    assert_eq!(me(&other).await.text(), "Admin 0");
    assert_eq!(app.events(), ["updated Member", "updated Member"]);
    // Its version has grown, so the next change by compare-and-set starts from it.
    app.post("/visit").cookie(&cookies[0]).send().await.expect(StatusCode::OK);
    assert_eq!(me(&cookies[0]).await.text(), "Member 2");
}

async fn an_event_of_a_commit_has_the_version_that_is_stored<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let cookie = app.log_in(FERRIS).await;
    app.post("/visit").cookie(&cookie).send().await.expect(StatusCode::OK);
    let versions = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&versions);
    let sessions = SessionManager::builder(app.store.clone())
        .keys(KeyRing::new([[7; 32]]).unwrap())
        .on_event(move |event| {
            if let Event::Updated { session } = event {
                told.lock().unwrap().push(session.version);
            }
        })
        .build()
        .unwrap();
    let mut transaction: Transaction<E, UserSession> = sessions.begin(&app.store).await.unwrap();
    transaction.update_subject(&FERRIS, |user| user.role = Role::Member).await.unwrap();
    transaction.commit().await.unwrap();
    let Load::Live(stored) = app.store.load(app.id(&cookie).await).await.unwrap() else {
        panic!("it is live")
    };
    assert_eq!(*versions.lock().unwrap(), [stored.record.version]);
}

async fn who_waits_for_the_end_of_a_session_is_woken_by_the_commit<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let cookie = app.log_in(FERRIS).await;
    let waiting = app.get("/wait").cookie(&cookie).send();
    let ending = async {
        tokio::time::sleep(A_MOMENT).await;
        let mut transaction = app.begin().await;
        transaction.revoke_subject(&FERRIS).await.unwrap();
        transaction.rollback().await.unwrap();
        let mut transaction = app.begin().await;
        transaction.revoke_subject(&FERRIS).await.unwrap();
        transaction.commit().await.unwrap();
    };
    // Without a wake, the next look would be in an hour.
    let both = async { tokio::join!(waiting, ending) };
    let (waited, ()): (Answer, ()) = timeout(10 * 10 * A_MOMENT, both).await.expect("woken");
    assert!(waited.status == StatusCode::OK, "{waited:?}");
}

async fn a_commit_empties_the_cache<E: Engine>(pool: E) {
    let hour = std::time::Duration::from_secs(60);
    let app = Application::configured(pool, |sessions| sessions.cache(hour)).await;
    for _ in 0..3 {
        let cookie = app.log_in(FERRIS).await;
        for _ in 0..3 {
            assert!(app.is_live(&cookie).await);
        }
        let mut transaction = app.begin().await;
        transaction.revoke_subject(&FERRIS).await.unwrap();
        // Loaded again between the statement and the commit.
        for _ in 0..3 {
            assert!(app.is_live(&cookie).await);
        }
        transaction.commit().await.unwrap();
        assert!(!app.is_live(&cookie).await);
    }
    let cookie = app.log_in(FERRIS).await;
    assert!(app.is_live(&cookie).await);
    let mut transaction = app.begin().await;
    transaction.update_subject(&FERRIS, |user| user.role = Role::Member).await.unwrap();
    assert_eq!(app.me(&cookie).await.text(), "Admin 0");
    transaction.commit().await.unwrap();
    assert_eq!(app.me(&cookie).await.text(), "Member 0");
}

async fn a_commit_continues_without_its_caller<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let cookie = app.log_in(FERRIS).await;
    app.events();
    let mut transaction = app.begin().await;
    set_password::<E>(&mut transaction).await;
    transaction.revoke_subject(&FERRIS).await.unwrap();
    // Polled once.
    let _ = timeout(std::time::Duration::ZERO, transaction.commit()).await;
    app.sessions.shutdown().await;
    assert!(!app.is_live(&cookie).await);
    assert_eq!((app.password().await, app.events()), (2, vec!["Subject 1 revoked".to_owned()]));
}

async fn an_application_may_begin_the_transaction_itself<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let cookie = app.log_in(FERRIS).await;
    let begun = app.pool.hand_over(&app.sessions, &app.store, "BEGIN").await;
    let mut transaction = begun.unwrap();
    set_password::<E>(&mut transaction).await;
    assert_eq!(transaction.revoke_subject(&FERRIS).await.unwrap(), 1);
    transaction.commit().await.unwrap();
    assert_eq!((app.password().await, app.is_live(&cookie).await), (2, false));
}

async fn a_transaction_without_a_verb_is_committed<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let mut transaction = app.begin().await;
    set_password::<E>(&mut transaction).await;
    transaction.commit().await.unwrap();
    assert_eq!(app.password().await, 2);
}
