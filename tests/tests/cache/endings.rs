//! What ends a session on this node is seen by its next request.

use std::time::Duration;

use anchor::prelude::*;
use anchor_tests::{Backend, Verb, Watched};
use http::StatusCode;
use tokio::time::timeout;

use crate::application::{LONG, Node};

on_every_store![
    a_logout_is_seen_at_once,
    a_load_that_began_before_a_logout_leaves_nothing,
    a_logout_that_failed_or_timed_out_is_decided_by_the_store,
    a_call_that_was_dropped_is_decided_by_the_store,
    each_way_to_end_a_session_is_seen_at_once,
    a_login_that_replaces_a_session_is_seen_at_once,
    a_login_that_leaves_no_room_is_seen_at_once,
    a_change_and_a_rotation_are_seen_at_once,
    a_change_of_all_sessions_of_a_subject_is_seen_at_once,
];

async fn a_logout_is_seen_at_once(backend: Backend) {
    let node = Node::cached(&backend).await;
    for path in ["/logout", "/logout-all"] {
        let cookie = node.log_in_warm("ferris").await;
        node.post(path).cookie(&cookie).send().await;
        assert_eq!(node.loads_for("/me", &cookie, StatusCode::UNAUTHORIZED).await, 1, "{path}");
    }
}

async fn a_load_that_began_before_a_logout_leaves_nothing(backend: Backend) {
    let node = Node::cached(&backend).await;
    for path in ["/logout", "/logout-all"] {
        let cookie = node.log_in("ferris").await;
        let hold = node.store.hold_answer_of_next_load();
        let logout = async {
            hold.reached().await;
            if path == "/logout" {
                node.log_out(&cookie).await;
            } else {
                node.sessions.revoke_subject(&"ferris".to_owned()).await.unwrap();
            }
            hold.release();
        };
        let (early, ()) = tokio::join!(node.me(&cookie), logout);
        early.expect(StatusCode::OK);
        node.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
    }
}

async fn a_logout_that_failed_or_timed_out_is_decided_by_the_store(backend: Backend) {
    let store = Watched::new(backend.store().await);
    let node = Node::over(store, |sessions| {
        sessions.cache(LONG).store_timeout(Duration::from_millis(500))
    })
    .await
    .ready()
    .await;
    let cookie = node.log_in_warm("ferris").await;
    node.store.fail(Verb::Revoke, true);
    let logout = node.post("/logout").cookie(&cookie).send().await;
    logout.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(node.loads_for("/me", &cookie, StatusCode::OK).await, 1);
    node.store.fail(Verb::Revoke, false);

    node.warm(&cookie).await;
    let hold = node.store.hold(Verb::Revoke);
    let logout = node.post("/logout").cookie(&cookie).send().await;
    logout.expect(StatusCode::SERVICE_UNAVAILABLE);
    hold.release();
    assert_eq!(node.loads_for("/me", &cookie, StatusCode::OK).await, 1);
}

async fn a_call_that_was_dropped_is_decided_by_the_store(backend: Backend) {
    let node = Node::cached(&backend).await;
    let cookie = node.log_in_warm("ferris").await;
    let id = node.id(&cookie).await;
    let hold = node.store.hold(Verb::Revoke);
    let dropped = timeout(Duration::from_millis(50), node.sessions.revoke(id)).await;
    assert!(dropped.is_err(), "it is held");
    hold.release();
    assert_eq!(node.loads_for("/me", &cookie, StatusCode::OK).await, 1);
}

async fn each_way_to_end_a_session_is_seen_at_once(backend: Backend) {
    let node = Node::cached(&backend).await;
    let ferris = "ferris".to_owned();
    for way in 0..7 {
        let [one, two] = [node.log_in("ferris").await, node.log_in("ferris").await];
        let corro = node.log_in("corro").await;
        for cookie in [&one, &two, &corro] {
            node.warm(cookie).await;
        }
        let (id, other) = (node.id(&one).await, node.id(&two).await);
        match way {
            0 => assert!(node.sessions.revoke(id).await.unwrap()),
            1 => assert!(node.sessions.revoke_subject(&ferris).await.unwrap() >= 2),
            2 => assert!(node.sessions.revoke_others(&ferris, other).await.unwrap() >= 1),
            3 => assert!(node.sessions.cut_off(&ferris).await.unwrap() >= 2),
            4 => assert!(node.sessions.revoke_everyone().await.unwrap() >= 3),
            5 => {
                let end = node.post(&format!("/end/{id}")).cookie(&two).send().await;
                end.expect(StatusCode::OK);
            }
            _ => {
                let logout = node.post("/logout-others").cookie(&two).send().await;
                logout.expect(StatusCode::OK);
            }
        }
        node.me(&one).await.expect(StatusCode::UNAUTHORIZED);
        let two_is_over = [1, 3, 4].contains(&way);
        let expected = if two_is_over { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        node.me(&two).await.expect(expected);
        // The sessions of `revoke` and `end_sibling` may share a place with this one.
        if [1, 2, 3, 6].contains(&way) {
            let loads = node.loads_for("/me", &corro, StatusCode::OK).await;
            assert_eq!(loads, 0, "way {way}: another subject's session stays in the cache");
        }
    }
}

async fn a_login_that_replaces_a_session_is_seen_at_once(backend: Backend) {
    let node = Node::cached(&backend).await;
    let old = node.log_in_warm("ferris").await;
    let new = node.log_in_over("ferris", &old).await;
    node.me(&old).await.expect(StatusCode::UNAUTHORIZED);
    node.me(&new).await.expect(StatusCode::OK);
}

#[derive(Clone, SessionData)]
#[session(table = "cached_singles", cookie = "__Host-single", max_per_subject = 1)]
struct Single {
    #[session(subject)]
    name: String,
}

#[require_session(Single)]
async fn single() {}

async fn a_login_that_leaves_no_room_is_seen_at_once(backend: Backend) {
    use axum::routing::{get, post};

    let login =
        async |auth: Auth<Single>| auth.login(Single { name: "ferris".into() }).await.map(drop);
    let store = Watched::new(backend.store::<Single>().await);
    let sessions = SessionManager::<Single>::builder(store.clone())
        .keys(KeyRing::generate().unwrap())
        .cache(LONG)
        .build()
        .unwrap();
    let router = axum::Router::new().route("/login", post(login)).route("/", get(single));
    let served = anchor_tests::http::Served::start(router.layer(sessions.layer())).await;
    let old = served.post("/login").send().await.expect(StatusCode::OK).cookie();
    let warm = async {
        let mut before = usize::MAX;
        while before != store.calls(Verb::Load) {
            before = store.calls(Verb::Load);
            served.get("/").cookie(&old).send().await.expect(StatusCode::OK);
        }
    };
    timeout(crate::application::PATIENCE, warm).await.expect("it is cached");
    served.post("/login").send().await.expect(StatusCode::OK);
    served.get("/").cookie(&old).send().await.expect(StatusCode::UNAUTHORIZED);
}

async fn a_change_and_a_rotation_are_seen_at_once(backend: Backend) {
    let node = Node::cached(&backend).await;
    let old = node.log_in_warm("ferris").await;
    node.post("/visit").cookie(&old).send().await.expect(StatusCode::OK);
    let visits = node.get("/visits").cookie(&old).send().await.expect(StatusCode::OK);
    assert_eq!(visits.text(), "1");
    node.warm(&old).await;
    let new = node.post("/rotate-now").cookie(&old).send().await.expect(StatusCode::OK).cookie();
    node.me(&old).await.expect(StatusCode::UNAUTHORIZED);
    node.warm(&new).await;
}

async fn a_change_of_all_sessions_of_a_subject_is_seen_at_once(backend: Backend) {
    let node = Node::cached(&backend).await;
    let mut cookies = Vec::new();
    for _ in 0..2 {
        let cookie = node.log_in("ferris").await;
        node.post("/promote").cookie(&cookie).send().await.expect(StatusCode::OK);
        node.warm(&cookie).await;
        cookies.push(cookie);
    }
    let ferris = "ferris".to_owned();
    let demoted = node.sessions.update_subject(&ferris, |user| user.admin = false).await;
    assert_eq!(demoted.unwrap(), 2);
    for cookie in &cookies {
        node.get("/admin").cookie(cookie).send().await.expect(StatusCode::FORBIDDEN);
    }
}
