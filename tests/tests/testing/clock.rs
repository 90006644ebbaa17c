//! The clock of a memory store that a test moves.

use std::time::Duration;

use anchor::MemoryStore;
use anchor::testing::Clock;
use axum::body::Body;
use http::header::SET_COOKIE;
use http::{Request, StatusCode};
use tower::ServiceExt;

use crate::application::{AdminSession, DAY, HOUR, UserSession, app, builder, me, order};

mod keeps_the_contract {
    anchor::conformance!(async || {
        let clock = anchor::testing::Clock::new();
        let store = anchor::MemoryStore::with_clock(&clock);
        clock.advance(super::DAY);
        store
    });
}

#[tokio::test]
async fn idle_and_absolute_timeouts_follow_it() {
    let clock = Clock::new();
    let sessions = builder(MemoryStore::with_clock(&clock)).build().unwrap();
    let idle = sessions.test_session(UserSession::of("ferris")).await;
    clock.advance(2 * HOUR - Duration::from_secs(60));
    idle.check(me).await.unwrap();
    // That was a use.
    clock.advance(2 * HOUR - Duration::from_secs(60));
    idle.check(me).await.unwrap();
    clock.advance(2 * HOUR);
    assert_eq!(idle.check(me).await.unwrap_err().code(), Some("session_ended"));

    let used = sessions.test_session(UserSession::of("corro")).await;
    for _ in 0..14 * 24 {
        used.check(me).await.unwrap();
        clock.advance(HOUR);
    }
    assert_eq!(used.check(me).await.unwrap_err().code(), Some("session_ended"));
}

#[tokio::test]
async fn freshness_and_sweeps_follow_it() {
    let clock = Clock::new();
    let sessions = builder(MemoryStore::with_clock(&clock)).build().unwrap();
    let ferris = sessions.test_session(UserSession::of("ferris")).await;
    ferris.check(order).await.unwrap();
    clock.advance(Duration::from_secs(601));
    let refused = ferris.check(order).await.unwrap_err();
    assert_eq!(refused.code(), Some("reauthentication_required"));
    // `update`, `rotate` and `reauthenticated` have the store's time as well.
    let request = ferris.request();
    request.session().await.unwrap().reauthenticated().await.unwrap();
    let again = sessions.assert_session_set(&request.respond(()).await);
    again.check(order).await.unwrap();
    assert_eq!(sessions.sweep(10).await.unwrap(), 0);
    clock.advance(2 * HOUR);
    assert_eq!(sessions.sweep(10).await.unwrap(), 1);
}

#[tokio::test]
async fn a_rotations_grace_and_the_cookies_age_follow_it() {
    let clock = Clock::new();
    let sessions = builder(MemoryStore::with_clock(&clock)).build().unwrap();
    let old = sessions.test_session(UserSession::of("ferris")).await;
    clock.advance(HOUR);
    let request = old.request();
    request.session().await.unwrap().rotate().await.unwrap();
    let response = request.respond(()).await;
    let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
    let (_, age) = cookie.split_once("Max-Age=").unwrap();
    let age = age.parse::<u64>().unwrap();
    assert!((13 * 24 * 3600..=(14 * 24 - 1) * 3600).contains(&age), "{age}");
    let new = sessions.assert_session_set(&response);
    assert_eq!(new.id(), old.id());
    new.check(me).await.unwrap();
    old.check(me).await.unwrap();
    clock.advance(Duration::from_secs(31));
    // The new secret was presented, so whoever has the old one has a copy.
    assert_eq!(old.check(me).await.unwrap_err().code(), Some("superseded_secret"));
    assert!(new.check(me).await.is_err(), "theft ends the session");
}

/// A login that has begun is not moved into the future with the clock, past a cut-off.
#[tokio::test]
async fn a_login_in_progress_stays_before_a_cut_off_whatever_the_clock_does() {
    let clock = Clock::new();
    let sessions = builder(MemoryStore::with_clock(&clock)).build().unwrap();
    let corro = || AdminSession { name: "corro".into() };
    let request = sessions.test_request(Request::new(()));
    let auth = request.auth().await.unwrap();
    clock.advance(HOUR);
    sessions.cut_off(&"corro".to_owned()).await.unwrap();
    clock.advance(DAY);
    let login = auth.login(corro()).await.unwrap();
    assert!(sessions.get(login.id()).await.unwrap().is_none());
    assert!(sessions.test_session(corro()).await.session().await.is_ok());
}

#[tokio::test]
async fn one_clock_moves_several_stores_and_no_other() {
    let clock = Clock::new();
    let before = clock.now();
    let users = builder(MemoryStore::with_clock(&clock)).build().unwrap();
    let admins = builder(MemoryStore::with_clock(&clock)).build().unwrap();
    let others = builder(MemoryStore::new()).build().unwrap();
    let user = users.test_session(UserSession::of("ferris")).await;
    let admin = admins.test_session(AdminSession { name: "corro".into() }).await;
    let other = others.test_session(UserSession::of("ferris")).await;
    clock.clone().advance(15 * DAY);
    assert!(clock.now().saturating_since(before) >= 15 * DAY);
    assert!(user.session().await.is_err() && admin.session().await.is_err());
    assert!(other.session().await.is_ok());
    // Through a router, too.
    let request = user.apply(Request::get("/me").body(Body::empty()).unwrap());
    let response = app(&users).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    // It goes as far as a timestamp does.
    clock.advance(Duration::MAX);
    assert!(users.test_session(UserSession::of("ferris")).await.session().await.is_err());
}
