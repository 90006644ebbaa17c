//! Login: what it sets, what it ends.

use std::sync::{Arc, Mutex};

use anchor::prelude::*;
use anchor::store::{Load, NewSession};
use anchor::token::{LastingHash, SecretHash};
use anchor::{Error, StoreErrorKind};
use anchor_tests::{Backend, Verb};
use axum::Router;
use axum::routing::post;
use http::StatusCode;
use http::header::{CACHE_CONTROL, VARY};

use crate::application::{Application, UserSession};
use crate::tokens::{bytes_of, id_of};

on_every_store![
    login_sets_exactly_one_cookie_with_the_promised_attributes_then_me_gives_the_payload,
    every_login_mints_a_new_id_and_a_new_secret,
    login_over_a_live_session_kills_the_old_cookie_at_once,
    login_over_a_cookie_that_is_dead_or_forged_succeeds,
    login_with_two_different_cookies_ends_both_sessions,
    two_logins_in_one_request_send_one_cookie_the_last,
    a_login_after_the_response_leaves_no_session,
    create_over_an_existing_id_is_refused,
    a_login_that_the_store_refuses_changes_nothing,
    a_handler_that_fails_after_a_login_sends_no_cookie_and_leaves_no_session,
    a_login_whose_response_is_never_made_leaves_no_session,
    a_client_that_leaves_during_the_login_leaves_no_session,
    a_client_that_leaves_a_request_stays_logged_in,
    a_logout_that_was_not_waited_for_leaves_a_later_login_alone,
    a_login_while_the_old_session_is_loaded_stands,
    a_response_with_a_token_is_kept_by_no_cache,
];

async fn login_sets_exactly_one_cookie_with_the_promised_attributes_then_me_gives_the_payload(
    backend: Backend,
) {
    let app = Application::start(&backend).await;
    let ferris = UserSession::of("ferris");
    let login = app.post("/login").json(&ferris).send().await.expect(StatusCode::OK);
    let token = login.token();
    assert_eq!(token.len(), 110);
    assert_eq!(
        login.set_cookie(),
        format!("__Host-id={token}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=1209600")
    );
    assert_eq!(login.header(CACHE_CONTROL), Some("no-store"));
    assert_eq!(login.header(VARY), Some("cookie"));
    assert_eq!(login.text(), format!("\"{}\"", id_of(&login.cookie())));

    let me = app.me(login.cookie()).await.expect(StatusCode::OK);
    assert_eq!(serde_json::from_slice::<UserSession>(&me.body).unwrap(), ferris);
    assert!(me.set_cookies().is_empty(), "nothing changed, so nothing is set: {me:?}");
    assert_eq!(me.header(CACHE_CONTROL), Some("no-store"));
    assert_eq!(me.header(VARY), Some("cookie"));
}

async fn every_login_mints_a_new_id_and_a_new_secret(backend: Backend) {
    let app = Application::start(&backend).await;
    let first = app.log_in("ferris").await;
    let second = app.log_in_over("ferris", &first).await;
    let third = app.log_in("ferris").await;
    let [first, second, third] = [&first, &second, &third].map(|cookie| bytes_of(cookie));
    for (a, b) in [(&first, &second), (&second, &third), (&first, &third)] {
        assert_ne!(a[2..18], b[2..18], "the id");
        assert_ne!(a[18..50], b[18..50], "the secret");
    }
}

async fn login_over_a_live_session_kills_the_old_cookie_at_once(backend: Backend) {
    let app = Application::start(&backend).await;
    let old = app.log_in("ferris").await;
    let new = app.log_in_over("corro", &old).await;
    app.me(&old).await.expect(StatusCode::UNAUTHORIZED);
    assert!(!app.is_live(id_of(&old)).await);
    let me = app.me(&new).await.expect(StatusCode::OK);
    assert_eq!(serde_json::from_slice::<UserSession>(&me.body).unwrap().name, "corro");
}

async fn login_over_a_cookie_that_is_dead_or_forged_succeeds(backend: Backend) {
    let app = Application::start(&backend).await;
    let dead = app.log_in("ferris").await;
    app.log_out(&dead).await.expect(StatusCode::NO_CONTENT);
    for cookie in [dead.as_str(), "__Host-id=forged", "__Host-id="] {
        let new = app.log_in_over("ferris", cookie).await;
        app.me(&new).await.expect(StatusCode::OK);
    }
}

async fn login_with_two_different_cookies_ends_both_sessions(backend: Backend) {
    let app = Application::start(&backend).await;
    let (one, other) = (app.log_in("ferris").await, app.log_in("corro").await);
    let new = app.log_in_over("ferris", &format!("{one}; {other}")).await;
    app.me(&one).await.expect(StatusCode::UNAUTHORIZED);
    app.me(&other).await.expect(StatusCode::UNAUTHORIZED);
    app.me(&new).await.expect(StatusCode::OK);
}

async fn two_logins_in_one_request_send_one_cookie_the_last(backend: Backend) {
    let twice = async |auth: Auth<UserSession>| {
        let first = auth.login(UserSession::of("first")).await?.id();
        auth.login(UserSession::of("last")).await?;
        Ok::<_, Error>(first.to_string())
    };
    let app = Application::with_routes(&backend, Router::new().route("/twice", post(twice))).await;
    let login = app.post("/twice").send().await.expect(StatusCode::OK);
    let me = app.me(login.cookie()).await.expect(StatusCode::OK);
    assert_eq!(serde_json::from_slice::<UserSession>(&me.body).unwrap().name, "last");
    assert!(!app.is_live(login.text().parse().unwrap()).await, "the first login's session ended");
}

async fn a_login_after_the_response_leaves_no_session(backend: Backend) {
    let kept: Arc<Mutex<Option<Auth<UserSession>>>> = Arc::default();
    let keeper = Arc::clone(&kept);
    let keep = move |auth: Auth<UserSession>| async move {
        *keeper.lock().unwrap() = Some(auth);
    };
    let app = Application::with_routes(&backend, Router::new().route("/keep", post(keep))).await;
    app.post("/keep").send().await.expect(StatusCode::OK);
    let auth = kept.lock().unwrap().take().unwrap();
    let late = auth.login(UserSession::of("late")).await;
    assert!(matches!(late, Err(Error::ResponseBegun)), "{late:?}");
    assert!(app.sessions.list(&"late".to_owned()).await.unwrap().is_empty());
}

async fn create_over_an_existing_id_is_refused(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    let usurper = Arc::new(UserSession::of("usurper"));
    let (lasting, secret) = (LastingHash::from_bytes([0; 32]), SecretHash::from_bytes([1; 32]));
    let again =
        app.store.inner().create(NewSession::new(id_of(&cookie), lasting, secret, usurper)).await;
    assert_eq!(again.unwrap_err().kind(), StoreErrorKind::Constraint);
    let me = app.me(&cookie).await.expect(StatusCode::OK);
    assert_eq!(serde_json::from_slice::<UserSession>(&me.body).unwrap().name, "ferris");

    // Not even over an ended one: ended is for good.
    app.log_out(&cookie).await.expect(StatusCode::NO_CONTENT);
    app.me(&cookie).await.expect(StatusCode::UNAUTHORIZED);
}

async fn a_login_that_the_store_refuses_changes_nothing(backend: Backend) {
    let app = Application::start(&backend).await;
    let cookie = app.log_in("ferris").await;
    app.store.fail(Verb::Create, true);
    let login = app.post("/login").cookie(&cookie).json(&UserSession::of("corro")).send().await;
    let login = login.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert!(login.set_cookies().is_empty(), "{login:?}");
    app.me(&cookie).await.expect(StatusCode::OK);
    let loaded = app.store.inner().load(id_of(&cookie)).await.unwrap();
    assert!(matches!(loaded, Load::Live(_)));
}

async fn a_handler_that_fails_after_a_login_sends_no_cookie_and_leaves_no_session(
    backend: Backend,
) {
    let failing = |status: StatusCode| {
        post(async move |auth: Auth<UserSession>| {
            auth.login(UserSession::of("failing")).await.unwrap();
            status
        })
    };
    let routes = Router::new()
        .route("/conflict", failing(StatusCode::CONFLICT))
        .route("/broken", failing(StatusCode::INTERNAL_SERVER_ERROR))
        .route("/fine", failing(StatusCode::CREATED));
    let app = Application::with_routes(&backend, routes).await;
    let failing = "failing".to_owned();
    for (path, status) in
        [("/conflict", StatusCode::CONFLICT), ("/broken", StatusCode::INTERNAL_SERVER_ERROR)]
    {
        let answer = app.post(path).send().await.expect(status);
        assert!(answer.set_cookies().is_empty(), "{answer:?}");
        assert!(app.sessions.list(&failing).await.unwrap().is_empty(), "{path}");
    }
    let cookie = app.post("/fine").send().await.expect(StatusCode::CREATED).cookie();
    app.me(&cookie).await.expect(StatusCode::OK);
}

async fn a_response_with_a_token_is_kept_by_no_cache(backend: Backend) {
    const DIRECTIVES: [(&str, &str); 5] = [
        ("cache-control", "public, max-age=600"),
        ("cdn-cache-control", "max-age=600"),
        ("surrogate-control", "max-age=600"),
        ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
        ("x-accel-expires", "600"),
    ];
    let login = async |auth: Auth<UserSession>| {
        auth.login(UserSession::of("ferris")).await.unwrap();
        DIRECTIVES
    };
    let read = async |_: Session<UserSession>| DIRECTIVES;
    let routes = Router::new().route("/cached", post(login)).route("/read", post(read));
    let app = Application::with_routes(&backend, routes).await;
    let answer = app.post("/cached").send().await.expect(StatusCode::OK);
    let cookie = answer.cookie();
    for (name, _) in DIRECTIVES {
        let name: http::HeaderName = name.parse().unwrap();
        let expected = (name == http::header::CACHE_CONTROL).then_some("no-store");
        assert_eq!(answer.header(name.clone()), expected, "{name}");
    }
    // Who merely reads the session knows best.
    let answer = app.post("/read").cookie(&cookie).send().await.expect(StatusCode::OK);
    for (name, value) in DIRECTIVES {
        assert_eq!(answer.header(name.parse().unwrap()), Some(value));
    }
}

/// The handler panics, or its client leaves.
async fn a_login_whose_response_is_never_made_leaves_no_session(backend: Backend) {
    let panicking = async |auth: Auth<UserSession>| {
        auth.login(UserSession::of("lost")).await.unwrap();
        let fails = true;
        assert!(!fails, "on purpose, after the login");
    };
    let waiting = async |auth: Auth<UserSession>| {
        auth.login(UserSession::of("lost")).await.unwrap();
        std::future::pending::<()>().await;
    };
    let routes =
        Router::new().route("/panicking", post(panicking)).route("/waiting", post(waiting));
    let app = Application::with_routes(&backend, routes).await;
    let lost = "lost".to_owned();
    for path in ["/panicking", "/waiting"] {
        let request = app.post(path).try_send();
        let _ = tokio::time::timeout(std::time::Duration::from_millis(700), request).await;
        let mut tries = 0;
        while !app.sessions.list(&lost).await.unwrap().is_empty() {
            tries += 1;
            assert!(tries < 1_000, "{path}: a session is left whose token nobody has");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
    assert_eq!(app.store.calls(Verb::Create), 2);
}

/// The store has been asked to create the session when its client goes.
async fn a_client_that_leaves_during_the_login_leaves_no_session(backend: Backend) {
    let app = Application::start(&backend).await;
    let hold = app.store.hold(Verb::Create);
    let login = app.post("/login").json(&UserSession::of("gone")).try_send();
    tokio::select! {
        _ = login => panic!("the login is held"),
        () = hold.reached() => {}
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    hold.release();
    let gone = "gone".to_owned();
    let mut tries = 0;
    while app.store.calls(Verb::Revoke) == 0 {
        tries += 1;
        assert!(tries < 1_000, "nobody ends the session whose token nobody has");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    assert!(app.sessions.list(&gone).await.unwrap().is_empty());
}

/// Only a login needs its response.
async fn a_client_that_leaves_a_request_stays_logged_in(backend: Backend) {
    /// Says that the handler's future was dropped.
    struct Dropped(Arc<tokio::sync::Notify>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }

    let gone = Arc::new(tokio::sync::Notify::new());
    let waiting = {
        let gone = Arc::clone(&gone);
        async move |_: Session<UserSession>| {
            let _dropped = Dropped(gone);
            std::future::pending::<()>().await;
        }
    };
    let app =
        Application::with_routes(&backend, Router::new().route("/waiting", post(waiting))).await;
    let cookie = app.log_in("ferris").await;
    let request = app.post("/waiting").cookie(&cookie).try_send();
    let _ = tokio::time::timeout(std::time::Duration::from_millis(300), request).await;
    gone.notified().await;
    assert_eq!(app.sessions.shutdown().await, 0, "nothing is left to be done");
    assert_eq!(app.store.calls(Verb::Revoke), 0);
    app.me(&cookie).await.expect(StatusCode::OK);
}

async fn a_logout_that_was_not_waited_for_leaves_a_later_login_alone(backend: Backend) {
    let held: Arc<Mutex<Option<anchor_tests::Hold>>> = Arc::default();
    let released = Arc::clone(&held);
    let switch = async move |auth: Auth<UserSession>| {
        let logout = tokio::time::timeout(std::time::Duration::from_millis(200), auth.logout());
        assert!(logout.await.is_err(), "it is held");
        auth.login(UserSession::of("corro")).await?;
        released.lock().unwrap().take().unwrap().release();
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        Ok::<_, Error>(())
    };
    let app =
        Application::with_routes(&backend, Router::new().route("/switch", post(switch))).await;
    let old = app.log_in("ferris").await;
    *held.lock().unwrap() = Some(app.store.hold(Verb::Revoke));
    let new = app.post("/switch").cookie(&old).send().await.expect(StatusCode::OK);
    assert!(!new.set_cookie().contains("Max-Age=0"), "{new:?}");
    app.me(&new.cookie()).await.expect(StatusCode::OK);
    app.me(&old).await.expect(StatusCode::UNAUTHORIZED);
}

async fn a_login_while_the_old_session_is_loaded_stands(backend: Backend) {
    let held: Arc<Mutex<Option<anchor_tests::Hold>>> = Arc::default();
    let switch = {
        let held = Arc::clone(&held);
        async move |auth: Auth<UserSession>| {
            let hold = held.lock().unwrap().take().unwrap();
            let login = async {
                hold.reached().await;
                let login = auth.login(UserSession::of("corro")).await;
                hold.release();
                login.map(drop)
            };
            let (session, login) = tokio::join!(auth.session(), login);
            login?;
            Ok::<_, Error>(session?.map_or_else(String::new, |session| session.name.clone()))
        }
    };
    let app =
        Application::with_routes(&backend, Router::new().route("/switch", post(switch))).await;
    let old = app.log_in("ferris").await;
    *held.lock().unwrap() = Some(app.store.hold_answer_of_next_load());
    let new = app.post("/switch").cookie(&old).send().await.expect(StatusCode::OK);
    assert_eq!(new.text(), "corro");
    app.me(&new.cookie()).await.expect(StatusCode::OK);
    app.me(&old).await.expect(StatusCode::UNAUTHORIZED);
}
