//! `redirect = "/login"`: browsers go to the login page and back, and nobody else goes anywhere.

use std::sync::Arc;

use anchor::guard::Fresh;
use anchor::prelude::*;
use anchor::routing::{Router, get, post};
use anchor::{Next, Rejection};
use anchor_tests::{Verb, Watched};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect};

use crate::application::{
    BROWSER, Role, UserSession, body, location, log_in, login, send, sessions,
};

#[require_session(UserSession, redirect = "/login")]
async fn orders() -> &'static str {
    "orders"
}

#[require_session(UserSession, role = Role::Admin, redirect = "/login?lang=de")]
async fn admin() {}

#[require_session(UserSession, policy = Fresh<0>, redirect = "/login")]
async fn delete_account() {}

#[public]
async fn sign_in(next: Next, auth: Auth<UserSession>) -> Result<Redirect, anchor::Error> {
    auth.login(UserSession { user_id: 1, role: Role::Member }).await?;
    Ok(Redirect::to(next.or("/")))
}

fn routes() -> Router {
    Router::new()
        .route("/login", post(sign_in))
        .route("/login/{role}", post(login))
        .nest("/shop", Router::new().route("/orders", get(orders).post(orders)))
        .route("/admin", get(admin))
        .route("/account", get(delete_account))
}

fn served_by(sessions: &SessionManager<UserSession>) -> axum::Router {
    routes().sessions(sessions).build().unwrap()
}

fn application() -> axum::Router {
    served_by(&sessions())
}

#[tokio::test]
async fn a_browser_is_sent_to_log_in_and_comes_back() {
    let app = application();
    let response =
        send(&app, "GET", "/shop/orders?page=2&sort=a%20b", &[("accept", BROWSER)]).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let page = location(&response).unwrap();
    assert_eq!(page, "/login?next=/shop/orders%3Fpage%3D2%26sort%3Da%2520b");

    let response = send(&app, "POST", page, &[]).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(location(&response), Some("/shop/orders?page=2&sort=a%20b"));

    let response = send(&app, "GET", "/admin", &[("accept", BROWSER)]).await;
    assert_eq!(location(&response), Some("/login?lang=de&next=/admin"));
}

#[tokio::test]
async fn nobody_else_is_sent_anywhere() {
    let app = application();
    for (method, accept) in [
        ("GET", "application/json"),
        ("GET", "*/*"),
        ("GET", "application/json, text/html;q=0.5"),
        ("POST", BROWSER),
    ] {
        let response = send(&app, method, "/shop/orders", &[("accept", accept)]).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{method} {accept}");
        assert_eq!(location(&response), None);
        // A browser's form is shown a page, and everyone else gets JSON.
        let expected = match method {
            "POST" => "<code>unauthenticated</code>",
            _ => r#"{"error":"unauthenticated"}"#,
        };
        let shown = body(response).await;
        assert!(shown.contains(expected), "{method} {accept}: {shown}");
    }
    assert_eq!(send(&app, "GET", "/shop/orders", &[]).await.status(), StatusCode::UNAUTHORIZED);
    let head = send(&app, "HEAD", "/shop/orders", &[("accept", BROWSER)]).await;
    assert_eq!(location(&head), Some("/login?next=/shop/orders"));
}

#[tokio::test]
async fn a_session_that_may_not_stays_forbidden_and_a_stale_one_authenticates_again() {
    let app = application();
    let member = log_in(&app, "member").await;
    let headers = [("accept", BROWSER), ("cookie", member.as_str())];
    let response = send(&app, "GET", "/admin", &headers).await;
    assert_eq!((response.status(), location(&response)), (StatusCode::FORBIDDEN, None));

    let response = send(&app, "GET", "/account", &headers).await;
    let page = "/login?next=/account&reason=reauthentication_required";
    assert_eq!((response.status(), location(&response)), (StatusCode::SEE_OTHER, Some(page)));
    let response = send(&app, "GET", "/account", &headers[1..]).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(body(response).await, r#"{"error":"reauthentication_required"}"#);
}

#[tokio::test]
async fn an_ended_session_is_sent_to_log_in_too() {
    let sessions = sessions();
    let app = served_by(&sessions);
    let cookie = log_in(&app, "member").await;
    let headers = [("accept", BROWSER), ("cookie", cookie.as_str())];
    assert_eq!(body(send(&app, "GET", "/shop/orders", &headers).await).await, "orders");
    sessions.revoke_subject(&1).await.unwrap();
    let response = send(&app, "GET", "/shop/orders", &headers).await;
    assert_eq!(location(&response), Some("/login?next=/shop/orders"));
}

#[tokio::test]
async fn the_login_page_sends_nobody_to_an_attackers_page() {
    let app = application();
    for attack in [
        "//evil.example",
        "/%5Cevil.example",
        "https://evil.example",
        "%2F%2Fevil.example",
        "/%09/evil.example",
        "/a&next=//evil.example",
        "javascript:alert(1)",
    ] {
        let response = send(&app, "POST", &format!("/login?next={attack}"), &[]).await;
        assert_eq!(location(&response), Some("/"), "{attack}");
    }
    // And a path that is none of this origin is not handed to it in the first place.
    let anywhere = Router::new().route("/{*path}", get(orders)).sessions(&sessions());
    let anywhere = anywhere.build().unwrap();
    let response = send(&anywhere, "GET", "//evil.example", &[("accept", BROWSER)]).await;
    assert_eq!(location(&response), Some("/login"));
}

#[tokio::test]
async fn on_reject_answers_where_the_login_page_does_not() {
    let manager = SessionManager::<UserSession>::builder(MemoryStore::new())
        .keys(KeyRing::generate().unwrap())
        .on_reject(|rejection, _| (StatusCode::IM_A_TEAPOT, rejection.code()).into_response())
        .build()
        .unwrap();
    let app = served_by(&manager);
    let response = send(&app, "GET", "/admin", &[]).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    let response = send(&app, "GET", "/admin", &[("accept", BROWSER)]).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert!(matches!(response.extensions().get(), Some(Rejection::NoSession)));
}

#[tokio::test]
async fn a_store_that_cannot_answer_is_no_reason_to_log_in() {
    let store = Watched::new(Arc::new(MemoryStore::<UserSession>::new()));
    let keys = KeyRing::generate().unwrap();
    let manager = SessionManager::builder(store.clone()).keys(keys).build().unwrap();
    let app = served_by(&manager);
    let cookie = log_in(&app, "member").await;
    store.fail(Verb::Load, true);
    let headers = [("accept", BROWSER), ("cookie", cookie.as_str())];
    let response = send(&app, "GET", "/shop/orders", &headers).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
}
