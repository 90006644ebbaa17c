//! A password and a code.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use axum::http::header::LOCATION;
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
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    format!("code={}", totp.generate(now + 30 * steps))
}

async fn first_step(site: &Site) -> Browser<'_> {
    let mut browser = site.browser();
    let login = browser.form("/login", PASSWORD).await.expect(StatusCode::SEE_OTHER);
    assert_eq!(login.header(LOCATION), Some("/login/code"));
    browser
}

#[tokio::test]
async fn the_password_alone_is_no_login_and_the_code_makes_it_one() {
    let site = site().await;
    let mut browser = first_step(&site).await;
    assert_eq!(me(&mut browser).await, None);
    browser.form("/login/code", "code=000000x").await.expect(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(me(&mut browser).await, None);
    browser.form("/login/code", &code(0)).await.expect(StatusCode::SEE_OTHER);
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
    browser.form("/login", "name=corro&password=rusty").await.expect(StatusCode::SEE_OTHER);
    assert_eq!(me(&mut browser).await.as_deref(), Some("2"));
}

#[tokio::test]
async fn a_pending_login_and_a_code_are_used_once() {
    let site = site().await;
    let (mut one, mut replay) = (first_step(&site).await, site.browser());
    replay.cookies = one.cookies.clone();
    let mut other = first_step(&site).await;
    let code_of_now = code(0);
    one.form("/login/code", &code_of_now).await.expect(StatusCode::SEE_OTHER);
    // The cookie of the first step, with a code that was not used yet.
    replay.form("/login/code", &code(1)).await.expect(StatusCode::UNAUTHORIZED);
    // The same code in another login (RFC 6238 5.2), and the next one.
    let used = other.form("/login/code", &code_of_now).await;
    used.expect(StatusCode::UNPROCESSABLE_ENTITY);
    other.form("/login/code", &code(1)).await.expect(StatusCode::SEE_OTHER);
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

/// Whoever knows the password begins one login after the other.
#[tokio::test]
async fn a_new_login_gives_no_new_guesses() {
    let site = site().await;
    for _ in 0..2 {
        let mut browser = first_step(&site).await;
        for _ in 0..5 {
            let wrong = browser.form("/login/code", "code=x").await;
            wrong.expect(StatusCode::UNPROCESSABLE_ENTITY);
        }
    }
    let mut browser = first_step(&site).await;
    browser.form("/login/code", &code(0)).await.expect(StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(me(&mut browser).await, None);
}

#[tokio::test]
async fn a_right_code_begins_the_count_of_guesses_anew() {
    let site = site().await;
    for steps in [0, 1] {
        for _ in 0..2 {
            let mut browser = first_step(&site).await;
            for _ in 0..4 {
                browser.form("/login/code", "code=x").await;
            }
        }
        let mut browser = first_step(&site).await;
        browser.form("/login/code", &code(steps)).await.expect(StatusCode::SEE_OTHER);
    }
}

#[tokio::test]
async fn an_unknown_name_takes_as_long_as_a_wrong_password() {
    let site = site().await;
    let time = async |form: &str| {
        let began = Instant::now();
        let refused = site.browser().form("/login", form).await;
        refused.expect(StatusCode::UNAUTHORIZED);
        began.elapsed()
    };
    // The first login makes what the passwords of unknown users are compared with.
    time("name=corro&password=wrong").await;
    let (known, unknown) =
        (time("name=corro&password=wrong").await, time("name=nobody&password=nobody").await);
    assert!(unknown > known / 4, "{unknown:?} for an unknown name, {known:?} for a known one");
}

/// This runtime has one thread.
#[tokio::test]
async fn others_are_served_while_a_password_is_hashed() {
    let site = site().await;
    let (mut browser, mut other) = (site.browser(), site.browser());
    let login = async {
        browser.form("/login", PASSWORD).await.expect(StatusCode::SEE_OTHER);
        Instant::now()
    };
    let served = async {
        // The login is on its way.
        tokio::time::sleep(Duration::from_millis(5)).await;
        other.get("/").await.expect(StatusCode::OK);
        Instant::now()
    };
    let (logged_in, served) = tokio::join!(login, served);
    assert!(served < logged_in, "it waited for {:?}", served - logged_in);
}

#[tokio::test]
async fn a_person_needs_nothing_but_the_pages() {
    let site = site().await;
    let mut browser = site.browser();
    assert!(browser.get("/").await.text().contains("action=/login>"));
    let early = browser.get("/login/code").await;
    early.expect(StatusCode::UNAUTHORIZED);
    let wrong = browser.form("/login", "name=ferris&password=wrong").await;
    assert!(wrong.text().contains("Wrong name or password"));
    browser.form("/login", PASSWORD).await.expect(StatusCode::SEE_OTHER);
    assert!(browser.get("/login/code").await.text().contains("action=/login/code>"));
    let wrong = browser.form("/login/code", "code=x").await;
    assert!(wrong.text().contains("This code is wrong"));
    browser.form("/login/code", &code(0)).await.expect(StatusCode::SEE_OTHER);
    assert!(browser.get("/").await.text().contains("You are user 1"));
    browser.form("/logout", "").await.expect(StatusCode::SEE_OTHER);
    assert!(browser.get("/").await.text().contains("action=/login>"));
}
