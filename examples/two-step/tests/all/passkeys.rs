//! Passkeys, with an authenticator in software.

use anchor_tests::http::Answer;
use axum::http::StatusCode;
use two_step_example::users::Users;
use url::Url;
use webauthn_authenticator_rs::WebauthnAuthenticator;
use webauthn_authenticator_rs::softpasskey::SoftPasskey;
use webauthn_rs::prelude::RegisterPublicKeyCredential;

use crate::browser::Browser;
use crate::provider::Provider;
use crate::{SITE, Site, me};

async fn site() -> Site {
    site_of(&Users::default()).await
}

async fn site_of(users: &Users) -> Site {
    users.register("ferris", "rustacean", None);
    users.register("corro", "rusty", None);
    Site::open(users, &Provider::start().await).await
}

fn origin() -> Url {
    Url::parse(SITE).unwrap()
}

fn read<T: serde::de::DeserializeOwned>(answer: &Answer) -> T {
    serde_json::from_slice(&answer.body).unwrap()
}

/// Registers a passkey for ferris, who is logged in in this browser from then on.
async fn register(browser: &mut Browser<'_>, authenticator: &mut SoftPasskey) {
    browser.form("/login", "name=ferris&password=rustacean").await.expect(StatusCode::SEE_OTHER);
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
    browser.form("/login", "name=ferris&password=rustacean").await.expect(StatusCode::SEE_OTHER);
    let challenge = browser.post("/passkeys/new", "").await.expect(StatusCode::OK);
    let signed = authenticator.do_registration(origin(), read(&challenge)).unwrap();
    browser.form("/login", "name=corro&password=rusty").await.expect(StatusCode::SEE_OTHER);
    let refused = browser.json("/passkeys", &signed).await;
    refused.expect(StatusCode::UNPROCESSABLE_ENTITY);
    let refused = browser.post("/login/passkey", "corro").await;
    refused.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_passkey_that_was_removed_during_the_login_is_no_login() {
    let users = Users::default();
    let site = site_of(&users).await;
    let mut authenticator = SoftPasskey::new(true);
    register(&mut site.browser(), &mut authenticator).await;
    let mut browser = site.browser();
    let challenge = browser.post("/login/passkey", "ferris").await.expect(StatusCode::OK);
    let signed = authenticator.do_authentication(origin(), read(&challenge)).unwrap();
    users.remove_passkeys(1);
    let refused = browser.json("/login/passkey/signed", &signed).await;
    refused.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(me(&mut browser).await, None);
}

/// Two logins begin before either of them ends, so both have the counter from before.
#[tokio::test]
async fn a_passkey_whose_counter_has_not_grown_is_a_copy() {
    let site = site().await;
    let mut authenticator = SoftPasskey::new(true);
    register(&mut site.browser(), &mut authenticator).await;
    let (mut owner, mut thief) = (site.browser(), site.browser());
    let of_the_thief = thief.post("/login/passkey", "ferris").await.expect(StatusCode::OK);
    let of_the_owner = owner.post("/login/passkey", "ferris").await.expect(StatusCode::OK);
    let copied = authenticator.do_authentication(origin(), read(&of_the_thief)).unwrap();
    let signed = authenticator.do_authentication(origin(), read(&of_the_owner)).unwrap();
    owner.json("/login/passkey/signed", &signed).await.expect(StatusCode::NO_CONTENT);
    let refused = thief.json("/login/passkey/signed", &copied).await;
    refused.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(me(&mut thief).await, None);
}

/// The registration of a passkey that has the id of another one, without an attestation, which
/// nothing has signed.
fn with_the_id_of(
    mut own: RegisterPublicKeyCredential,
    other: &RegisterPublicKeyCredential,
) -> RegisterPublicKeyCredential {
    // What follows the name is a string of bytes, with its length in one byte or in two.
    let attested = &own.response.attestation_object;
    let name = b"authData";
    let at = attested.windows(name.len()).position(|it| it == name).unwrap() + name.len();
    let (from, length) = match attested[at] {
        0x58 => (at + 2, usize::from(attested[at + 1])),
        0x59 => (at + 3, usize::from(u16::from_be_bytes([attested[at + 1], attested[at + 2]]))),
        other => panic!("{other:x}"),
    };
    let mut data = attested[from..from + length].to_vec();
    let id = usize::from(u16::from_be_bytes([data[53], data[54]]));
    data[55..55 + id].copy_from_slice(&other.raw_id);
    let length = u16::try_from(data.len()).unwrap().to_be_bytes();
    let none = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59";
    own.response.attestation_object = [&none[..], &length[..], &data[..]].concat();
    own.id.clone_from(&other.id);
    own.raw_id.clone_from(&other.raw_id);
    own
}

#[tokio::test]
async fn a_passkey_with_the_id_of_another_is_not_added() {
    let site = site().await;
    let (mut ferris, mut corro) = (site.browser(), site.browser());
    let mut authenticator = SoftPasskey::new(true);
    let mut registrations = Vec::new();
    for (browser, form) in
        [(&mut ferris, "name=ferris&password=rustacean"), (&mut corro, "name=corro&password=rusty")]
    {
        browser.form("/login", form).await.expect(StatusCode::SEE_OTHER);
        let challenge = browser.post("/passkeys/new", "").await.expect(StatusCode::OK);
        registrations.push(authenticator.do_registration(origin(), read(&challenge)).unwrap());
    }
    let [of_ferris, of_corro]: [RegisterPublicKeyCredential; 2] = registrations.try_into().unwrap();
    ferris.json("/passkeys", &of_ferris).await.expect(StatusCode::CREATED);
    let same = with_the_id_of(of_corro, &of_ferris);
    corro.json("/passkeys", &same).await.expect(StatusCode::CONFLICT);
    corro.post("/login/passkey", "corro").await.expect(StatusCode::UNAUTHORIZED);
    // The browser is told which passkeys the user already has.
    let challenge = ferris.post("/passkeys/new", "").await.expect(StatusCode::OK);
    assert!(challenge.text().contains(&of_ferris.id), "{challenge:?}");
}
