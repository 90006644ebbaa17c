//! What the forms refuse, and what they show.

use std::net::SocketAddr;

use anchor::Environment;
use anchor::prelude::*;
use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::MockConnectInfo;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use forms_example::{LoginLimits, UserSession};
use http_body_util::BodyExt;
use tower::ServiceExt;

fn app() -> Router {
    let key = "eHkwRmY0dTVqS3ZtUTh6TG5XcVJ0Qm9DMWlIZGFHMlU=";
    let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
        .environment(Environment::of("ANCHOR", [("ANCHOR_KEYS", key)]))
        .build()
        .unwrap();
    let client = SocketAddr::from(([192, 0, 2, 1], 40_000));
    forms_example::app(&sessions, LoginLimits::default()).layer(MockConnectInfo(client))
}

async fn send(app: &Router, method: &str, path: &str, cookie: &str, body: &str) -> Response {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body.to_owned()));
    app.clone().oneshot(request.unwrap()).await.unwrap()
}

async fn text(response: Response) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// Logs in, and returns the cookie.
async fn log_in(app: &Router) -> String {
    let response = send(app, "POST", "/login", "", "name=ferris&password=rustacean").await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// Returns the token in the form of a page.
fn token(page: &str) -> &str {
    let (_, rest) = page.split_once("name=csrf_token value=").unwrap();
    rest.split('>').next().unwrap()
}

#[tokio::test]
async fn guesses_are_limited_whether_or_not_the_account_exists() {
    for account in ["ferris", "nobody"] {
        let app = app();
        let guess = format!("name={account}&password=guess");
        for _ in 0..5 {
            let response = send(&app, "POST", "/login", "", &guess).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        }
        // Even the right password waits now.
        let right = format!("name={account}&password=rustacean");
        let response = send(&app, "POST", "/login", "", &right).await;
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        let seconds = response.headers()[header::RETRY_AFTER].to_str().unwrap().parse::<u64>();
        assert!((1..=60).contains(&seconds.unwrap()));
        assert!(!response.headers().contains_key(header::SET_COOKIE));
    }
}

#[tokio::test]
async fn a_message_is_shown_once() {
    let app = app();
    let cookie = log_in(&app).await;
    let page = text(send(&app, "GET", "/", &cookie, "").await).await;
    assert!(page.contains("<p role=status>Welcome, ferris.</p>"), "{page}");

    let form = format!("csrf_token={}&name=%3Cb%3Ecorro", token(&page));
    let response = send(&app, "POST", "/name", &cookie, &form).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let page = text(send(&app, "GET", "/", &cookie, "").await).await;
    assert!(page.contains("<p role=status>You are now called &lt;b>corro.</p>"), "{page}");
    assert!(!page.contains("Welcome"), "{page}");
    let page = text(send(&app, "GET", "/", &cookie, "").await).await;
    assert!(!page.contains("role=status"), "{page}");
}

#[tokio::test]
async fn a_form_without_the_token_of_its_session_is_refused() {
    let app = app();
    let (cookie, other) = (log_in(&app).await, log_in(&app).await);
    let page = text(send(&app, "GET", "/", &cookie, "").await).await;
    let of_other = text(send(&app, "GET", "/", &other, "").await).await;
    let (token, of_other) = (token(&page), token(&of_other));
    assert_ne!(token, of_other);
    for form in [
        "name=corro".to_owned(),
        "csrf_token=&name=corro".to_owned(),
        format!("csrf_token={of_other}&name=corro"),
        format!("csrf_token={token}&csrf_token={token}&name=corro"),
    ] {
        let response = send(&app, "POST", "/name", &cookie, &form).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{form}");
    }
    let page = text(send(&app, "GET", "/", &cookie, "").await).await;
    assert!(!page.contains("role=status"), "{page}");
}

#[tokio::test]
async fn a_logout_says_so_on_the_login_page() {
    let app = app();
    let cookie = log_in(&app).await;
    let response = send(&app, "POST", "/logout", &cookie, "").await;
    let to = response.headers()[header::LOCATION].to_str().unwrap();
    assert!(text(send(&app, "GET", to, "", "").await).await.contains("You are logged out."));
}
