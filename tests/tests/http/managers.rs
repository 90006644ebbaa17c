//! Several managers in one process: of two payloads on one cookie, and of one payload on one route.

use anchor::Rejection;
use anchor::frontend::{CustomHeader, SessionCookie};
use anchor::manager::{BoxError, Verdict, Verifier};
use anchor::prelude::*;
use anchor::store::Record;
use anchor_tests::http::Served;
use anchor_tests::{Backend, Watched, logs};
use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http::header::{COOKIE, SET_COOKIE};
use http::request::Parts;
use http::{HeaderName, Request, StatusCode};
use tower::ServiceExt;

use crate::application::{Application, KEY, OPTIONAL, REQUIRING, UserSession, routes};
use crate::tokens::id_of;

on_every_store![
    a_token_of_another_payload_is_refused_after_it_has_gone,
    two_managers_of_one_payload_on_one_route_are_500_that_says_so,
    two_managers_of_one_payload_beside_each_other_are_independent,
];

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "guests")]
struct Guest {
    #[session(subject)]
    name: String,
}

#[derive(Debug, Clone, PartialEq, SessionData)]
#[session(table = "hosts")]
struct Host {
    #[session(subject)]
    name: String,
}

fn builder<T: SessionData>(
    store: impl SessionStore<T>,
    cookie: &'static str,
) -> anchor::manager::SessionManagerBuilder<T> {
    SessionManager::builder(store)
        .keys(KeyRing::new([KEY]).unwrap())
        .frontend(SessionCookie::new(cookie))
}

/// Otherwise each would overwrite the other's cookie, and a logout of the one would remove it while
/// the other's session lives.
#[test]
fn a_second_payload_on_a_cookie_fails_at_build_while_the_first_one_lives() {
    let guests = || builder(MemoryStore::<Guest>::new(), "__Host-party").build();
    let hosts = || builder(MemoryStore::<Host>::new(), "__Host-party").build();
    let first = guests().unwrap();
    let second = guests().expect("another manager of the same payload");
    assert_eq!(
        hosts().unwrap_err().to_string(),
        "sessions of `http::managers::Host`: the sessions of `http::managers::Guest` already \
         travel by `cookie:__Host-party`, and each of the two would overwrite the other's token: \
         give one of them its own name, with `#[session(cookie = \"__Host-admin\")]` \
         on its struct or `.frontend(SessionCookie::new(\"__Host-admin\"))` \
         before `.build()` \
         (the tests of one process share this: give each payload its own name there as well)"
    );
    assert!(builder(MemoryStore::<Host>::new(), "__Host-kitchen").build().is_ok());

    // A layer keeps it alive as well as a manager.
    let (layer, clone) = (first.layer(), second.clone());
    for owner in [Box::new(first) as Box<dyn std::any::Any>, Box::new(second), Box::new(clone)] {
        drop(owner);
        assert!(hosts().is_err());
    }
    drop(layer);
    let hosts = hosts().unwrap();
    assert!(guests().is_err());
    drop(hosts);
    assert!(guests().is_ok());
}

#[test]
fn a_second_payload_on_a_header_fails_at_build_too() {
    let header = || CustomHeader::new(HeaderName::from_static("x-party"));
    let guests = builder(MemoryStore::<Guest>::new(), "x").frontend(header()).build().unwrap();
    let error = builder(MemoryStore::<Host>::new(), "x").frontend(header()).build().unwrap_err();
    assert!(error.to_string().contains("already travel by `header:x-party`"), "{error}");
    drop(guests);
}

async fn log_in<T: SessionData>(sessions: &SessionManager<T>, payload: T) -> String {
    let login = async |auth: Auth<T>| auth.login(payload).await.map(drop);
    let router = Router::new().route("/login", post(login)).layer(sessions.layer());
    let request = Request::post("/login").body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

/// As on two nodes that have the same key and the same cookie's name, of which neither knows of the
/// other's payload.
async fn a_token_of_another_payload_is_refused_after_it_has_gone(backend: Backend) {
    let cookie = match backend {
        Backend::Memory => "__Host-memory",
        Backend::Sqlite(_) => "__Host-sqlite",
        Backend::Postgres(_) => "__Host-postgres",
        Backend::MySql(_) => "__Host-mysql",
        Backend::Redis(_) => "__Host-redis",
    };
    let guests = builder(Watched::new(backend.store::<Guest>().await), cookie).build().unwrap();
    let guest = log_in(&guests, Guest { name: "ferris".into() }).await;
    drop(guests);

    let store = Watched::new(backend.store::<Host>().await);
    let hosts = builder(store.clone(), cookie).build().unwrap();
    let host = log_in(&hosts, Host { name: "ferris".into() }).await;
    let router = Router::new().route("/", get(async |_: Session<Host>| ())).layer(hosts.layer());
    store.reset();
    for (cookie, status) in [(guest, StatusCode::UNAUTHORIZED), (host, StatusCode::OK)] {
        let request = Request::get("/").header(COOKIE, cookie).body(Body::empty()).unwrap();
        assert_eq!(router.clone().oneshot(request).await.unwrap().status(), status);
    }
    assert_eq!(store.all_calls(), 1, "the foreign token is refused without a call");
}

/// Lets nobody in.
struct Suspended;

impl Verifier<UserSession> for Suspended {
    async fn verify(&self, _: &Record<UserSession>, _: &Parts) -> Result<Verdict, BoxError> {
        Ok(Verdict::Refuse)
    }
}

#[logout(UserSession, all)]
async fn logout_all() {}

/// The outer manager's verifier lets nobody in. The inner manager has none, and is the one that
/// would be asked.
async fn two_managers_of_one_payload_on_one_route_are_500_that_says_so(backend: Backend) {
    logs::keep();
    let inner = Application::start(&backend).await;
    let cookie = inner.log_in("ferris").await;
    let outer = SessionManager::builder(inner.store.clone())
        .keys(KeyRing::new([KEY]).unwrap())
        .verifier(Suspended)
        .build()
        .unwrap();
    let login = async |auth: Auth<UserSession>| {
        auth.login(UserSession::of("corro")).await.map(drop).map_err(Rejection::from)
    };
    let router = routes()
        .route("/login-corro", post(login))
        .route("/logout-all", post(logout_all))
        .layer(inner.sessions.layer())
        .layer(outer.layer());
    let served = Served::start(router).await;
    inner.store.reset();
    let message = "two managers of `UserSession` have a layer or a guard on this route: \
                   build one `SessionManager<UserSession>` and clone it, \
                   or add each one's `.layer(sessions.layer())` to a router that is not \
                   nested in the other's";
    let gets = REQUIRING.into_iter().chain(OPTIONAL).map(|path| (path, served.get(path)));
    let posts = ["/login-corro", "/logout", "/logout-by-auth", "/logout-all"];
    let posts = posts.into_iter().map(|path| (path, served.post(path)));
    for (path, call) in gets.chain(posts) {
        let answer = call.cookie(&cookie).send().await;
        let answer = answer.expect(StatusCode::INTERNAL_SERVER_ERROR);
        let expected = format!("{{\"error\":\"several_managers\",\"message\":\"{message}\"}}");
        assert_eq!(answer.text(), expected, "{path}");
        assert!(answer.set_cookies().is_empty(), "{path}: {answer:?}");
    }
    assert_eq!(inner.store.all_calls(), 0);
    assert!(inner.is_live(id_of(&cookie)).await);
    // The log has the path as well.
    let logged =
        "two managers of `http::application::UserSession` have a layer or a guard on this route";
    assert!(logs::lines_with(logged).iter().any(|line| line.contains("ERROR")));
    // A route that asks for no session has nothing to be unsure of.
    served.get("/open").cookie(&cookie).send().await.expect(StatusCode::OK);
}

async fn two_managers_of_one_payload_beside_each_other_are_independent(backend: Backend) {
    let open = Application::start(&backend).await;
    let cookie = open.log_in("ferris").await;
    let strict = SessionManager::builder(open.store.clone())
        .keys(KeyRing::new([KEY]).unwrap())
        .verifier(Suspended)
        .build()
        .unwrap();
    let router = Router::new()
        .nest("/open", routes().layer(open.sessions.layer()))
        .nest("/strict", routes().layer(strict.layer()));
    let served = Served::start(router).await;
    served.get("/open/me").cookie(&cookie).send().await.expect(StatusCode::OK);
    served.get("/strict/me").cookie(&cookie).send().await.expect(StatusCode::UNAUTHORIZED);
}
