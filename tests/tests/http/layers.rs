//! The session layer: missing, doubled, and several of them in one application.

use std::convert::Infallible;
use std::future::{Ready, poll_fn};
use std::task::{Context, Poll};

use anchor::prelude::*;
use anchor_tests::http::Served;
use anchor_tests::{Backend, Verb, Watched};
use axum::Router;
use axum::body::Body;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use http::{Request, StatusCode};
use tower::{Layer, Service};

use crate::application::{Application, KEY, OPTIONAL, REQUIRING, UserSession, routes};
use crate::tokens::id_of;

on_every_store![
    two_payload_types_in_one_request_are_independent,
    a_failing_store_of_one_payload_leaves_the_other_alone,
    the_same_layer_twice_works_as_once,
    what_happens_between_two_layers_of_one_manager_is_known_to_both,
    a_layer_covers_the_routes_that_it_was_added_to,
];

#[tokio::test]
async fn a_missing_layer_is_500_with_the_message() {
    let served = Served::start(routes()).await;
    let of_type = concat!(
        "{\"error\":\"missing_layer\",\"message\":\"no session layer for `UserSession` on this \
         route: ",
        "add `.layer(sessions.layer())` to the router, after its routes and guards (axum applies a \
         layer to what was added before it), ",
        "where `sessions` is a `SessionManager<UserSession>`\"}"
    );
    let gets = REQUIRING.into_iter().chain(OPTIONAL).map(|path| (path, served.get(path)));
    let posts = ["/login", "/logout", "/logout-by-auth"];
    let posts = posts.into_iter().map(|path| (path, served.post(path)));
    for (path, call) in gets.chain(posts) {
        let answer = call.cookie("__Host-id=x").send().await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert_eq!(answer.text(), of_type, "{path}");
    }
}

/// A service that has no room for a request.
struct Busy;

impl Service<Request<Body>> for Busy {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        unreachable!("it is not ready")
    }
}

#[tokio::test]
async fn a_service_is_ready_when_what_it_surrounds_is_ready() {
    let keys = KeyRing::new([KEY]).unwrap();
    let store = MemoryStore::<UserSession>::new();
    let sessions = SessionManager::builder(store).keys(keys).build().unwrap();
    let mut service = sessions.layer().layer(Busy);
    let ready = poll_fn(|context| Poll::Ready(service.poll_ready(context))).await;
    assert!(ready.is_pending());
}

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "admin_sessions", idle = "10m", absolute = "8h", cookie = "__Host-admin")]
struct AdminSession {
    #[session(subject)]
    admin: i64,
}

#[require_session(UserSession)]
#[allow(clippy::unused_async)]
async fn both(user: Session<UserSession>, admin: Session<AdminSession>) -> String {
    format!("{} {}", user.name, admin.admin)
}

#[logout(AdminSession)]
async fn logout_admin() {}

struct TwoPayloads {
    served: Served,
    users: Watched<UserSession>,
    admins: Watched<AdminSession>,
}

async fn two_payloads(backend: &Backend) -> TwoPayloads {
    let users = Watched::new(backend.store::<UserSession>().await);
    let admins = Watched::new(backend.store::<AdminSession>().await);
    let user_sessions =
        SessionManager::builder(users.clone()).keys(KeyRing::new([KEY]).unwrap()).build().unwrap();
    let admin_sessions =
        SessionManager::builder(admins.clone()).keys(KeyRing::new([KEY]).unwrap()).build().unwrap();
    let login_admin =
        async |auth: Auth<AdminSession>| auth.login(AdminSession { admin: 1 }).await.map(|_| ());
    let login_both = async |users: Auth<UserSession>, admins: Auth<AdminSession>| {
        users.login(UserSession::of("ferris")).await?;
        admins.login(AdminSession { admin: 2 }).await.map(|_| ())
    };
    let router = routes()
        .route("/admin", get(async |admin: AdminSession| admin.admin.to_string()))
        .route("/login-admin", post(login_admin))
        .route("/login-both", post(login_both))
        .route("/logout-admin", post(logout_admin))
        .route("/both", get(both))
        .layer(user_sessions.layer())
        .layer(admin_sessions.layer());
    TwoPayloads { served: Served::start(router).await, users, admins }
}

async fn two_payload_types_in_one_request_are_independent(backend: Backend) {
    let TwoPayloads { served, users, admins } = two_payloads(&backend).await;
    let login = served.post("/login-both").send().await.expect(StatusCode::OK);
    let cookies: Vec<&str> =
        login.set_cookies().iter().map(|cookie| cookie.split(';').next().unwrap()).collect();
    let [admin, user] = ["__Host-admin=", "__Host-id="].map(|name| {
        let mut found = cookies.iter().filter(|cookie| cookie.starts_with(name));
        let cookie = found.next().unwrap();
        assert!(found.next().is_none(), "{cookies:?}");
        *cookie
    });
    assert_eq!(cookies.len(), 2);

    let both = format!("{user}; {admin}");
    let answer = served.get("/both").cookie(&both).send().await.expect(StatusCode::OK);
    assert_eq!(answer.text(), "ferris 2");

    // One store is asked for the one payload, and only for that.
    users.reset();
    admins.reset();
    served.get("/me").cookie(&both).send().await.expect(StatusCode::OK);
    assert_eq!((users.all_calls(), admins.all_calls()), (1, 0));

    // Neither token opens the other's session.
    let crossed = format!("__Host-id={}", admin.split_once('=').unwrap().1);
    served.get("/me").cookie(crossed).send().await.expect(StatusCode::UNAUTHORIZED);
    assert_eq!(admins.all_calls(), 0);

    // A login over both ends the one of its own payload.
    let again = served.post("/login-admin").cookie(&both).send().await.expect(StatusCode::OK);
    served.get("/admin").cookie(admin).send().await.expect(StatusCode::UNAUTHORIZED);
    served.get("/me").cookie(user).send().await.expect(StatusCode::OK);
    let admin = again.cookie();
    let both = format!("{user}; {admin}");

    let logout = served.post("/logout-admin").cookie(&both).send().await.expect(StatusCode::OK);
    assert!(logout.set_cookie().starts_with("__Host-admin=;"), "{logout:?}");
    served.get("/admin").cookie(&both).send().await.expect(StatusCode::UNAUTHORIZED);
    served.get("/both").cookie(&both).send().await.expect(StatusCode::UNAUTHORIZED);
    served.get("/me").cookie(&both).send().await.expect(StatusCode::OK);
    assert!(matches!(users.inner().load(id_of(user)).await, Ok(anchor::store::Load::Live(_))));
}

async fn a_failing_store_of_one_payload_leaves_the_other_alone(backend: Backend) {
    let TwoPayloads { served, users, admins } = two_payloads(&backend).await;
    let user = served.post("/login").json(&UserSession::of("ferris")).send().await.cookie();
    let admin = served.post("/login-admin").send().await.cookie();
    let both = format!("{user}; {admin}");
    users.fail(Verb::Load, true);
    served.get("/both").cookie(&both).send().await.expect(StatusCode::SERVICE_UNAVAILABLE);
    served.get("/admin").cookie(&both).send().await.expect(StatusCode::OK);
    users.fail(Verb::Load, false);
    admins.fail(Verb::Load, true);
    served.get("/both").cookie(&both).send().await.expect(StatusCode::SERVICE_UNAVAILABLE);
    served.get("/me").cookie(&both).send().await.expect(StatusCode::OK);
}

async fn the_same_layer_twice_works_as_once(backend: Backend) {
    let app = Application::start(&backend).await;
    // The manager is its own layer.
    let twice = routes().layer(app.sessions.clone()).layer(app.sessions.layer());
    let served = Served::start(twice).await;
    let login = served.post("/login").json(&UserSession::of("ferris")).send().await;
    let cookie = login.expect(StatusCode::OK).cookie();
    app.store.reset();
    for path in REQUIRING {
        served.get(path).cookie(&cookie).send().await.expect(StatusCode::OK);
    }
    assert_eq!(app.store.all_calls(), REQUIRING.len());
    let logout = served.post("/logout").cookie(&cookie).send().await;
    assert_eq!(logout.expect(StatusCode::NO_CONTENT).set_cookies().len(), 1);
    served.get("/me").cookie(&cookie).send().await.expect(StatusCode::UNAUTHORIZED);
}

async fn what_happens_between_two_layers_of_one_manager_is_known_to_both(backend: Backend) {
    let sessions = SessionManager::builder(backend.store::<UserSession>().await);
    let sessions = sessions.keys(KeyRing::new([KEY]).unwrap()).build().unwrap();
    let log_in = async |auth: Auth<UserSession>, request: Request<Body>, next: Next| {
        auth.login(UserSession::of("ferris")).await.unwrap();
        next.run(request).await
    };
    let app = routes().layer(sessions.layer()).layer(from_fn(log_in)).layer(sessions.layer());
    let app = Served::start(app).await;
    let first = app.get("/me").send().await.expect(StatusCode::OK);
    let again = app.get("/me").cookie(first.cookie()).send().await.expect(StatusCode::OK);
    assert_ne!(first.cookie(), again.cookie());
    // A login within replaces that of the middleware, and a logout within ends it.
    let login = app.post("/login").json(&UserSession::of("corro")).send().await;
    let login = login.expect(StatusCode::OK);
    let live = sessions.list(&"corro".to_owned()).await.unwrap();
    assert_eq!(live.iter().map(|record| record.id).collect::<Vec<_>>(), [id_of(&login.cookie())]);
    let logout = app.post("/logout").send().await;
    assert!(logout.status.is_success(), "{logout:?}");
    assert_eq!(sessions.list(&"ferris".to_owned()).await.unwrap().len(), 1, "of the second call");
}

async fn a_layer_covers_the_routes_that_it_was_added_to(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    let name = async |user: UserSession| user.name;
    let router = Router::new()
        .nest("/inside", Router::new().route("/me", get(name)))
        .route_layer(app.sessions.layer())
        .route("/outside", get(name))
        .fallback(name);
    let served = Served::start(router).await;
    let inside = served.get("/inside/me").cookie(&cookie).send().await;
    assert_eq!(inside.expect(StatusCode::OK).text(), "ferris");
    for path in ["/outside", "/nowhere"] {
        let answer = served.get(path).cookie(&cookie).send().await;
        answer.expect(StatusCode::INTERNAL_SERVER_ERROR);
    }
}
