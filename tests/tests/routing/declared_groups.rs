//! Groups in `anchor::routing`: what is under a guard may be plain, and the table shows the guard.

use std::time::Duration;

use anchor::prelude::*;
use anchor::routing::{DeclaredPolicy, Router, get, post, public_service};
use anchor_tests::http::Served;
use axum::extract::State;
use http::{Method, StatusCode};
use tower::ServiceBuilder;
use tower_http::services::ServeDir;

use crate::application::{Role, UserSession, login, sessions};

async fn plain() -> &'static str {
    "plain"
}

async fn with_state(State(text): State<&'static str>, user: UserSession) -> String {
    format!("{text} {}", user.user_id)
}

#[public]
async fn public() -> &'static str {
    "public"
}

#[public]
async fn missing() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "missing")
}

#[require_session(UserSession, role = Role::Admin)]
async fn stricter() {}

#[require_session(UserSession)]
async fn the_same() {}

#[logout(UserSession)]
async fn logout() {}

fn axums() -> axum::Router<&'static str> {
    axum::Router::new()
        .route("/plain", axum::routing::get(plain))
        .route("/state", axum::routing::get(with_state))
}

fn declared() -> Router<&'static str> {
    Router::new()
        .route("/public", get(public))
        .route("/stricter", post(stricter))
        .route("/same", get(the_same))
        .route("/logout", post(logout))
}

fn router(sessions: &SessionManager<UserSession>) -> Router<&'static str> {
    let guard = || sessions.require();
    let files = || ServeDir::new(std::env::temp_dir().join("anchor-has-no-such-folder"));
    Router::new()
        .route("/", get(public))
        .route("/login/{role}", post(login))
        .route("/path", guard().layer(axum::routing::get(plain).post(plain)))
        .nest("/axum", guard().redirect("/login").layer(axums().with_state("hello")))
        .nest("/admin", guard().role(Role::Admin).layer(declared()))
        .nest("/fallback", guard().layer(Router::new().route("/", get(public)).fallback(missing)))
        .merge(Router::new().route("/layered", get(public)).route_layer(guard()))
        .merge(
            guard()
                .fresh(Duration::from_mins(90))
                .layer(axum::Router::new().route("/merged", axum::routing::get(plain))),
        )
        .route_service("/file", guard().layer(files()))
        .nest_service("/files", guard().when(|user| user.user_id == 1).layer(files()))
        .nest_service("/twice", guard().layer(guard().role(Role::Admin).layer(files())))
        .route_service("/thrice", public_service(guard().layer(guard().layer(files()))))
        .nest_service("/open", public_service(files()))
}

#[test]
fn the_table_shows_the_guards() {
    assert_eq!(
        router(&sessions()).policies().to_string(),
        "\
GET   /                public
any   /*               session UserSession, fresh 90m
any   /admin/*         session UserSession, role admin
POST  /admin/logout    session UserSession, role admin; logout UserSession
GET   /admin/public    session UserSession, role admin
GET   /admin/same      session UserSession, role admin; session UserSession
POST  /admin/stricter  session UserSession, role admin; session UserSession, role Role::Admin
any   /axum/*          session UserSession, else to /login
GET   /fallback        session UserSession
any   /fallback/*      session UserSession
any   /file            session UserSession
any   /files/*         session UserSession, when a closure in router
GET   /layered         session UserSession
POST  /login/{role}    public
any   /open/*          public service
any   /path            session UserSession
any   /thrice          public service
any   /twice/*         session UserSession
"
    );
}

#[test]
fn a_test_finds_every_route_that_needs_no_session() {
    let app = router(&sessions());
    let policies = app.policies();
    let open: Vec<_> = policies
        .iter()
        .filter(|route| !route.policy.requires_session())
        .map(|route| route.path.as_str())
        .collect();
    assert_eq!(open, ["/", "/login/{role}", "/open/*", "/thrice"]);
}

#[tokio::test]
async fn a_group_is_guarded_with_its_404_and_405_and_the_rest_is_not() {
    let sessions = sessions();
    let app = router(&sessions).sessions(&sessions).with_state("hello").build().unwrap();
    let app = Served::start(app).await;
    let log_in = async |role: &str| app.post(&format!("/login/{role}")).send().await.cookie();
    let (member, admin) = (log_in("member").await, log_in("admin").await);
    for (method, path, nobody, as_member, as_admin) in [
        (Method::GET, "/", 200, 200, 200),
        (Method::GET, "/path", 401, 200, 200),
        (Method::DELETE, "/path", 401, 405, 405),
        (Method::GET, "/axum/plain", 401, 200, 200),
        (Method::POST, "/axum/plain", 401, 405, 405),
        (Method::GET, "/axum/state", 401, 200, 200),
        (Method::GET, "/axum/none", 401, 404, 404),
        (Method::GET, "/axum", 401, 404, 404),
        (Method::GET, "/axum//", 401, 404, 404),
        (Method::GET, "/admin/public", 401, 403, 200),
        (Method::POST, "/admin/stricter", 401, 403, 200),
        (Method::GET, "/admin/stricter", 401, 403, 405),
        (Method::GET, "/admin/none/at/all", 401, 403, 404),
        (Method::GET, "/fallback/none", 401, 404, 404),
        (Method::GET, "/merged", 401, 200, 200),
        (Method::POST, "/merged", 401, 405, 405),
        (Method::GET, "/layered", 401, 200, 200),
        (Method::GET, "/file", 401, 404, 404),
        (Method::GET, "/files/none", 401, 404, 404),
        (Method::GET, "/open/none", 404, 404, 404),
        (Method::GET, "/twice/none", 401, 403, 404),
        (Method::GET, "/axum/", 401, 404, 404),
        (Method::GET, "/admin/", 401, 403, 404),
        // These paths are no group's.
        (Method::GET, "/none", 404, 404, 404),
        (Method::GET, "/axums", 404, 404, 404),
        (Method::POST, "/", 405, 405, 405),
    ] {
        for (cookie, status) in [("", nobody), (&member, as_member), (&admin, as_admin)] {
            let answer = app.call(method.clone(), path).cookie(cookie).send().await;
            assert_eq!(answer.status.as_u16(), status, "{method} {path} {cookie}");
        }
    }
    let state = app.get("/axum/state").cookie(&member).send().await;
    assert_eq!(state.text(), "hello 1");
    let own_fallback = app.get("/fallback/none").cookie(&member).send().await;
    assert_eq!(own_fallback.text(), "missing");
}

#[test]
fn a_stack_of_layers_is_understood_as_well() {
    let sessions = sessions();
    let stack = ServiceBuilder::new()
        .layer(sessions.layer())
        .layer(sessions.require())
        .option_layer(Some(sessions.require().role(Role::Admin)));
    let app: Router = Router::new().route("/", get(public)).fallback(missing).route_layer(stack);
    assert_eq!(
        app.policies().to_string(),
        "GET  /   session UserSession; session UserSession, role admin\nany  /*  public\n"
    );
    let handlers = get(public).route_layer(sessions.require()).post(public);
    let app: Router = Router::new().route("/", handlers);
    assert_eq!(app.policies()[0].policy.to_string(), "session UserSession");
    assert_eq!(app.policies()[1].policy, DeclaredPolicy::Public);
}

#[tokio::test]
async fn a_plain_router_is_nested_with_its_fallback() {
    let sessions = sessions();
    let group = axum::Router::new().fallback(plain);
    let app = Router::new()
        .route("/login/{role}", post(login))
        .nest("/group", sessions.require().layer(group))
        .sessions(&sessions);
    let app = Served::start(app.build().unwrap()).await;
    let cookie = app.post("/login/member").send().await.cookie();
    app.get("/group/any").send().await.expect(StatusCode::UNAUTHORIZED);
    let answer = app.get("/group/any").cookie(cookie).send().await.expect(StatusCode::OK);
    assert_eq!(answer.text(), "plain");
}

#[tokio::test]
async fn a_merged_router_takes_its_fallback_along_under_its_guard() {
    let sessions = sessions();
    let group = axum::Router::new().route("/plain", axum::routing::get(plain)).fallback(plain);
    let app = Router::new()
        .route("/login/{role}", post(login))
        .merge(sessions.require().layer(group))
        .sessions(&sessions);
    let app = Served::start(app.build().unwrap()).await;
    let cookie = app.post("/login/member").send().await.cookie();
    for path in ["/plain", "/any"] {
        app.get(path).send().await.expect(StatusCode::UNAUTHORIZED);
        app.get(path).cookie(&cookie).send().await.expect(StatusCode::OK);
    }
}
