//! What holds for every takeover.

use axum::http::{StatusCode, header};
use axum::response::Response;
use tokio::task::JoinSet;

use crate::scene::{Old, Scene, assert_removed, send, set_cookie, text};

const FERRIS: &str = r#"{"user_id":1,"taken_over":true}"#;

pub(crate) async fn a_live_session_is_taken_over_once<O: Old>() {
    let Some(scene) = Scene::<O>::start().await else { return };
    let old = scene.old.log_in().await;
    assert!(scene.old.accepts(&old).await);

    let response = scene.get("/me?page=2", &old).await;
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(response.headers()[header::LOCATION], "/me?page=2");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    assert_removed::<O>(&response);
    let new = set_cookie(&response, "__Host-id").expect("a new cookie");

    for _ in 0..2 {
        let response = scene.get("/me", &new).await;
        assert_eq!(set_cookie(&response, "id"), None);
        assert_eq!(text(response).await, FERRIS);
    }
    scene.assert_refused(&old).await;
    assert!(!scene.old.accepts(&old).await, "it is used up for the old application as well");
    assert_eq!(text(scene.get("/me", &new).await).await, FERRIS);
}

pub(crate) async fn parallel_requests_take_it_over_once<O: Old>() {
    let Some(scene) = Scene::<O>::start().await else { return };
    for _ in 0..5 {
        let old = scene.old.log_in().await;
        let mut requests = JoinSet::new();
        for _ in 0..8 {
            let (app, old) = (scene.app.clone(), old.clone());
            requests.spawn(async move { send(&app, "GET", "/me", &old, "").await });
        }
        let responses = requests.join_all().await;
        let is_taken_over = |response: &&Response| set_cookie(response, "__Host-id").is_some();
        assert_eq!(responses.iter().filter(is_taken_over).count(), 1);
        let statuses = responses.iter().map(Response::status);
        assert_eq!(statuses.filter(|status| *status == StatusCode::UNAUTHORIZED).count(), 7);
    }
}

pub(crate) async fn after_a_logout_the_old_cookie_logs_nobody_in<O: Old>() {
    let Some(scene) = Scene::<O>::start().await else { return };
    let old = scene.old.log_in().await;
    let new = scene.take_over(&old).await;
    let response = scene.post("/logout", &new, "").await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    scene.assert_refused(&old).await;

    // A logout that is the first request of the old cookie: the browser repeats it.
    let old = scene.old.log_in().await;
    let response = scene.post("/logout", &old, "").await;
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    let new = set_cookie(&response, "__Host-id").expect("a new cookie");
    let response = scene.post("/logout", &new, "").await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    scene.assert_refused(&old).await;
}

/// The browser kept an old cookie beside the new one. It must not survive the logout.
pub(crate) async fn beside_a_session_the_old_one_is_used_up<O: Old>() {
    let Some(scene) = Scene::<O>::start().await else { return };
    let old = scene.old.log_in().await;
    let form = "name=ferris&password=rustacean";
    let response = scene.post("/login", "", form).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let new = set_cookie(&response, "__Host-id").expect("a new cookie");

    let response = scene.get("/me", &format!("{new}; {old}")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(set_cookie(&response, "__Host-id"), None);
    assert_removed::<O>(&response);
    assert_eq!(text(response).await, r#"{"user_id":1,"taken_over":false}"#);
    scene.assert_refused(&old).await;
}

pub(crate) async fn an_expired_session_is_refused<O: Old>() {
    let Some(scene) = Scene::<O>::start().await else { return };
    let old = scene.old.log_in().await;
    scene.old.expire(&old).await;
    scene.assert_refused(&old).await;
}

pub(crate) async fn a_forged_cookie_is_refused<O: Old>() {
    let Some(scene) = Scene::<O>::start().await else { return };
    let old = scene.old.log_in().await;
    let (name, value) = old.split_once('=').unwrap();
    let forge = |at: usize| {
        let mut value = value.to_owned();
        let other = if &value[at..=at] == "A" { "B" } else { "A" };
        value.replace_range(at..=at, other);
        format!("{name}={value}")
    };
    for at in [0, 5, value.len() / 2, value.len() - 4] {
        scene.assert_refused(&forge(at)).await;
    }
    for value in
        ["x", "%00", "%FF", "a.b.c", &value[1..], &value[..value.len() - 1], &value.repeat(2)]
    {
        scene.assert_refused(&format!("{name}={value}")).await;
    }
    // Two of them: none is used.
    scene.assert_refused(&format!("{old}; {}", forge(0))).await;
    // Nothing of this has touched the session, nor does a cookie of another application.
    scene.take_over(&format!("name=J\u{f6}rg; {old}")).await;
}

pub(crate) async fn a_logout_everywhere_ends_what_was_not_taken_over<O: Old>() {
    let Some(scene) = Scene::<O>::start().await else { return };
    let (old, elsewhere) = (scene.old.log_in().await, scene.old.log_in().await);
    let new = scene.take_over(&old).await;
    let response = scene.post("/logout-everywhere", &new, "").await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(scene.get("/me", &new).await.status(), StatusCode::UNAUTHORIZED);
    scene.assert_refused(&elsewhere).await;
}

pub(crate) async fn a_takeover_proves_nothing<O: Old>() {
    let Some(scene) = Scene::<O>::start().await else { return };
    let new = scene.take_over(&scene.old.log_in().await).await;
    let response = scene.post("/email", &new, "").await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(text(response).await.contains("reauthentication_required"));

    let response = scene.post("/confirm", &new, "password=guess").await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(scene.post("/email", &new, "").await.status(), StatusCode::FORBIDDEN);

    let response = scene.post("/confirm", &new, "password=rustacean").await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let new = set_cookie(&response, "__Host-id").expect("a new secret");
    assert_eq!(scene.post("/email", &new, "").await.status(), StatusCode::NO_CONTENT);
}

/// The session and its cookie are left for the next request.
pub(crate) async fn a_failure_of_the_database_loses_nothing<O: Old>() {
    let Some(scene) = Scene::<O>::start().await else { return };
    let old = scene.old.log_in().await;
    scene.execute("ALTER TABLE user_sessions RENAME TO elsewhere").await;
    let response = scene.get("/me", &old).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers().get(header::SET_COOKIE), None);
    scene.execute("ALTER TABLE elsewhere RENAME TO user_sessions").await;
    scene.take_over(&old).await;
}

/// Makes a test of each of these for an old application.
macro_rules! moves {
    ($old:ty: $($test:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                crate::moves::$test::<$old>().await;
            }
        )*
    };
}
pub(crate) use moves;
