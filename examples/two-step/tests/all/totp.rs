//! A password and a code.

use axum::http::StatusCode;
use totp_rs::Builder;
use two_step_example::users::Users;

use crate::browser::Browser;
use crate::provider::Provider;
use crate::{Site, me};

const SECRET: &[u8] = b"twenty bytes of it!!";
const PASSWORD: &str = "name=ferris&password=rustacean";

async fn site() -> Site {
    let users = Users::default();
    users.register("ferris", "rustacean", Some(SECRET.to_vec()));
    users.register("corro", "rusty", None);
    Site::open(&users, &Provider::start().await).await
}

/// The code of the authenticator app. `steps` later ones are still accepted, or not yet.
fn code(steps: u64) -> String {
    let totp = Builder::new().with_secret(SECRET.to_vec()).build().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    format!("code={}", totp.generate(now + 30 * steps))
}

async fn first_step(site: &Site) -> Browser<'_> {
    let mut browser = site.browser();
    browser.form("/login", PASSWORD).await.expect(StatusCode::ACCEPTED);
    browser
}

#[tokio::test]
async fn the_password_alone_is_no_login_and_the_code_makes_it_one() {
    let site = site().await;
    let mut browser = first_step(&site).await;
    assert_eq!(me(&mut browser).await, None);
    browser.form("/login/code", "code=000000x").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(me(&mut browser).await, None);
    browser.form("/login/code", &code(0)).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(me(&mut browser).await.as_deref(), Some("1"));
    assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), ["__Host-id"], "the other one is gone");
}

#[tokio::test]
async fn without_the_password_there_is_no_second_step() {
    let site = site().await;
    let mut browser = site.browser();
    let wrong = browser.form("/login", "name=ferris&password=wrong").await;
    wrong.expect(StatusCode::UNAUTHORIZED);
    browser.form("/login/code", &code(0)).await.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(me(&mut browser).await, None);
    // A user without an authenticator app needs no second step.
    browser.form("/login", "name=corro&password=rusty").await.expect(StatusCode::NO_CONTENT);
    assert_eq!(me(&mut browser).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_pending_login_and_a_code_are_used_once() {
    let site = site().await;
    let (mut one, mut replay) = (first_step(&site).await, site.browser());
    replay.cookies = one.cookies.clone();
    let mut other = first_step(&site).await;
    let code_of_now = code(0);
    one.form("/login/code", &code_of_now).await.expect(StatusCode::NO_CONTENT);
    // The cookie of the first step, with a code that was not used yet.
    replay.form("/login/code", &code(1)).await.expect(StatusCode::UNAUTHORIZED);
    // The same code in another login (RFC 6238 5.2), and the next one.
    let used = other.form("/login/code", &code_of_now).await;
    used.expect(StatusCode::UNPROCESSABLE_ENTITY);
    other.form("/login/code", &code(1)).await.expect(StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn five_wrong_codes_end_the_pending_login() {
    let site = site().await;
    let mut browser = first_step(&site).await;
    for _ in 0..5 {
        let wrong = browser.form("/login/code", "code=x").await;
        wrong.expect(StatusCode::UNPROCESSABLE_ENTITY);
    }
    browser.form("/login/code", &code(0)).await.expect(StatusCode::UNAUTHORIZED);
    assert!(browser.cookies.is_empty());
}
