//! `anchor::routing` routes as axum does, and lists what it routes.

use anchor::prelude::*;
use anchor::routing::{
    DeclaredPolicy, MethodFilter, RouteMethod, Router, any, delete, get, on, post, public_service,
};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::application::{Role, UserSession, body, log_in, login, send, sessions};

#[public]
async fn home() -> &'static str {
    "home"
}

#[public]
async fn missing() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "no such page")
}

#[public]
async fn other_method() -> (StatusCode, &'static str) {
    (StatusCode::METHOD_NOT_ALLOWED, "not like this")
}

#[public]
async fn greeting(State(greeting): State<&'static str>, Path(name): Path<String>) -> String {
    format!("{greeting}, {name}")
}

#[require_session(UserSession)]
async fn account(session: Session<UserSession>) -> String {
    session.user_id.to_string()
}

#[require_session(UserSession, role = Role::Admin, fresh = "90m")]
async fn ban() {}

#[logout(UserSession)]
async fn logout() {}

#[logout(UserSession, all)]
async fn logout_everywhere() {}

/// Says on each response that it ran.
async fn mark(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert("x-marked", "yes".parse().unwrap());
    response
}

fn application() -> Router {
    let users = Router::new()
        .route("/", get(account))
        .route("/{id}", delete(ban).put(ban))
        .route_service("/feed", public_service(axum::routing::any(|| async { "feed" })));
    let greetings = Router::new().route("/hello/{name}", get(greeting)).with_state("Good morning");
    Router::new()
        .route("/", get(home))
        .route("/", on(MethodFilter::PUT.or(MethodFilter::PATCH), home))
        .route("/any", any(home))
        .route("/login/{role}", post(login))
        .route("/logout", post(logout))
        .route("/logout/any", any(logout))
        .route("/logout/all", post(logout_everywhere).fallback(other_method))
        .nest("/api/users", users)
        .merge(greetings)
        .nest_service(
            "/assets",
            public_service(axum::routing::any(
                |uri: axum::http::Uri| async move { uri.to_string() },
            )),
        )
        .merge_unchecked(
            axum::Router::new().route("/legacy", axum::routing::get(|| async { "legacy" })),
        )
        .fallback(missing)
        .sessions(&sessions())
}

fn built() -> axum::Router {
    application().build().unwrap()
}

#[test]
fn every_route_stands_in_the_table_with_its_policy() {
    assert_eq!(
        application().policies().to_string(),
        "\
GET     /                public
PATCH   /                public
PUT     /                public
any     /*               UNCHECKED
any     /*               public
any     /any             public
GET     /api/users       session UserSession
any     /api/users/feed  public service
DELETE  /api/users/{id}  session UserSession, role Role::Admin, fresh 90m
PUT     /api/users/{id}  session UserSession, role Role::Admin, fresh 90m
any     /assets/*        public service
GET     /hello/{name}    public
POST    /login/{role}    public
POST    /logout          logout UserSession
POST    /logout/all      logout UserSession, all
other   /logout/all      public
any     /logout/any      logout UserSession
"
    );
}

#[test]
fn a_test_can_demand_that_no_route_is_open_by_accident() {
    let app = application();
    let policies = app.policies();
    let open: Vec<_> = policies
        .iter()
        .filter(|route| route.path.starts_with("/api"))
        .filter(|route| !matches!(route.policy, DeclaredPolicy::Session { .. }))
        .map(|route| (&route.method, route.path.as_str()))
        .collect();
    assert_eq!(open, [(&RouteMethod::Any, "/api/users/feed")]);
}

#[tokio::test]
async fn requests_reach_what_axum_would_send_them_to() {
    let app = built();
    for (method, path, status, text) in [
        ("GET", "/", 200, "home"),
        ("HEAD", "/", 200, ""),
        ("PATCH", "/", 200, "home"),
        ("DELETE", "/", 405, ""),
        ("TRACE", "/any", 200, "home"),
        ("GET", "/hello/Ferris", 200, "Good morning, Ferris"),
        ("GET", "/api/users/feed", 200, "feed"),
        ("GET", "/assets/style.css", 200, "/style.css"),
        ("GET", "/legacy", 200, "legacy"),
        ("GET", "/logout/all", 405, "not like this"),
        ("POST", "/logout/any", 200, ""),
        ("GET", "/nowhere", 404, "no such page"),
        ("GET", "/api/users/1/2", 404, "no such page"),
    ] {
        let response = send(&app, method, path, &[]).await;
        assert_eq!(response.status(), status, "{method} {path}");
        assert_eq!(body(response).await, text, "{method} {path}");
    }
}

#[tokio::test]
async fn guarded_routes_are_guarded_wherever_they_are_nested() {
    let app = built();
    for (method, path) in
        [("GET", "/api/users"), ("DELETE", "/api/users/7"), ("PUT", "/api/users/7")]
    {
        assert_eq!(send(&app, method, path, &[]).await.status(), 401, "{method} {path}");
    }
    let cookie = log_in(&app, "member").await;
    let cookie = [("cookie", cookie.as_str())];
    assert_eq!(body(send(&app, "GET", "/api/users", &cookie).await).await, "1");
    assert_eq!(send(&app, "DELETE", "/api/users/7", &cookie).await.status(), 403);
    assert_eq!(send(&app, "POST", "/logout", &cookie).await.status(), 200);
    assert_eq!(send(&app, "GET", "/api/users", &cookie).await.status(), 401);
}

#[tokio::test]
async fn layers_cover_what_axums_cover() {
    let marked = |response: Response| response.headers().contains_key("x-marked");
    let route_layer: Router =
        Router::new().route("/", get(home)).route_layer(from_fn(mark)).fallback(missing);
    let route_layer = route_layer.build().unwrap();
    assert!(marked(send(&route_layer, "GET", "/", &[]).await));
    assert!(!marked(send(&route_layer, "GET", "/nowhere", &[]).await));

    let layer: Router = Router::new().route("/", get(home)).fallback(missing).layer(from_fn(mark));
    let layer = layer.build().unwrap();
    assert!(marked(send(&layer, "GET", "/nowhere", &[]).await));

    let handlers: Router = Router::new()
        .route("/", get(home).layer(from_fn(mark)).post(home))
        .route("/b", get(home).route_layer(from_fn(mark)));
    let handlers = handlers.build().unwrap();
    assert!(marked(send(&handlers, "GET", "/", &[]).await));
    assert!(!marked(send(&handlers, "POST", "/", &[]).await));
    assert!(marked(send(&handlers, "GET", "/b", &[]).await));
    assert!(!marked(send(&handlers, "POST", "/b", &[]).await));
}

#[tokio::test]
async fn fallbacks_are_replaced_reset_and_nested() {
    let inner: Router =
        Router::new().route("/", get(home)).fallback(other_method).fallback(missing);
    assert_eq!(inner.policies().to_string(), "GET  /   public\nany  /*  public\n");
    let app: Router = Router::new()
        .nest("/inner", inner)
        .route("/", get(home))
        .method_not_allowed_fallback(other_method);
    assert_eq!(
        app.policies().to_string(),
        "\
GET    /         public
other  /         public
GET    /inner    public
other  /inner    public
any    /inner/*  public
"
    );
    let built = app.clone().build().unwrap();
    assert_eq!(body(send(&built, "GET", "/inner/x", &[]).await).await, "no such page");
    assert_eq!(body(send(&built, "POST", "/", &[]).await).await, "not like this");
    assert_eq!(body(send(&built, "POST", "/inner", &[]).await).await, "not like this");
    let app = app.reset_fallback();
    assert!(!app.policies().to_string().contains("/inner/*"));
    let app = app.build().unwrap();
    assert_eq!(body(send(&app, "GET", "/inner/x", &[]).await).await, "");
}

#[tokio::test]
async fn a_router_becomes_axums_where_axums_is_wanted() {
    let guarded: Router = Router::new().route("/", get(home));
    let merged = axum::Router::new().merge(guarded.clone().build().unwrap());
    let back: Router =
        Router::new().merge_unchecked(merged).merge(Router::new().nest("/x", guarded));
    let back = back.build().unwrap();
    assert_eq!(body(send(&back, "GET", "/", &[]).await).await, "home");
    assert_eq!(body(send(&back, "GET", "/x", &[]).await).await, "home");
}

#[tokio::test]
async fn axum_serves_it() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move { axum::serve(listener, built()).await });
    let mut connection = TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    connection.write_all(request).await.unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200") && response.ends_with("home"), "{response}");
    served.abort();
}
