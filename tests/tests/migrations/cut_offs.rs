//! Cut-offs are a subject's: where another column becomes the subject, none of them is taken for
//! one of another's, and what they refuse stays refused.

use std::sync::Arc;
use std::time::Duration;

use anchor::prelude::*;
use anchor::store::{EndReason, SessionStore};
use tokio::time::Instant;

use crate::scene::{Scene, on_every_database};
use crate::scratch::assert_expected;
use crate::sessions::{is_live, session, store};

mod by_user {
    #[derive(Clone, anchor::SessionData)]
    #[session(table = "sessions", cut_off, migrations = false)]
    pub(super) struct Life {
        #[session(subject)]
        pub(super) user_id: i64,
        pub(super) account_id: i64,
    }
}

mod by_account {
    #[derive(Clone, anchor::SessionData)]
    #[session(table = "sessions", cut_off, migrations = false)]
    pub(super) struct Life {
        pub(super) user_id: i64,
        #[session(subject)]
        pub(super) account_id: i64,
    }
}

mod by_member {
    #[derive(Clone, anchor::SessionData)]
    #[session(table = "sessions", cut_off, migrations = false)]
    pub(super) struct Life {
        #[session(subject, renamed_from = "user_id")]
        pub(super) member_id: i64,
        pub(super) account_id: i64,
    }
}

mod changed_places {
    #[derive(Clone, anchor::SessionData)]
    #[session(table = "sessions", cut_off, migrations = false)]
    pub(super) struct Life {
        #[session(subject, renamed_from = "account_id")]
        pub(super) user_id: i64,
        #[session(renamed_from = "user_id")]
        pub(super) account_id: i64,
    }
}

mod without {
    #[derive(Clone, anchor::SessionData)]
    #[session(table = "sessions", migrations = false)]
    pub(super) struct Life {
        #[session(subject)]
        pub(super) user_id: i64,
        pub(super) account_id: i64,
    }
}

on_every_database! {
    another_column_becomes_the_subject
    the_subject_gets_another_name
    another_column_gets_the_subjects_name
    cut_offs_go_only_where_they_are_given_up
}

/// User 8 of account 7 is logged in (1). User 7 of account 9 began to log in, and was cut off
/// before the session came (2).
async fn before(scene: &Scene) {
    scene.migrate(by_user::Life::schema()).await;
    let old: Arc<dyn SessionStore<by_user::Life>> = store(&scene.live);
    old.create(session(1, by_user::Life { user_id: 8, account_id: 7 })).await.expect("a row");
    let began = Instant::now();
    tokio::time::sleep(Duration::from_millis(5)).await;
    old.cut_off(&7, EndReason::CutOff).await.expect("cut off");
    let mut late = session(2, by_user::Life { user_id: 7, account_id: 9 });
    late.began = Some(began);
    old.create(late).await.expect("a row");
    assert!(is_live::<by_user::Life>(&scene.live, 1).await);
    assert!(!is_live::<by_user::Life>(&scene.live, 2).await);
}

async fn another_column_becomes_the_subject(scene: Scene) {
    before(&scene).await;
    scene.migrate(by_account::Life::schema()).await;
    assert!(is_live::<by_account::Life>(&scene.live, 1).await, "user 7 was cut off, not account 7");
    assert!(!is_live::<by_account::Life>(&scene.live, 2).await, "user 7's late login is refused");
    let new: Arc<dyn SessionStore<by_account::Life>> = store(&scene.live);
    assert_eq!(new.cut_off(&7, EndReason::CutOff).await.expect("cut off"), 1);

    scene.undo().await;
    assert!(!is_live::<by_user::Life>(&scene.live, 1).await, "account 7 was cut off");
    let old: Arc<dyn SessionStore<by_user::Life>> = store(&scene.live);
    old.create(session(3, by_user::Life { user_id: 7, account_id: 1 })).await.expect("a row");
    assert!(is_live::<by_user::Life>(&scene.live, 3).await);
}

async fn the_subject_gets_another_name(scene: Scene) {
    before(&scene).await;
    let file = scene.migrate(by_member::Life::schema()).await;
    assert!(!file.contains("DROP TABLE"), "{file}");
    assert!(is_live::<by_member::Life>(&scene.live, 1).await);
    assert!(!is_live::<by_member::Life>(&scene.live, 2).await, "the cut-off holds on");
    assert_eq!(scene.live.count("sessions_cut_offs").await.expect("it is there"), 1);
}

async fn another_column_gets_the_subjects_name(scene: Scene) {
    before(&scene).await;
    scene.migrate(changed_places::Life::schema()).await;
    assert!(is_live::<changed_places::Life>(&scene.live, 1).await, "account 7 was not cut off");
    assert!(!is_live::<changed_places::Life>(&scene.live, 2).await);
}

async fn cut_offs_go_only_where_they_are_given_up(scene: Scene) {
    before(&scene).await;
    assert_expected("cut_offs_dropped", &scene.refused(without::Life::schema()));
    scene.drop(without::Life::schema()).await;
    assert!(is_live::<without::Life>(&scene.live, 1).await);
    assert!(!is_live::<without::Life>(&scene.live, 2).await);
}
