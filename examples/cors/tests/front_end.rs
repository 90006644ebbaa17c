//! What the pages of the front end may do, and what other pages may not do.

use anchor::Environment;
use anchor::routing::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use tower::ServiceExt;

const FRONT_END: &str = "https://app.example.com";

fn routes() -> Router {
    let key = "eHkwRmY0dTVqS3ZtUTh6TG5XcVJ0Qm9DMWlIZGFHMlU=";
    let environment = Environment::of("ANCHOR", [("ANCHOR_KEYS", key)]);
    let sessions = cors_example::sessions(FRONT_END, environment).unwrap();
    cors_example::app(FRONT_END, &sessions).unwrap()
}

fn app() -> axum::Router {
    routes().build().unwrap()
}

async fn send(
    app: &axum::Router,
    method: &str,
    path: &str,
    origin: &str,
    cookie: &str,
) -> Response {
    let site = if origin.ends_with(".example.com") { "same-site" } else { "cross-site" };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "api.example.com")
        .header(header::ORIGIN, origin)
        .header("sec-fetch-site", site)
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
    app.clone().oneshot(request.body(Body::from("name=ferris")).unwrap()).await.unwrap()
}

fn header(response: &Response, name: header::HeaderName) -> Option<&str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

fn may_be_read(response: &Response) -> bool {
    header(response, header::ACCESS_CONTROL_ALLOW_ORIGIN) == Some(FRONT_END)
        && header(response, header::ACCESS_CONTROL_ALLOW_CREDENTIALS) == Some("true")
}

#[tokio::test]
async fn the_front_end_logs_in_reads_and_logs_out() {
    let app = app();
    let preflight = send(&app, "OPTIONS", "/login", FRONT_END, "").await;
    assert!(preflight.status().is_success() && may_be_read(&preflight));

    let login = send(&app, "POST", "/login", FRONT_END, "").await;
    assert_eq!(login.status(), StatusCode::NO_CONTENT);
    assert!(may_be_read(&login));
    let cookie = header(&login, header::SET_COOKIE).unwrap().split(';').next().unwrap();

    let me = send(&app, "GET", "/me", FRONT_END, cookie).await;
    assert!(me.status() == StatusCode::OK && may_be_read(&me));
    let logout = send(&app, "POST", "/logout", FRONT_END, cookie).await;
    assert!(logout.status() == StatusCode::NO_CONTENT && may_be_read(&logout));
    let me = send(&app, "GET", "/me", FRONT_END, cookie).await;
    assert!(me.status() == StatusCode::UNAUTHORIZED && may_be_read(&me));
}

#[tokio::test]
async fn other_pages_neither_read_nor_change_anything() {
    let app = app();
    let login = send(&app, "POST", "/login", FRONT_END, "").await;
    let cookie = header(&login, header::SET_COOKIE).unwrap().split(';').next().unwrap();
    for origin in ["https://evil.example", "https://blog.example.com", "null"] {
        let preflight = send(&app, "OPTIONS", "/logout", origin, "").await;
        assert_ne!(header(&preflight, header::ACCESS_CONTROL_ALLOW_ORIGIN), Some(origin));
        let logout = send(&app, "POST", "/logout", origin, cookie).await;
        assert_eq!(logout.status(), StatusCode::FORBIDDEN, "{origin}");
        let me = send(&app, "GET", "/me", origin, cookie).await;
        assert_ne!(header(&me, header::ACCESS_CONTROL_ALLOW_ORIGIN), Some(origin));
    }
    let me = send(&app, "GET", "/me", FRONT_END, cookie).await;
    assert_eq!(me.status(), StatusCode::OK);
}

#[test]
fn a_front_end_that_is_no_origin_fails_at_the_start() {
    let environment = Environment::of("ANCHOR", [("ANCHOR_DEVELOPMENT", "true")]);
    let error = cors_example::sessions("https://app.example.com/", environment).unwrap_err();
    assert!(error.to_string().contains("`https://app.example.com`; write that"), "{error}");
}

#[test]
fn nothing_but_the_login_is_open() {
    assert_eq!(
        routes().policies().to_string(),
        "\
POST  /login   public
POST  /logout  logout UserSession
GET   /me      session UserSession
"
    );
}
