//! `#[require_session(.., authoritative)]` asks the store.

use anchor::store::{Load, RotationState, SessionStore};
use anchor_tests::Backend;
use http::StatusCode;

use crate::application::Node;

on_every_store![
    an_authoritative_guard_sees_an_end_on_another_node,
    an_authoritative_group_sees_an_end_on_another_node,
    it_does_so_after_an_extractor_that_was_served_from_the_cache,
    it_sees_that_another_node_has_replaced_the_secret,
    it_judges_a_secret_that_this_request_has_replaced,
    it_does_not_take_a_secret_of_this_request_for_presented,
];

async fn an_authoritative_guard_sees_an_end_on_another_node(backend: Backend) {
    let node = Node::cached(&backend).await;
    let other = node.silent_neighbour().await;
    let cookie = node.log_in_warm("ferris").await;
    assert_eq!(node.loads_for("/authoritative", &cookie, StatusCode::OK).await, 1);
    other.log_out(&cookie).await;
    assert_eq!(node.loads_for("/me", &cookie, StatusCode::OK).await, 0, "the lease");
    assert_eq!(node.loads_for("/authoritative", &cookie, StatusCode::UNAUTHORIZED).await, 1);
    node.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}

async fn an_authoritative_group_sees_an_end_on_another_node(backend: Backend) {
    let node = Node::cached(&backend).await;
    let other = node.silent_neighbour().await;
    let cookie = node.log_in_warm("ferris").await;
    assert_eq!(node.loads_for("/group/authoritative", &cookie, StatusCode::OK).await, 1);
    other.log_out(&cookie).await;
    assert_eq!(node.loads_for("/group", &cookie, StatusCode::OK).await, 0, "the lease");
    let path = "/group/authoritative";
    assert_eq!(node.loads_for(path, &cookie, StatusCode::UNAUTHORIZED).await, 1);
}

async fn it_does_so_after_an_extractor_that_was_served_from_the_cache(backend: Backend) {
    let node = Node::cached(&backend).await;
    let other = node.silent_neighbour().await;
    let cookie = node.log_in_warm("ferris").await;
    let path = "/authoritative-inside";
    assert_eq!(node.loads_for(path, &cookie, StatusCode::OK).await, 1);
    other.log_out(&cookie).await;
    assert_eq!(node.loads_for(path, &cookie, StatusCode::UNAUTHORIZED).await, 1);
}

/// Within the grace of the rotation, so that the request itself is admitted.
async fn it_sees_that_another_node_has_replaced_the_secret(backend: Backend) {
    let node = Node::cached(&backend).await;
    let other = node.silent_neighbour().await;
    let cookie = node.log_in_warm("ferris").await;
    let path = "/current-secret-inside";
    assert_eq!(node.loads_for(path, &cookie, StatusCode::OK).await, 1);
    other.post("/rotate").cookie(&cookie).send().await.expect(StatusCode::OK);
    assert_eq!(node.loads_for(path, &cookie, StatusCode::FORBIDDEN).await, 1);
    assert_eq!(node.loads_for("/authoritative-inside", &cookie, StatusCode::OK).await, 1);
}

async fn it_judges_a_secret_that_this_request_has_replaced(backend: Backend) {
    let node = Node::cached(&backend).await;
    let old = node.log_in_warm("ferris").await;
    let rotated = node.get("/rotated-inside").cookie(&old).send().await;
    let new = rotated.expect(StatusCode::OK).cookie();
    node.me(&old).await.expect(StatusCode::UNAUTHORIZED);
    node.me(&new).await.expect(StatusCode::OK);
}

/// The response with the new secret may be lost.
async fn it_does_not_take_a_secret_of_this_request_for_presented(backend: Backend) {
    let node = Node::cached(&backend).await;
    let cookie = node.log_in_warm("ferris").await;
    let id = node.id(&cookie).await;
    assert_eq!(node.loads_for("/exchanged-inside", &cookie, StatusCode::OK).await, 1);
    let Load::Live(loaded) = node.store.load(id).await.unwrap() else { panic!("it is live") };
    assert_eq!(loaded.secrets.rotation, RotationState::Exchangeable);
}

#[test]
fn the_table_of_policies_names_it() {
    use crate::application::UserSession;
    use anchor::guard::{Authoritative, Fresh, Policy};

    type Both = (Fresh<600>, Authoritative);
    const { assert!(<Both as Policy<UserSession>>::AUTHORITATIVE) };
    const { assert!(!<Fresh<600> as Policy<UserSession>>::AUTHORITATIVE) };
    assert_eq!(<Both as Policy<UserSession>>::describe(), "fresh 10m, authoritative");
}
