//! The paths at which a `POST` from another site is let in, and nothing else with them.

use std::time::Duration;

use anchor::Rejection;
use anchor::frontend::{Bearer, Frontend, Presented, SessionCookie};
use anchor::prelude::*;
use anchor::routing::{Router, post};
use anchor::token::SessionToken;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, Request, StatusCode, header};
use axum::response::Response;
use tower::{Layer, ServiceExt};

use crate::application::{UserSession, body, log_in, login, send, sessions};

const EVIL: [(&str, &str); 3] =
    [("host", "example.com"), ("origin", "https://idp.example"), ("sec-fetch-site", "cross-site")];

/// Says which path it was reached at.
#[public]
async fn reached(uri: axum::extract::OriginalUri) -> String {
    uri.path().to_owned()
}

fn managed(path: &str) -> SessionManager<UserSession> {
    SessionManager::builder(MemoryStore::new())
        .keys(KeyRing::generate().unwrap())
        .allow_cross_origin_post(path)
        .build()
        .unwrap()
}

/// A router that takes every method at every path, so that a refusal can come from the layer alone.
fn anything(sessions: &SessionManager<UserSession>) -> axum::Router {
    Router::new()
        .route("/login/{role}", post(login))
        .route("/", anchor::routing::any(reached))
        .route("/{*rest}", anchor::routing::any(reached))
        .sessions(sessions)
        .build()
        .unwrap()
}

fn is_refused(response: &Response) -> bool {
    let rejection = response.extensions().get::<Rejection>();
    matches!(rejection, Some(Rejection::CrossOrigin { .. }))
}

#[tokio::test]
async fn the_callback_is_let_in_and_nothing_else() {
    let app = anything(&managed("/oidc/callback"));
    let response = send(&app, "POST", "/oidc/callback", &EVIL).await;
    assert_eq!(
        (response.status(), body(response).await),
        (StatusCode::OK, "/oidc/callback".into())
    );
    let with_query = send(&app, "POST", "/oidc/callback?iss=https://idp.example", &EVIL).await;
    assert_eq!(with_query.status(), StatusCode::OK);

    for path in [
        "/",
        "/oidc",
        "/oidc/",
        "/oidc/callback/",
        "/oidc/callback/x",
        "/oidc/callback/../x",
        "/oidc/callback/..",
        "/oidc/callback/.",
        "/oidc/./callback",
        "/x/../oidc/callback",
        "//oidc/callback",
        "/oidc//callback",
        "/oidc/callbackx",
        "/oidc/callback;x",
        "/x/oidc/callback",
        "/OIDC/callback",
        "/oidc/Callback",
        "/oidc%2Fcallback",
        "/oidc%2fcallback",
        "/oidc/callback%2F",
        "/oidc/callback%2f..%2fx",
        "/oidc/callbac%6B",
        "/%6fidc/callback",
        "/oidc/callback%00",
        "/oidc/callback%20",
        "/oidc/callback%3Fx",
        "/x?/oidc/callback",
        "/x?path=/oidc/callback",
        "http://example.com/x",
    ] {
        let response = send(&app, "POST", path, &EVIL).await;
        assert!(is_refused(&response), "{path}: {response:?}");
    }
    for method in ["PUT", "PATCH", "DELETE", "TRACE", "QUERY", "post", "POSTS"] {
        let response = send(&app, method, "/oidc/callback", &EVIL).await;
        assert!(is_refused(&response), "{method}: {response:?}");
    }
    let websocket = [EVIL[0], EVIL[1], ("connection", "upgrade"), ("upgrade", "websocket")];
    assert!(is_refused(&send(&app, "GET", "/oidc/callback", &websocket).await));
    assert!(is_refused(&send(&app, "POST", "/oidc/callback", &websocket).await));
}

#[tokio::test]
async fn headers_that_claim_another_path_open_nothing() {
    let app = anything(&managed("/oidc/callback"));
    for name in ["x-original-url", "x-rewrite-url", "x-forwarded-prefix", "x-http-method-override"]
    {
        let claimed: Vec<_> = EVIL.into_iter().chain([(name, "/oidc/callback")]).collect();
        assert!(is_refused(&send(&app, "POST", "/me", &claimed).await), "{name}");
    }
}

#[tokio::test]
async fn a_nested_router_is_asked_about_the_whole_path() {
    for (exempt, open, refused) in [
        ("/auth/oidc/callback", "/auth/oidc/callback", "/oidc/callback"),
        // What the inner router alone would see.
        ("/oidc/callback", "/oidc/callback", "/auth/oidc/callback"),
        ("/callback", "/callback", "/auth/oidc/callback"),
    ] {
        let sessions = managed(exempt);
        let callback = || {
            let callback = Router::new().route("/callback", post(reached));
            Router::new().nest("/oidc", callback)
        };
        let elsewhere = || Router::new().route("/callback", post(reached));
        // The layer within the nest, around it, and around a service.
        let inside = Router::new()
            .nest("/auth", callback().sessions(&sessions))
            .merge(callback().sessions(&sessions))
            .merge(elsewhere().sessions(&sessions));
        let around = Router::new().nest("/auth", callback()).merge(callback()).merge(elsewhere());
        let around = around.sessions(&sessions);
        for app in [inside, around] {
            let app = app.build().unwrap();
            let response = send(&app, "POST", open, &EVIL).await;
            assert_eq!(response.status(), StatusCode::OK, "{exempt}: {open}");
            let response = send(&app, "POST", refused, &EVIL).await;
            assert!(is_refused(&response), "{exempt}: {refused}: {response:?}");
        }
    }
}

#[tokio::test]
async fn a_layer_around_the_whole_application_decides_alike() {
    let sessions = managed("/oidc/callback");
    let app = axum::Router::new().fallback(async || "reached");
    let app = sessions.layer().layer(app);
    for (path, status) in
        [("/oidc/callback", StatusCode::OK), ("/oidc/callback/", StatusCode::FORBIDDEN)]
    {
        let mut request = Request::post(path);
        for (name, value) in EVIL {
            request = request.header(name, value);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{path}");
    }
}

#[tokio::test]
async fn each_layer_around_a_route_has_its_own_exemptions() {
    let exempt = managed("/oidc/callback");
    let app = Router::new().route("/oidc/callback", post(reached)).sessions(&exempt);
    let app = app.sessions(&sessions()).build().unwrap();
    assert!(is_refused(&send(&app, "POST", "/oidc/callback", &EVIL).await));
}

#[test]
fn a_path_that_no_request_can_be_compared_with_fails_at_build() {
    let refusal = |path: &str| {
        let builder = SessionManager::<UserSession>::builder(MemoryStore::new())
            .keys(KeyRing::generate().unwrap())
            .allow_cross_origin_post(path);
        builder.build().err().map(|error| error.to_string())
    };
    for path in ["/", "/oidc/callback", "/oidc/callback/", "/a-b_c.d~e/1"] {
        assert_eq!(refusal(path), None, "{path}");
    }
    for path in [
        "",
        "oidc/callback",
        "https://example.com/oidc/callback",
        "/oidc/callback?x",
        "/oidc/callback#x",
        "/oidc/*",
        "/{*path}",
        "/oidc/{provider}",
        "/oidc//callback",
        "//oidc",
        "/oidc/../x",
        "/./x",
        "/oidc%2Fcallback",
        "/oidc/callback ",
        "/rückruf",
    ] {
        let message = refusal(path).unwrap_or_else(|| panic!("`{path}` was taken"));
        assert!(message.contains("such as `/oidc/callback`"), "{message}");
    }
}

/// The token in a cookie for browsers, and in `Authorization` for the rest, as an application may
/// write it: everything that it does not think of is the trait's default.
struct CookieOrBearer(SessionCookie);

static COOKIE_OR_BEARER: [HeaderName; 2] = [header::COOKIE, header::AUTHORIZATION];

impl Frontend for CookieOrBearer {
    fn channel(&self) -> String {
        self.0.channel()
    }

    fn presented<'r>(&self, headers: &'r HeaderMap) -> Presented<'r> {
        match Bearer.presented(headers) {
            Presented::Nothing => self.0.presented(headers),
            found => found,
        }
    }

    fn headers(&self) -> &[HeaderName] {
        &COOKIE_OR_BEARER
    }

    fn issue(&self, token: &SessionToken, lifetime: Option<Duration>, response: &mut HeaderMap) {
        self.0.issue(token, lifetime, response);
    }

    fn remove(&self, response: &mut HeaderMap) {
        self.0.remove(response);
    }
}

#[require_session(UserSession)]
async fn me(session: Session<UserSession>) -> String {
    session.user_id.to_string()
}

#[tokio::test]
async fn a_frontend_that_says_nothing_of_browsers_is_protected() {
    let sessions = SessionManager::<UserSession>::builder(MemoryStore::new())
        .keys(KeyRing::generate().unwrap())
        .frontend(CookieOrBearer(SessionCookie::default()))
        .build()
        .unwrap();
    let app = Router::new()
        .route("/login/{role}", post(login))
        .route("/me", anchor::routing::get(me).post(me))
        .sessions(&sessions)
        .build()
        .unwrap();
    let cookie = log_in(&app, "member").await;
    let token = cookie.split_once('=').unwrap().1;
    let bearer = format!("Bearer {token}");
    let with = |header| EVIL.into_iter().chain([header]).collect::<Vec<_>>();
    assert!(is_refused(&send(&app, "POST", "/me", &with(("cookie", &cookie))).await));
    assert!(is_refused(&send(&app, "POST", "/me", &with(("authorization", &bearer))).await));

    for own in [("cookie", cookie.as_str()), ("authorization", &bearer)] {
        let response = send(&app, "POST", "/me", &[("host", "example.com"), own]).await;
        let vary: Vec<_> = response.headers().get_all(header::VARY).iter().cloned().collect();
        assert_eq!(vary, ["cookie", "authorization"], "it depends on both");
        assert_eq!(body(response).await, "1");
    }
}
