//! Logins over plain HTTP by mistake, and a proxy that replaces `Host`: what the log says. Each
//! test has hosts of its own, by which it finds its lines.

use anchor::frontend::{Bearer, SessionCookie};
use anchor::manager::SessionManagerBuilder;
use anchor_tests::{Backend, Verb, logs};
use http::header::{HOST, ORIGIN};
use http::{HeaderName, StatusCode};

use crate::application::{Application, UserSession};

type Builder = SessionManagerBuilder<UserSession>;
type Configure = fn(Builder) -> Builder;
type Headers<'h> = &'h [(HeaderName, &'h str)];

/// Logs in twice from a page of this origin, and returns the lines of the log that name it.
async fn lines(configure: Configure, origin: &str, more: Headers<'_>) -> Vec<String> {
    logs::keep();
    let app = Application::configured(&Backend::Memory, configure).await;
    let (_, host) = origin.split_once("://").unwrap();
    for _ in 0..2 {
        let mut login = app.post("/login").header(HOST, host).header(ORIGIN, origin);
        for (name, value) in more {
            login = login.header(name.clone(), value);
        }
        login.json(&UserSession::of("ferris")).send().await.expect(StatusCode::OK);
    }
    logs::lines_with(host)
}

#[tokio::test]
async fn a_login_whose_cookie_the_browser_drops_is_warned_of_once() {
    let found = lines(|sessions| sessions, "http://dropped.example:8080", &[]).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let line = &found[0];
    let start = " WARN anchor: a browser logged in on http://dropped.example:8080, over plain HTTP";
    assert!(line.contains(start), "{line}");
    assert!(line.contains(".frontend(SessionCookie::development())"), "{line}");
    assert!(line.contains("cookie:__Host-id") && line.contains("UserSession"), "{line}");

    let forwarded = (HeaderName::from_static("x-forwarded-proto"), "https");
    let silent: [(Configure, &str, Headers<'_>); 4] = [
        (|it| it, "https://tls.example", &[]),
        (|it| it, "http://forwarded.example", &[forwarded]),
        (|it| it.frontend(SessionCookie::development()), "http://development.example", &[]),
        (|it| it.frontend(Bearer), "http://bearer.example", &[]),
    ];
    for (configure, origin, more) in silent {
        assert_eq!(lines(configure, origin, more).await, [""; 0], "{origin}");
    }
}

#[tokio::test]
async fn a_login_that_fails_is_not_warned_of() {
    logs::keep();
    let app = Application::start(&Backend::Memory).await;
    let login = || {
        let login = app.post("/login").header(HOST, "failing.example");
        let login = login.header(ORIGIN, "http://failing.example");
        login.json(&UserSession::of("ferris"))
    };
    app.store.fail(Verb::Create, true);
    login().send().await.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(logs::lines_with("failing.example"), [""; 0]);
    app.store.fail(Verb::Create, false);
    login().send().await.expect(StatusCode::OK);
    assert_eq!(logs::lines_with("failing.example").len(), 1, "the next one that succeeds is");
}

#[tokio::test]
async fn behind_a_proxy_that_replaces_host_the_log_says_what_was_compared() {
    logs::keep();
    let app = Application::start(&Backend::Memory).await;
    let login = app.post("/login").header(ORIGIN, "https://proxied.example");
    let login = login.header(HOST, "backend:3000").json(&UserSession::of("ferris"));
    let refused = login.send().await.expect(StatusCode::FORBIDDEN);
    let found = logs::lines_with("proxied.example");
    assert_eq!(found.len(), 1, "{found:?}");
    let line = &found[0];
    assert!(line.contains(r#"`Origin` is "https://proxied.example""#), "{line}");
    assert!(line.contains(r#"`Host` is "backend:3000""#), "{line}");
    assert!(line.contains("`proxy_set_header Host $host;`"), "{line}");
    let body = refused.text();
    assert_eq!(body, r#"{"error":"cross_origin"}"#, "an outsider learns no internal name");
}
