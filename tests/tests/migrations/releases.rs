//! Two releases of an application on one table, each with a pool that has prepared its statements:
//! both go on while the table is migrated.

use std::sync::Arc;
use std::time::Duration;

use anchor::prelude::*;
use anchor::store::{Load, SessionStore};

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
    old.revoke_subject(&7, anchor::store::EndReason::CutOff).await.expect("ended");
    assert!(!is_live::<kept::Life>(&scene.live, 1).await);
    scene.drop(first::Life::schema()).await;
    assert!(!is_live::<first::Life>(&scene.live, 1).await, "it was logged out");
    assert!(is_live::<first::Life>(&scene.live, 2).await);
}
