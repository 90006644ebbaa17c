//! Requests that another site makes a browser send.

use std::sync::{Arc, Mutex};

use anchor::Rejection;
use anchor::frontend::Bearer;
use anchor::manager::{Event, SessionManagerBuilder};
use anchor::prelude::*;
use anchor::routing::{Router, get, post};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::application::{UserSession, body, location, log_in, login, send};

const HOST: (&str, &str) = ("host", "example.com");
const EVIL: [(&str, &str); 3] =
    [HOST, ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];

#[require_session(UserSession)]
async fn me(session: Session<UserSession>) -> String {
    session.user_id.to_string()
}

#[logout(UserSession)]
async fn logout() {}

#[public]
async fn contact() -> &'static str {
    "thanks"
}

fn builder() -> SessionManagerBuilder<UserSession> {
    SessionManager::builder(MemoryStore::new()).keys(KeyRing::generate().unwrap())
}

fn application(builder: SessionManagerBuilder<UserSession>) -> axum::Router {
    Router::new()
        .route("/login/{role}", post(login))
        .route("/me", get(me).post(me).put(me).patch(me).delete(me))
        .route("/logout", post(logout))
        .route("/contact", post(contact))
        .sessions(&builder.build().unwrap())
        .build()
        .unwrap()
}

fn with<'a>(headers: &[(&'a str, &'a str)], cookie: &'a str) -> Vec<(&'a str, &'a str)> {
    headers.iter().copied().chain([("cookie", cookie)]).collect()
}

async fn assert_refused(response: Response) {
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(!response.headers().contains_key(header::SET_COOKIE));
    assert_eq!(location(&response), None);
    let rejection = response.extensions().get::<Rejection>();
    assert!(matches!(rejection, Some(Rejection::CrossOrigin { .. })));
    assert_eq!(body(response).await, r#"{"error":"cross_origin"}"#);
}

#[tokio::test]
async fn another_site_can_do_nothing_with_a_visitors_session() {
    let app = application(builder());
    let cookie = log_in(&app, "member").await;
    for (method, path) in [
        ("POST", "/me"),
        ("PUT", "/me"),
        ("PATCH", "/me"),
        ("DELETE", "/me"),
        ("POST", "/logout"),
        ("POST", "/login/member"),
        ("POST", "/contact"),
    ] {
        assert_refused(send(&app, method, path, &with(&EVIL, &cookie)).await).await;
        assert_refused(send(&app, method, path, &EVIL).await).await;
        // A browser of before `Sec-Fetch-Site`, and a sandboxed frame.
        assert_refused(send(&app, method, path, &with(&EVIL[..2], &cookie)).await).await;
        let sandboxed = [HOST, ("origin", "null")];
        assert_refused(send(&app, method, path, &with(&sandboxed, &cookie)).await).await;
    }
    let own = [HOST, ("origin", "https://example.com"), ("sec-fetch-site", "same-origin")];
    assert_eq!(body(send(&app, "POST", "/me", &with(&own, &cookie)).await).await, "1");
}

#[tokio::test]
async fn links_from_elsewhere_the_own_pages_and_curl_are_let_in() {
    let app = application(builder());
    let cookie = log_in(&app, "member").await;
    assert_eq!(body(send(&app, "GET", "/me", &with(&EVIL, &cookie)).await).await, "1");
    for headers in [
        &[][..],
        &[HOST],
        &[HOST, ("origin", "https://example.com")],
        &[HOST, ("sec-fetch-site", "same-origin")],
        &[HOST, ("sec-fetch-site", "none")],
    ] {
        let response = send(&app, "POST", "/me", &with(headers, &cookie)).await;
        assert_eq!(response.status(), StatusCode::OK, "{headers:?}");
    }
}

/// A proxy may add a header of its own in front of the browser's.
#[tokio::test]
async fn two_different_origins_are_refused_whichever_comes_first() {
    let app = application(builder());
    let cookie = log_in(&app, "member").await;
    let call = async |headers: &[(&str, &str)]| {
        send(&app, "POST", "/contact", &with(headers, &cookie)).await
    };
    for name in ["origin", "sec-fetch-site", "host"] {
        let (own, other) = match name {
            "sec-fetch-site" => ("same-origin", "cross-site"),
            "origin" => ("https://shop.example", "https://evil.example"),
            _ => ("shop.example", "evil.example"),
        };
        let rest: &[(&str, &str)] = match name {
            "origin" => &[("host", "shop.example")],
            "host" => &[("origin", "https://shop.example")],
            _ => &[],
        };
        assert_refused(call(&[rest, &[(name, own), (name, other)]].concat()).await).await;
        assert_refused(call(&[rest, &[(name, other), (name, own)]].concat()).await).await;
        let twice = call(&[rest, &[(name, own), (name, own)]].concat()).await;
        assert_eq!(twice.status(), StatusCode::OK, "{name}");
    }
}

#[tokio::test]
async fn a_websocket_of_another_site_is_refused() {
    let app = application(builder());
    let cookie = log_in(&app, "member").await;
    let upgrade = [EVIL[0], EVIL[1], ("connection", "upgrade"), ("upgrade", "websocket")];
    assert_refused(send(&app, "GET", "/me", &with(&upgrade, &cookie)).await).await;
}

#[tokio::test]
async fn trusted_origins_are_let_in_and_no_others() {
    let app = application(
        builder()
            .trusted_origin("https://app.example.com")
            .trusted_origin("https://admin.example.com"),
    );
    let cookie = log_in(&app, "member").await;
    let from = |origin| [HOST, ("origin", origin), ("sec-fetch-site", "same-site")];
    for origin in ["https://app.example.com", "https://admin.example.com"] {
        let response = send(&app, "POST", "/me", &with(&from(origin), &cookie)).await;
        assert_eq!(response.status(), StatusCode::OK, "{origin}");
    }
    for origin in [
        "https://blog.example.com",
        "http://app.example.com",
        "https://app.example.com.evil.example",
    ] {
        assert_refused(send(&app, "POST", "/me", &with(&from(origin), &cookie)).await).await;
    }
}

#[test]
fn a_trusted_origin_that_no_browser_sends_fails_at_build() {
    let error =
        builder().trusted_origin("https://App.example.com/").build().unwrap_err().to_string();
    assert!(error.contains("browsers send it as `https://app.example.com`; write that"), "{error}");
}

#[tokio::test]
async fn a_token_that_browsers_do_not_send_by_themselves_needs_no_protection() {
    let app = application(builder().frontend(Bearer));
    let response = send(&app, "POST", "/me", &EVIL).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(send(&app, "POST", "/contact", &EVIL).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn it_is_turned_off_by_name_alone() {
    let app = application(builder().dangerously_allow_cross_origin_requests());
    let cookie = log_in(&app, "member").await;
    assert_eq!(body(send(&app, "POST", "/me", &with(&EVIL, &cookie)).await).await, "1");
}

#[tokio::test]
async fn a_refusal_is_an_event_and_on_reject_answers_it() {
    let codes = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&codes);
    let app = application(
        builder()
            .on_event(move |event| {
                if let Event::Refused { rejection } = event {
                    seen.lock().unwrap().push(rejection.code());
                }
            })
            .on_reject(|rejection, request| {
                (StatusCode::IM_A_TEAPOT, format!("{} {}", rejection.code(), request.uri))
                    .into_response()
            }),
    );
    let response = send(&app, "POST", "/logout", &EVIL).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert!(response.extensions().get::<Rejection>().is_some());
    assert_eq!(body(response).await, "cross_origin /logout");
    assert_eq!(*codes.lock().unwrap(), ["cross_origin"]);
}
