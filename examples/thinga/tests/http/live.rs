//! The stream of the live page.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::timeout;

use crate::on_every_backend;
use crate::site::Site;

on_every_backend!(the_live_page_shows_votes_and_ends_with_its_session);

async fn the_live_page_shows_votes_and_ends_with_its_session(site: Site) {
    assert_eq!(site.visitor().get("/live/events").await.status(), StatusCode::UNAUTHORIZED);
    let mut desk = site.user("Ann").await;
    let mut phone = site.login("Ann").await;
    let mut stream = phone.get("/live/events").await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");

    desk.vote("1", "2", "1").await;
    let mut seen = String::new();
    while !seen.contains("1 of 1") {
        let chunk = timeout(Duration::from_secs(20), stream.chunk()).await.unwrap().unwrap();
        seen += std::str::from_utf8(&chunk.expect("the stream goes on")).unwrap();
    }

    // On another node.
    let other = site.another().await;
    let mut elsewhere = other.visitor();
    elsewhere.cookies.clone_from(&desk.cookies);
    elsewhere.post("/devices/others/end", &[]).await;
    let end = async { while stream.chunk().await.unwrap().is_some() {} };
    timeout(Duration::from_secs(20), end).await.expect("the stream ends with the session");
    assert_eq!(phone.get("/live/events").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(phone.get("/live").await.status(), StatusCode::SEE_OTHER);
}
