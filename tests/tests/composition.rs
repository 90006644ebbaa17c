//! anchor between the layers of `tower-http`, and over HTTP/2.

use std::time::Duration;

use anchor::prelude::*;
use anchor_tests::http::{Answer, Served};
use anchor_tests::logs::logged;
use anchor_tests::{Verb, Watched};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_REQUEST_METHOD, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, ORIGIN, SET_COOKIE,
    VARY,
};
use http::{HeaderValue, Method, Request, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::{DefaultMakeSpan, DefaultOnResponse, TraceLayer};
use tracing::Level;

const FRONT_END: &str = "https://app.example";

#[derive(Debug, Clone, SessionData)]
struct UserSession {
    #[session(subject)]
    name: String,
}

async fn login(auth: Auth<UserSession>) -> Result<(), anchor::Error> {
    auth.login(UserSession { name: "ferris".into() }).await.map(drop)
}

async fn login_that_panics(auth: Auth<UserSession>) -> StatusCode {
    auth.login(UserSession { name: "ferris".into() }).await.unwrap();
    panic!("after the login")
}

/// Long enough to be worth compressing.
#[require_session(UserSession)]
async fn me(user: Session<UserSession>) -> String {
    user.name.repeat(100)
}

#[require_session(UserSession)]
async fn panics() -> StatusCode {
    panic!("in a guarded handler")
}

#[logout(UserSession)]
async fn logout() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// The routes, and their manager over a store of which calls can be held.
fn application() -> (Router, SessionManager<UserSession>, Watched<UserSession>) {
    let store = Watched::new(std::sync::Arc::new(MemoryStore::new()));
    let sessions = SessionManager::builder(store.clone())
        .keys(KeyRing::generate().unwrap())
        .trusted_origin(FRONT_END)
        .build()
        .unwrap();
    let routes = Router::new()
        .route("/login", post(login))
        .route("/login-that-panics", post(login_that_panics))
        .route("/me", get(me))
        .route("/panics", get(panics))
        .route("/logout", post(logout));
    (routes, sessions, store)
}

async fn log_in(app: &Served) -> Answer {
    app.post("/login").send().await.expect(StatusCode::OK)
}

#[tokio::test]
async fn compression_keeps_the_cookie_and_the_content_on_either_side_of_the_session_layer() {
    for is_outside in [true, false] {
        let (routes, sessions, _) = application();
        let app = if is_outside {
            routes.layer(sessions.layer()).layer(CompressionLayer::new())
        } else {
            routes.layer(CompressionLayer::new()).layer(sessions.layer())
        };
        let app = Served::start(app).await;
        let login = app.post("/login").header(ACCEPT_ENCODING, "gzip").send().await;
        let cookie = login.expect(StatusCode::OK).cookie();
        let compressed = app.get("/me").cookie(&cookie).header(ACCEPT_ENCODING, "gzip");
        let compressed = compressed.send().await.expect(StatusCode::OK);
        assert_eq!(compressed.header(CONTENT_ENCODING), Some("gzip"), "{is_outside}");
        assert!(compressed.body.len() < 100, "{compressed:?}");
        // Nothing that was compressed for one user may be kept for another one.
        assert!(compressed.headers.get_all(VARY).iter().any(|vary| vary == "accept-encoding"));
        let cache = compressed.header(http::header::CACHE_CONTROL).map(str::to_owned);
        let plain = app.get("/me").cookie(&cookie).send().await.expect(StatusCode::OK);
        assert_eq!(plain.text(), "ferris".repeat(100));
        assert_eq!(plain.header(http::header::CACHE_CONTROL).map(str::to_owned), cache);
        app.post("/logout").cookie(&cookie).send().await.expect(StatusCode::NO_CONTENT);
        let refused = app.get("/me").cookie(&cookie).header(ACCEPT_ENCODING, "gzip").send().await;
        refused.expect(StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_front_end_elsewhere_reads_refusals_when_the_cors_layer_is_outside() {
    let (routes, sessions, _) = application();
    let cors = CorsLayer::new()
        .allow_origin(HeaderValue::from_static(FRONT_END))
        .allow_methods([Method::GET, Method::POST])
        .allow_credentials(true);
    let app = Served::start(routes.layer(sessions.layer()).layer(cors)).await;
    let preflight = app
        .call(Method::OPTIONS, "/logout")
        .header(ORIGIN, FRONT_END)
        .header(ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .send()
        .await
        .expect(StatusCode::OK);
    assert_eq!(preflight.header(ACCESS_CONTROL_ALLOW_ORIGIN), Some(FRONT_END));
    let refused = app.get("/me").header(ORIGIN, FRONT_END).send().await;
    let refused = refused.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(refused.header(ACCESS_CONTROL_ALLOW_ORIGIN), Some(FRONT_END));
    assert_eq!(refused.header(ACCESS_CONTROL_ALLOW_CREDENTIALS), Some("true"));

    let login = app.post("/login").header(ORIGIN, FRONT_END).send().await;
    let cookie = login.expect(StatusCode::OK).cookie();
    let own = async |origin: &str| {
        app.post("/logout").cookie(&cookie).header(ORIGIN, origin).send().await
    };
    own("https://evil.example").await.expect(StatusCode::FORBIDDEN);
    app.get("/me").cookie(&cookie).send().await.expect(StatusCode::OK);
    own(FRONT_END).await.expect(StatusCode::NO_CONTENT);
    app.get("/me").cookie(&cookie).send().await.expect(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_logout_that_takes_longer_than_the_timeout_layer_waits_still_happens() {
    for is_outside in [true, false] {
        let (routes, sessions, store) = application();
        let timeout =
            TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_millis(200));
        let app = if is_outside {
            routes.layer(sessions.layer()).layer(timeout)
        } else {
            routes.layer(timeout).layer(sessions.layer())
        };
        let app = Served::start(app).await;
        let cookie = log_in(&app).await.cookie();
        let hold = store.hold(Verb::Revoke);
        let answer = app.post("/logout").cookie(&cookie).send().await;
        let answer = answer.expect(StatusCode::GATEWAY_TIMEOUT);
        assert!(!answer.headers.contains_key(SET_COOKIE), "it claims no logout: {answer:?}");
        app.get("/me").cookie(&cookie).send().await.expect(StatusCode::OK);
        hold.release();
        let patience = tokio::time::Instant::now() + Duration::from_secs(10);
        while app.get("/me").cookie(&cookie).send().await.status != StatusCode::UNAUTHORIZED {
            assert!(tokio::time::Instant::now() < patience, "{is_outside}: the session lives");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_panic_is_500_and_leaves_the_session_as_it_was() {
    for is_outside in [true, false] {
        let (routes, sessions, store) = application();
        let app = if is_outside {
            routes.layer(sessions.layer()).layer(CatchPanicLayer::new())
        } else {
            routes.layer(CatchPanicLayer::new()).layer(sessions.layer())
        };
        let app = Served::start(app).await;
        let cookie = log_in(&app).await.cookie();
        let answer = app.get("/panics").cookie(&cookie).send().await;
        let answer = answer.expect(StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!answer.headers.contains_key(SET_COOKIE), "{answer:?}");
        app.get("/me").cookie(&cookie).send().await.expect(StatusCode::OK);
        app.get("/panics").send().await.expect(StatusCode::UNAUTHORIZED);

        let login = app.post("/login-that-panics").send().await;
        let login = login.expect(StatusCode::INTERNAL_SERVER_ERROR);
        let created = store.calls([Verb::Create]);
        assert_eq!(created, 2, "{is_outside}");
        // Nobody gets its token, so it is ended.
        assert!(!login.headers.contains_key(SET_COOKIE), "{login:?}");
        assert_eq!(sessions.list(&"ferris".to_owned()).await.unwrap().len(), 1, "{is_outside}");
    }
}

#[tokio::test]
async fn a_trace_of_all_headers_shows_no_token() {
    let trace = || {
        TraceLayer::new_for_http()
            .make_span_with(DefaultMakeSpan::new().level(Level::INFO).include_headers(true))
            .on_response(DefaultOnResponse::new().level(Level::INFO).include_headers(true))
    };
    let (routes, sessions, _) = application();
    // Under the session layer, which conceals the token of the request, and over it, which sees the
    // token of the response.
    let app = routes.layer(trace()).layer(sessions.layer());
    let app = Served::start(app).await;
    let (token, log) = logged(async {
        let login = log_in(&app).await;
        let cookie = login.cookie();
        app.get("/me").cookie(&cookie).send().await.expect(StatusCode::OK);
        app.post("/logout").cookie(&cookie).send().await.expect(StatusCode::NO_CONTENT);
        login.token()
    })
    .await;
    assert!(token.len() > 40, "{token}");
    assert!(log.contains("\"cookie\": Sensitive"), "{log}");
    assert!(!log.contains(&token), "the token is in the log: {log}");

    // Outside, what a response carries is concealed as well.
    let (routes, sessions, _) = application();
    let app = Served::start(routes.layer(sessions.layer()).layer(trace())).await;
    let (login, log) = logged(log_in(&app)).await;
    assert!(log.contains("\"set-cookie\": Sensitive"), "{log}");
    assert!(!log.contains(&login.token()), "the token is in the log: {log}");
}

/// A browser sends each cookie in a header field of its own over HTTP/2 (RFC 9113, 8.2.3).
#[tokio::test]
async fn over_http_2_the_session_is_found_among_split_cookies() {
    let (routes, sessions, _) = application();
    let app = Served::start(routes.layer(sessions.layer())).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let send = async |method: Method, path: &str, cookies: &[&str]| {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", app.address()))
            .header(CONTENT_TYPE, "text/plain");
        for cookie in cookies {
            request = request.header(COOKIE, *cookie);
        }
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = client.request(request).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        let (head, body) = response.into_parts();
        let body = Body::new(body).collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    };
    let cookie = send(Method::POST, "/login", &[]).await.expect(StatusCode::OK).cookie();
    let cookies = ["theme=dark", &*cookie, "consent=no"];
    let me = send(Method::GET, "/me", &cookies).await.expect(StatusCode::OK);
    assert_eq!(me.text(), "ferris".repeat(100));
    send(Method::GET, "/me", &["theme=dark"]).await.expect(StatusCode::UNAUTHORIZED);
    send(Method::POST, "/logout", &cookies).await.expect(StatusCode::NO_CONTENT);
    send(Method::GET, "/me", &cookies).await.expect(StatusCode::UNAUTHORIZED);
}
