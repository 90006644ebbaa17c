//! A connection that is cut at any moment of a login: no session without a cookie that lives past
//! its idle time, and none twice.

use std::collections::HashMap;
use std::time::Duration;

use anchor::SessionId;
use anchor::store::{Page, Record};
use anchor_tests::{Backend, Loss};
use http::StatusCode;

use crate::application::{LoggedIn, TABLE, UserSession, log_in, logged_in, me};
use crate::lost_answers::{BOUND, Behind, Cut, at_every_cut};

on_every_server![
    a_login_whose_connection_is_cut_anywhere_leaves_at_most_one_session_that_expires,
    a_login_over_a_session_that_is_cut_anywhere_leaves_at_most_one_session;
    // A client of a cluster repeats a call by itself until there is nobody to ask.
    not_in_a_cluster: a_handler_that_logs_in_again_after_an_error_is_found_by_the_same_cuts,
];

const IDLE: Duration = Duration::from_secs(4);

const CUTS: [Loss; 2] = [Loss::OneConnection, Loss::EveryConnection];

impl Behind {
    async fn sessions_of(&self, name: &str) -> Vec<Record<UserSession>> {
        let page = Page::default();
        self.direct.list(&name.to_owned(), page).await.unwrap().into_iter().collect()
    }

    /// Logs in while the connection is cut. Returns the session, if the user has learned of it, and
    /// whether there was a cut.
    async fn log_in_at(&self, path: &str, cookie: &str, cut: Cut) -> (Option<LoggedIn>, bool) {
        self.lose(cut).await;
        let answer = self.post(path).cookie(cookie).send().await;
        let was_cut = self.heal();
        match logged_in(answer) {
            Ok(session) => (Some(session), was_cut),
            Err(answer) => {
                assert!(was_cut, "{cut:?}: {answer:?}");
                assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{cut:?}");
                assert!(answer.set_cookies().is_empty(), "{cut:?}: {answer:?}");
                (None, true)
            }
        }
    }
}

/// When the row of a session says that it expires, after its creation. Redis also removes the key
/// by itself.
async fn assert_expires(backend: &Backend, session: &Record<UserSession>) {
    let lifetime = session.expires_at.saturating_since(session.created_at);
    assert!(lifetime <= IDLE, "{lifetime:?}");
    assert_eq!(session.last_seen_at, session.created_at);
    if let Backend::Redis(server) = backend {
        let key = server.key(TABLE, session.id, &format!("session:{}", session.id));
        let left: i64 = server.run(&["PTTL", &key]).await;
        assert!(left > 0 && left <= IDLE.as_millis() as i64 + 1, "{left} ms");
    }
}

async fn a_login_whose_connection_is_cut_anywhere_leaves_at_most_one_session_that_expires(
    backend: Backend,
) {
    let behind = Behind::start(&backend, 1, |sessions| sessions.idle(IDLE)).await;
    let mut orphans: HashMap<String, SessionId> = HashMap::new();
    let mut number = 0;
    at_every_cut(&CUTS, async |cut| {
        number += 1;
        let name = format!("ferris{number}");
        let path = format!("/login/{name}");
        let (answered, was_cut) = behind.log_in_at(&path, "", cut).await;
        let left = behind.sessions_of(&name).await;
        match answered {
            Some(session) => {
                assert_eq!(left.len(), 1, "{cut:?}: {left:?}");
                assert_eq!(me(&behind, &session).await, StatusCode::OK);
            }
            None => {
                assert!(left.len() <= 1, "{cut:?}: {left:?}");
                for orphan in left {
                    assert_expires(&backend, &orphan).await;
                    orphans.insert(name.clone(), orphan.id);
                }
                // The next login works, and is another session.
                let again = log_in(&behind, &name).await;
                assert_ne!(orphans.get(&name), Some(&again.id));
                assert_eq!(me(&behind, &again).await, StatusCode::OK);
            }
        }
        was_cut
    })
    .await;
    assert!(!orphans.is_empty(), "no answer was lost after the row was written");
    tokio::time::sleep(IDLE).await;
    for (name, orphan) in orphans {
        assert!(!behind.is_live(orphan).await, "{name}");
    }
}

/// The login is a transaction, which also ends the session that the request presents.
async fn a_login_over_a_session_that_is_cut_anywhere_leaves_at_most_one_session(backend: Backend) {
    let behind = Behind::start(&backend, 1, |sessions| sessions).await;
    let mut number = 0;
    at_every_cut(&CUTS, async |cut| {
        number += 1;
        let name = format!("corro{number}");
        let path = format!("/login/{name}");
        let old = log_in(&behind, &name).await;
        let (answered, was_cut) = behind.log_in_at(&path, &old.cookie, cut).await;
        let old_lives = behind.is_live(old.id).await;
        let left = behind.sessions_of(&name).await.len() - usize::from(old_lives);
        match answered {
            Some(new) => {
                assert!(!old_lives, "{cut:?}: the session that was replaced lives");
                assert_eq!(left, 1, "{cut:?}");
                assert_eq!(me(&behind, &new).await, StatusCode::OK);
            }
            None => {
                // Both or neither.
                assert!(left <= 1, "{cut:?}");
                assert_eq!(old_lives, left == 0, "{cut:?}: half of the login has happened");
                let new = behind.post(&path).cookie(&old.cookie).send().await;
                assert_eq!(me(&behind, &logged_in(new).unwrap()).await, StatusCode::OK);
                assert!(!behind.is_live(old.id).await, "{cut:?}");
            }
        }
        was_cut
    })
    .await;
}

async fn a_handler_that_logs_in_again_after_an_error_is_found_by_the_same_cuts(backend: Backend) {
    let behind = Behind::start(&backend, 1, |sessions| sessions.store_timeout(BOUND)).await;
    let (mut number, mut twice) = (0, 0);
    let loss = match backend {
        // It repeats a call by itself if the connection is cut, and the repeated one does nothing.
        Backend::Redis(_) => Loss::OneHangs,
        _ => Loss::OneConnection,
    };
    at_every_cut(&[loss], async |cut| {
        number += 1;
        let name = format!("hopper{number}");
        let (_, was_cut) = behind.log_in_at(&format!("/impatient-login/{name}"), "", cut).await;
        twice += usize::from(behind.sessions_of(&name).await.len() > 1);
        was_cut
    })
    .await;
    assert!(twice > 0, "no login happened twice");
}
