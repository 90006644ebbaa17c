//! Refusals as a browser shows them: a page instead of JSON, for a request that asks for HTML.

use anchor::guard::Fresh;
use anchor::prelude::*;
use anchor_tests::http::{Answer, Call, Served};
use anchor_tests::{Backend, Verb, Watched};
use axum::Router;
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN, SET_COOKIE,
    WWW_AUTHENTICATE,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tower::Layer;

use crate::application::{Application, KEY, REQUIRING, UserSession, routes};
use crate::refusals::{Case, dead, forgeries};

on_every_store![
    every_401_is_the_same_page_for_a_browser,
    a_page_for_every_status_and_json_for_programs,
    a_login_that_fails_is_a_page,
    the_applications_own_response_stays,
];

/// What a browser's links and forms send.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async fn page(call: Call<'_>, status: StatusCode) -> Answer {
    let answer = call.header(ACCEPT, BROWSER).send().await.expect(status);
    assert_eq!(answer.header(CONTENT_TYPE), Some("text/html; charset=utf-8"));
    assert_eq!(answer.header(CACHE_CONTROL), Some("no-store"));
    let text = answer.text();
    assert_eq!(answer.header(CONTENT_LENGTH), Some(&*text.len().to_string()));
    assert!(text.starts_with("<!doctype html>") && text.ends_with("</html>\n"), "{text}");
    assert!(text.contains(&format!("{} <code>", status.as_u16())), "{text}");
    for resource in ["http", "src=", "href=", "url(", "<script", "ferris"] {
        assert!(!text.contains(resource), "{resource}: {text}");
    }
    answer
}

async fn every_401_is_the_same_page_for_a_browser(backend: Backend) {
    let app = Application::start(&backend).await;
    let mut cases = forgeries(&app).await;
    cases.extend(dead(&app, &backend).await);
    let first = page(app.get("/me"), StatusCode::UNAUTHORIZED).await;
    assert!(first.text().contains("<h1>Please log in</h1>"), "{first:?}");
    assert!(first.text().contains("401 <code>unauthenticated</code>"), "{first:?}");
    for Case { name, cookie, .. } in cases {
        for path in REQUIRING {
            let answer = page(app.get(path).cookie(&cookie), StatusCode::UNAUTHORIZED).await;
            assert_eq!(answer.text(), first.text(), "{name}");
            assert!(!answer.headers.contains_key(SET_COOKIE), "{name}");
        }
    }
}

#[require_session(UserSession, when = |user| user.name == "nobody")]
async fn forbidden() {}

#[require_session(UserSession, policy = Fresh<0>)]
async fn fresh() {}

async fn a_page_for_every_status_and_json_for_programs(backend: Backend) {
    let more = Router::new().route("/forbidden", post(forbidden)).route("/fresh", post(fresh));
    let more = more.route("/logout-by-link", get(logout));
    let app = Application::with_routes(&backend, more).await;
    let cookie = app.log_in("ferris").await;
    let evil = || app.post("/logout").header(ORIGIN, "https://evil.example").header(HOST, "a.b");
    let shown = async |call: Call<'_>, status, title: &str, code: &str| {
        let answer = page(call, status).await;
        assert!(answer.text().contains(&format!("<h1>{title}</h1>")), "{answer:?}");
        assert!(answer.text().contains(&format!("<code>{code}</code>")), "{answer:?}");
        answer
    };
    let own = |path| app.post(path).cookie(&cookie);
    let forbidden = StatusCode::FORBIDDEN;
    shown(own("/forbidden"), forbidden, "Not allowed", "forbidden").await;
    let code = "reauthentication_required";
    shown(own("/fresh"), forbidden, "Please log in again", code).await;
    shown(evil().cookie(&cookie), forbidden, "Request refused", "cross_origin").await;
    let by_link = app.get("/logout-by-link").cookie(&cookie);
    let (title, code) = ("You are still logged in", "logout_by_safe_method");
    let by_link = shown(by_link, StatusCode::METHOD_NOT_ALLOWED, title, code).await;
    assert_eq!(by_link.header(ALLOW), Some("POST, PUT, PATCH, DELETE"));
    assert!(by_link.text().contains("route `#[logout]` with `post(..)`"), "{by_link:?}");

    app.store.fail(Verb::Load, true);
    app.store.fail(Verb::Revoke, true);
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    for call in [app.get("/me"), app.get("/optional"), app.post("/logout")] {
        let (title, code) = ("Not available at the moment", "store_unavailable");
        shown(call.cookie(&cookie), unavailable, title, code).await;
    }

    for accept in ["", "*/*", "application/json", "text/html;q=0.5, application/json"] {
        for (call, status, json) in [
            (app.get("/me"), StatusCode::UNAUTHORIZED, "{\"error\":\"unauthenticated\"}"),
            (evil(), forbidden, "{\"error\":\"cross_origin\"}"),
            (app.get("/me").cookie(&cookie), unavailable, "{\"error\":\"store_unavailable\"}"),
        ] {
            let call = if accept.is_empty() { call } else { call.header(ACCEPT, accept) };
            let answer = call.send().await.expect(status);
            assert_eq!(answer.header(CONTENT_TYPE), Some("application/json"), "{accept}");
            assert_eq!(answer.text(), json, "{accept}");
        }
    }
}

#[logout(UserSession)]
async fn logout() {}

async fn a_login_that_fails_is_a_page(backend: Backend) {
    let app = Application::start(&backend).await;
    app.store.fail(Verb::Create, true);
    let login = app.post("/login").json(&UserSession::of("ferris"));
    let answer = page(login, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(!answer.headers.contains_key(SET_COOKIE));
}

async fn the_applications_own_response_stays(backend: Backend) {
    let own = |rejection: &anchor::Rejection, request: &http::request::Parts| -> Response {
        match request.uri.path() {
            "/me" => (StatusCode::IM_A_TEAPOT, Html("<p>own</p>")).into_response(),
            // Whatever this refusal is by default.
            _ => rejection.clone().into_response(),
        }
    };
    let store = Watched::new(backend.store().await);
    let configure = |sessions: anchor::manager::SessionManagerBuilder<UserSession>| {
        sessions.on_reject(own).frontend(anchor::frontend::Bearer)
    };
    let app = Application::assemble(store, configure, Router::new()).await;
    let answer = app.get("/me").header(ACCEPT, BROWSER).send().await;
    assert_eq!(answer.expect(StatusCode::IM_A_TEAPOT).text(), "<p>own</p>");
    let answer = page(app.get("/guarded"), StatusCode::UNAUTHORIZED).await;
    assert_eq!(answer.header(WWW_AUTHENTICATE), Some("Bearer"));
}

/// What the application's own middleware has made of a refusal stays as well.
#[tokio::test]
async fn a_body_that_was_replaced_on_the_way_stays() {
    let sessions = SessionManager::builder(anchor::MemoryStore::<UserSession>::new());
    let sessions = sessions.keys(KeyRing::new([KEY]).unwrap()).build().unwrap();
    let replace = map_response(async |mut response: Response| {
        *response.body_mut() = "{\"code\":17}".into();
        response
    });
    let name = HeaderName::from_static("x-kept");
    let add = map_response(async |mut response: Response| {
        response.headers_mut().insert("x-kept", HeaderValue::from_static("yes"));
        response
    });
    let served = Served::start(routes().layer(replace).layer(sessions.layer())).await;
    let answer = served.get("/me").header(ACCEPT, BROWSER).send().await;
    assert_eq!(answer.expect(StatusCode::UNAUTHORIZED).text(), "{\"code\":17}");

    // Headers do not make it another response, and a length that a router has set is corrected.
    let whole = sessions.layer().layer(routes().layer(add));
    let served = Served::start(Router::new().fallback_service(whole)).await;
    let answer = page(served.get("/me"), StatusCode::UNAUTHORIZED).await;
    assert_eq!(answer.header(name), Some("yes"));
    let head = served.call(Method::HEAD, "/me").header(ACCEPT, BROWSER).send().await;
    assert!(head.expect(StatusCode::UNAUTHORIZED).body.is_empty());
}
