//! Two releases of an application on one table, each with a pool that has prepared its statements:
//! both go on while the table is migrated.

use std::sync::Arc;
use std::time::Duration;

use anchor::prelude::*;
use anchor::{Load, SessionStore};

use crate::live::Live;
use crate::scene::{Scene, on_every_database};
use crate::sessions::{id, is_live, session, store};

mod first {
    #[derive(Clone, Debug, anchor::SessionData)]
    #[session(table = "sessions", migrations = false)]
    pub(super) struct Life {
        #[session(subject)]
        pub(super) user_id: i64,
        pub(super) visits: i32,
    }
}

mod second {
    #[derive(Clone, Debug, anchor::SessionData)]
    #[session(table = "sessions", migrations = false)]
    pub(super) struct Life {
        #[session(subject)]
        pub(super) user_id: i64,
        pub(super) visits: i64,
        pub(super) theme: Option<String>,
    }
}

on_every_database! {
    a_column_gets_wider_under_warm_pools
    what_ended_stays_ended_when_it_is_kept_no_more
    both_releases_log_in_and_out_before_between_and_after
}

/// Loads by as many connections as the pool has, several times.
async fn every_connection_loads<T: SessionData>(live: &Live, number: u128) -> Vec<T> {
    let store = store::<T>(live);
    let mut loaded = Vec::new();
    for _ in 0..3 {
        let requests = (0..8).map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.load(id(number)).await })
        });
        for request in requests.collect::<Vec<_>>() {
            match request.await.expect("no panic").expect("the store answers") {
                Load::Live(found) => loaded.push(T::clone(&found.record.data)),
                _ => panic!("the session is live"),
            }
        }
    }
    loaded
}

async fn a_column_gets_wider_under_warm_pools(scene: Scene) {
    scene.migrate(first::Life::schema()).await;
    let old: Arc<dyn SessionStore<first::Life>> = store(&scene.live);
    old.create(session(1, first::Life { user_id: 7, visits: 41 })).await.expect("a row");
    every_connection_loads::<first::Life>(&scene.live, 1).await;

    scene.migrate(second::Life::schema()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    for life in every_connection_loads::<first::Life>(&scene.live, 1).await {
        assert_eq!((life.user_id, life.visits), (7, 41));
    }
    for life in every_connection_loads::<second::Life>(&scene.live, 1).await {
        assert_eq!((life.visits, life.theme), (41, None));
    }
    // The release before logs in, and the new one reads it; and the other way.
    old.create(session(2, first::Life { user_id: 8, visits: 1 })).await.expect("a row");
    every_connection_loads::<second::Life>(&scene.live, 2).await;
    let new: Arc<dyn SessionStore<second::Life>> = store(&scene.live);
    let life = second::Life { user_id: 9, visits: 2, theme: Some("dark".to_owned()) };
    new.create(session(3, life)).await.expect("a row");
    every_connection_loads::<first::Life>(&scene.live, 3).await;

    // And back under them.
    scene.undo().await;
    for life in every_connection_loads::<first::Life>(&scene.live, 1).await {
        assert_eq!(life.visits, 41);
    }
}

mod kept {
    #[derive(Clone, Debug, anchor::SessionData)]
    #[session(table = "sessions", keep_ended = "30d", migrations = false)]
    pub(super) struct Life {
        #[session(subject)]
        pub(super) user_id: i64,
        pub(super) visits: i32,
    }
}

async fn what_ended_stays_ended_when_it_is_kept_no_more(scene: Scene) {
    scene.migrate(kept::Life::schema()).await;
    let old: Arc<dyn SessionStore<kept::Life>> = store(&scene.live);
    old.create(session(1, kept::Life { user_id: 7, visits: 1 })).await.expect("a row");
    old.create(session(2, kept::Life { user_id: 8, visits: 1 })).await.expect("a row");
    old.revoke_subject(&7, anchor::EndReason::CutOff).await.expect("ended");
    assert!(!is_live::<kept::Life>(&scene.live, 1).await);
    scene.drop(first::Life::schema()).await;
    assert!(!is_live::<first::Life>(&scene.live, 1).await, "it was logged out");
    assert!(is_live::<first::Life>(&scene.live, 2).await);
}

mod narrow {
    #[derive(Clone, Debug, PartialEq, anchor::Column)]
    pub(super) enum Role {
        Member,
        Admin,
    }

    #[derive(Clone, Debug, anchor::SessionData)]
    #[session(table = "sessions", migrations = false)]
    pub(super) struct Life {
        #[session(subject)]
        pub(super) user_id: i64,
        #[session(role)]
        pub(super) role: Role,
        pub(super) theme: String,
    }
}

mod wide {
    #[derive(Clone, Debug, PartialEq, anchor::Column)]
    pub(super) enum Role {
        Member,
        Admin,
        Guest,
    }

    #[derive(Clone, Debug, anchor::SessionData)]
    #[session(table = "sessions", track, migrations = false)]
    pub(super) struct Life {
        #[session(subject)]
        pub(super) user_id: i64,
        #[session(role)]
        pub(super) role: Role,
        #[session(index)]
        pub(super) theme: Option<String>,
        #[session(default = "'en'")]
        pub(super) locale: String,
    }
}

/// Logs in, loads, updates, lists nothing of another, and logs out.
async fn goes_on<T: SessionData>(scene: &Scene, number: u128, data: T, changed: T) {
    let store = store::<T>(&scene.live);
    store.create(session(number, data)).await.expect("a login");
    let Load::Live(loaded) = store.load(id(number)).await.expect("an answer") else {
        panic!("it is live");
    };
    let change = anchor::Change {
        id: id(number),
        secret: loaded.secrets.current,
        version: loaded.record.version,
        from: Arc::clone(&loaded.record.data),
        to: Arc::new(changed),
        idle: T::IDLE,
    };
    let updated = store.update(change).await.expect("an answer");
    assert!(matches!(updated, anchor::Updated::Written { .. }), "{updated:?}");
    assert!(is_live::<T>(&scene.live, number).await);
    store.revoke(id(number), None, anchor::EndReason::Logout).await.expect("a logout");
    assert!(!is_live::<T>(&scene.live, number).await);
}

async fn both_releases_log_in_and_out_before_between_and_after(scene: Scene) {
    let old = |theme: &str| narrow::Life {
        user_id: 7,
        role: narrow::Role::Admin,
        theme: theme.to_owned(),
    };
    let new = |theme: &str| wide::Life {
        user_id: 8,
        role: wide::Role::Admin,
        theme: Some(theme.to_owned()),
        locale: "de".to_owned(),
    };
    scene.migrate(narrow::Life::schema()).await;
    goes_on(&scene, 1, old("a"), old("b")).await;
    store(&scene.live).create(session(2, old("kept"))).await.expect("a login");

    scene.migrate(wide::Life::schema()).await;
    goes_on(&scene, 3, old("a"), old("b")).await;
    goes_on(&scene, 4, new("a"), new("b")).await;
    assert!(is_live::<wide::Life>(&scene.live, 2).await);
    assert!(is_live::<narrow::Life>(&scene.live, 2).await);
    // What only the new release knows, ends for the old one, and only there.
    let guest = wide::Life { role: wide::Role::Guest, theme: None, ..new("") };
    store(&scene.live).create(session(5, guest)).await.expect("a login");
    assert!(is_live::<wide::Life>(&scene.live, 5).await);
    assert!(!is_live::<narrow::Life>(&scene.live, 5).await);

    scene.undo().await;
    goes_on(&scene, 6, old("a"), old("b")).await;
    assert!(is_live::<narrow::Life>(&scene.live, 2).await);
    assert_eq!(scene.values("theme").await, ["kept"], "a guest has no place in the old table");
}
