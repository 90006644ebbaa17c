//! The page of devices.

use reqwest::StatusCode;

use crate::on_every_backend;
use crate::site::Site;

on_every_backend!(
    devices_have_names_and_end_one_by_one,
    the_id_of_another_user_ends_nothing,
    all_others_end_at_once,
);

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

/// Returns what the first "End" button posts to.
fn end_of(page: &str) -> String {
    let (_, rest) = page.split_once("action=\"/devices/0").expect("an other device");
    format!("/devices/0{}", rest.split('"').next().unwrap())
}

async fn devices_have_names_and_end_one_by_one(site: Site) {
    let mut desk = site.user("Ann").await;
    let mut phone = site.visitor();
    phone.agent = FIREFOX.into();
    phone.login("Ann", crate::site::PASSWORD).await;
    let page = desk.page("/devices").await;
    assert!(page.contains("Firefox on Linux") && page.contains("127.0.0.1"), "{page}");
    assert_eq!(page.matches("this device</p>").count(), 1, "{page}");

    phone.post("/devices/name", &[("name", "My <old> phone")]).await;
    let page = desk.page("/devices").await;
    assert!(page.contains("My &#60;old&#62; phone</h2>"), "{page}");

    let end = end_of(&page);
    assert_eq!(site.visitor().post(&end, &[]).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(desk.post(&end, &[]).await.status(), StatusCode::SEE_OTHER);
    assert!(!phone.is_logged_in().await);
    let page = desk.page("/devices").await;
    assert!(page.contains("That device is logged out.") && !page.contains("phone"), "{page}");
    desk.post(&end, &[]).await;
    assert!(desk.page("/devices").await.contains("was logged out already"));
}

async fn the_id_of_another_user_ends_nothing(site: Site) {
    let mut ann = site.user("Ann").await;
    site.login("Ann").await;
    let mut bob = site.user("Bob").await;
    let end = end_of(&ann.page("/devices").await);
    bob.post(&end, &[]).await;
    assert!(ann.page("/devices").await.contains(&end));
}

async fn all_others_end_at_once(site: Site) {
    let mut desk = site.user("Ann").await;
    let (mut phone, mut tablet) = (site.login("Ann").await, site.login("Ann").await);
    desk.post("/devices/others/end", &[]).await;
    assert!(!phone.is_logged_in().await && !tablet.is_logged_in().await);
    assert!(desk.is_logged_in().await);

    let mut phone = site.login("Ann").await;
    let everywhere = desk.post("/logout/all", &[]).await;
    assert_eq!(everywhere.headers()["location"], "/?message=logged_out");
    assert_eq!(everywhere.headers()["clear-site-data"], "\"cache\"");
    assert!(!phone.is_logged_in().await && !desk.is_logged_in().await);
}
