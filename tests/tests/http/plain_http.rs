//! Logins over plain HTTP by mistake, and a proxy that replaces `Host`: what the log says.

use anchor::frontend::{Bearer, SessionCookie};
use anchor::manager::SessionManagerBuilder;
use anchor_tests::Backend;
use anchor_tests::logs::logged;
use http::header::{HOST, ORIGIN};
use http::{HeaderName, StatusCode};

use crate::application::{Application, UserSession};

type Builder = SessionManagerBuilder<UserSession>;
type Configure = fn(Builder) -> Builder;

const PAGE: &str = "http://shop.example:8080";

/// Logs in twice with these headers, and returns the lines that warn of plain HTTP.
async fn warnings(configure: Configure, headers: &[(HeaderName, &str)]) -> Vec<String> {
    let ((), log) = logged(async {
        let app = Application::configured(&Backend::Memory, configure).await;
        for _ in 0..2 {
            let mut login = app.post("/login").header(HOST, "shop.example:8080");
            for (name, value) in headers {
                login = login.header(name.clone(), value);
            }
            login.json(&UserSession::of("ferris")).send().await.expect(StatusCode::OK);
        }
    })
    .await;
    log.lines().filter(|line| line.contains("a browser logged in on")).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_login_whose_cookie_the_browser_drops_is_warned_of_once() {
    let found = warnings(|sessions| sessions, &[(ORIGIN, PAGE)]).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let line = &found[0];
    assert!(
        line.contains(" WARN anchor: a browser logged in on http://shop.example:8080"),
        "{line}"
    );
    assert!(line.contains(".frontend(SessionCookie::development())"), "{line}");
    assert!(line.contains("cookie:__Host-id") && line.contains("UserSession"), "{line}");

    let silent: [(Configure, &[(HeaderName, &str)]); 5] = [
        (|it| it, &[]),
        (|it| it, &[(ORIGIN, "https://shop.example:8080")]),
        (|it| it, &[(ORIGIN, PAGE), (HeaderName::from_static("x-forwarded-proto"), "https")]),
        (|it| it.frontend(SessionCookie::development()), &[(ORIGIN, PAGE)]),
        (|it| it.frontend(Bearer), &[(ORIGIN, PAGE)]),
    ];
    for (index, (configure, headers)) in silent.into_iter().enumerate() {
        assert_eq!(warnings(configure, headers).await, [""; 0], "{index}");
    }
}

#[tokio::test]
async fn a_login_that_fails_is_not_one() {
    let ((), log) = logged(async {
        let app = Application::start(&Backend::Memory).await;
        let login = || {
            let login = app.post("/login").header(HOST, "shop.example:8080").header(ORIGIN, PAGE);
            login.json(&UserSession::of("ferris"))
        };
        app.store.fail(anchor_tests::Verb::Create, true);
        login().send().await.expect(StatusCode::SERVICE_UNAVAILABLE);
        app.post("/update").header(ORIGIN, PAGE).header(HOST, "shop.example:8080").send().await;
    })
    .await;
    assert!(!log.contains("a browser logged in on"), "{log}");
}

#[tokio::test]
async fn behind_a_proxy_that_replaces_host_the_log_says_what_was_compared() {
    let (body, log) = logged(async {
        let app = Application::start(&Backend::Memory).await;
        let login = app.post("/login").header(ORIGIN, "https://shop.example");
        let login = login.header(HOST, "backend:3000").json(&UserSession::of("ferris"));
        login.send().await.expect(StatusCode::FORBIDDEN).text().to_owned()
    })
    .await;
    let line = log.lines().find(|line| line.contains("another origin")).expect("it is logged");
    assert!(line.contains(r#"`Origin` is "https://shop.example""#), "{line}");
    assert!(line.contains(r#"`Host` is "backend:3000""#), "{line}");
    assert!(line.contains("`proxy_set_header Host $host;`"), "{line}");
    assert_eq!(body, r#"{"error":"cross_origin"}"#, "an outsider learns no internal name");
}
