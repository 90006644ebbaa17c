//! Passkeys, with an authenticator in software.

use anchor_tests::http::Answer;
use axum::http::StatusCode;
use two_step_example::users::Users;
use url::Url;
use webauthn_authenticator_rs::WebauthnAuthenticator;
use webauthn_authenticator_rs::softpasskey::SoftPasskey;

use crate::browser::Browser;
use crate::provider::Provider;
use crate::{SITE, Site, me};

async fn site() -> Site {
    let users = Users::default();
    users.register("ferris", "rustacean", None);
    users.register("corro", "rusty", None);
    Site::open(&users, &Provider::start().await).await
}

fn origin() -> Url {
    Url::parse(SITE).unwrap()
}

fn read<T: serde::de::DeserializeOwned>(answer: &Answer) -> T {
    serde_json::from_slice(&answer.body).unwrap()
}

/// Registers a passkey for ferris, who is logged in in this browser from then on.
async fn register(browser: &mut Browser<'_>, authenticator: &mut SoftPasskey) {
    browser.form("/login", "name=ferris&password=rustacean").await.expect(StatusCode::NO_CONTENT);
    let challenge = browser.post("/passkeys/new", "").await.expect(StatusCode::OK);
    let signed = authenticator.do_registration(origin(), read(&challenge)).unwrap();
    browser.json("/passkeys", &signed).await.expect(StatusCode::CREATED);
    // The challenge is used up.
    browser.json("/passkeys", &signed).await.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_registered_passkey_logs_in_and_its_challenge_is_answered_once() {
    let site = site().await;
    let mut authenticator = SoftPasskey::new(true);
    register(&mut site.browser(), &mut authenticator).await;

    let (mut browser, mut replay) = (site.browser(), site.browser());
    let challenge = browser.post("/login/passkey", "ferris").await.expect(StatusCode::OK);
    assert_eq!(me(&mut browser).await, None, "the challenge alone is no login");
    replay.cookies = browser.cookies.clone();
    let signed = authenticator.do_authentication(origin(), read(&challenge)).unwrap();
    browser.json("/login/passkey/signed", &signed).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(me(&mut browser).await.as_deref(), Some("1"));
    let again = replay.json("/login/passkey/signed", &signed).await;
    again.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(me(&mut replay).await, None);
}

#[tokio::test]
async fn a_signature_for_another_challenge_or_site_is_no_login() {
    let site = site().await;
    let mut authenticator = SoftPasskey::new(true);
    register(&mut site.browser(), &mut authenticator).await;

    // Signed in another browser, for the challenge there.
    let (mut browser, mut other) = (site.browser(), site.browser());
    browser.post("/login/passkey", "ferris").await.expect(StatusCode::OK);
    let elsewhere = other.post("/login/passkey", "ferris").await.expect(StatusCode::OK);
    let signed = authenticator.do_authentication(origin(), read(&elsewhere)).unwrap();
    let refused = browser.json("/login/passkey/signed", &signed).await;
    refused.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(me(&mut browser).await, None);

    // Without a first step, and without a passkey.
    let refused = site.browser().json("/login/passkey/signed", &signed).await;
    refused.expect(StatusCode::UNAUTHORIZED);
    let refused = site.browser().post("/login/passkey", "corro").await;
    refused.expect(StatusCode::UNAUTHORIZED);
    // The other browser's challenge is its own, and still good.
    other.json("/login/passkey/signed", &signed).await.expect(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_passkey_is_not_added_to_whoever_logged_in_meanwhile() {
    let site = site().await;
    let (mut browser, mut authenticator) = (site.browser(), SoftPasskey::new(true));
    browser.form("/login", "name=ferris&password=rustacean").await.expect(StatusCode::NO_CONTENT);
    let challenge = browser.post("/passkeys/new", "").await.expect(StatusCode::OK);
    let signed = authenticator.do_registration(origin(), read(&challenge)).unwrap();
    browser.form("/login", "name=corro&password=rusty").await.expect(StatusCode::NO_CONTENT);
    let refused = browser.json("/passkeys", &signed).await;
    refused.expect(StatusCode::UNPROCESSABLE_ENTITY);
    let refused = browser.post("/login/passkey", "corro").await;
    refused.expect(StatusCode::UNAUTHORIZED);
}
