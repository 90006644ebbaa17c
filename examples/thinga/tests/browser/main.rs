//! The application in real browsers: headless Chromium, driven by `chromedriver`.
//!
//! Both are found by `ANCHOR_TEST_CHROMEDRIVER` or in `PATH`. Without them these tests pass and say
//! so; with `ANCHOR_TEST_REQUIRE_SERVERS=1` they fail. The screenshots are in
//! `target/thinga-screenshots`.

#[path = "../site/mod.rs"]
mod site;

mod chromium;
mod elsewhere;
mod layout;
mod screenshots;
mod sessions;

use chromium::{Browser, Look};
use site::{PASSWORD, Site, Visitor};

/// Types into the login form, and sends it.
async fn log_in(browser: &Browser, site: &Site, name: &str, password: &str) {
    browser.open(&format!("{}/login", site.url)).await;
    browser.fill("#email", &format!("{}@example.com", name.to_lowercase())).await;
    browser.fill("#password", password).await;
    browser.click("main button").await;
}

/// Registers a user without a browser, and logs this browser in.
async fn begin(browser: &Browser, site: &Site, name: &str) -> Visitor {
    let visitor = site.user(name).await;
    log_in(browser, site, name, PASSWORD).await;
    assert_eq!(browser.path().await, "/profile");
    visitor
}

/// Starts a browser that looks like this, or returns from the test without one.
macro_rules! browser {
    ($look:expr) => {
        match $crate::chromium::Browser::start($look).await {
            Some(browser) => browser,
            None => return,
        }
    };
}
pub(crate) use browser;

#[tokio::test]
async fn a_visitor_registers_votes_and_logs_out() {
    let browser = browser!(Look::Desktop);
    let site = Site::start(site::Backend::Sqlite).await.unwrap();
    browser.open(&site.url).await;
    browser.click(".hero .button").await;
    assert_eq!(browser.path().await, "/vote");
    browser.click(".choice button").await;
    assert!(browser.text("main").await.contains("You have voted on 1 of 276 pairs."));

    browser.open(&format!("{}/register", site.url)).await;
    browser.fill("#name", "Ann").await;
    browser.fill("#email", "ann@example.com").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("main button").await;
    assert_eq!(browser.text("h1").await, "Look into your e-mails");

    browser.open(&format!("{}{}", site.url, site.link("ann@example.com"))).await;
    browser.fill("#password", PASSWORD).await;
    browser.click("main button").await;
    assert_eq!(browser.path().await, "/profile");
    let messages = browser.text(".messages").await;
    assert!(messages.contains("1 vote that you gave as a guest came along"), "{messages}");

    browser.click(".head button").await;
    assert_eq!(browser.path().await, "/");
    assert_eq!(browser.text(".messages").await, "You are logged out.");
    browser.close().await;
}
