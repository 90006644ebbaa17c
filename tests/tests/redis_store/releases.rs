//! What a change of the struct means for the sessions that are there.

use std::sync::Arc;
use std::time::Duration;

use anchor::Column;
use anchor::prelude::*;
use anchor::store::{Change, Consumed, Load, Page, SessionStore};
use anchor_tests::{databases, logs};

use super::{UserSession, create, hash, is_live, live, login, user};

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
    let listed = before.list(&"ferris".to_owned(), Page::default()).await.unwrap();
    assert_eq!((listed.len(), listed.undecodable), (0, 1));
}

#[tokio::test]
async fn a_renamed_column_that_was_null_stays_null() {
    #[derive(Debug, Clone, PartialEq, SessionData)]
    #[session(table = "sessions", idle = "2h", absolute = "14d", cut_off, migrations = false)]
    struct Renamed {
        #[session(subject)]
        name: String,
        visits: i64,
        #[session(renamed_from = "note", default = "'none'")]
        remark: Option<String>,
    }
    let Some(server) = databases::redis().await else { return };
    let before = server.store::<UserSession>().await;
    let after = server.store::<Renamed>().await;
    for note in [None, Some("grüße".to_owned()), Some(String::new())] {
        let id = create(&before, UserSession { note: note.clone(), ..user("ferris") }).await;
        assert_eq!(live(&after, id).await.record.data.remark, note);
        // One that is older than the column.
        let key = server.key(super::TABLE, id, &format!("session:{id}"));
        server.run::<i64>(&["HDEL", &key, "note"]).await;
        assert_eq!(live(&after, id).await.record.data.remark.as_deref(), Some("none"));
    }
}

#[tokio::test]
async fn a_payload_that_has_no_subject_any_more_reads_the_sessions_that_have_one() {
    #[derive(Debug, Clone, SessionData)]
    #[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
    struct Anonymous {
        visits: i64,
    }
    let Some(server) = databases::redis().await else { return };
    let before = server.store::<UserSession>().await;
    let after = server.store::<Anonymous>().await;
    let id = create(&before, user("ferris")).await;
    assert_eq!(live(&after, id).await.record.data.visits, 41);
    // Nobody could end it as one of its subject's any more.
    let index = server.key(super::TABLE, id, "index");
    server.run::<i64>(&["ZREM", &index, &id.to_string()]).await;
    assert!(matches!(after.load(id).await, Ok(Load::Ended)));
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

/// A release with a column that no earlier session has.
#[derive(Debug, Clone, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
struct Ending {
    #[session(subject)]
    name: String,
    #[session(on_change = "end_sessions")]
    tenant: i64,
}

#[tokio::test]
async fn a_column_that_ends_sessions_on_change_ends_them_without_a_warning() {
    let Some(server) = databases::redis().await else { return };
    let id = create(&server.store::<UserSession>().await, user("ferris")).await;
    let after = server.store::<Ending>().await;
    assert!(matches!(after.load(id).await, Ok(Load::Ended)));
    let verified = after.verify().await.unwrap();
    assert!(!verified.warnings.iter().any(|warning| warning.contains("tenant")), "{verified:?}");
}

/// The release before names are swapped.
#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
struct Before {
    #[session(subject)]
    name: String,
    is_admin: bool,
    is_verified: bool,
}

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
struct Swapped {
    #[session(subject)]
    name: String,
    #[session(renamed_from = "is_verified")]
    is_admin: bool,
    #[session(renamed_from = "is_admin")]
    is_verified: bool,
}

#[tokio::test]
async fn no_release_reads_a_column_as_the_one_that_it_swapped_names_with() {
    let Some(server) = databases::redis().await else { return };
    let before = server.store::<Before>().await;
    let after = server.store::<Swapped>().await;
    let name = "ferris".to_owned();
    let old = create(&before, Before { name, is_admin: false, is_verified: true }).await;
    let name = "ferris".to_owned();
    let new = create(&after, Swapped { name, is_admin: true, is_verified: false }).await;
    let Ok(Load::Undecodable(error)) = after.load(old).await else { panic!("it is verified") };
    assert_eq!(error.column(), "is_admin");
    let Ok(Load::Undecodable(error)) = before.load(new).await else { panic!("it is an admin's") };
    assert!(error.to_string().contains("keep each `renamed_from`"), "{error}");
    assert!(live(&before, old).await.record.data.is_verified);

    // One of them is changed, and the other one stays as it is.
    let loaded = live(&after, new).await;
    let data = Swapped::clone(&loaded.record.data);
    let to = Swapped { is_verified: true, ..data };
    let change = Change {
        id: new,
        secret: loaded.secrets.current,
        version: 1,
        from: Arc::clone(&loaded.record.data),
        to: Arc::new(to.clone()),
        idle: Duration::from_secs(60),
    };
    after.update(change).await.unwrap();
    assert_eq!(*live(&after, new).await.record.data, to);
}

#[tokio::test]
async fn no_release_reads_a_variant_as_the_one_that_it_swapped_names_with() {
    #[derive(Debug, Clone, Copy, PartialEq, Column)]
    enum Plan {
        Gold,
        Silver,
    }
    #[derive(Debug, Clone, Copy, PartialEq, Column)]
    enum SwappedPlan {
        #[column(renamed_from = "silver")]
        Gold,
        #[column(renamed_from = "gold")]
        Silver,
    }
    #[derive(Debug, Clone, SessionData)]
    #[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
    struct WithPlan {
        #[session(subject)]
        name: String,
        plan: Plan,
    }
    #[derive(Debug, Clone, SessionData)]
    #[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
    struct WithSwappedPlan {
        #[session(subject)]
        name: String,
        plan: SwappedPlan,
    }
    let Some(server) = databases::redis().await else { return };
    let before = server.store::<WithPlan>().await;
    let after = server.store::<WithSwappedPlan>().await;
    for (plan, swapped) in [(Plan::Gold, SwappedPlan::Gold), (Plan::Silver, SwappedPlan::Silver)] {
        let old = create(&before, WithPlan { name: "ferris".into(), plan }).await;
        assert!(matches!(after.load(old).await, Ok(Load::Undecodable(_))));
        let new = WithSwappedPlan { name: "ferris".into(), plan: swapped };
        let new = create(&after, new).await;
        assert_eq!(live(&after, new).await.record.data.plan, swapped);
        assert!(matches!(before.load(new).await, Ok(Load::Undecodable(_))));
    }
}

#[tokio::test]
async fn a_variant_that_was_renamed_among_others_is_read_by_its_new_name() {
    #[derive(Debug, Clone, Copy, PartialEq, Column)]
    enum Plan {
        Gold,
        Silver,
        Free,
    }
    #[derive(Debug, Clone, Copy, PartialEq, Column)]
    enum RenamedPlan {
        #[column(renamed_from = "gold")]
        Team,
        #[column(renamed_from = "silver")]
        Single,
        Free,
    }
    #[derive(Debug, Clone, SessionData)]
    #[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
    struct WithPlan {
        #[session(subject)]
        name: String,
        plan: Plan,
    }
    #[derive(Debug, Clone, SessionData)]
    #[session(table = "sessions", idle = "2h", absolute = "14d", migrations = false)]
    struct WithRenamedPlan {
        #[session(subject)]
        name: String,
        plan: RenamedPlan,
    }
    let Some(server) = databases::redis().await else { return };
    let before = server.store::<WithPlan>().await;
    let after = server.store::<WithRenamedPlan>().await;
    for (plan, renamed) in [
        (Plan::Gold, RenamedPlan::Team),
        (Plan::Silver, RenamedPlan::Single),
        (Plan::Free, RenamedPlan::Free),
    ] {
        let id = create(&before, WithPlan { name: "ferris".into(), plan }).await;
        assert_eq!(live(&after, id).await.record.data.plan, renamed);
    }
}

/// It has ended, and the log says why nobody has got its payload, unless that was declared.
#[tokio::test]
async fn a_session_that_cannot_be_decoded_is_consumed_without_a_payload() {
    let Some(server) = databases::redis().await else { return };
    let before = server.store::<UserSession>().await;
    let (after, ending) = (server.store::<NextSession>().await, server.store::<Ending>().await);
    for is_declared in [false, true] {
        let new = login(&before, user("ferris"));
        before.create(new.clone()).await.unwrap();
        let key = server.key(super::TABLE, new.id, &format!("session:{}", new.id));
        server.run::<i64>(&["HSET", &key, "level", "many"]).await;
        let (is_gone, logged) = if is_declared {
            let (consumed, logged) = logs::logged(ending.consume(new.id, new.secret)).await;
            (matches!(consumed.unwrap(), Consumed::Gone), logged)
        } else {
            let (consumed, logged) = logs::logged(after.consume(new.id, new.secret)).await;
            (matches!(consumed.unwrap(), Consumed::Gone), logged)
        };
        assert!(is_gone, "{is_declared}");
        assert_eq!(logged.contains(&new.id.to_string()), !is_declared, "{logged}");
        assert!(!is_live(&before, new.id).await);
    }
}
