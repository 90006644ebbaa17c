//! The pages on a phone, without scripts, and for fingers.

use crate::chromium::{Browser, Look};
use crate::site::{Backend, Site};
use crate::{begin, browser};

const OF_A_VISITOR: [&str; 6] =
    ["/", "/vote", "/leaderboard", "/register", "/login?message=ended", "/nothing"];
const OF_A_USER: [&str; 7] =
    ["/", "/vote", "/leaderboard", "/live", "/profile", "/devices", "/admin"];

/// What is wider than the window, if anything.
const TOO_WIDE: &str = "
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll('body *')]
        .filter(it => it.getBoundingClientRect().right > width + 1)
        .map(it => it.outerHTML.slice(0, 120));";

/// What is too small for a finger: links in a text are lines of it.
const TOO_SMALL: &str = "
    return [...document.querySelectorAll('button, .button, nav a, .brand, input')]
        .filter(it => it.type !== 'hidden' && it.type !== 'checkbox')
        .filter(it => it.getBoundingClientRect().height < 44)
        .map(it => it.outerHTML.slice(0, 120));";

/// Fields without a label, and images without a text.
const UNNAMED: &str = "
    return [...document.querySelectorAll('input:not([type=hidden]), img')]
        .filter(it => it.tagName === 'IMG' ? !it.hasAttribute('alt') : it.labels.length === 0)
        .map(it => it.outerHTML.slice(0, 120));";

async fn fits_a_phone(browser: &Browser, site: &Site, page: &str) {
    browser.open(&format!("{}{page}", site.url)).await;
    assert_eq!(browser.path().await, page.split('?').next().unwrap());
    assert_eq!(browser.run("return document.documentElement.clientWidth").await, 360);
    for script in [TOO_WIDE, TOO_SMALL, UNNAMED] {
        assert_eq!(browser.run(script).await, serde_json::json!([]), "{page}");
    }
}

#[tokio::test]
async fn no_page_scrolls_sideways_on_a_phone_and_everything_is_large_enough_to_touch() {
    let browser = browser!(Look::Phone);
    let site = Site::start(Backend::Sqlite).await.unwrap();
    for page in OF_A_VISITOR {
        fits_a_phone(&browser, &site, page).await;
    }
    let form = [("name", "Bob"), ("email", "bob@example.com"), ("password", crate::PASSWORD)];
    site.visitor().post("/register", &form).await;
    fits_a_phone(&browser, &site, &site.link("bob@example.com")).await;

    let mut admin = begin(&browser, &site, "Admin").await;
    let long = "A-name-that-has-no-space-and-does-not-end";
    admin.post("/profile/name", &[("name", &long[..40])]).await;
    admin.post("/devices/name", &[("name", &long[..40])]).await;
    for page in OF_A_USER {
        fits_a_phone(&browser, &site, page).await;
    }
    browser.close().await;
}

#[tokio::test]
async fn everything_works_without_scripts() {
    let browser = browser!(Look::Desktop);
    let site = Site::start(Backend::Sqlite).await.unwrap();
    browser.set_scripts(false).await;
    site.user("Ann").await;
    browser.open(&format!("{}/login?next=/vote", site.url)).await;
    browser.fill("#email", "ann@example.com").await;
    browser.fill("#password", crate::PASSWORD).await;
    browser.press("main button").await;
    browser.wait_for_path("/vote").await;
    browser.press(".choice button").await;
    browser.wait_for_words("main", "You have voted on 1 of 276 pairs.").await;
    browser.open(&format!("{}/live", site.url)).await;
    browser.wait_for_words("main", "1 of 1").await;
    browser.wait_for_words("#state", "anew every ten seconds").await;
    browser.open(&format!("{}/profile", site.url)).await;
    browser.press(".head button").await;
    browser.wait_for_words(".messages", "You are logged out.").await;
    browser.close().await;
}
