//! One-time tokens for links: redeemed once, for one purpose, and never a session.

use std::sync::{Arc, Mutex};

use anchor::manager::{Event, OneTimeTokens, RevokedSessions};
use anchor::prelude::*;
use anchor::store::EndReason;
use anchor::{ConfigError, Error};
use anchor_tests::{Backend, Verb, Watched};
use base64ct::{Base64UrlUnpadded, Encoding};

use crate::application::KEY;

on_every_store![
    a_token_is_redeemed_once_and_peeked_at_as_often_as_one_likes,
    of_many_redemptions_at_once_one_gets_the_payload,
    a_token_that_is_revoked_during_its_redemption_is_not_redeemed,
    a_payload_that_changes_during_its_redemption_is_redeemed_as_it_is_then,
    a_token_of_one_purpose_is_refused_for_another_and_as_a_session,
    an_altered_token_costs_no_statement_and_a_forged_secret_redeems_nothing,
    a_new_token_ends_the_older_one_of_its_subject,
    a_revoked_token_and_an_expired_one_are_not_redeemed,
    a_store_that_cannot_answer_redeems_nothing_and_says_so,
    what_happens_to_tokens_is_told_without_the_token,
];

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "password_resets", absolute = "30m", max_per_subject = 1)]
struct PasswordReset {
    #[session(subject)]
    user_id: i64,
}

/// The same columns, another purpose.
#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "confirmations", absolute = "2d", keep_ended = "30d")]
struct Confirmation {
    #[session(subject)]
    user_id: i64,
}

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "invitations", absolute = "2d")]
struct Invitation {
    #[session(subject)]
    user_id: i64,
    role: String,
}

async fn tokens<T: SessionData>(backend: &Backend) -> (OneTimeTokens<T>, Watched<T>) {
    let store = Watched::new(backend.store().await);
    (built(store.clone()).unwrap(), store)
}

fn built<T: SessionData>(store: Watched<T>) -> Result<OneTimeTokens<T>, ConfigError> {
    SessionManager::builder(store).keys(KeyRing::new([KEY])?).build_one_time_tokens()
}

async fn a_token_is_redeemed_once_and_peeked_at_as_often_as_one_likes(backend: Backend) {
    let (resets, store) = tokens::<PasswordReset>(&backend).await;
    let token = resets.issue(PasswordReset { user_id: 7 }).await.unwrap();
    // As a link carries it.
    assert!(token.expose().bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
    for _ in 0..3 {
        assert_eq!(resets.peek(token.expose()).await.unwrap(), Some(PasswordReset { user_id: 7 }));
    }
    store.reset();
    let redeemed = resets.redeem(token.expose()).await.unwrap();
    assert_eq!(redeemed, Some(PasswordReset { user_id: 7 }));
    assert_eq!((store.calls(Verb::Load), store.calls(Verb::Consume), store.all_calls()), (1, 1, 2));
    for _ in 0..2 {
        assert_eq!(resets.redeem(token.expose()).await.unwrap(), None);
        assert_eq!(resets.peek(token.expose()).await.unwrap(), None);
    }
}

async fn of_many_redemptions_at_once_one_gets_the_payload(backend: Backend) {
    let (tokens, store) = tokens::<Confirmation>(&backend).await;
    let token = tokens.issue(Confirmation { user_id: 7 }).await.unwrap();
    // All have found it live before the first one ends it.
    let hold = store.hold(Verb::Consume);
    let redeem = || {
        let (tokens, token) = (tokens.clone(), token.clone());
        tokio::spawn(async move { tokens.redeem(token.expose()).await })
    };
    let redeeming: Vec<_> = (0..8).map(|_| redeem()).collect();
    for _ in 0..8 {
        hold.reached().await;
    }
    hold.release();
    let mut won = Vec::new();
    for redemption in redeeming {
        won.extend(redemption.await.unwrap().unwrap());
    }
    assert_eq!(won, [Confirmation { user_id: 7 }]);
}

async fn a_token_that_is_revoked_during_its_redemption_is_not_redeemed(backend: Backend) {
    let (tokens, store) = tokens::<Confirmation>(&backend).await;
    let token = tokens.issue(Confirmation { user_id: 7 }).await.unwrap();
    let hold = store.hold(Verb::Consume);
    let revoke = async {
        hold.reached().await;
        assert_eq!(tokens.manager().revoke_subject(&7).await.unwrap(), 1);
        hold.release();
    };
    let (redeemed, ()) = tokio::join!(tokens.redeem(token.expose()), revoke);
    assert_eq!(redeemed.unwrap(), None);
}

async fn a_payload_that_changes_during_its_redemption_is_redeemed_as_it_is_then(backend: Backend) {
    let (tokens, store) = tokens::<Invitation>(&backend).await;
    let token = tokens.issue(Invitation { user_id: 7, role: "admin".into() }).await.unwrap();
    let hold = store.hold(Verb::Consume);
    let demote = async {
        hold.reached().await;
        let demoted = tokens.manager().update_subject(&7, |it| it.role = "member".into()).await;
        assert_eq!(demoted.unwrap(), 1);
        hold.release();
    };
    let (redeemed, ()) = tokio::join!(tokens.redeem(token.expose()), demote);
    assert_eq!(redeemed.unwrap().map(|it| it.role).as_deref(), Some("member"));
}

async fn a_token_of_one_purpose_is_refused_for_another_and_as_a_session(backend: Backend) {
    let (resets, _) = tokens::<PasswordReset>(&backend).await;
    let (confirmations, store) = tokens::<Confirmation>(&backend).await;
    let reset = resets.issue(PasswordReset { user_id: 7 }).await.unwrap();
    store.reset();
    assert_eq!(confirmations.redeem(reset.expose()).await.unwrap(), None);
    assert_eq!(confirmations.peek(reset.expose()).await.unwrap(), None);
    assert_eq!(store.all_calls(), 0, "its signature is not valid there");
    assert!(resets.redeem(reset.expose()).await.unwrap().is_some(), "it was left as it is");

    // A manager of the same payload, whose sessions travel in a cookie.
    let confirmation = confirmations.issue(Confirmation { user_id: 7 }).await.unwrap();
    let sessions = SessionManager::builder(store)
        .keys(KeyRing::new([KEY]).unwrap())
        .frontend(anchor::frontend::SessionCookie::new("__Host-confirmation"))
        .build()
        .unwrap();
    let read = async |session: Option<Session<Confirmation>>| session.is_some().to_string();
    let router = axum::Router::new().route("/", axum::routing::get(read)).layer(sessions.layer());
    let served = anchor_tests::http::Served::start(router).await;
    let cookie = format!("__Host-confirmation={}", confirmation.expose());
    assert_eq!(served.get("/").cookie(cookie).send().await.text(), "false");
}

async fn an_altered_token_costs_no_statement_and_a_forged_secret_redeems_nothing(backend: Backend) {
    let (resets, store) = tokens::<PasswordReset>(&backend).await;
    let token = resets.issue(PasswordReset { user_id: 7 }).await.unwrap();
    let text = token.expose();
    let mut bytes = Base64UrlUnpadded::decode_vec(text).unwrap();
    bytes[30] ^= 1;
    let altered = Base64UrlUnpadded::encode_string(&bytes);
    store.reset();
    for wrong in ["", "x", &text[1..], &format!("{text}="), &format!(" {text}"), &altered] {
        assert_eq!(resets.redeem(wrong).await.unwrap(), None, "{wrong}");
    }
    assert_eq!(store.all_calls(), 0);
    // Another signing key is another application.
    let other = SessionManager::builder(store.clone())
        .keys(KeyRing::new([[9; 32]]).unwrap())
        .build_one_time_tokens()
        .unwrap();
    assert_eq!(other.redeem(text).await.unwrap(), None);
    assert_eq!(resets.redeem(text).await.unwrap(), Some(PasswordReset { user_id: 7 }));
}

async fn a_new_token_ends_the_older_one_of_its_subject(backend: Backend) {
    let (resets, _) = tokens::<PasswordReset>(&backend).await;
    let old = resets.issue(PasswordReset { user_id: 7 }).await.unwrap();
    let others = resets.issue(PasswordReset { user_id: 8 }).await.unwrap();
    let new = resets.issue(PasswordReset { user_id: 7 }).await.unwrap();
    assert_eq!(resets.redeem(old.expose()).await.unwrap(), None);
    assert!(resets.redeem(new.expose()).await.unwrap().is_some());
    assert!(resets.redeem(others.expose()).await.unwrap().is_some());
}

async fn a_revoked_token_and_an_expired_one_are_not_redeemed(backend: Backend) {
    let (confirmations, _) = tokens::<Confirmation>(&backend).await;
    let token = confirmations.issue(Confirmation { user_id: 7 }).await.unwrap();
    assert_eq!(confirmations.manager().revoke_subject(&7).await.unwrap(), 1);
    assert_eq!(confirmations.redeem(token.expose()).await.unwrap(), None);

    let brief = SessionManager::<PasswordReset>::builder(Watched::new(backend.store().await))
        .keys(KeyRing::new([KEY]).unwrap())
        .absolute(std::time::Duration::from_millis(1_500))
        .build_one_time_tokens()
        .unwrap();
    let token = brief.issue(PasswordReset { user_id: 7 }).await.unwrap();
    assert!(brief.peek(token.expose()).await.unwrap().is_some());
    tokio::time::sleep(std::time::Duration::from_millis(1_600)).await;
    assert_eq!(brief.redeem(token.expose()).await.unwrap(), None);
}

async fn a_store_that_cannot_answer_redeems_nothing_and_says_so(backend: Backend) {
    let (resets, store) = tokens::<PasswordReset>(&backend).await;
    let token = resets.issue(PasswordReset { user_id: 7 }).await.unwrap();
    for verb in [Verb::Load, Verb::Consume] {
        store.fail(verb, true);
        let failed = resets.redeem(token.expose()).await;
        assert!(matches!(failed, Err(Error::Store(_))), "{failed:?}");
        store.fail(verb, false);
    }
    assert!(resets.redeem(token.expose()).await.unwrap().is_some());
}

async fn what_happens_to_tokens_is_told_without_the_token(backend: Backend) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let confirmations = SessionManager::builder(Watched::new(backend.store().await))
        .keys(KeyRing::new([KEY]).unwrap())
        .on_event(move |event: &Event<'_, Confirmation>| {
            heard.lock().unwrap().push(match event {
                Event::Created { session, .. } => format!("issued {}", session.data.user_id),
                Event::Revoked { which: RevokedSessions::One(_), count, reason } => {
                    format!("{} {count}", reason.as_str())
                }
                Event::Refused { rejection } => rejection.code().to_owned(),
                other => format!("{other:?}"),
            });
        })
        .build_one_time_tokens()
        .unwrap();
    let token = confirmations.issue(Confirmation { user_id: 7 }).await.unwrap();
    for _ in 0..2 {
        confirmations.redeem(token.expose()).await.unwrap();
    }
    confirmations.redeem("forged").await.unwrap();
    let expected = ["issued 7", "consumed 1", "session_ended", "bad_token"];
    assert_eq!(*events.lock().unwrap(), expected);
    assert!(!format!("{token:?} {confirmations:?}").contains(token.expose()));
    let history = confirmations.manager().history(&7).await.unwrap();
    assert_eq!(history[0].reason, Some(EndReason::Consumed), "kept for audit");
}

#[derive(Debug, Clone, SessionData)]
#[session(table = "password_resets", migrations = false)]
struct SameTable {
    user_id: i64,
}

#[derive(Debug, Clone, SessionData)]
#[session(table = "bound_tokens", fingerprint, migrations = false)]
struct Bound {
    user_id: i64,
}

#[test]
fn two_purposes_in_one_table_and_settings_without_a_meaning_are_refused() {
    let memory = |settings: &dyn Fn() -> ConfigError| settings().to_string();
    let _resets = built(Watched::new(Arc::new(MemoryStore::<PasswordReset>::new()))).unwrap();
    let _again = built(Watched::new(Arc::new(MemoryStore::<PasswordReset>::new()))).unwrap();
    let same =
        memory(&|| built(Watched::new(Arc::new(MemoryStore::<SameTable>::new()))).err().unwrap());
    assert!(same.contains("are already in a table `password_resets`"), "{same}");
    let bound =
        memory(&|| built(Watched::new(Arc::new(MemoryStore::<Bound>::new()))).err().unwrap());
    assert!(bound.contains("no request; remove `#[session(fingerprint)]`"), "{bound}");
    let framed = memory(&|| {
        SessionManager::builder(MemoryStore::<Confirmation>::new())
            .keys(KeyRing::new([KEY]).unwrap())
            .frontend(anchor::frontend::Bearer)
            .build_one_time_tokens()
            .err()
            .unwrap()
    });
    assert!(framed.contains("remove `.frontend(..)`"), "{framed}");
}
