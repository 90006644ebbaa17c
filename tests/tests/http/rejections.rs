//! What a refusal is for the application: an extension of the response, and a response that it can
//! replace.

use anchor::frontend::Bearer;
use anchor::prelude::*;
use anchor::{Rejection, StoreError};
use anchor_tests::http::Served;
use anchor_tests::{Backend, Verb};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use crate::application::{Application, KEY, REQUIRING, UserSession, routes};
use crate::refusals::{Case, dead, forgeries};

on_every_store![
    every_refusal_is_in_the_responses_extensions,
    on_reject_replaces_the_response_of_every_refusal,
    on_reject_is_not_asked_for_an_optional_extractor,
    on_reject_of_one_layer_leaves_the_refusals_of_another_alone,
    a_refusal_that_the_handler_took_as_a_result_is_its_own_affair,
    what_the_application_makes_of_a_rejection_is_its_own_answer,
];

const CODE: HeaderName = HeaderName::from_static("x-code");

/// Shows the rejection in the response's extensions as a header.
async fn show_code(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(rejection) = response.extensions().get::<Rejection>() {
        let code = HeaderValue::from_static(rejection.code());
        response.headers_mut().insert(CODE, code);
    }
    response
}

async fn every_refusal_is_in_the_responses_extensions(backend: Backend) {
    let app = Application::start(&backend).await;
    let mut cases = forgeries(&app).await;
    cases.extend(dead(&app, &backend).await);
    let router = routes().layer(app.sessions.layer()).layer(middleware::from_fn(show_code));
    let served = Served::start(router).await;
    for Case { name, cookie, code } in cases {
        for path in REQUIRING {
            let answer = served.get(path).cookie(&cookie).send().await;
            let shown = answer.header(CODE).unwrap_or_default();
            match code {
                "" => assert!(["session_ended", "unknown_session"].contains(&shown), "{name}"),
                code => assert_eq!(shown, code, "{name}"),
            }
        }
    }
    app.store.fail(Verb::Load, true);
    let cookie = app.log_in("ferris").await;
    let answer = served.get("/me").cookie(&cookie).send().await;
    assert_eq!(answer.header(CODE), Some("store_unavailable"));
}

/// Sends the unauthenticated to the login page, and shows the rest.
fn to_login(rejection: &Rejection, request: &http::request::Parts) -> Response {
    if rejection.is_unauthenticated() {
        let to = format!("/login?from={}", request.uri.path());
        (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
    } else {
        (StatusCode::IM_A_TEAPOT, rejection.code()).into_response()
    }
}

async fn on_reject_replaces_the_response_of_every_refusal(backend: Backend) {
    let app = Application::configured(&backend, |sessions| sessions.on_reject(to_login)).await;
    for path in REQUIRING {
        let answer = app.get(path).cookie("__Host-id=forged").send().await;
        let answer = answer.expect(StatusCode::SEE_OTHER);
        assert_eq!(answer.header(LOCATION), Some(format!("/login?from={path}").as_str()));
        assert_eq!(answer.header(CACHE_CONTROL), Some("no-store"));
    }
    let cookie = app.log_in("ferris").await;
    app.store.fail(Verb::Load, true);
    for path in REQUIRING {
        let answer = app.get(path).cookie(&cookie).send().await.expect(StatusCode::IM_A_TEAPOT);
        assert_eq!(answer.text(), "store_unavailable");
    }
    app.store.fail(Verb::Revoke, true);
    let answer = app.log_out(&cookie).await.expect(StatusCode::IM_A_TEAPOT);
    assert!(answer.set_cookies().is_empty());
    // The replaced response carries the rejection as well.
    let router = routes().layer(app.sessions.layer()).layer(middleware::from_fn(show_code));
    let served = Served::start(router).await;
    assert_eq!(served.get("/me").send().await.header(CODE), Some("no_session"));
}

async fn on_reject_is_not_asked_for_an_optional_extractor(backend: Backend) {
    let app = Application::configured(&backend, |sessions| sessions.on_reject(to_login)).await;
    for path in crate::application::OPTIONAL {
        let answer = app.get(path).cookie("__Host-id=forged").send().await.expect(StatusCode::OK);
        assert_eq!(answer.text(), "none");
    }
}

#[derive(Clone, SessionData)]
#[session(table = "level_sessions", idle = "10m", absolute = "8h", cookie = "__Host-level")]
struct AdminSession {
    level: i32,
}

/// The application's users, whose token comes as a bearer, and administrators; each kind with an
/// `on_reject` of its own.
async fn users_and_administrators(backend: &Backend, users_inside: bool) -> Served {
    let users =
        SessionManager::<UserSession>::builder(anchor_tests::Watched::new(backend.store().await))
            .keys(KeyRing::new([KEY]).unwrap())
            .frontend(Bearer)
            .on_reject(|_, _| (StatusCode::IM_A_TEAPOT, "users").into_response())
            .build()
            .unwrap();
    let administrators =
        SessionManager::<AdminSession>::builder(anchor_tests::Watched::new(backend.store().await))
            .keys(KeyRing::new([KEY]).unwrap())
            .on_reject(|_, _| (StatusCode::GONE, "administrators").into_response())
            .build()
            .unwrap();
    let tolerant = async |user: Result<Session<UserSession>, Rejection>,
                          _: Session<AdminSession>| {
        assert!(user.is_err());
    };
    let tolerant_too = async |admin: Result<Session<AdminSession>, Rejection>,
                              _: Session<UserSession>| {
        assert!(admin.is_err());
    };
    let own = async |user: Result<Session<UserSession>, Rejection>| match user {
        Ok(_) => "somebody",
        Err(_) => "nobody",
    };
    let fails_later = async |user: Result<Session<UserSession>, Rejection>| {
        assert!(user.is_err());
        Rejection::Store(StoreError::unavailable("down"))
    };
    let hands_on = async |user: Result<Session<UserSession>, Rejection>| user.map(|_| ());
    let own_body = async |user: Result<Session<UserSession>, Rejection>| {
        let mut response = user.unwrap_err().into_response();
        *response.body_mut() = "own".into();
        response
    };
    let own_empty_body = async |user: Result<Session<UserSession>, Rejection>| {
        let mut response = user.unwrap_err().into_response();
        *response.body_mut() = Body::empty();
        response
    };
    let own_redirect = async |user: Result<Session<UserSession>, Rejection>| {
        (StatusCode::SEE_OTHER, [(LOCATION, "/own")], user.unwrap_err())
    };
    let router = Router::new()
        .route("/user", get(async |_: Session<UserSession>| ()))
        .route("/admin", get(async |_: Session<AdminSession>| ()))
        .route(
            "/user-if-any",
            get(async |_: Option<Session<UserSession>>, _: Session<AdminSession>| ()),
        )
        .route("/tolerant", get(tolerant))
        .route("/tolerant-too", get(tolerant_too))
        .route("/own", post(own))
        .route("/fails-later", post(fails_later))
        .route("/hands-on", post(hands_on))
        .route("/own-body", get(own_body))
        .route("/own-empty-body", get(own_empty_body))
        .route("/own-redirect", get(own_redirect));
    Served::start(if users_inside {
        router.layer(users.layer()).layer(administrators.layer())
    } else {
        router.layer(administrators.layer()).layer(users.layer())
    })
    .await
}

async fn on_reject_of_one_layer_leaves_the_refusals_of_another_alone(backend: Backend) {
    for users_inside in [true, false] {
        let served = users_and_administrators(&backend, users_inside).await;
        let expected = [
            ("/user", "users"),
            ("/admin", "administrators"),
            ("/user-if-any", "administrators"),
            // The users' refusal was the handler's to judge; the administrators' is the one that is
            // answered.
            ("/tolerant", "administrators"),
            ("/tolerant-too", "users"),
        ];
        for (path, by) in expected {
            // Without a token, both refusals have the same code.
            let call = || served.get(path);
            let calls = [
                call(),
                call().header(AUTHORIZATION, "Bearer x"),
                // One layer has made a page of it when the other answers in its own way.
                call().header(ACCEPT, "text/html"),
            ];
            for call in calls {
                let answer = call.send().await;
                assert_eq!(answer.text(), by, "{path}, users inside: {users_inside}");
            }
        }
    }
}

async fn a_refusal_that_the_handler_took_as_a_result_is_its_own_affair(backend: Backend) {
    let served = users_and_administrators(&backend, true).await;
    let answer = served.post("/own").send().await.expect(StatusCode::OK);
    assert_eq!(answer.text(), "nobody");
    assert_eq!(answer.header(WWW_AUTHENTICATE), None);
    // Another failure is not answered with what was meant for the refusal.
    served.post("/fails-later").send().await.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(served.post("/hands-on").send().await.text(), "users");
}

/// `on_reject` answers for anchor, and not for the application.
async fn what_the_application_makes_of_a_rejection_is_its_own_answer(backend: Backend) {
    let served = users_and_administrators(&backend, true).await;
    for accept in ["*/*", "text/html"] {
        let get = async |path: &str| served.get(path).header(ACCEPT, accept).send().await;
        let body = get("/own-body").await.expect(StatusCode::UNAUTHORIZED);
        assert_eq!(body.text(), "own");
        assert_eq!(get("/own-empty-body").await.expect(StatusCode::UNAUTHORIZED).text(), "");
        let redirect = get("/own-redirect").await.expect(StatusCode::SEE_OTHER);
        assert_eq!(redirect.header(LOCATION), Some("/own"));
        assert_eq!(redirect.text(), r#"{"error":"unauthenticated"}"#);
        assert_eq!(get("/user").await.expect(StatusCode::IM_A_TEAPOT).text(), "users");
    }
    let head = served.call(Method::HEAD, "/user").send().await;
    head.expect(StatusCode::IM_A_TEAPOT);
}
