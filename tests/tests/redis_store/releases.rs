//! What a change of the struct means for the sessions that are there.

use std::sync::Arc;
use std::time::Duration;

use anchor::prelude::*;
use anchor::store::{Change, Load, SessionStore};
use anchor_tests::databases;

use super::{UserSession, create, hash, live, user};

/// The next release of [`UserSession`].
#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d", cut_off, migrations = false)]
struct NextSession {
    #[session(subject)]
    name: String,
    #[session(renamed_from = "visits")]
    views: i64,
    note: Option<String>,
    #[session(default = "'light'")]
    theme: Option<String>,
    #[session(default = "3")]
    level: i16,
}

#[tokio::test]
async fn a_session_of_an_earlier_release_is_read_as_a_migration_would_make_it() {
    let Some(server) = databases::redis().await else { return };
    let before = server.store::<UserSession>().await;
    let after = server.store::<NextSession>().await;
    let id = create(&before, user("ferris")).await;
    let loaded = live(&after, id).await;
    let data = NextSession {
        name: "ferris".into(),
        views: 41,
        note: None,
        theme: Some("light".into()),
        level: 3,
    };
    assert_eq!(*loaded.record.data, data);
    // From now on NULL is NULL, and not the default; and the old name is not read any more.
    let to = NextSession { views: 42, theme: None, ..data.clone() };
    let change = Change {
        id,
        secret: loaded.secrets.current,
        version: 1,
        from: Arc::clone(&loaded.record.data),
        to: Arc::new(to.clone()),
        idle: Duration::from_secs(60),
    };
    after.update(change).await.unwrap();
    assert_eq!(*live(&after, id).await.record.data, to);
    assert!(!hash(&server, id).await.contains_key("visits"));
    // The earlier release cannot read it, and says so.
    assert!(matches!(before.load(id).await, Ok(Load::Undecodable(_))));
}

#[tokio::test]
async fn a_session_that_was_begun_with_another_subject_has_ended() {
    #[derive(Debug, Clone, SessionData)]
    #[session(table = "sessions", idle = "2h", absolute = "14d", cut_off, migrations = false)]
    struct ByVisits {
        name: String,
        #[session(subject)]
        visits: i64,
    }
    let Some(server) = databases::redis().await else { return };
    let id = create(&server.store::<UserSession>().await, user("ferris")).await;
    let after = server.store::<ByVisits>().await;
    // The end of all sessions of subject 41 would not find it.
    let Ok(Load::Undecodable(error)) = after.load(id).await else { panic!("nobody can end it") };
    assert_eq!(error.column(), "visits");
}

#[tokio::test]
async fn a_column_that_ends_sessions_on_change_ends_them_without_a_warning() {
    #[derive(Debug, Clone, SessionData)]
    #[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
    struct Ending {
        #[session(subject)]
        name: String,
        #[session(on_change = "end_sessions")]
        tenant: i64,
    }
    let Some(server) = databases::redis().await else { return };
    let id = create(&server.store::<UserSession>().await, user("ferris")).await;
    let after = server.store::<Ending>().await;
    assert!(matches!(after.load(id).await, Ok(Load::Ended)));
    let verified = after.verify().await.unwrap();
    assert!(!verified.warnings.iter().any(|warning| warning.contains("tenant")), "{verified:?}");
}
