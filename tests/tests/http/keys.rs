//! Keys that are rotated and retired while sessions live.

use std::time::Duration;

use anchor::frontend::Bearer;
use anchor::prelude::*;
use anchor::store::{Load, OldSecret, Rotated, Rotation};
use anchor::token::SecretHash;
use anchor_tests::{Backend, Hold, Verb, Watched};
use axum::Router;
use axum::routing::get;
use http::StatusCode;

use crate::application::{Application, KEY, UserSession};
use crate::tokens::{bytes_of, id_of};

const NEW_KEY: [u8; 32] = *b"the key that replaces the former";

on_every_store![
    a_token_of_an_old_key_is_accepted_and_signed_again_with_the_newest,
    a_token_of_a_removed_key_is_refused,
    a_token_is_not_signed_again_when_the_store_cannot_rotate,
    a_token_is_not_signed_again_when_the_session_has_ended_meanwhile,
    a_token_is_not_signed_again_when_another_request_has_rotated_the_session,
    a_bearer_token_of_an_old_key_costs_no_more_than_another,
    a_logout_by_a_node_that_does_not_know_the_key_does_not_claim_success,
];

/// An application over the rows of another one, with other keys.
async fn with_keys(store: &Watched<UserSession>, keys: &[[u8; 32]], more: Router) -> Application {
    let keys = KeyRing::new(keys.to_vec()).unwrap();
    Application::assemble(store.clone(), |sessions| sessions.keys(keys), more).await
}

async fn a_token_of_an_old_key_is_accepted_and_signed_again_with_the_newest(backend: Backend) {
    let before = Application::start(&backend).await;
    let old = before.log_in("ferris").await;
    let after = with_keys(&before.store, &[NEW_KEY, KEY], Router::new()).await;
    before.store.reset();
    let me = after.me(&old).await.expect(StatusCode::OK);
    let new = me.cookie();
    assert_eq!(before.store.calls(Verb::Rotate), 1, "one winner, of however many requests");
    assert_eq!(before.store.all_calls(), 2);
    let (old_bytes, new_bytes) = (bytes_of(&old), bytes_of(&new));
    assert_ne!(old_bytes[1], new_bytes[1], "another key");
    assert_eq!(old_bytes[2..34], new_bytes[2..34], "the same id and lasting half");
    assert_ne!(old_bytes[34..50], new_bytes[34..50], "another secret");
    let max_age: u64 = me.set_cookie().rsplit_once("Max-Age=").unwrap().1.parse().unwrap();
    assert!((1_209_600 - 60..=1_209_600).contains(&max_age), "until the deadline: {max_age}");
    assert!(me.set_cookie().contains("; HttpOnly; SameSite=Lax; Secure; Path=/; "));

    let again = after.me(&new).await.expect(StatusCode::OK);
    assert!(again.set_cookies().is_empty(), "a token of the newest key is left as it is");
    let retired = with_keys(&before.store, &[NEW_KEY], Router::new()).await;
    retired.me(&new).await.expect(StatusCode::OK);
    retired.me(&old).await.expect(StatusCode::UNAUTHORIZED);
}

async fn a_token_of_a_removed_key_is_refused(backend: Backend) {
    let before = Application::start(&backend).await;
    let old = before.log_in("ferris").await;
    let retired = with_keys(&before.store, &[NEW_KEY], Router::new()).await;
    before.store.reset();
    let refused = retired.me(&old).await.expect(StatusCode::UNAUTHORIZED);
    assert!(refused.set_cookies().is_empty());
    assert_eq!(before.store.all_calls(), 0);
}

async fn a_token_is_not_signed_again_when_the_store_cannot_rotate(backend: Backend) {
    let before = Application::start(&backend).await;
    let old = before.log_in("ferris").await;
    let after = with_keys(&before.store, &[NEW_KEY, KEY], Router::new()).await;
    before.store.fail(Verb::Rotate, true);
    let me = after.me(&old).await.expect(StatusCode::OK);
    assert!(me.set_cookies().is_empty(), "{me:?}");
    before.store.fail(Verb::Rotate, false);
    assert_eq!(after.me(&old).await.expect(StatusCode::OK).set_cookies().len(), 1);
}

async fn a_token_is_not_signed_again_when_the_session_has_ended_meanwhile(backend: Backend) {
    let hold = Hold::default();
    let slow = {
        let hold = hold.clone();
        get(async move |_: Session<UserSession>| hold.pass().await)
    };
    let before = Application::start(&backend).await;
    let old = before.log_in("ferris").await;
    let after = with_keys(&before.store, &[NEW_KEY, KEY], Router::new().route("/slow", slow)).await;
    let slow = after.get("/slow").cookie(&old).send();
    let logout = async {
        hold.reached().await;
        after.log_out(&old).await.expect(StatusCode::NO_CONTENT);
        hold.release();
    };
    let (slow, ()) = tokio::join!(slow, logout);
    assert!(slow.expect(StatusCode::OK).set_cookies().is_empty());
    assert!(!after.is_live(id_of(&old)).await);

    // And when it ends between the handler's answer and the rotation.
    let old = before.log_in("ferris").await;
    let hold = before.store.hold(Verb::Rotate);
    let me = after.get("/me").cookie(&old).send();
    let revoke = async {
        hold.reached().await;
        assert!(after.sessions.revoke(id_of(&old)).await.unwrap());
        hold.release();
    };
    let (me, ()) = tokio::join!(me, revoke);
    assert!(me.expect(StatusCode::OK).set_cookies().is_empty());
    assert!(!after.is_live(id_of(&old)).await);
}

async fn a_token_is_not_signed_again_when_another_request_has_rotated_the_session(
    backend: Backend,
) {
    let before = Application::start(&backend).await;
    let old = before.log_in("ferris").await;
    let id = id_of(&old);
    let after = with_keys(&before.store, &[NEW_KEY, KEY], Router::new()).await;
    let hold = before.store.hold(Verb::Rotate);
    let me = after.get("/me").cookie(&old).send();
    let rotation = async {
        hold.reached().await;
        let store = before.store.inner();
        let Load::Live(loaded) = store.load(id).await.unwrap() else { panic!("not live") };
        let to = SecretHash::from_bytes([9; 32]);
        let grace = Duration::from_secs(60);
        let from = loaded.secrets.current;
        let rotation = Rotation {
            id,
            from,
            to,
            grace,
            old: OldSecret::Exchanged,
            idle: Duration::from_secs(3600),
        };
        assert_eq!(store.rotate(rotation).await.unwrap(), Rotated::Written);
        hold.release();
    };
    let (me, ()) = tokio::join!(me, rotation);
    assert!(me.expect(StatusCode::OK).set_cookies().is_empty(), "the former secret comes back");
}

/// Nothing that a response could carry replaces it.
async fn a_bearer_token_of_an_old_key_costs_no_more_than_another(backend: Backend) {
    let before = Application::configured(&backend, |sessions| sessions.frontend(Bearer)).await;
    let token = async |auth: Auth<UserSession>| {
        let login = auth.login(UserSession::of("ferris")).await.unwrap();
        login.token().expose().to_owned()
    };
    let keys = KeyRing::new([NEW_KEY, KEY]).unwrap();
    let after = Application::assemble(
        before.store.clone(),
        |sessions| sessions.frontend(Bearer).keys(keys),
        Router::new(),
    )
    .await;
    let before = Application::assemble(
        before.store.clone(),
        |sessions| sessions.frontend(Bearer),
        Router::new().route("/token", axum::routing::post(token)),
    )
    .await;
    let bearer = format!("Bearer {}", before.post("/token").send().await.text());
    after.store.reset();
    for _ in 0..5 {
        let me = after.get("/me").header(http::header::AUTHORIZATION, &bearer).send().await;
        me.expect(StatusCode::OK);
    }
    assert_eq!((after.store.calls(Verb::Load), after.store.all_calls()), (5, 5));
}

/// Half way through a change of keys: the token of a node that has the new one reaches a node that
/// has not.
async fn a_logout_by_a_node_that_does_not_know_the_key_does_not_claim_success(backend: Backend) {
    let old_node = Application::start(&backend).await;
    let new_node = with_keys(&old_node.store, &[NEW_KEY, KEY], Router::new()).await;
    let cookie = new_node.log_in("ferris").await;
    let logout = old_node.log_out(&cookie).await.expect(StatusCode::UNAUTHORIZED);
    assert!(logout.set_cookies().is_empty());
    new_node.me(&cookie).await.expect(StatusCode::OK);
    new_node.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
    new_node.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}
