//! What responses say to browsers, to caches, and to pages of other origins.

use reqwest::{Method, StatusCode};

use crate::site::{Backend, Site};

const FRONT_END: &str = "https://app.thinga.example";

#[tokio::test]
async fn pages_allow_no_script_of_others_and_private_ones_are_not_stored() {
    let site = Site::start(Backend::Sqlite).await.unwrap();
    let mut ann = site.user("Ann").await;
    for page in ["/", "/login", "/profile", "/devices", "/vote", "/live"] {
        let response = ann.get(page).await;
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("cache-control"), "no-store", "{page}");
        let text = response.text().await.unwrap();
        assert!(!text.contains(" style=") && !text.contains("<script>"), "{text}");
    }
    let style = ann.get("/assets/style.css").await;
    assert_eq!(style.headers()["cache-control"], "public, max-age=600");
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
    assert_eq!(ann.get("/health").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_public_site_has_secure_cookies_and_asks_for_https() {
    let site = Site::start_with(Backend::Sqlite, |config| {
        config.public_url = Some("https://thinga.example".into());
        // Nothing is sent in this test.
        config.smtp_url = Some("smtp://127.0.0.1:1".into());
    });
    let site = site.await.unwrap();
    let vote = site.visitor().get("/vote").await;
    let cookie = vote.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-guest="), "{cookie}");
    for flag in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    assert_eq!(vote.headers()["strict-transport-security"], "max-age=31536000");
}

#[tokio::test]
async fn the_front_end_may_read_and_vote_and_other_origins_may_not() {
    let site = Site::start_with(Backend::Sqlite, |config| {
        config.front_end = Some(FRONT_END.into());
    });
    let site = site.await.unwrap();
    let mut guest = site.visitor();
    for (origin, is_trusted) in [(FRONT_END, true), ("https://evil.example", false)] {
        let from = [("origin", origin), ("sec-fetch-site", "cross-site")];
        let pair = guest.send(Method::GET, "/api/pair", &from, String::new()).await;
        let allowed = pair.headers().get("access-control-allow-origin");
        assert_eq!(allowed.is_some_and(|allowed| allowed == origin), is_trusted);

        let body = r#"{"one":1,"other":2,"winner":1}"#.to_owned();
        let json = [&from[..], &[("content-type", "application/json")]].concat();
        let vote = guest.send(Method::POST, "/api/votes", &json, body).await;
        let expected = if is_trusted { StatusCode::CREATED } else { StatusCode::FORBIDDEN };
        assert_eq!(vote.status(), expected);
    }
    let me = guest.get("/api/me").await;
    assert_eq!(me.status(), StatusCode::UNAUTHORIZED);

    // A form of another site, with the cookies of the visitor.
    let mut ann = site.user("Ann").await;
    let form = [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let refused = ann.send(Method::POST, "/profile/name", &form, "name=Evil".into()).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(refused.text().await.unwrap().contains("Request refused"));
    let logout = ann.send(Method::POST, "/logout", &form, String::new()).await;
    assert_eq!(logout.status(), StatusCode::FORBIDDEN);
    assert!(ann.page("/profile").await.contains("Hello, Ann"));
}

#[tokio::test]
async fn the_front_end_changes_something_by_the_api_alone() {
    let site = Site::start_with(Backend::Sqlite, |config| {
        config.front_end = Some(FRONT_END.into());
    });
    let site = site.await.unwrap();
    let mut admin = site.user("Admin").await;
    let form = [
        ("origin", FRONT_END),
        ("sec-fetch-site", "same-site"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let id = "00000000-0000-0000-0000-000000000000";
    let users = [format!("/admin/users/{id}/role"), format!("/admin/users/{id}/end")];
    let paths = ["/profile/name", "/devices/others/end", "/vote", "/login", "/logout/all"];
    for path in paths.into_iter().chain(users.iter().map(String::as_str)) {
        for from in [&form[..], &[form[0], form[2]]] {
            let body = "name=Evil&role=admin&one=1&other=2&winner=1".to_owned();
            let refused = admin.send(Method::POST, path, from, body).await;
            assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{path}");
            assert!(refused.text().await.unwrap().contains("Request refused"), "{path}");
        }
    }
    assert!(admin.page("/profile").await.contains("Hello, Admin"));
    // The form of this origin.
    let own = [("origin", site.url.as_str()), ("sec-fetch-site", "same-origin"), form[2]];
    let renamed = admin.send(Method::POST, "/profile/name", &own, "name=Root".into()).await;
    assert_eq!(renamed.status(), StatusCode::SEE_OTHER);
    let logout = admin.send(Method::POST, "/api/logout", &form, String::new()).await;
    assert_eq!(logout.status(), StatusCode::NO_CONTENT);
    assert!(!admin.is_logged_in().await);
}
