//! `test_session`: what a test's session is when it begins.

use std::net::IpAddr;
use std::time::Duration;

use anchor::manager::FingerprintMismatch;
use anchor::prelude::*;
use anchor::testing::TestSession;
use anchor_tests::Backend;
use axum::body::Body;
use http::{Request, StatusCode};
use tower::ServiceExt;

use crate::application::{AdminSession, DAY, HOUR, UserSession, app, builder, in_memory};

on_every_store![
    a_tests_session_is_that_of_a_login,
    a_session_that_is_old_or_unused_has_so_much_less_to_live,
    a_session_that_is_too_old_has_ended,
    an_authentication_may_be_any_time_ago,
    a_tests_session_is_bound_to_its_client,
    a_cut_off_ends_a_tests_session_and_a_later_one_lives,
];

async fn status(
    sessions: &SessionManager<UserSession>,
    path: &str,
    of: &TestSession<UserSession>,
) -> StatusCode {
    let request = of.apply(Request::get(path).body(Body::empty()).unwrap());
    app(sessions).oneshot(request).await.unwrap().status()
}

async fn a_tests_session_is_that_of_a_login(backend: Backend) {
    let (created, events) = std::sync::mpsc::channel();
    let sessions = builder(backend.store().await).on_event(move |event| {
        if let anchor::manager::Event::Created { session, .. } = event {
            created.send(session.id).unwrap();
        }
    });
    let sessions = sessions.build().unwrap();
    let ferris = sessions.test_session(UserSession::of("ferris")).await;
    assert_eq!(status(&sessions, "/me", &ferris).await, StatusCode::OK);
    assert_eq!(events.try_recv(), Ok(ferris.id()));
    let record = sessions.get(ferris.id()).await.unwrap().unwrap();
    assert_eq!(*record.data, UserSession::of("ferris"));
    assert!(record.remembered);
    assert_eq!(record.deadline.saturating_since(record.created_at), 14 * DAY);
    assert_eq!(record.expires_at.saturating_since(record.created_at), 2 * HOUR);
    let guest = sessions.test_session(UserSession::of("guest")).remember(false).await;
    assert!(!sessions.get(guest.id()).await.unwrap().unwrap().remembered);
    // Nothing shows its token.
    let token = ferris.token().expose();
    let (_, header) = ferris.header();
    for shown in [format!("{ferris:?}"), format!("{header:?}"), format!("{:?}", ferris.request())] {
        assert!(!shown.contains(token), "{shown}");
    }
}

/// Databases count in microseconds, and a statement takes some.
const SLACK: Duration = Duration::from_secs(60);

async fn a_session_that_is_old_or_unused_has_so_much_less_to_live(backend: Backend) {
    let sessions = builder(backend.store().await).build().unwrap();
    let old = sessions.test_session(UserSession::of("ferris")).age(3 * DAY).unused_for(HOUR).await;
    let session = old.session().await.unwrap();
    let record = session.record();
    assert_eq!(record.deadline.saturating_since(record.created_at), 11 * DAY);
    assert_eq!(record.expires_at.saturating_since(record.created_at), HOUR);
    let authenticated = session.authenticated_for();
    assert!(authenticated >= 3 * DAY && authenticated < 3 * DAY + SLACK, "{authenticated:?}");
}

async fn a_session_that_is_too_old_has_ended(backend: Backend) {
    let sessions = builder(backend.store().await).build().unwrap();
    let login = || sessions.test_session(UserSession::of("old ferris"));
    for ended in [login().age(14 * DAY).await, login().unused_for(2 * HOUR).await] {
        assert_eq!(status(&sessions, "/me", &ended).await, StatusCode::UNAUTHORIZED);
        assert!(ended.session().await.unwrap_err().rejection().unwrap().is_unauthenticated());
    }
    let almost = login().age(14 * DAY - SLACK).unused_for(2 * HOUR - SLACK).await;
    assert_eq!(status(&sessions, "/me", &almost).await, StatusCode::OK);
}

async fn an_authentication_may_be_any_time_ago(backend: Backend) {
    let sessions = builder(backend.store().await).build().unwrap();
    for ago in [Duration::ZERO, HOUR, 3 * DAY] {
        let session = sessions.test_session(UserSession::of("ferris")).authenticated_for(ago).await;
        let authenticated = session.session().await.unwrap().authenticated_for();
        assert!(authenticated >= ago && authenticated < ago + SLACK, "{authenticated:?}");
    }
    let again = sessions.test_session(UserSession::of("ferris")).age(3 * DAY);
    let again = again.authenticated_for(Duration::ZERO).await;
    assert!(again.session().await.unwrap().authenticated_for() < SLACK);
}

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "test_phones", cookie = "__Host-test-phone", fingerprint, track)]
struct PhoneSession {
    #[session(subject)]
    number: i64,
}

async fn a_tests_session_is_bound_to_its_client(backend: Backend) {
    let sessions = builder(backend.store::<PhoneSession>().await)
        .fingerprint(FingerprintMismatch::Refuse, |request| {
            Some(request.headers.get("x-device")?.as_bytes().to_vec())
        })
        .client_ip(|request| request.headers.get("x-real-ip")?.to_str().ok()?.parse().ok())
        .build()
        .unwrap();
    let request = |device: &str| {
        let request = Request::get("/").header("x-device", device).header("x-real-ip", "192.0.2.7");
        request.body(()).unwrap()
    };
    let phone = sessions.test_session(PhoneSession { number: 1 }).login_request(request("a")).await;
    let session = phone.session().await.unwrap();
    let client = session.record().client.as_ref().expect("the table tracks clients");
    assert_eq!(client.ip(), Some(IpAddr::from([192, 0, 2, 7])));
    for (device, accepted) in [("a", true), ("b", false)] {
        let request = sessions.test_request(phone.apply(request(device)));
        let refused = request.session().await.err();
        assert_eq!(refused.is_none(), accepted, "{refused:?}");
        assert_eq!(
            refused.and_then(|refused| refused.code()),
            match accepted {
                true => None,
                false => Some("other_client"),
            }
        );
    }
}

async fn a_cut_off_ends_a_tests_session_and_a_later_one_lives(backend: Backend) {
    let sessions = builder(backend.store().await).build().unwrap();
    // Tests of this process log out everywhere as `corro`.
    let corro = || sessions.test_session(AdminSession { name: "cut off corro".into() });
    let (before, old) = (corro().await, corro().age(3 * DAY).await);
    assert_eq!(sessions.cut_off(&"cut off corro".to_owned()).await.unwrap(), 2);
    for ended in [before, old] {
        assert!(ended.session().await.is_err());
    }
    corro().await.session().await.unwrap();
    // Its login would have begun before the cut-off.
    assert!(corro().authenticated_for(DAY).await.session().await.is_err());
}

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(cookie = "__Host-test-seat", max_per_subject = 1, on_limit = "refuse")]
struct SeatSession {
    #[session(subject)]
    number: i64,
}

#[tokio::test]
async fn a_session_that_cannot_be_created_panics_where_the_test_asks() {
    let sessions = builder(MemoryStore::new()).build().unwrap();
    let _seat = sessions.test_session(SeatSession { number: 1 }).await;
    let again = tokio::spawn(async move { sessions.test_session(SeatSession { number: 1 }).await });
    let panic = again.await.unwrap_err().into_panic();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.starts_with(&format!("{}:", file!())), "{message}");
    assert!(message.contains(": the test's session was not created: "), "{message}");
}

#[tokio::test]
async fn a_session_of_another_managers_token_is_none() {
    let (one, other) = (in_memory(), builder::<AdminSession>(MemoryStore::new()).build().unwrap());
    let ferris = one.test_session(UserSession::of("ferris")).await;
    let text = ferris.token().expose();
    assert_eq!(one.session_of_token(text).unwrap().id(), ferris.id());
    assert!(other.session_of_token(text).is_none());
    assert!(one.session_of_token("").is_none() && one.session_of_token(&text[1..]).is_none());
}
