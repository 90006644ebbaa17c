//! A node whose release cannot decode what another release has written.

use anchor::Error;
use anchor::prelude::*;

use crate::application::{Application, FERRIS};
use crate::engine::{Engine, Transaction, on_every_database};

on_every_database![a_session_that_cannot_be_decoded_is_not_skipped_in_silence];

/// The payload of the application, as an older release knows it.
#[derive(Debug, Clone, SessionData)]
#[session(table = "tx_sessions", cookie = "__Host-tx-old", cut_off, migrations = false)]
struct OldSession {
    #[session(subject)]
    user_id: i64,
    role: OldRole,
    visits: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Column)]
enum OldRole {
    Member,
}

fn is_undecodable(error: &Error) -> bool {
    matches!(error, Error::UndecodableSessions { count: 2 })
}

async fn a_session_that_cannot_be_decoded_is_not_skipped_in_silence<E: Engine>(pool: E) {
    let app = Application::start(pool).await;
    let cookies = [app.log_in(FERRIS).await, app.log_in(FERRIS).await];
    let store = app.pool.store::<OldSession>().await;
    let keys = KeyRing::new([[7; 32]]).unwrap();
    let old = SessionManager::builder(store.clone()).keys(keys).build().unwrap();

    let skipped = old.update_subject(&FERRIS, |user| user.role = OldRole::Member).await;
    let Err(Error::SubjectPartlyUpdated { updated: 0, error }) = &skipped else {
        panic!("{skipped:?}")
    };
    assert!(is_undecodable(error), "{error}");

    let mut transaction: Transaction<E, OldSession> = old.begin(&store).await.unwrap();
    let skipped = transaction.update_subject(&FERRIS, |user| user.visits += 1).await;
    assert!(skipped.as_ref().is_err_and(is_undecodable), "{skipped:?}");
    transaction.commit().await.unwrap_err();
    // They live on the nodes that know them.
    for cookie in &cookies {
        assert!(app.is_live(cookie).await);
    }
    let mut transaction: Transaction<E, OldSession> = old.begin(&store).await.unwrap();
    assert_eq!(transaction.revoke_subject(&FERRIS).await.unwrap(), 2);
    assert_eq!(transaction.update_subject(&FERRIS, |user| user.visits += 1).await.unwrap(), 0);
    transaction.commit().await.unwrap();
    for cookie in &cookies {
        assert!(!app.is_live(cookie).await);
    }
}
