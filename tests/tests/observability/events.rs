//! Each event is counted once, on every store, and nothing secret is a label.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anchor::MemoryStore;
use anchor::metrics::{SESSIONS_CREATED, SESSIONS_ENDED, SESSIONS_REFUSED, SESSIONS_SWEPT};
use anchor::testing::{Clock, Verb};
use anchor_tests::Backend;
use anchor_tests::exposition::Sample;
use http::StatusCode;

use crate::application::{Application, Recording, TABLE, UserSession, builder};

on_stores![every_event_is_counted_once: memory, sqlite, postgres, mysql, redis];

async fn every_event_is_counted_once(backend: Backend) {
    let recording = Recording::new();
    let _recorded = recording.begin();
    let app = Application::start(&backend).await;

    let (phone, phone_id) = app.log_in("ferris", "").await;
    let (desk, desk_id) = app.log_in("ferris", "").await;
    let (corro, corro_id) = app.log_in("corro", "").await;

    assert_eq!(app.get("/me", &phone).await, StatusCode::OK);
    assert_eq!(app.get("/me", "").await, StatusCode::UNAUTHORIZED);
    let forged = forged(&phone);
    assert_eq!(app.get("/me", &forged).await, StatusCode::UNAUTHORIZED);
    assert_eq!(app.get("/admin", &phone).await, StatusCode::FORBIDDEN);

    let (corro_again, again_id) = app.log_in("corro", &corro).await;
    assert_eq!(app.get("/me", &corro).await, StatusCode::UNAUTHORIZED);
    assert_eq!(app.post("/logout", &corro_again).await, StatusCode::OK);

    assert_eq!(app.post("/logout/others", &phone).await, StatusCode::OK);
    app.log_in("ferris", "").await;
    assert_eq!(app.post("/logout/all", &phone).await, StatusCode::OK);

    let (_, revoked_id) = app.log_in("ferris", "").await;
    app.log_in("corro", "").await;
    assert!(app.sessions.revoke(revoked_id).await.unwrap());
    assert!(!app.sessions.revoke(revoked_id).await.unwrap(), "it had ended");
    assert_eq!(app.sessions.revoke_everyone().await.unwrap(), 1);

    let exposition = recording.exposition();
    let counted: BTreeMap<_, _> = exposition.samples().iter().filter_map(counter).collect();
    let expected = [
        (SESSIONS_CREATED, "", 7.0),
        (SESSIONS_ENDED, "everyone", 1.0),
        (SESSIONS_ENDED, "logout", 1.0),
        (SESSIONS_ENDED, "logout_all", 2.0),
        (SESSIONS_ENDED, "logout_others", 1.0),
        (SESSIONS_ENDED, "replaced", 1.0),
        (SESSIONS_ENDED, "revoked", 1.0),
        (SESSIONS_REFUSED, "bad_token", 1.0),
        (SESSIONS_REFUSED, "forbidden", 1.0),
        (SESSIONS_REFUSED, "no_session", 1.0),
        (SESSIONS_REFUSED, "unknown_session", 1.0),
    ];
    let expected = expected.map(|(name, reason, count)| ((name.into(), reason.into()), count));
    assert_eq!(counted, BTreeMap::from(expected));

    let text = recording.text();
    let cookies = [&phone, &desk, &corro, &corro_again, &forged];
    let tokens = cookies.map(|cookie| cookie.split_once('=').unwrap().1.to_owned());
    let ids = [phone_id, desk_id, corro_id, again_id, revoked_id].map(|id| id.to_string());
    let names = ["ferris", "corro"].map(str::to_owned);
    for secret in tokens.iter().chain(&ids).chain(&names) {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    exposition.samples().iter().for_each(assert_bounded);
}

/// The name, the reason and the count of a counter that is not zero.
fn counter(sample: &Sample) -> Option<((String, String), f64)> {
    let reason = sample.labels.get("reason").cloned().unwrap_or_default();
    (sample.name.ends_with("_total") && sample.value != 0.0)
        .then(|| ((sample.name.clone(), reason), sample.value))
}

/// Every label is one of a few words.
fn assert_bounded(sample: &Sample) {
    let verbs: BTreeSet<_> = Verb::ALL.into_iter().map(Verb::name).collect();
    for (label, value) in &sample.labels {
        let is_known = match label.as_str() {
            "table" => value == TABLE,
            "verb" => verbs.contains(value.as_str()),
            "outcome" => ["ok", "error", "timeout", "cancelled"].contains(&value.as_str()),
            "reason" => {
                value.len() < 30 && value.chars().all(|c| c.is_ascii_lowercase() || c == '_')
            }
            "quantile" => value.parse::<f64>().is_ok(),
            _ => false,
        };
        assert!(is_known, "{sample:?}");
    }
    assert_eq!(sample.labels.get("table").map(String::as_str), Some(TABLE), "{sample:?}");
}

/// The cookie with another character in its token.
fn forged(cookie: &str) -> String {
    let at = cookie.len() - 20;
    let other = if &cookie[at..=at] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &cookie[..at], &cookie[at + 1..])
}

#[tokio::test]
async fn what_the_sweep_removes_is_counted() {
    let recording = Recording::new();
    let _recorded = recording.begin();
    let clock = Clock::new();
    let sessions = builder(MemoryStore::with_clock(&clock)).build().unwrap();
    for _ in 0..3 {
        sessions.test_session(UserSession::of("ferris")).await;
    }
    clock.advance(Duration::from_secs(3 * 3600));
    assert_eq!(sessions.sweep(2).await.unwrap(), 2);
    assert_eq!(sessions.sweep(2).await.unwrap(), 1);
    assert_eq!(sessions.sweep(2).await.unwrap(), 0);
    let table = [("table", TABLE)];
    assert_eq!(recording.exposition().sum(SESSIONS_SWEPT, &table), Some(3.0));
    assert_eq!(recording.exposition().sum(SESSIONS_ENDED, &table), None, "they expired");
}

#[tokio::test]
async fn a_recorder_that_is_installed_later_gets_everything_from_then_on() {
    let sessions = builder(MemoryStore::new()).build().unwrap();
    sessions.test_session(UserSession::of("ferris")).await;
    let created = |recording: &Recording| recording.exposition().sum(SESSIONS_CREATED, &[]);
    for _ in 0..2 {
        let recording = Recording::new();
        assert_eq!(created(&recording), None);
        {
            let _recorded = recording.begin();
            sessions.test_session(UserSession::of("ferris")).await;
            sessions.test_session(UserSession::of("ferris")).await;
        }
        sessions.test_session(UserSession::of("ferris")).await;
        assert_eq!(created(&recording), Some(2.0));
    }
}
