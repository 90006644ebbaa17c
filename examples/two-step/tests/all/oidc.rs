//! OpenID Connect, with a provider on this machine.

use axum::http::{StatusCode, header};
use two_step_example::users::Users;

use crate::browser::Browser;
use crate::provider::{Fault, Provider};
use crate::{CALLBACK, Site, me};

/// The first step, and what the provider sends the browser back to: a path and a query.
async fn to_the_provider_and_back(browser: &mut Browser<'_>, provider: &Provider) -> String {
    let begun = browser.post("/oidc/login", "").await.expect(StatusCode::SEE_OTHER);
    let back = provider.log_in(begun.header(header::LOCATION).unwrap(), "ferris").await;
    assert!(back.starts_with(CALLBACK), "{back}");
    back.replacen("https://shop.example", "", 1)
}

#[tokio::test]
async fn who_logs_in_at_the_provider_is_logged_in_once() {
    let provider = Provider::start().await;
    let site = Site::open(&Users::default(), &provider).await;
    let (mut browser, mut replay) = (site.browser(), site.browser());
    let back = to_the_provider_and_back(&mut browser, &provider).await;
    assert_eq!(me(&mut browser).await, None, "the first step alone is no login");
    replay.cookies = browser.cookies.clone();
    let login = browser.get(&back).await.expect(StatusCode::SEE_OTHER);
    assert_eq!(login.header(header::LOCATION), Some("/me"));
    assert_eq!(me(&mut browser).await.as_deref(), Some("1"));
    replay.get(&back).await.expect(StatusCode::UNAUTHORIZED);
    browser.get(&back).await.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(provider.exchanges(), 1, "the code of a replay does not even reach the provider");

    // The same person is the same user.
    let mut later = site.browser();
    let back = to_the_provider_and_back(&mut later, &provider).await;
    later.get(&back).await.expect(StatusCode::SEE_OTHER);
    assert_eq!(me(&mut later).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn of_two_requests_with_one_answer_one_logs_in() {
    let provider = Provider::start().await;
    let site = Site::open(&Users::default(), &provider).await;
    let (mut one, mut other) = (site.browser(), site.browser());
    let back = to_the_provider_and_back(&mut one, &provider).await;
    other.cookies = one.cookies.clone();
    let (first, second) = tokio::join!(one.get(&back), other.get(&back));
    let won =
        [first.status, second.status].iter().filter(|it| **it == StatusCode::SEE_OTHER).count();
    assert_eq!((won, provider.exchanges()), (1, 1));
}

#[tokio::test]
async fn a_visitor_cannot_be_logged_in_by_somebody_elses_link() {
    let provider = Provider::start().await;
    let site = Site::open(&Users::default(), &provider).await;
    let (mut attacker, mut victim) = (site.browser(), site.browser());
    let link = to_the_provider_and_back(&mut attacker, &provider).await;
    // The victim has not begun a login, or has begun another one.
    victim.get(&link).await.expect(StatusCode::UNAUTHORIZED);
    let back = to_the_provider_and_back(&mut victim, &provider).await;
    victim.get(&link).await.expect(StatusCode::BAD_REQUEST);
    assert_eq!((me(&mut victim).await, provider.exchanges()), (None, 0));
    // The victim's own login still works.
    victim.get(&back).await.expect(StatusCode::SEE_OTHER);

    // The attacker's code with the victim's own state: the PKCE verifier is another one.
    let mut victim = site.browser();
    let back = to_the_provider_and_back(&mut victim, &provider).await;
    let code =
        |link: &str| link.split_once("code=").unwrap().1.split('&').next().unwrap().to_owned();
    let mixed = back.replacen(&code(&back), &code(&link), 1);
    victim.get(&mixed).await.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(me(&mut victim).await, None);
}

#[tokio::test]
async fn an_id_token_that_is_not_for_this_login_is_no_login() {
    for fault in [
        Fault::OtherNonce,
        Fault::OtherKey,
        Fault::OtherAudience,
        Fault::OtherIssuer,
        Fault::Expired,
        Fault::NoSignature,
    ] {
        let provider = Provider::start().await;
        let site = Site::open(&Users::default(), &provider).await;
        let mut browser = site.browser();
        let back = to_the_provider_and_back(&mut browser, &provider).await;
        provider.fail(fault);
        let refused = browser.get(&back).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{fault:?}");
        assert_eq!((me(&mut browser).await, provider.exchanges()), (None, 1), "{fault:?}");
    }
}
