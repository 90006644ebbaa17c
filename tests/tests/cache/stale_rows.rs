//! Another node has changed a session, and this one has not heard of it: within the lease it may
//! let a request in, but it refuses and ends nothing for that reason.

use anchor::manager::{BoxError, FingerprintMismatch, Verdict, Verifier};
use anchor::prelude::*;
use anchor::store::Record;
use anchor_tests::http::Served;
use anchor_tests::{Backend, Verb, Watched};
use axum::Router;
use axum::routing::{get, post};
use http::StatusCode;
use http::header::USER_AGENT;
use http::request::Parts;

use crate::application::{LONG, Node, UserSession};

on_every_store![
    a_secret_that_is_newer_than_the_row_is_accepted,
    a_secret_from_before_a_rotation_is_judged_by_the_store,
    an_update_of_a_stale_row_is_written_on_the_new_one,
    a_policy_refuses_what_the_store_says_and_not_the_cache,
    a_verifier_refuses_what_the_store_says_and_not_the_cache,
    an_ended_session_ends_no_others,
    another_client_is_refused_although_the_session_is_in_the_cache,
];

async fn a_secret_that_is_newer_than_the_row_is_accepted(backend: Backend) {
    let node = Node::cached(&backend).await;
    let other = node.silent_neighbour().await;
    let old = node.log_in_warm("ferris").await;
    let rotate = other.post("/rotate").cookie(&old).send().await;
    let new = rotate.expect(StatusCode::OK).cookie();
    assert_eq!(node.loads_for("/me", &new, StatusCode::OK).await, 1);
    node.warm(&new).await;
    // It is in flight.
    assert_eq!(node.loads_for("/me", &old, StatusCode::OK).await, 1);
    node.warm(&new).await;
}

async fn a_secret_from_before_a_rotation_is_judged_by_the_store(backend: Backend) {
    let node = Node::cached(&backend).await;
    let other = node.silent_neighbour().await;
    let old = node.log_in_warm("ferris").await;
    let rotate = other.post("/rotate-now").cookie(&old).send().await;
    let new = rotate.expect(StatusCode::OK).cookie();
    // The lease.
    assert_eq!(node.loads_for("/me", &old, StatusCode::OK).await, 0);
    node.me(&new).await.expect(StatusCode::OK);
    node.me(&old).await.expect(StatusCode::UNAUTHORIZED);
    node.warm(&new).await;
    node.me(&old).await.expect(StatusCode::UNAUTHORIZED);
    node.me(&new).await.expect(StatusCode::OK);
}

async fn an_update_of_a_stale_row_is_written_on_the_new_one(backend: Backend) {
    let node = Node::cached(&backend).await;
    let other = node.silent_neighbour().await;
    let cookie = node.log_in_warm("ferris").await;
    other.post("/promote").cookie(&cookie).send().await.expect(StatusCode::OK);
    for expected in ["1", "2"] {
        let visit = other.post("/visit").cookie(&cookie).send().await;
        assert_eq!(visit.expect(StatusCode::OK).text(), expected);
    }
    let stale = node.get("/visits").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!(stale.text(), "0", "the lease");
    let visit = node.post("/visit").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!(visit.text(), "3");
    other.get("/admin").cookie(&cookie).send().await.expect(StatusCode::OK);
}

async fn a_policy_refuses_what_the_store_says_and_not_the_cache(backend: Backend) {
    let node = Node::cached(&backend).await;
    let other = node.silent_neighbour().await;
    let cookie = node.log_in_warm("ferris").await;
    assert_eq!(node.loads_for("/admin", &cookie, StatusCode::FORBIDDEN).await, 1);
    node.warm(&cookie).await;
    other.post("/promote").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!(node.loads_for("/admin", &cookie, StatusCode::OK).await, 1);
    assert_eq!(node.loads_for("/admin", &cookie, StatusCode::OK).await, 0);
}

/// Lets administrators in.
struct OnlyAdmins;

impl Verifier<UserSession> for OnlyAdmins {
    async fn verify(&self, it: &Record<UserSession>, request: &Parts) -> Result<Verdict, BoxError> {
        let is_open = request.uri.path() != "/visits";
        Ok(if is_open || it.data.is_admin() { Verdict::Accept } else { Verdict::Refuse })
    }
}

async fn a_verifier_refuses_what_the_store_says_and_not_the_cache(backend: Backend) {
    let store = Watched::new(backend.store().await);
    let node = Node::over(store, |sessions| sessions.cache(LONG).verifier(OnlyAdmins)).await;
    let node = node.ready().await;
    let other = node.silent_neighbour().await;
    let cookie = node.log_in_warm("ferris").await;
    assert_eq!(node.loads_for("/visits", &cookie, StatusCode::UNAUTHORIZED).await, 1);
    node.warm(&cookie).await;
    other.post("/promote").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!(node.loads_for("/visits", &cookie, StatusCode::OK).await, 1);
    assert_eq!(node.loads_for("/visits", &cookie, StatusCode::OK).await, 0);
}

async fn an_ended_session_ends_no_others(backend: Backend) {
    let node = Node::cached(&backend).await;
    let other = node.silent_neighbour().await;
    let victim = node.log_in("ferris").await;
    let id = node.id(&victim).await;
    let end = format!("/end/{id}");
    for path in ["/logout-others", "/logout-all", "/logout-all-inside", &end] {
        let ended = node.log_in_warm("ferris").await;
        other.log_out(&ended).await;
        let answer = node.post(path).cookie(&ended).send().await;
        answer.expect(StatusCode::UNAUTHORIZED);
        other.me(&victim).await.expect(StatusCode::OK);
    }
}

#[derive(Clone, SessionData)]
#[session(table = "cached_bound", cookie = "__Host-bound", fingerprint)]
struct Bound {
    name: String,
}

#[require_session(Bound)]
async fn bound() {}

async fn another_client_is_refused_although_the_session_is_in_the_cache(backend: Backend) {
    let store = Watched::new(backend.store::<Bound>().await);
    let sessions = SessionManager::<Bound>::builder(store.clone())
        .keys(KeyRing::generate().unwrap())
        .fingerprint(FingerprintMismatch::Refuse, |request| {
            Some(request.headers.get(USER_AGENT)?.as_bytes().to_vec())
        })
        .cache(LONG)
        .build()
        .unwrap();
    let login = async |auth: Auth<Bound>| auth.login(Bound { name: "it".into() }).await.map(drop);
    let router = Router::new().route("/login", post(login)).route("/", get(bound));
    let served = Served::start(router.layer(sessions.layer())).await;
    let login = served.post("/login").header(USER_AGENT, "one").send().await;
    let cookie = login.expect(StatusCode::OK).cookie();
    let ask = |client: &'static str| {
        let before = store.calls(Verb::Load);
        let call = served.get("/").cookie(&cookie).header(USER_AGENT, client);
        let store = &store;
        async move { (call.send().await.status, store.calls(Verb::Load) - before) }
    };
    while ask("one").await != (StatusCode::OK, 0) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(ask("other").await, (StatusCode::UNAUTHORIZED, 1));
    ask("one").await;
    assert_eq!(ask("one").await, (StatusCode::OK, 0));
}
