//! How the token travels: cookie settings, a bearer, a header, a frontend of the application's own.

use std::time::Duration;

use anchor::ConfigError;
use anchor::frontend::{Bearer, CustomHeader, Frontend, Presented, SameSite, SessionCookie};
use anchor::prelude::*;
use anchor::token::SessionToken;
use anchor_tests::http::Served;
use anchor_tests::{Backend, Verb, Watched};
use axum::Router;
use axum::response::IntoResponse;
use axum::routing::post;
use http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, ORIGIN, VARY, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, StatusCode};

use crate::application::{Application, KEY, UserSession};

on_every_store![
    cookie_settings_reach_the_browser_verbatim_and_the_removal_has_the_same,
    a_bearer_token_is_sent_by_the_handler_and_accepted,
    a_header_of_the_applications_own_carries_the_token_both_ways,
    a_frontend_of_a_few_lines_works,
];

async fn cookie_settings_reach_the_browser_verbatim_and_the_removal_has_the_same(backend: Backend) {
    let day = Duration::from_secs(86_400);
    let cases = [
        (
            SessionCookie::new("__Host-x").same_site(SameSite::Strict),
            "__Host-x",
            "HttpOnly; SameSite=Strict; Secure; Path=/",
            "",
        ),
        (
            SessionCookie::new("__Secure-x").same_site(SameSite::None),
            "__Secure-x",
            "HttpOnly; SameSite=None; Secure; Path=/",
            "",
        ),
        (
            SessionCookie::new("__Secure-x").domain("shop.example.com").path("/app"),
            "__Secure-x",
            "HttpOnly; SameSite=Lax; Secure; Path=/app",
            "; Domain=shop.example.com",
        ),
        (SessionCookie::development(), "id", "HttpOnly; SameSite=Lax; Path=/", ""),
    ];
    for (frontend, name, attributes, domain) in cases {
        let app = Application::configured(&backend, |sessions| {
            sessions.frontend(frontend).absolute(30 * day)
        })
        .await;
        let login = app.post("/login").json(&UserSession::of("ferris")).send().await;
        let (cookie, token) = (login.cookie(), login.token());
        assert_eq!(
            login.set_cookie(),
            format!("{name}={token}; {attributes}{domain}; Max-Age=2592000")
        );
        app.me(&cookie).await.expect(StatusCode::OK);
        let logout = app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
        assert_eq!(logout.set_cookie(), format!("{name}=; {attributes}{domain}; Max-Age=0"));
    }
}

#[test]
fn invalid_combinations_fail_at_build() {
    let build = |cookie: SessionCookie, absolute_days: u64| {
        let store = anchor::MemoryStore::<UserSession>::new();
        SessionManager::builder(store)
            .keys(KeyRing::new([KEY]).unwrap())
            .frontend(cookie)
            .absolute(Duration::from_secs(absolute_days * 86_400))
            .build()
            .map(|_| ())
    };
    let cookie = SessionCookie::new;
    let refused: [(Result<(), ConfigError>, &str); 9] = [
        (
            build(cookie("x").same_site(SameSite::None).secure(false), 1),
            "`SameSite=None` without `Secure`",
        ),
        (build(cookie("__Host-x").secure(false), 1), "only with `Secure`"),
        (build(cookie("__Host-x").domain("example.com"), 1), "remove `.domain(..)`"),
        (build(cookie("__Host-x").path("/app"), 1), "remove `.path(..)`"),
        (build(cookie("__Secure-x").secure(false), 1), "only with `Secure`"),
        (build(cookie("a b"), 1), "must be a token"),
        (build(cookie("x").domain("no domain"), 1), "is not a domain"),
        (build(cookie("x").path("app"), 1), "is not a path"),
        (build(cookie("x"), 401), "400 days"),
    ];
    for (index, (result, message)) in refused.into_iter().enumerate() {
        let error = result.expect_err(message).to_string();
        assert!(error.contains(message), "{index}: {error}");
        assert!(error.contains("UserSession"), "which sessions: {error}");
    }
    assert_eq!(build(cookie("x"), 400), Ok(()));

    let store = anchor::MemoryStore::<UserSession>::new();
    let error = SessionManager::builder(store).build().unwrap_err();
    assert!(error.to_string().contains("no signing keys"), "{error}");
}

fn token_in_the_body() -> Router {
    Router::new().route(
        "/token",
        post(async |auth: Auth<UserSession>| {
            let login = auth.login(UserSession::of("ferris")).await?;
            Ok::<_, anchor::Error>(login.token().expose().to_owned())
        }),
    )
}

async fn over(backend: &Backend, frontend: impl Frontend) -> Application {
    let store = Watched::new(backend.store().await);
    Application::assemble(store, |sessions| sessions.frontend(frontend), token_in_the_body()).await
}

async fn a_bearer_token_is_sent_by_the_handler_and_accepted(backend: Backend) {
    let app = over(&backend, Bearer).await;
    let login = app.post("/token").send().await.expect(StatusCode::OK);
    assert!(login.set_cookies().is_empty(), "{login:?}");
    assert_eq!(login.header(CACHE_CONTROL), Some("no-store"));
    let bearer = format!("Bearer {}", login.text());
    let me = app.get("/me").header(AUTHORIZATION, &bearer).send().await.expect(StatusCode::OK);
    assert_eq!(me.header(VARY), Some("authorization"));

    for refused in ["Bearer forged", "Basic Zm9vOmJhcg==", "Bearer"] {
        let answer = app.get("/me").header(AUTHORIZATION, refused).send().await;
        let answer = answer.expect(StatusCode::UNAUTHORIZED);
        assert_eq!(answer.header(WWW_AUTHENTICATE), Some("Bearer"), "{refused}");
    }
    let by_cookie = app.me(format!("__Host-id={}", login.text())).await;
    assert_eq!(by_cookie.status, StatusCode::UNAUTHORIZED, "a bearer token is no cookie");
    assert_eq!(by_cookie.header(WWW_AUTHENTICATE), Some("Bearer"));

    app.store.fail(Verb::Load, true);
    let unanswered = app.get("/me").header(AUTHORIZATION, &bearer).send().await;
    let unanswered = unanswered.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(unanswered.header(WWW_AUTHENTICATE), None, "another token would not help");
    app.store.fail(Verb::Load, false);

    let logout = app.post("/logout").header(AUTHORIZATION, &bearer).send().await;
    assert!(logout.expect(StatusCode::NO_CONTENT).set_cookies().is_empty());
    let replay = app.get("/me").header(AUTHORIZATION, &bearer).send().await;
    replay.expect(StatusCode::UNAUTHORIZED);
}

async fn a_header_of_the_applications_own_carries_the_token_both_ways(backend: Backend) {
    let name = HeaderName::from_static("x-session");
    let app = over(&backend, CustomHeader::new(name.clone())).await;
    let login = app.post("/token").send().await.expect(StatusCode::OK);
    let token = login.header(name.clone()).unwrap();
    assert_eq!(token, login.text());
    let me = app.get("/me").header(name.clone(), token).send().await.expect(StatusCode::OK);
    assert_eq!(me.header(VARY), Some("x-session"));
    assert_eq!(me.header(name.clone()), None);
    let conflict = app.get("/me").header(name.clone(), token).header(name.clone(), "x");
    conflict.send().await.expect(StatusCode::UNAUTHORIZED);
    let logout = app.post("/logout").header(name.clone(), token).send().await;
    assert_eq!(logout.expect(StatusCode::NO_CONTENT).header(name.clone()), Some(""));
    app.get("/me").header(name, token).send().await.expect(StatusCode::UNAUTHORIZED);
}

/// The token as a cookie of a proxy that wants it in two headers.
struct Own;

impl Frontend for Own {
    fn channel(&self) -> String {
        "own".into()
    }

    fn presented<'r>(&self, headers: &'r HeaderMap) -> Presented<'r> {
        Presented::collect(headers.get_all("x-own").iter().map(|value| value.as_bytes()))
    }

    fn headers(&self) -> &[HeaderName] {
        static OWN: [HeaderName; 1] = [HeaderName::from_static("x-own")];
        &OWN
    }

    fn issue(&self, token: &SessionToken, lifetime: Option<Duration>, response: &mut HeaderMap) {
        response.insert("x-own", token.expose().parse().unwrap());
        response.insert("x-own-lifetime", lifetime.map_or(0, |lifetime| lifetime.as_secs()).into());
    }
}

async fn a_frontend_of_a_few_lines_works(backend: Backend) {
    let app = over(&backend, Own).await;
    let login = app.post("/token").send().await.expect(StatusCode::OK);
    let name = HeaderName::from_static("x-own");
    let token = login.header(name.clone()).unwrap();
    let lifetime = HeaderName::from_static("x-own-lifetime");
    assert_eq!(login.header(lifetime), Some("1209600"));
    app.get("/me").header(name, token).send().await.expect(StatusCode::OK);
}

async fn shown(headers: HeaderMap) -> String {
    format!("{headers:?}")
}

#[tokio::test]
async fn a_request_that_is_shown_hides_its_token() {
    let own = HeaderName::from_static("x-own");
    let served = async |builder: anchor::manager::SessionManagerBuilder<UserSession>| {
        let shown_refusal = |rejection: &anchor::Rejection, request: &http::request::Parts| {
            (rejection.status(), format!("{:?}", request.headers)).into_response()
        };
        let sessions = builder.keys(KeyRing::new([KEY]).unwrap()).on_reject(shown_refusal);
        let sessions = sessions.build().unwrap();
        Served::start(Router::new().route("/", post(shown)).layer(sessions.layer())).await
    };
    let builder = || SessionManager::builder(anchor::MemoryStore::new());
    for (served, header, value) in [
        (served(builder()).await, COOKIE, "a=1; __Host-id=hidden"),
        (served(builder().frontend(Bearer)).await, AUTHORIZATION, "Bearer hidden"),
        (served(builder().frontend(CustomHeader::new(own.clone()))).await, own.clone(), "hidden"),
        (served(builder().frontend(Own)).await, own, "hidden"),
    ] {
        let kept = HeaderName::from_static("x-kept");
        let call = || {
            // Several of them are hidden as well.
            let call = served.post("/").header(header.clone(), value).header(header.clone(), value);
            call.header(kept.clone(), "visible")
        };
        let answer = call().send().await.expect(StatusCode::OK);
        let answer = answer.text();
        assert!(!answer.contains("hidden") && answer.contains("visible"), "{header}: {answer}");
        // What a refusal of the layer itself is given.
        let answer = call().header(ORIGIN, "https://evil.example").send().await;
        let answer = answer.text();
        assert!(!answer.contains("hidden") && answer.contains("visible"), "{header}: {answer}");
    }
}
