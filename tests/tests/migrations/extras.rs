//! What a struct asks for besides its columns comes and goes by migrations, and sessions live
//! through it as the contract says.

use std::sync::Arc;
use std::time::Duration;

use anchor::migrate::{self, Migrations};
use anchor::prelude::*;
use anchor::store::EndReason;
use anchor_tests::Backend;
use tokio::time::Instant;

use crate::live::Live;
use crate::sessions::{is_live, session, store, verify};

mod plain {
    #[derive(Clone, anchor::SessionData)]
    #[session(table = "lives", migrations = false)]
    pub(super) struct Life {
        #[session(subject)]
        pub(super) name: String,
    }
}

mod full {
    #[derive(Clone, anchor::SessionData)]
    #[session(table = "lives", cut_off, keep_ended = "30d", track, fingerprint, migrations = false)]
    pub(super) struct Life {
        #[session(subject)]
        pub(super) name: String,
    }
}

#[tokio::test]
async fn extras_come_and_go_on_sqlite() {
    come_and_go(Backend::sqlite().await).await;
}

#[tokio::test]
async fn extras_come_and_go_on_postgres() {
    come_and_go(Backend::postgres().await).await;
}

#[tokio::test]
async fn extras_come_and_go_on_mysql() {
    come_and_go(Backend::mysql().await).await;
}

async fn come_and_go(backend: Option<Backend>) {
    let live = match backend {
        Some(Backend::Postgres(pool)) => Live::Postgres(pool),
        Some(Backend::MySql(pool)) => Live::MySql(pool),
        Some(Backend::Sqlite(pool)) => Live::Sqlite(pool),
        _ => return,
    };
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let migrations =
        Migrations::in_folder(folder).dialect(live.dialect()).allow_drops().allow_downtime();
    let ferris = || "ferris".to_owned();

    // The first release, with a session.
    migrate::write(plain::Life::schema(), &migrations).expect("the first migration");
    live.run(folder).await.expect("it is applied");
    verify::<plain::Life>(&live).await;
    let new = session(1, plain::Life { name: ferris() });
    store(&live).create(new).await.expect("a session");

    // The second asks for everything; the session lives on.
    migrate::write(full::Life::schema(), &migrations).expect("the second migration");
    live.run(folder).await.expect("it is applied");
    verify::<full::Life>(&live).await;
    assert!(is_live::<full::Life>(&live, 1).await);
    // The release before it goes on meanwhile.
    let new = session(2, plain::Life { name: "corro".to_owned() });
    store(&live).create(new).await.expect("a session");
    assert!(is_live::<full::Life>(&live, 2).await);

    // A login began, the subject is cut off, and only then its session is created.
    let began = Instant::now();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let full: Arc<dyn SessionStore<full::Life>> = store(&live);
    assert_eq!(full.cut_off(&ferris(), EndReason::CutOff).await.expect("cut off"), 1);
    let mut late = session(3, full::Life { name: ferris() });
    late.began = Some(began);
    full.create(late).await.expect("a row");
    assert!(!is_live::<full::Life>(&live, 3).await);

    // The third asks for nothing again: what was ended stays ended though nobody remembers the
    // cut-off.
    migrate::write(plain::Life::schema(), &migrations).expect("the third migration");
    live.run(folder).await.expect("it is applied");
    verify::<plain::Life>(&live).await;
    assert!(!is_live::<plain::Life>(&live, 1).await, "cut off");
    assert!(!is_live::<plain::Life>(&live, 3).await, "dead on arrival");
    assert!(is_live::<plain::Life>(&live, 2).await, "another subject");

    // And back again, step by step.
    live.undo(folder, 0).await.expect("everything is taken back");
    assert!(live.count("lives").await.is_err(), "no table is left");
    assert!(live.count("lives_cut_offs").await.is_err(), "nor its companion");
}
