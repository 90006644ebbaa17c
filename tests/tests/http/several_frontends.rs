//! A manager with several frontends: a cookie for browsers, and tokens in headers for apps.

use std::time::Duration;

use anchor::ConfigError;
use anchor::frontend::{Bearer, CustomHeader, SessionCookie};
use anchor::prelude::*;
use anchor_tests::http::{Answer, Call};
use anchor_tests::{Backend, Verb, Watched};
use axum::Router;
use axum::routing::post;
use http::header::{
    ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL, HOST, ORIGIN, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderName, StatusCode};

use crate::application::{Application, KEY, OPTIONAL, REQUIRING, UserSession};
use crate::tokens::split;

on_every_store![
    one_handler_serves_a_cookie_a_bearer_token_and_a_header,
    a_token_is_valid_on_its_own_frontend_alone,
    tokens_of_two_sessions_are_refused_and_a_logout_ends_and_removes_both,
    a_foreign_token_beside_a_good_one_is_refused_and_a_logout_claims_nothing,
    a_rotation_and_a_logout_answer_on_the_frontend_that_was_used,
    a_token_of_an_old_key_is_replaced_on_the_frontend_that_was_used,
    a_login_goes_where_it_asks_and_replaces_what_came_elsewhere,
    a_login_that_rotates_still_removes_what_it_replaced,
    a_login_on_a_frontend_that_the_manager_lacks_changes_nothing,
    another_site_is_refused_unless_a_script_has_set_the_only_token,
];

const X_APP: HeaderName = HeaderName::from_static("x-app");

fn in_x_app() -> CustomHeader {
    CustomHeader::new(X_APP)
}

async fn log_in_via(
    auth: &Auth<UserSession>,
    frontend: impl anchor::frontend::Frontend,
) -> Result<String, anchor::Error> {
    let login = auth.login(UserSession::of("ferris")).via(frontend).await?;
    Ok(login.token().expose().to_owned())
}

fn more_routes() -> Router {
    Router::new()
        .route("/bearer", post(async |auth: Auth<UserSession>| log_in_via(&auth, Bearer).await))
        .route("/app", post(async |auth: Auth<UserSession>| log_in_via(&auth, in_x_app()).await))
        .route(
            "/unknown",
            post(async |auth: Auth<UserSession>| {
                log_in_via(&auth, SessionCookie::new("__Host-unknown")).await
            }),
        )
        .route(
            "/app-and-rotate",
            post(async |auth: Auth<UserSession>| {
                let login = auth.login(UserSession::of("ferris")).via(in_x_app()).await?;
                login.rotate().await.map(drop)
            }),
        )
        .route(
            "/rotate",
            post(async |session: Session<UserSession>| session.rotate().await.map(drop)),
        )
}

async fn application(store: Watched<UserSession>, keys: KeyRing) -> Application {
    let configure = |sessions: anchor::manager::SessionManagerBuilder<UserSession>| {
        sessions.keys(keys).add_frontend(Bearer).add_frontend(in_x_app())
    };
    Application::assemble(store, configure, more_routes()).await
}

async fn start(backend: &Backend) -> Application {
    application(Watched::new(backend.store().await), KeyRing::new([KEY]).unwrap()).await
}

/// One session on each frontend: the cookie, the value of `Authorization`, and that of `X-App`.
async fn log_in_everywhere(app: &Application) -> (String, String, String) {
    let cookie = app.log_in("ferris").await;
    let bearer = app.post("/bearer").send().await.expect(StatusCode::OK);
    let in_header = app.post("/app").send().await.expect(StatusCode::OK);
    assert_eq!(in_header.header(X_APP), Some(in_header.text()));
    assert_eq!(bearer.header(X_APP), None);
    for login in [&bearer, &in_header] {
        assert!(login.set_cookies().is_empty(), "{login:?}");
        assert_eq!(login.header(CACHE_CONTROL), Some("no-store"));
    }
    (cookie, format!("Bearer {}", bearer.text()), in_header.text().to_owned())
}

async fn status(call: Call<'_>) -> StatusCode {
    call.send().await.status
}

/// What an answer says about the token in `X-App`, and about the cookie.
fn sent(answer: &Answer) -> (Option<&str>, Vec<&str>) {
    (answer.header(X_APP), answer.set_cookies())
}

const REMOVED: &str = "__Host-id=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0";

async fn one_handler_serves_a_cookie_a_bearer_token_and_a_header(backend: Backend) {
    let app = start(&backend).await;
    let (cookie, bearer, in_header) = log_in_everywhere(&app).await;
    for path in REQUIRING {
        for call in [
            app.get(path).cookie(&cookie),
            app.get(path).header(AUTHORIZATION, &bearer),
            app.get(path).header(X_APP, &in_header),
        ] {
            app.store.reset();
            let answer = call.send().await.expect(StatusCode::OK);
            assert_eq!(sent(&answer), (None, vec![]), "{path}");
            let vary: Vec<_> = answer.headers.get_all(VARY).iter().collect();
            assert_eq!(vary, ["cookie", "authorization", "x-app"], "{path}");
            assert_eq!(app.store.calls(Verb::Load), 1, "{path}");
        }
        let answer = app.get(path).send().await.expect(StatusCode::UNAUTHORIZED);
        assert_eq!(answer.header(WWW_AUTHENTICATE), Some("Bearer"));
    }
}

async fn a_token_is_valid_on_its_own_frontend_alone(backend: Backend) {
    let app = start(&backend).await;
    let (cookie, bearer, in_header) = log_in_everywhere(&app).await;
    let of_cookie = split(&cookie).1;
    let of_bearer = &bearer["Bearer ".len()..];
    app.store.reset();
    for token in [of_bearer, &in_header] {
        let call = app.get("/me").cookie(format!("__Host-id={token}"));
        assert_eq!(status(call).await, StatusCode::UNAUTHORIZED);
    }
    for token in [of_cookie, &in_header] {
        let call = app.get("/me").header(AUTHORIZATION, format!("Bearer {token}"));
        assert_eq!(status(call).await, StatusCode::UNAUTHORIZED);
    }
    for token in [of_cookie, of_bearer] {
        assert_eq!(status(app.get("/me").header(X_APP, token)).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(app.store.all_calls(), 0, "each is refused by its signature");
}

async fn tokens_of_two_sessions_are_refused_and_a_logout_ends_and_removes_both(backend: Backend) {
    let app = start(&backend).await;
    for bearer_as_well in [false, true] {
        let (cookie, bearer, in_header) = log_in_everywhere(&app).await;
        let call = |method, path: &str| {
            let call = app.call(method, path).cookie(&cookie).header(X_APP, &in_header);
            if bearer_as_well { call.header(AUTHORIZATION, &bearer) } else { call }
        };
        app.store.reset();
        for path in REQUIRING {
            let refused = call(http::Method::GET, path).send().await;
            let refused = refused.expect(StatusCode::UNAUTHORIZED);
            assert_eq!(refused.text(), "{\"error\":\"unauthenticated\"}", "as every 401");
            assert_eq!(sent(&refused), (None, vec![]));
        }
        for path in OPTIONAL {
            assert_eq!(call(http::Method::GET, path).send().await.text(), "none");
        }
        assert_eq!(app.store.all_calls(), 0, "it is seen in the request");
        let logout = call(http::Method::POST, "/logout").send().await;
        let logout = logout.expect(StatusCode::NO_CONTENT);
        assert_eq!(sent(&logout), (Some(""), vec![REMOVED]));
        app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
        let call = app.get("/me").header(X_APP, &in_header);
        assert_eq!(status(call).await, StatusCode::UNAUTHORIZED);
        let by_bearer = status(app.get("/me").header(AUTHORIZATION, &bearer)).await;
        assert_eq!(by_bearer == StatusCode::UNAUTHORIZED, bearer_as_well);
    }
}

async fn a_foreign_token_beside_a_good_one_is_refused_and_a_logout_claims_nothing(
    backend: Backend,
) {
    let app = start(&backend).await;
    let (cookie, ..) = log_in_everywhere(&app).await;
    let call = |method, path: &str| {
        app.call(method, path).cookie(&cookie).header(AUTHORIZATION, "Bearer of-someone-else")
    };
    let refused = status(call(http::Method::GET, "/me")).await;
    assert_eq!(refused, StatusCode::UNAUTHORIZED);
    // Another scheme is not a token of a frontend.
    let basic = app.get("/me").cookie(&cookie).header(AUTHORIZATION, "Basic Zm9vOmJhcg==");
    assert_eq!(status(basic).await, StatusCode::OK);
    let logout = call(http::Method::POST, "/logout").send().await;
    let logout = logout.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(sent(&logout), (None, vec![]));
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}

async fn a_rotation_and_a_logout_answer_on_the_frontend_that_was_used(backend: Backend) {
    let app = start(&backend).await;
    let (cookie, bearer, in_header) = log_in_everywhere(&app).await;

    let rotated = app.post("/rotate").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!(rotated.header(X_APP), None);
    let cookie = rotated.cookie();
    app.me(&cookie).await.expect(StatusCode::OK);

    let rotated = app.post("/rotate").header(X_APP, &in_header).send().await;
    let rotated = rotated.expect(StatusCode::OK);
    assert!(rotated.set_cookies().is_empty());
    let renewed = rotated.header(X_APP).unwrap().to_owned();
    assert_ne!(renewed, in_header);
    app.get("/me").header(X_APP, &renewed).send().await.expect(StatusCode::OK);

    let logout = app.post("/logout").header(X_APP, &renewed).send().await;
    assert_eq!(sent(&logout.expect(StatusCode::NO_CONTENT)), (Some(""), vec![]));
    let logout = app.post("/logout").header(AUTHORIZATION, &bearer).send().await;
    assert_eq!(sent(&logout.expect(StatusCode::NO_CONTENT)), (None, vec![]));
    let still = app.me(&cookie).await;
    still.expect(StatusCode::OK);
    let logout = app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(sent(&logout), (None, vec![REMOVED]));
    for call in [
        app.get("/me").cookie(&cookie),
        app.get("/me").header(X_APP, &renewed),
        app.get("/me").header(AUTHORIZATION, &bearer),
    ] {
        assert_eq!(status(call).await, StatusCode::UNAUTHORIZED);
    }
}

async fn a_token_of_an_old_key_is_replaced_on_the_frontend_that_was_used(backend: Backend) {
    let before = start(&backend).await;
    let (cookie, bearer, in_header) = log_in_everywhere(&before).await;
    let keys = KeyRing::new([*b"the next signing key of tests !!", KEY]).unwrap();
    let app = application(before.store.clone(), keys).await;

    let answer = app.get("/me").header(X_APP, &in_header).send().await.expect(StatusCode::OK);
    assert!(answer.set_cookies().is_empty());
    let renewed = answer.header(X_APP).unwrap().to_owned();
    let again = app.get("/me").header(X_APP, &renewed).send().await.expect(StatusCode::OK);
    assert_eq!(sent(&again), (None, vec![]));

    let answer = app.me(&cookie).await.expect(StatusCode::OK);
    assert_eq!(answer.header(X_APP), None);
    app.me(answer.cookie()).await.expect(StatusCode::OK);

    // No response can carry another bearer token, so this one stays.
    let answer = app.get("/me").header(AUTHORIZATION, &bearer).send().await;
    assert_eq!(sent(&answer.expect(StatusCode::OK)), (None, vec![]));
    app.get("/me").header(AUTHORIZATION, &bearer).send().await.expect(StatusCode::OK);
}

async fn a_login_goes_where_it_asks_and_replaces_what_came_elsewhere(backend: Backend) {
    let app = start(&backend).await;
    let cookie = app.log_in("ferris").await;
    let login = app.post("/app").cookie(&cookie).send().await.expect(StatusCode::OK);
    let in_header = login.header(X_APP).unwrap();
    assert_eq!(in_header, login.text());
    assert_eq!(login.set_cookies(), [REMOVED]);
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
    app.get("/me").header(X_APP, in_header).send().await.expect(StatusCode::OK);

    let login = app.post("/login").header(X_APP, in_header).json(&UserSession::of("ferris"));
    let login = login.send().await.expect(StatusCode::OK);
    assert_eq!(login.header(X_APP), Some(""), "the token in the header is of no more use");
    let replaced = app.get("/me").header(X_APP, in_header);
    assert_eq!(status(replaced).await, StatusCode::UNAUTHORIZED);
    app.me(login.cookie()).await.expect(StatusCode::OK);
}

async fn a_login_that_rotates_still_removes_what_it_replaced(backend: Backend) {
    let app = start(&backend).await;
    let cookie = app.log_in("ferris").await;
    let login = app.post("/app-and-rotate").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!(login.set_cookies(), [REMOVED]);
    let in_header = login.header(X_APP).unwrap();
    app.get("/me").header(X_APP, in_header).send().await.expect(StatusCode::OK);
}

async fn a_login_on_a_frontend_that_the_manager_lacks_changes_nothing(backend: Backend) {
    let app = start(&backend).await;
    let cookie = app.log_in("ferris").await;
    app.store.reset();
    let login = app.post("/unknown").cookie(&cookie).send().await;
    let login = login.expect(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(login.text(), "{\"error\":\"operation_failed\"}");
    assert_eq!(sent(&login), (None, vec![]));
    assert_eq!(app.store.all_calls(), 0);
    app.me(&cookie).await.expect(StatusCode::OK);
}

async fn another_site_is_refused_unless_a_script_has_set_the_only_token(backend: Backend) {
    let app = start(&backend).await;
    let (cookie, bearer, in_header) = log_in_everywhere(&app).await;
    let from_evil = |path: &str| {
        app.post(path).header(ORIGIN, "https://evil.example").header(HOST, "app.example")
    };
    let update = || from_evil("/update").json(&serde_json::json!({}));
    let log_in = || from_evil("/login").json(&UserSession::of("mallory"));
    let of_cookie = split(&cookie).1;
    for (call, expected) in [
        (update().cookie(&cookie), StatusCode::FORBIDDEN),
        (update().header(AUTHORIZATION, &bearer), StatusCode::OK),
        (update().header(X_APP, &in_header), StatusCode::OK),
        (update().header(AUTHORIZATION, &bearer).cookie("theme=dark"), StatusCode::OK),
        (update().header(AUTHORIZATION, &bearer).cookie(&cookie), StatusCode::FORBIDDEN),
        (update().header(AUTHORIZATION, &bearer).cookie("__Host-id="), StatusCode::FORBIDDEN),
        (update().header(AUTHORIZATION, "Basic Zm9vOmJhcg=="), StatusCode::FORBIDDEN),
        (update(), StatusCode::FORBIDDEN),
        (from_evil("/bearer"), StatusCode::FORBIDDEN),
        // What a proxy has added is not a token, and a token of the cookie is not one of a header.
        (log_in().header(AUTHORIZATION, "Bearer of-the-proxy"), StatusCode::FORBIDDEN),
        (log_in().header(X_APP, "of-the-proxy"), StatusCode::FORBIDDEN),
        (log_in().header(AUTHORIZATION, format!("Bearer {of_cookie}")), StatusCode::FORBIDDEN),
        (log_in().header(AUTHORIZATION, &bearer), StatusCode::OK),
    ] {
        assert_eq!(status(call).await, expected);
    }
    // Without `Origin`, it is not from a browser, and may carry anything.
    assert_eq!(status(app.post("/bearer")).await, StatusCode::OK);
}

#[test]
fn frontends_that_collide_fail_at_build() {
    type Builder = anchor::manager::SessionManagerBuilder<UserSession>;
    type Configure = fn(Builder) -> Builder;
    let build = |configure: Configure| -> Result<(), ConfigError> {
        let store = anchor::MemoryStore::<UserSession>::new();
        let builder = SessionManager::builder(store).keys(KeyRing::new([KEY]).unwrap());
        configure(builder).build().map(|_| ())
    };
    let refused: [(Configure, &str); 6] = [
        (|it| it.add_frontend(SessionCookie::default()), "two frontends travel by `cookie:__Host-"),
        (|it| it.add_frontend(Bearer).add_frontend(Bearer), "two frontends travel by `bearer`"),
        (
            |it| it.add_frontend(CustomHeader::new(AUTHORIZATION)),
            "let other sites set: write `Bearer`",
        ),
        (
            |it| it.add_frontend(CustomHeader::new(ACCEPT_LANGUAGE)),
            "`CustomHeader` cannot be `accept-language`, which",
        ),
        (|it| it.add_frontend(SessionCookie::new("__Host-x").secure(false)), "only with `Secure`"),
        (|it| it.add_frontend(SessionCookie::new("__Host-x")).absolute(Duration::MAX), "400 days"),
    ];
    for (configure, message) in refused {
        let error = build(configure).expect_err(message).to_string();
        assert!(error.contains(message) && error.contains("UserSession"), "{error}");
    }
    assert_eq!(build(|it| it.add_frontend(SessionCookie::new("__Host-old"))), Ok(()));
}
