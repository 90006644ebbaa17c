//! Sessions as a browser sees them.

use serde_json::json;

use crate::chromium::Look;
use crate::site::{Backend, Site};
use crate::{PASSWORD, begin, browser, log_in};

#[tokio::test]
async fn a_wrong_password_keeps_the_address() {
    let browser = browser!(Look::Desktop);
    let site = Site::start(Backend::Sqlite).await.unwrap();
    site.user("Ann").await;
    log_in(&browser, &site, "Ann", "a wrong password").await;
    assert_eq!(browser.text("[role=alert]").await, "Wrong address or password.");
    let typed = browser.run("return document.getElementById('email').value").await;
    assert_eq!(typed, "ann@example.com");
    let focused = browser.run("return document.activeElement.id").await;
    assert_eq!(focused, "password");
    browser.fill("#password", PASSWORD).await;
    browser.click("main button").await;
    assert_eq!(browser.path().await, "/profile");
    browser.close().await;
}

#[tokio::test]
async fn no_script_reads_the_cookie_and_it_ends_with_the_browser_unless_remembered() {
    let browser = browser!(Look::Desktop);
    let site = Site::start(Backend::Sqlite).await.unwrap();
    begin(&browser, &site, "Ann").await;
    let cookie = browser.cookie("id").await.unwrap();
    assert_eq!(cookie["httpOnly"], true, "{cookie}");
    assert_eq!(cookie["sameSite"], "Lax", "{cookie}");
    assert_eq!(cookie["path"], "/", "{cookie}");
    assert_eq!(cookie["session"], true, "{cookie}");
    assert_eq!(browser.run("return document.cookie").await, "");

    browser.click(".head button").await;
    assert!(browser.cookie("id").await.is_none());
    browser.open(&format!("{}/login", site.url)).await;
    browser.fill("#email", "ann@example.com").await;
    browser.fill("#password", PASSWORD).await;
    browser.run("document.querySelector('[name=remember]').click()").await;
    browser.click("main button").await;
    let cookie = browser.cookie("id").await.unwrap();
    assert_eq!(cookie["session"], false, "{cookie}");
    browser.close().await;
}

/// Chromium trusts this machine, so it accepts here what it elsewhere accepts only over HTTPS.
#[tokio::test]
async fn the_cookie_of_a_public_site_is_for_this_host_and_https_alone() {
    let browser = browser!(Look::Desktop);
    let site = Site::start_with(Backend::Sqlite, |config| {
        config.public_url = Some("https://thinga.example".into());
        config.smtp_url = Some("smtp://127.0.0.1:1".into());
    });
    let site = site.await.unwrap();
    browser.open(&format!("http://localhost:{}/vote", site.config.listen.port())).await;
    let cookie = browser.cookie("__Host-guest").await.unwrap();
    for (flag, value) in [
        ("secure", json!(true)),
        ("httpOnly", json!(true)),
        ("sameSite", json!("Lax")),
        ("path", json!("/")),
        ("domain", json!("localhost")),
    ] {
        assert_eq!(cookie[flag], value, "{flag}: {cookie}");
    }
    browser.close().await;
}

#[tokio::test]
async fn one_browser_ends_another_and_its_live_page() {
    let desk = browser!(Look::Desktop);
    let phone = browser!(Look::Phone);
    let site = Site::start(Backend::Sqlite).await.unwrap();
    begin(&desk, &site, "Ann").await;
    log_in(&phone, &site, "Ann", PASSWORD).await;
    phone.open(&format!("{}/live", site.url)).await;
    phone.wait_for_text("Connected: new votes show up by themselves.").await;

    // A vote shows up on the live page.
    desk.open(&format!("{}/vote", site.url)).await;
    desk.click(".choice button").await;
    phone.wait_for_text("1 of 1").await;

    desk.open(&format!("{}/devices", site.url)).await;
    let page = desk.text("main").await;
    assert!(page.contains("this device") && page.contains("Chrome on Linux"), "{page}");
    desk.click(".devices .card:nth-child(2) form button").await;
    assert_eq!(desk.text(".messages").await, "That device is logged out.");

    phone.wait_for_path("/login").await;
    assert_eq!(phone.text(".messages").await, "Your session has ended. Please log in again.");
    phone.open(&format!("{}/profile", site.url)).await;
    assert_eq!(phone.path().await, "/login");
    desk.close().await;
    phone.close().await;
}

#[tokio::test]
async fn the_back_button_after_a_logout_shows_nothing_private() {
    let browser = browser!(Look::Desktop);
    let site = Site::start(Backend::Sqlite).await.unwrap();
    begin(&browser, &site, "Ann").await;
    browser.open(&format!("{}/devices", site.url)).await;
    assert!(browser.source().await.contains("Last seen"));
    browser.open(&format!("{}/profile", site.url)).await;
    assert!(browser.source().await.contains("ann@example.com"));
    browser.click(".head button").await;
    for _ in 0..3 {
        browser.back().await;
        browser.wait_for_path("/login").await;
        let page = browser.source().await;
        assert!(!page.contains("ann@example.com") && !page.contains("Last seen"), "{page}");
    }
    browser.close().await;
}
