//! Screenshots, for a person to look at. They are in `target/thinga-screenshots`.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::SqlitePool;

use crate::chromium::{Browser, Look};
use crate::site::{Backend, Site};
use crate::{PASSWORD, begin, browser};

fn folder() -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.parent().unwrap().join("thinga-screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

async fn shoot(browser: &Browser, name: &str) {
    let picture = browser.screenshot().await;
    assert!(picture.starts_with(b"\x89PNG"), "{name}");
    std::fs::write(folder().join(format!("{name}.png")), picture).unwrap();
}

/// Lets a hundred guests vote, each with their own taste.
async fn vote_a_lot(site: &Site) {
    let pool = SqlitePool::connect(&site.config.database_url).await.unwrap();
    let mut random = 7_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (random >> 33) % below
    };
    for voter in 0..100_u128 {
        for _ in 0..30 {
            let (one, other) = (1 + next(24) as i64, 1 + next(24) as i64);
            let (low, high) = (one.min(other), one.max(other));
            // The taste of everybody: an order of things, and some chance.
            let taste = |thing: i64| (thing * 7 % 25) as u64 + next(12);
            let mut taste = taste;
            let winner = if taste(low) > taste(high) { low } else { high };
            if low == high {
                continue;
            }
            sqlx::query("INSERT OR IGNORE INTO votes VALUES ($1, $2, $3, $4, 0)")
                .bind(uuid::Uuid::from_u128(voter))
                .bind(low)
                .bind(high)
                .bind(winner)
                .execute(&pool)
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn screenshots_of_every_page() {
    let site = Site::start(Backend::Sqlite).await.unwrap();
    vote_a_lot(&site).await;
    for (look, size) in [(Look::Desktop, "desktop"), (Look::Phone, "phone")] {
        let browser = browser!(look);
        let (name, pages) = match look {
            Look::Desktop => ("Ada", &["/", "/vote", "/register", "/login", "/leaderboard"]),
            Look::Phone => ("Admin", &["/", "/vote", "/register", "/login", "/leaderboard"]),
        };
        // Until the leaderboard has the votes.
        tokio::time::sleep(Duration::from_secs(7)).await;
        for dark in [false, true] {
            browser.set_dark(dark).await;
            let suffix = if dark { "dark" } else { "light" };
            for page in pages {
                browser.open(&format!("{}{page}", site.url)).await;
                let page = page.strip_prefix('/').filter(|page| !page.is_empty()).unwrap_or("home");
                shoot(&browser, &format!("{page}-{size}-{suffix}")).await;
            }
        }
        let mut user = begin(&browser, &site, name).await;
        for (one, other, winner) in [("1", "2", "2"), ("2", "3", "2"), ("3", "9", "3")] {
            user.vote(one, other, winner).await;
        }
        user.agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 \
                      (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"
            .into();
        user.login(name, PASSWORD).await;
        user.post("/devices/name", &[("name", "My phone")]).await;
        for dark in [false, true] {
            browser.set_dark(dark).await;
            let suffix = if dark { "dark" } else { "light" };
            for page in ["profile", "devices", "live", "admin", "vote"] {
                browser.open(&format!("{}/{page}", site.url)).await;
                shoot(&browser, &format!("{page}-user-{size}-{suffix}")).await;
            }
        }
        browser.close().await;
    }
}
